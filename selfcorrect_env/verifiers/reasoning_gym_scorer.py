"""The scorers of ``reasoning-gym``; only worker processes import this module."""

from __future__ import annotations

import functools
import json
from typing import Any

from reasoning_gym.factory import create_dataset


def score(task: str, parameters: dict[str, Any], entry: dict[str, Any], answer: str) -> float:
    """Return the score of an answer by the task's own scorer, in [0, 1]."""
    return float(_task(task, json.dumps(parameters)).score_answer(answer, entry))


@functools.cache
def _task(task: str, parameters: str) -> Any:
    return create_dataset(task, size=1, seed=0, **json.loads(parameters))
