"""The commands of ``selfcorrect``: one module each, with ``main(argv) -> int``."""
