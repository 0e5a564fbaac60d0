"""An environment of your own: a subclass of `SelfCorrectEnv` that says whether an answer is right.

    python examples/own_env.py

In the paper's setting the instruction to correct does not say whether there is an error. How much
would it help to know? `Told` appends that to the instruction. It is run as it is: `evaluate` and
``learn`` step a subclass that overrides ``reset`` or ``step`` one episode after another.
"""

from __future__ import annotations

from typing import Any

import tyro

from selfcorrect_env import Conversation, Message, SelfCorrectEnv, evaluate

RIGHT, WRONG = "Your answer is right.", "Your answer is wrong."


class Told(SelfCorrectEnv):
    """The environment, with a word on each answer that is not the last."""

    def step(self, action: str) -> tuple[Conversation, float, bool, bool, dict[str, Any]]:
        """Give the next reply; the instruction after it says whether it was right."""
        conversation, reward, terminated, truncated, info = super().step(action)
        if not terminated:
            word = RIGHT if info["verdict"].correct else WRONG
            told = f"{word}\n{conversation[-1]['content']}"
            conversation = (*conversation[:-1], Message(role="user", content=told))
        return conversation, float(reward), terminated, truncated, info


def counts_up(conversation: Conversation) -> str:
    """Answer 3 first; then keep an answer that is right, else answer the next digit."""
    if len(conversation) == 1:
        return "3"
    answer = conversation[-2]["content"]
    return answer if conversation[-1]["content"].startswith(RIGHT) else str((int(answer) + 1) % 10)


def main(problems: int = 200, attempts: int = 2) -> None:
    """Measure an agent that listens to that word, with and without it.

    Args:
        problems: how many problems.
        attempts: attempts at each.
    """
    for make in (SelfCorrectEnv, Told):
        print(evaluate(counts_up, make("arithmetic", attempts=attempts), n=problems))


if __name__ == "__main__":
    tyro.cli(main)
