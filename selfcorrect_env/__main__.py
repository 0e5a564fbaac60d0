"""``python -m selfcorrect_env ARGS`` is ``selfcorrect ARGS``."""

import sys

from selfcorrect_env.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
