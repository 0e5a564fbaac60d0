"""`SizeLimit`: requests whose body is too large are refused before they are in memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

Event: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Event]]
Send: TypeAlias = Callable[[Event], Awaitable[None]]


class SizeLimit:
    """ASGI middleware that answers 413 to an HTTP request with more than ``most`` bytes.

    Args:
        app: the application behind it.
        most: bytes of a body.
    """

    def __init__(self, app: Callable[[Event, Receive, Send], Awaitable[None]], most: int) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Event, receive: Receive, send: Send) -> None:
        """Pass a request on unless its body is too large."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        events: list[Event] = []
        size, more = 0, True
        while more:
            event = await receive()
            events.append(event)
            size += len(event.get("body", b""))
            more = event.get("more_body", False)
            if size > self._most:
                await self._refuse(send)
                return

        async def again() -> Event:
            return events.pop(0) if events else await receive()

        await self._app(scope, again, send)

    async def _refuse(self, send: Send) -> None:
        text = f'{{"detail": "The body is larger than {self._most} bytes."}}'.encode()
        headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 413, "headers": headers})
        await send({"type": "http.response.body", "body": text})
