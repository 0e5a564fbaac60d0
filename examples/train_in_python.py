"""Train SCoRe from Python, and measure what it learned.

    python examples/train_in_python.py
    python examples/train_in_python.py --model FOLDER --steps 40 --problems 50

The first run pre-trains the tiny base model, which takes about a minute, and caches it.
"""

from __future__ import annotations

import tyro

from selfcorrect_agents import SCoRe, SCoReConfig, load_policy
from selfcorrect_env import SelfCorrectEnv, evaluate


def main(model: str = "tiny", steps: int = 640, problems: int = 500) -> None:
    """Train in ``steps`` steps, 11 of 12 of them in stage I, and print both reports.

    Args:
        model: a folder, a Hugging Face id, or "tiny".
        steps: steps of both stages together, at least 2.
        problems: problems to measure on.
    """
    agent = SCoRe(load_policy(model), max_new_tokens=16)
    train, test = (SelfCorrectEnv("arithmetic", split=split) for split in ("train", "test"))
    print(evaluate(agent, test, n=problems))

    stage_two = max(1, steps // 12)
    config = SCoReConfig(stage_one_steps=steps - stage_two, stage_two_steps=stage_two)
    agent.learn(train, config, progress=True)
    print(evaluate(agent, test, n=problems))


if __name__ == "__main__":
    tyro.cli(main)
