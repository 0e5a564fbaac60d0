"""`Null`: says nothing."""

from __future__ import annotations

from collections.abc import Sequence

from selfcorrect_env import Conversation, Reply


class Null:
    """Reference: empty replies, which score 0.

    Known: both accuracies 0, every verdict "no answer", all answers unchanged (none equals none).
    """

    name = "null"
    decoding = "empty replies"

    def act(self, conversations: Sequence[Conversation]) -> list[Reply]:
        """Return empty replies."""
        return [Reply("", tokens=0, truncated=False) for _ in conversations]
