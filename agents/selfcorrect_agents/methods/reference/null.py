"""`Null`: returns empty replies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from selfcorrect_env import Conversation, Reply


class Null:
    """Reference: empty replies, which score 0.

    Known: both accuracies 0, every verdict "no answer", all answers unchanged (a missing answer
    equals a missing answer).
    """

    instrument: ClassVar[bool] = True

    name = "null"
    decoding = "empty replies"

    def act(self, conversations: Sequence[Conversation]) -> list[Reply]:
        """Return empty replies."""
        return [Reply("", tokens=0, truncated=False) for _ in conversations]
