"""The commands that this package adds to the console script ``selfcorrect``."""
