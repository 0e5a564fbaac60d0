"""Pre-training data of the tiny models: one file per task, and `TASKS`, the table of tasks.

All corpora have the same structure: even rows have one turn, odd rows two. A reply has its answer
*first* and the working after it, so at the first attempt the answer is a guess, while the working
is nearly always right. At the second attempt the first reply is in the context, so a model that
compares the guess with its own working can correct it. The data rarely show this: second replies
copy the first answer (two thirds), spoil it (almost a third) or fix it (a few percent,
`TinyConfig.fix`).
"""

from __future__ import annotations

from selfcorrect_agents.lm.tiny.config import TinyConfig
from selfcorrect_agents.lm.tiny.corpora import arithmetic, toycode
from selfcorrect_agents.lm.tiny.corpora.task import Corpus, Task
from selfcorrect_env import UnknownNameError

__all__ = ["TASKS", "Corpus", "Task", "corpus", "find_task"]

TASKS: dict[str, Task] = {"arithmetic": arithmetic.TASK, "toycode": toycode.TASK}
"""The tasks by the name of their problem set."""


def find_task(name: str) -> Task:
    """Return the task called ``name``.

    Raises:
        UnknownNameError: there is no such task.
    """
    if name not in TASKS:
        raise UnknownNameError.of("task of the tiny model", name, TASKS)
    return TASKS[name]


def corpus(config: TinyConfig, count: int) -> Corpus:
    """Return ``count`` pre-training conversations of ``config.task``'s training split."""
    return find_task(config.task).corpus(config, count)
