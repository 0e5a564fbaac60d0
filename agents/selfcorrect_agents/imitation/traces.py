"""Traces to imitate: (problem, first reply, better second reply), built from finished episodes.

Source: Kumar et al., arXiv 2409.12917, section 4: ``D_STaR`` takes both replies from one
episode, ``D_SFT`` pairs a wrong reply with a right one of any episode of the same problem; the
``+`` sets add pairs whose first reply is right already. This module handles text only, without
torch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from selfcorrect_env import Attempt, Conversation, Episode


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A second attempt to imitate, with its context."""

    problem_id: str
    """Of the problem."""
    opening: Conversation
    """Everything before the first of the two replies."""
    first: Attempt
    """The reply before it; imitated as well only if a method does so."""
    instruction: Conversation
    """The environment's messages after it."""
    second: Attempt
    """The reply that is imitated."""
    weight: float = 1.0
    """Of its loss, ≥ 0."""


def consecutive(episode: Episode) -> list[Trace]:
    """Return every pair of consecutive attempts of an episode, right or wrong."""
    spoken = [i for i, m in enumerate(episode.conversation) if m["role"] == "assistant"]
    indices = spoken[len(spoken) - len(episode.attempts) :]  # a given first attempt is no attempt
    return [
        Trace(
            problem_id=episode.problem.id,
            opening=episode.conversation[: indices[t]],
            first=episode.attempts[t],
            instruction=episode.conversation[indices[t] + 1 : indices[t + 1]],
            second=episode.attempts[t + 1],
        )
        for t in range(len(indices) - 1)
    ]


def d_star(episodes: Iterable[Episode], *, plus: bool = False) -> list[Trace]:
    """D_STaR: consecutive attempts of one episode that go from wrong to right.

    Args:
        episodes: finished ones; those that could not be judged are skipped.
        plus: D⁺_STaR: also those that go from right to right.
    """
    return [
        trace
        for episode in episodes
        if episode.judged
        for trace in consecutive(episode)
        if is_right(trace.second) and (plus or not is_right(trace.first))
    ]


def d_sft(
    episodes: Iterable[Episode], rng: np.random.Generator, *, plus: bool = False
) -> list[Trace]:
    """D_SFT: each wrong reply with a random right reply to the same problem.

    Both are drawn from all attempts of all episodes of the problem. Each trace is the problem, the
    wrong reply as the first attempt, the instruction and the right reply.

    Args:
        episodes: finished ones; those that could not be judged are skipped.
        rng: draws the right replies.
        plus: D⁺_SFT: also each right reply with a random right reply.

    Raises:
        ValueError: the episodes have a single attempt, so there is no correction instruction.
    """
    traces: list[Trace] = []
    for group in by_problem(episodes).values():
        attempts = [attempt for episode in group for attempt in episode.attempts]
        right = [attempt for attempt in attempts if is_right(attempt)]
        if not right:
            continue
        frames = consecutive(group[0])
        if not frames:
            raise ValueError(
                f"The episodes of problem {group[0].problem.id!r} have one attempt, so there is no "
                "instruction to correct it: play them with attempts=2."
            )
        firsts = [attempt for attempt in attempts if plus or not is_right(attempt)]
        traces += [
            paired_with(frames[0], first, right[drawn])
            for first, drawn in zip(firsts, rng.integers(len(right), size=len(firsts)), strict=True)
        ]
    return traces


def by_problem(episodes: Iterable[Episode]) -> dict[str, list[Episode]]:
    """Group judged episodes by their problem's id, in their order."""
    groups: dict[str, list[Episode]] = defaultdict(list)
    for episode in episodes:
        if episode.judged:
            groups[episode.problem.id].append(episode)
    return dict(groups)


def paired_with(frame: Trace, first: Attempt, second: Attempt, weight: float = 1.0) -> Trace:
    """Return ``frame``'s problem and instruction with other replies."""
    return Trace(
        problem_id=frame.problem_id,
        opening=frame.opening,
        first=first,
        instruction=frame.instruction,
        second=second,
        weight=weight,
    )


def is_right(attempt: Attempt) -> bool:
    """Whether an attempt is right; partial credit is not."""
    return attempt.verdict.correct


def sample_of(traces: Sequence[Trace], most: int, rng: np.random.Generator) -> list[Trace]:
    """Return at most ``most`` of the traces, drawn without replacement, in random order."""
    return [traces[i] for i in rng.permutation(len(traces))[:most]]
