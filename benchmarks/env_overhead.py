"""How much time does the environment take, compared to bare gymnasium in the same run?

The verifier is constant and the reply is one character, so the script measures the overhead only:
microseconds per step of an episode of two steps, including the reset, with ``gym.make`` and its
default wrappers, and per step and sub-environment of ``gym.make_vec`` in its default mode. The bare
environment only returns a tuple of messages; it has the same two spaces.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym

from selfcorrect_env import Conversation, ConversationSpace, Problem, ReplySpace

ID = "SelfCorrect-Arithmetic-v0"


class BareEnv(gym.Env[Conversation, str]):
    """An environment of two steps that does no work."""

    def __init__(self) -> None:
        self.observation_space, self.action_space = ConversationSpace(), ReplySpace()
        self.steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Conversation, dict[str, Any]]:
        super().reset(seed=seed)
        self.steps = 0
        return ({"role": "user", "content": "1 + 1 = ?"},), {}

    def step(self, action: str) -> tuple[Conversation, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        return ({"role": "user", "content": action},), 1.0, self.steps == 2, False, {}


def constant(problem: Problem, response: str) -> float:
    return 1.0


def episode(env: gym.Env[Any, Any]) -> Callable[[], None]:
    def run() -> None:
        env.reset()
        env.step("2")
        env.step("2")

    return run


def microseconds(run: Callable[[], Any], calls: int, repeats: int, parts: int) -> dict[str, float]:
    """Time ``calls`` calls ``repeats`` times; each call counts as ``parts`` steps."""
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(calls):
            run()
        times.append(1e6 * (time.perf_counter() - start) / calls / parts)
    return {"median": statistics.median(times), "min": min(times)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=3000, help="episodes or vector steps timed")
    parser.add_argument(
        "--repeats", type=int, default=7, help="number of repetitions, for median and minimum"
    )
    parser.add_argument("--num-envs", type=int, default=8, help="sub-environments of make_vec")
    parser.add_argument("--out", type=Path, help="a JSON file for the results")
    options = parser.parse_args()
    n = options.num_envs
    gym.register("Bare-v0", entry_point=BareEnv)
    ours_vec = gym.make_vec(ID, n, verifier=constant)
    bare_vec = gym.make_vec("Bare-v0", n, vectorization_mode="sync")
    for env in (ours_vec, bare_vec):
        env.reset(seed=0)
    actions = ["2"] * n
    # an episode under gym.make is two steps; gymnasium's sync mode spends a third on the reset
    cases = {
        "gym.make, ours": (episode(gym.make(ID, verifier=constant)), 2),
        "gym.make, bare gymnasium": (episode(gym.make("Bare-v0")), 2),
        f"make_vec n={n}, ours": (lambda: ours_vec.step(actions), n),
        f"make_vec n={n}, bare gymnasium (sync)": (lambda: bare_vec.step(actions), n),
    }
    timings = {
        name: microseconds(run, options.calls, options.repeats, parts)
        for name, (run, parts) in cases.items()
    }
    print(f"{'µs per step (per sub-environment)':40}{'median':>9}{'min':>9}")
    for name, timing in timings.items():
        print(f"{name:40}{timing['median']:9.2f}{timing['min']:9.2f}")
    if options.out:
        options.out.write_text(json.dumps(timings, indent=2) + "\n")


if __name__ == "__main__":
    main()
