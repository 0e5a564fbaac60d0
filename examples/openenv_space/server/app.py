"""The Space's server: the environment that SELFCORRECT_ENV names, by default arithmetic.

SELFCORRECT_ENV=SelfCorrect-ToyCode-v0 uvicorn server.app:app --port 8000
"""

import os

import uvicorn

from selfcorrect_env.serving.openenv import build_app, load_splits

ID = os.environ.get("SELFCORRECT_ENV", "SelfCorrect-Arithmetic-v0")

envs, _ = load_splits(ID)
app = build_app(envs, name=ID)


def main() -> None:
    """Serve on port 8000."""
    uvicorn.run(app, host="0.0.0.0", port=8000)


if __name__ == "__main__":
    main()
