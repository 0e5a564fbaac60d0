"""`Players`: how the episodes of an evaluation are played, by the kind of agent."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence

from selfcorrect_env.errors import AgentError
from selfcorrect_env.evaluation.agents import CONCURRENCY, AsyncAgent, FunctionAgent, agent_name
from selfcorrect_env.evaluation.asking import Asker, InlineAsker, LoopAsker, ThreadAsker
from selfcorrect_env.evaluation.concurrent_play import (
    FinishedEpisodes,
    Replies,
    ReplyKey,
    play_concurrently,
)
from selfcorrect_env.evaluation.runners import Runner
from selfcorrect_env.types import Agent


class Players:
    """Plays episodes: whole batches in step, or one conversation at a time, many at once.

    Args:
        agent: who plays.
        runner: of the environment.
        batch_size: problems that a batched agent answers at the same time.
        concurrency: conversations that an agent answers at the same time that is asked one by one;
            None for 32 of an asynchronous agent, and one of a plain function.

    Raises:
        AgentError: ``concurrency`` is given for a batched agent.
        ValueError: a number is below 1.
    """

    def __init__(
        self, agent: Agent, runner: Runner, *, batch_size: int, concurrency: int | None
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}.")
        if concurrency is not None and concurrency < 1:
            raise ValueError(f"concurrency must be at least 1, got {concurrency}.")
        if concurrency is not None and not isinstance(agent, AsyncAgent | FunctionAgent):
            raise AgentError(
                f"Agent {agent_name(agent)!r} answers whole batches: give batch_size instead of "
                "concurrency, or a function of one conversation instead of the agent."
            )
        self._agent, self._runner = agent, runner
        self._batch_size, self._concurrency = batch_size, concurrency

    def play(
        self,
        numbers: Sequence[int],
        *,
        index_of: Callable[[int], int],
        samples: int = 1,
        known: Mapping[ReplyKey, str] | None = None,
        record: Callable[[Replies], None] = lambda replies: None,
    ) -> Generator[FinishedEpisodes, None, None]:
        """Play episodes, and hand them on as they finish; see `play_concurrently`."""
        asker = self._asker()
        if asker is None:
            for start in range(0, len(numbers), self._batch_size):
                batch = numbers[start : start + self._batch_size]
                episodes = self._runner.play(self._agent, [index_of(number) for number in batch])
                yield list(zip(batch, episodes, strict=True))
            return
        yield from play_concurrently(
            self._runner,
            asker,
            numbers,
            samples=samples,
            index_of=index_of,
            known=known or {},
            record=record,
        )

    def _asker(self) -> Asker | None:
        """Return what asks the agent for single replies; None for a batched agent."""
        agent = self._agent
        if isinstance(agent, AsyncAgent):
            return LoopAsker(agent, self._concurrency or CONCURRENCY)
        if not isinstance(agent, FunctionAgent):
            return None
        if self._concurrency in (None, 1):
            return InlineAsker(agent.function)
        return ThreadAsker(agent.function, self._concurrency or 1)
