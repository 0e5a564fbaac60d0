"""`TinkerSampler`: turns sampled by a service with Tinker's API, ids in and ids out."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import cast

import torch
from tinker import SamplingClient, types

from selfcorrect_agents.errors import LearningError
from selfcorrect_agents.lm.turns import Context, TokenRows, Turn, TurnEnds


class TinkerSampler:
    """A `Sampler` on a sampling client.

    Args:
        client: samples from the weights that it was made with.
        ends: how turns end; the service stops at these ids.
        seed: of all turns, in [0, 2^31); None lets the service draw as it likes.
    """

    def __init__(self, client: SamplingClient, ends: TurnEnds, *, seed: int | None = None) -> None:
        self.client, self.ends, self.seed = client, ends, seed

    def start(self, prompts: Sequence[Sequence[int]], samples: int = 1) -> Context:
        """Read prompts; row ``i`` of the context belongs to prompt ``i // samples``."""
        return TinkerContext(self, prompts, samples)


class TinkerContext(TokenRows):
    """Rows of ids that the service continues; see `Context`."""

    def __init__(
        self, sampler: TinkerSampler, prompts: Sequence[Sequence[int]], samples: int
    ) -> None:
        super().__init__(sampler.ends, prompts, samples, "cpu")
        self._sampler = sampler
        self._turns = 0

    def sample(
        self,
        max_new_tokens: int,
        temperature: float,
        generator: torch.Generator | None = None,
        top_p: float = 1.0,
    ) -> Turn:
        """Sample one turn of every row and append it; all requests are under way at once.

        ``generator`` is not used: the service has its own random numbers.

        Raises:
            LearningError: the service gives no log-probabilities, or stops at another token than
                it was asked to.
        """
        groups = [(ids, len(list(same))) for ids, same in itertools.groupby(self.tokens())]
        futures = [
            self._sampler.client.sample(
                prompt=types.ModelInput.from_ints(ids),
                num_samples=count,
                sampling_params=types.SamplingParams(
                    max_tokens=max_new_tokens,
                    temperature=temperature,
                    top_p=top_p,
                    stop=sorted(self.ends.end_ids),
                    seed=self._seed(number),
                ),
            )
            for number, (ids, count) in enumerate(groups)
        ]
        sequences = [one for future in futures for one in future.result().sequences]
        rows = [list(sequence.tokens) for sequence in sequences]
        logps = [self._logps(sequence) for sequence in sequences]
        ended = [self._ended(sequence) for sequence in sequences]
        if (text := self.ends.text) is not None:  # the service stops at tokens alone
            lengths = [text.length(row) for row in rows]
            rows = [row[:n] for row, n in zip(rows, lengths, strict=True)]
            logps = [values[:n] for values, n in zip(logps, lengths, strict=True)]
            ended = [end or n is not None for end, n in zip(ended, lengths, strict=True)]
        turn = Turn.of(rows, logps, ended, pad_id=self.ends.pad_id)
        self._turns += 1
        self.take(turn)
        return turn

    def _seed(self, number: int) -> int | None:
        """Return the seed of a request: another one for each of them and for each turn."""
        if self._sampler.seed is None:
            return None
        return (self._sampler.seed + 1_000_003 * self._turns + number) % (1 << 31)

    def _logps(self, sequence: types.SampledSequence) -> list[float]:
        if sequence.logprobs is None:
            raise LearningError("The service returned a reply without log-probabilities.")
        return cast(list[float], sequence.logprobs)

    def _ended(self, sequence: types.SampledSequence) -> bool:
        if sequence.stop_reason != "stop":
            return False
        last = sequence.tokens[-1] if sequence.tokens else None
        if last not in self.ends.end_ids:
            raise LearningError(
                f"The service ended a reply with token {last}, which is none of the ends "
                f"{sorted(self.ends.end_ids)} that it was asked to stop at."
            )
        return True
