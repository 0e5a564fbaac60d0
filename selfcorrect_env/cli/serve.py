"""``selfcorrect serve``: the environment as an OpenEnv server."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec

from selfcorrect_env.cli.options import EnvOptions, at_least, make_env, parse
from selfcorrect_env.env import SelfCorrectEnv
from selfcorrect_env.errors import UsageError
from selfcorrect_env.problems import has_splits
from selfcorrect_env.registration import registered_options
from selfcorrect_env.serving.plain import plain_env

ABOUT = """\
Serve an environment over OpenEnv's protocol, to trainers and clients on this or other machines.
Each WebSocket session (/ws) plays its own episodes. /docs describes the HTTP routes, and
'openenv validate --url URL' checks the server. Ctrl-C stops it.

Examples:
  selfcorrect serve --env SelfCorrect-Arithmetic-v0 --port 8000
  selfcorrect serve --env SelfCorrect-GSM8K-v0 --path gsm8k_test.jsonl --split test --port 0
  selfcorrect serve --env SelfCorrect-MATH-v0 --host 0.0.0.0 --sessions 256

A client, in Python:
  from selfcorrect_env.serving.openenv import SelfCorrectClient
  with SelfCorrectClient(base_url="http://127.0.0.1:8000").sync() as client:
      messages = client.reset(index=0).observation.messages
      result = client.step("3")

The server has no passwords: on --host 0.0.0.0, everyone who reaches the port can use it."""


@dataclass(frozen=True, kw_only=True)
class ServeOptions(EnvOptions):
    """What is served, and where."""

    env: str
    """The environment's id, such as SelfCorrect-Arithmetic-v0."""
    port: int = 8000
    """The port; 0 takes a free one."""
    host: str = "127.0.0.1"
    """The address to listen on; 0.0.0.0 for every network of this machine."""
    sessions: int = 64
    """Sessions that may be open at once; one more is refused."""


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status when the server is stopped."""
    options = parse(ServeOptions, argv, prog="selfcorrect serve", about=ABOUT)
    at_least(1, sessions=options.sessions)
    if find_spec("openenv") is None:
        raise UsageError("The command 'serve' needs pip install \"selfcorrect-env[openenv]\"")
    from selfcorrect_env.serving.openenv.app import bind, build_app, run

    listening = bind(options.host, options.port)
    envs = _envs(options)
    app = build_app(envs, name=options.env, sessions=options.sessions)
    host, port = listening.getsockname()[:2]
    sizes = ", ".join(f"{split} ({len(env.problems):,})" for split, env in envs.items())
    print(f"Serving {options.env}: {sizes} at http://{host}:{port}", flush=True)
    run(app, listening)
    return 0


def _envs(options: ServeOptions) -> dict[str, SelfCorrectEnv]:
    """Return an environment for each split that is served."""
    from selfcorrect_env.serving.openenv.app import load_splits

    registered = {} if options.problems else registered_options(options.env)
    problems = options.problems or registered.get("problems")
    if options.split or "split" in registered or not has_splits(problems, options.holdout):
        env = plain_env(make_env(options.env, options))
        return {env.problems.split: env}
    envs, missing = load_splits(
        lambda split: plain_env(make_env(options.env, replace(options, split=split)))
    )
    for split, reason in missing.items():
        print(f"The split {split!r} is not served: {reason}", flush=True)
    return envs
