"""Wall-clock of a cell's process, by what it was spent on, summed over interruptions."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selfcorrect_env import CheckpointError
from selfcorrect_env.evaluation import replacing

WRITE_EVERY = 5.0
"""Seconds between two writes: what a killed process loses at most."""


class Clock:
    """Adds up seconds in a JSON file: {"training": 61.2, "measuring": 8.0}.

    Args:
        path: the file; what it holds already is added to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seconds = read_seconds(path)

    @contextmanager
    def spent_on(self, what: str) -> Iterator[None]:
        """Count the time of the block as spent on ``what``; written every few seconds."""
        before, start = self._seconds.get(what, 0.0), time.monotonic()
        over = threading.Event()

        def count() -> None:
            self._seconds[what] = before + time.monotonic() - start
            with replacing(self.path) as temporary:
                temporary.write_text(json.dumps(self._seconds) + "\n", "utf-8")

        def keep_counting() -> None:
            while not over.wait(WRITE_EVERY):
                count()

        writer = threading.Thread(target=keep_counting, daemon=True)
        writer.start()
        try:
            yield
        finally:
            over.set()
            writer.join()
            count()


def read_seconds(path: Path) -> dict[str, float]:
    """Return the seconds by what they were spent on; empty where there is no file yet.

    Raises:
        CheckpointError: the file is damaged.
    """
    try:
        return dict(json.loads(path.read_bytes())) if path.is_file() else {}
    except (ValueError, TypeError) as error:
        raise CheckpointError(
            f"{path} is damaged ({error}). Delete it: the time that it holds is lost, no result."
        ) from error
