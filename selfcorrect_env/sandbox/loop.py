"""An event loop for programs: it needs no sockets, which programs may not have."""

from __future__ import annotations

import time
from typing import Any

LONGEST_SLEEP = 0.01
"""Seconds after which a loop that waits looks again for what threads have given it."""


def install() -> None:
    """Let `asyncio`, which is imported here since few programs need it, make such loops."""
    import asyncio

    class Loop(asyncio.BaseEventLoop):
        def __init__(self) -> None:
            super().__init__()
            self._selector = _Timer()

        def _process_events(self, events: Any) -> None:
            pass

        def _write_to_self(self) -> None:
            pass

    class Policy(asyncio.DefaultEventLoopPolicy):
        _loop_factory = Loop

    asyncio.set_event_loop_policy(Policy())


class _Timer:
    def select(self, timeout: float | None) -> list[Any]:
        """Wait for the next timer; there are no other events."""
        time.sleep(LONGEST_SLEEP if timeout is None else max(0.0, min(timeout, LONGEST_SLEEP)))
        return []

    def close(self) -> None:
        """Do nothing."""
