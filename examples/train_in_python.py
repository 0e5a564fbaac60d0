"""Train SCoRe from Python, and measure what it learned.

    python examples/train_in_python.py
    python examples/train_in_python.py --model tiny:seed=1 --steps 40 --problems 50 --run runs/score

The tiny base model comes with the package; the settings are those for it. The whole run takes
minutes. docs/how-to/train.md has the settings for other models.
"""

from __future__ import annotations

import gymnasium as gym
import tyro

from selfcorrect_agents import SCoRe, SCoReConfig, load_policy
from selfcorrect_env import evaluate

ENV = "SelfCorrect-Arithmetic-v0"


def main(
    model: str = "tiny", steps: int = 640, problems: int = 500, run: str | None = None
) -> None:
    """Train in ``steps`` steps, 11 of 12 of them in stage I, and print both reports.

    Args:
        model: "tiny", or a tiny model with options.
        steps: steps of both stages together, at least 2.
        problems: problems to measure on.
        run: a folder for metrics, checkpoints and the trained model; the same call resumes it.
    """
    agent = SCoRe(load_policy(model), max_new_tokens=16)
    print(evaluate(agent, ENV, n=problems))

    stage_two = max(1, steps // 12)
    config = SCoReConfig(stage_one_steps=steps - stage_two, stage_two_steps=stage_two)
    agent.learn(gym.make(ENV, split="train"), config, run=run, progress=True)
    print(evaluate(agent, ENV, n=problems))


if __name__ == "__main__":
    tyro.cli(main)
