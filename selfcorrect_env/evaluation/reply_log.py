"""`ReplyLog`: the replies of an evaluation, written as they come, so that none is asked for twice.

One line of ``replies.jsonl`` is one reply:

    episode, attempt        numbers of its episode in the evaluation and of the attempt, from 0
    reply                   the text
    tokens, truncated       as in `Reply`
    generation              the fields of `Generation` that differ from their defaults, or null
"""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

from selfcorrect_env.errors import CheckpointError
from selfcorrect_env.evaluation.concurrent_play import Replies, ReplyKey
from selfcorrect_env.evaluation.episode_files import drop_cut_line
from selfcorrect_env.types import Generation, Reply

REPLIES_FILE = "replies.jsonl"


class ReplyLog:
    """An append-only file of replies; a last line that a crash cut short is dropped.

    Args:
        path: the file, in an existing folder; it is created with the first reply.

    Raises:
        CheckpointError: the file cannot be read, or a complete line of it is broken.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.kept: dict[ReplyKey, str] = {}
        """The replies that the file held when it was opened."""
        if self.path.exists():
            drop_cut_line(self.path)
            self.kept = _read(self.path)

    def append(self, replies: Replies) -> None:
        """Write the replies and wait until they are on the disk."""
        if not replies:
            return
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(_row(key, reply)) + "\n" for key, reply in replies)
            file.flush()
            os.fsync(file.fileno())


def _row(key: ReplyKey, reply: str) -> dict[str, Any]:
    known = reply if isinstance(reply, Reply) else Reply(reply)
    generation = known.generation
    return {
        "episode": key[0],
        "attempt": key[1],
        "reply": str(reply),
        "tokens": known.tokens,
        "truncated": known.truncated,
        "generation": None if generation is None else _changed(generation),
    }


def _changed(generation: Generation) -> dict[str, Any]:
    values = dataclasses.asdict(generation)
    defaults = dataclasses.asdict(Generation())
    return {name: value for name, value in values.items() if value != defaults[name]}


def _read(path: Path) -> dict[ReplyKey, str]:
    found: dict[ReplyKey, str] = {}
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error}") from error
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            generation = row["generation"]
            found[int(row["episode"]), int(row["attempt"])] = Reply(
                row["reply"],
                tokens=row["tokens"],
                truncated=row["truncated"],
                generation=None if generation is None else Generation(**generation),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"{path}, line {number}: not a reply: {error}") from error
    return found
