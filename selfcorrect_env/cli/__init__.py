"""The console script ``selfcorrect``: `main` finds the command, one module runs each."""
