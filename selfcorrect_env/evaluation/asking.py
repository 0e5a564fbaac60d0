"""Askers: ask an agent many conversations at the same time, in the background.

`ask` returns at once; `next` waits for answers. Conversations with more replies in them are asked
first: an episode is finished before another one starts, and a server finds the beginning of the
conversation in its cache.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from selfcorrect_env.errors import AgentError, NoReplyError
from selfcorrect_env.evaluation.agents import AsyncAgent
from selfcorrect_env.types import Conversation

POLL = 0.5
"""Seconds after which a wait is taken up again, so that Ctrl-C ends it on every system."""
CLOSING = 5.0
"""Seconds that cancelled requests and open connections get to end."""


@dataclass(frozen=True, slots=True)
class Question:
    """A conversation to answer."""

    episode: int
    """The number of its episode in the evaluation."""
    sample: int
    """Which sample of its problem the episode is, from 0."""
    replies: int
    """How many replies the conversation holds."""
    conversation: Conversation


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of a question: a reply or an error."""

    question: Question | None
    """None if asking itself has failed."""
    reply: object = None
    error: BaseException | None = None


class Asker(ABC):
    """Asks an agent; at most ``concurrency`` conversations at the same time."""

    def __init__(self, concurrency: int) -> None:
        self.concurrency = concurrency
        self._answers: queue.SimpleQueue[Answered] = queue.SimpleQueue()
        self._order = itertools.count()

    @abstractmethod
    def ask(self, question: Question) -> None:
        """Ask as soon as fewer than ``concurrency`` other questions are being answered."""

    @abstractmethod
    def close(self) -> list[Answered]:
        """Ask nothing more, and return the answers that have not been taken."""

    def next(self) -> list[Answered]:
        """Wait for an answer, and return all that are there."""
        while True:
            try:
                first = self._answers.get(timeout=POLL)
            except queue.Empty:
                continue
            return [first, *self._arrived()]

    def _arrived(self) -> list[Answered]:
        return [self._answers.get() for _ in range(self._answers.qsize())]

    def _place(self, question: Question) -> tuple[int, int, Question]:
        return -question.replies, next(self._order), question


class InlineAsker(Asker):
    """Calls a plain function in the thread that waits for its answers, one call after another."""

    def __init__(self, function: Callable[[Conversation], str]) -> None:
        super().__init__(1)
        self._function = function
        self._questions: list[tuple[int, int, Question]] = []

    def ask(self, question: Question) -> None:
        """Ask in `next`."""
        heapq.heappush(self._questions, self._place(question))

    def next(self) -> list[Answered]:
        """Call the function for one conversation."""
        _, _, question = heapq.heappop(self._questions)
        try:
            return [Answered(question, reply=self._function(question.conversation))]
        except NoReplyError as error:
            return [Answered(question, error=error)]

    def close(self) -> list[Answered]:
        """Ask nothing more."""
        return []


class ThreadAsker(Asker):
    """Calls a plain function in threads."""

    def __init__(self, function: Callable[[Conversation], str], concurrency: int) -> None:
        super().__init__(concurrency)
        self._function = function
        self._questions: queue.PriorityQueue[tuple[int, int, Question]] = queue.PriorityQueue()
        self._closed = threading.Event()
        for _ in range(concurrency):
            threading.Thread(target=self._work, daemon=True).start()

    def ask(self, question: Question) -> None:
        """Ask as soon as a thread is free."""
        self._questions.put(self._place(question))

    def close(self) -> list[Answered]:
        """Ask nothing more. A call that is running goes on, and its answer is dropped."""
        self._closed.set()
        for _ in range(self.concurrency):  # an idle thread wakes up, and ends
            self._questions.put(self._place(Question(-1, 0, 0, ())))
        return self._arrived()

    def _work(self) -> None:
        while True:
            _, _, question = self._questions.get()
            if self._closed.is_set():
                return
            try:
                answer = Answered(question, reply=self._function(question.conversation))
            except BaseException as error:  # raised again in the thread that evaluates
                answer = Answered(question, error=error)
            self._answers.put(answer)


class LoopAsker(Asker):
    """Awaits an `AsyncAgent` in an event loop, which runs in a thread of its own."""

    def __init__(self, agent: AsyncAgent, concurrency: int) -> None:
        super().__init__(concurrency)
        self._agent = agent
        self._loop = asyncio.new_event_loop()
        self._questions: asyncio.PriorityQueue[tuple[int, int, Question]] = asyncio.PriorityQueue()
        self._closing = False
        self._serving = self._loop.create_task(self._serve())
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def ask(self, question: Question) -> None:
        """Ask as soon as one of the requests in progress is answered."""
        self._in_loop(self._questions.put_nowait, self._place(question))

    def close(self) -> list[Answered]:
        """Cancel the requests in progress, and close the agent's connections."""
        self._closing = True
        self._in_loop(self._serving.cancel)
        self._thread.join(CLOSING)
        return self._arrived()

    def _in_loop(self, call: Callable[..., object], *arguments: object) -> None:
        """Call a function in the loop's thread, unless the loop has ended: `next` says why."""
        try:
            self._loop.call_soon_threadsafe(call, *arguments)
        except RuntimeError:
            if not self._loop.is_closed():
                raise

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serving)
        except asyncio.CancelledError:
            if not self._closing:
                cancelled = AgentError("The agent's own code cancelled it before it could answer.")
                self._answers.put(Answered(None, error=cancelled))
        except BaseException as error:  # raised again in the thread that evaluates
            self._answers.put(Answered(None, error=error))
        finally:
            if left := asyncio.all_tasks(self._loop):
                for task in left:
                    task.cancel()
                self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    async def _serve(self) -> None:
        async with self._agent:
            await asyncio.gather(*(self._work() for _ in range(self.concurrency)))

    async def _work(self) -> None:
        while True:
            _, _, question = await self._questions.get()
            try:
                reply = await self._agent.answer(question.conversation, question.sample)
            except GeneratorExit:
                raise
            except asyncio.CancelledError:
                if self._closing:
                    raise
                error = NoReplyError("The request was cancelled, by the agent's own code.")
                self._answers.put(Answered(question, error=error))
            except BaseException as error:  # raised again in the thread that evaluates
                self._answers.put(Answered(question, error=error))
            else:
                self._answers.put(Answered(question, reply=reply))
