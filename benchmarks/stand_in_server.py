"""A stand-in for an OpenAI-compatible server, on this machine: real HTTP, replies of one's own.

Faults are what real servers do: 429, 500, half of a body, a body that is no JSON, silence, a cut
connection. `stop` and `start` let it die and come back at the same address.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

Message = dict[str, Any]

FAULTS = ("429", "500", "half", "garbage", "error in a body", "silence", "cut")
"""The names of what `StandInServer` can do instead of a reply."""


def choice(text: str | None, finish_reason: str | None = "stop", **message: Any) -> dict[str, Any]:
    """Return a choice of a chat completion."""
    return {
        "index": 0,
        "finish_reason": finish_reason,
        "message": {"role": "assistant", "content": text, **message},
    }


class StandInServer:
    """Serves ``/v1/chat/completions`` in a thread; a context manager.

    Args:
        answer: from a request's messages to the reply, or to a dict of fields of the completion.
        latency: seconds that a reply takes.
        fault: from the number of a request, from 0, to what happens instead of a reply (`FAULTS`);
            "" for a reply.
    """

    def __init__(
        self,
        answer: Callable[[list[Message]], str | dict[str, Any]],
        *,
        latency: float = 0.0,
        fault: Callable[[int], str] = lambda number: "",
    ) -> None:
        self._answer, self._fault = answer, fault
        self.latency = latency
        self.requests: list[dict[str, Any]] = []
        """The body of every request that came."""
        self.headers: list[str] = []
        """The head of every request that came."""
        self.answered: Counter[str] = Counter()
        """How often each conversation, as JSON, got a whole reply."""
        self.at_once = self.most_at_once = 0
        self._port = 0
        self._loop = asyncio.new_event_loop()
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def url(self) -> str:
        """Its address, as a client takes it."""
        return f"http://127.0.0.1:{self._port}/v1"

    def __enter__(self) -> StandInServer:
        self._thread.start()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def start(self) -> None:
        """Listen, at the address of before if it listened already."""
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()

    def stop(self) -> None:
        """Die: nothing listens, and every connection is cut."""
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()

    async def _start(self) -> None:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self._port, backlog=1024
        )
        self._port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        self._server.close()
        for writer in self._open:
            writer.transport.abort()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._open.add(writer)
        try:
            while await self._exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client has left, or the server dies
        finally:
            self._tasks.discard(task)
            self._open.discard(writer)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; return whether the connection stays open."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        lines = dict(line.lower().split(": ", 1) for line in head.splitlines() if ": " in line)
        request = json.loads(await reader.readexactly(int(lines.get("content-length", 0))) or "{}")
        fault = self._fault(len(self.requests))
        self.requests.append(request)
        self.headers.append(head)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.latency)
            if fault == "silence":
                await asyncio.sleep(3600)
        finally:
            self.at_once -= 1
        status, body = self._response(request, fault)
        if fault == "cut":
            return False
        writer.write(
            _head(status, len(body)) + (body[: len(body) // 2] if fault == "half" else body)
        )
        await writer.drain()
        if status == 200 and not fault:
            self.answered[json.dumps(request["messages"])] += 1
        return fault != "half"

    def _response(self, request: dict[str, Any], fault: str) -> tuple[int, bytes]:
        if fault.isdigit():
            return int(fault), json.dumps({"error": {"message": f"fault {fault}"}}).encode()
        if fault == "garbage":
            return 200, b"<html>a proxy's page</html>"
        if fault == "error in a body":
            return 200, json.dumps({"error": {"message": "overloaded", "code": 503}}).encode()
        given = self._answer(request["messages"])
        text = given if isinstance(given, str) else ""
        words = sum(len(m["content"].split()) for m in request["messages"])
        sampled = len(text.split())
        completion = {
            "id": "stand-in",
            "object": "chat.completion",
            "created": 0,
            "model": request["model"],
            "choices": [choice(text)],
            "usage": {
                "prompt_tokens": words,
                "completion_tokens": sampled,
                "total_tokens": words + sampled,
            },
        }
        return 200, json.dumps(completion | ({} if isinstance(given, str) else given)).encode()


def _head(status: int, length: int) -> bytes:
    waits = "Retry-After: 0\r\n" if status == 429 else ""
    return (
        f"HTTP/1.1 {status} Reason\r\nContent-Type: application/json\r\n"
        f"Content-Length: {length}\r\n{waits}\r\n"
    ).encode()
