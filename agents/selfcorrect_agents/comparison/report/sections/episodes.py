"""The episodes that the page shows, as data that no content can break out of."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from selfcorrect_agents.comparison.results.cell_results import MethodResults
from selfcorrect_agents.comparison.results.comparison import TRANSITIONS, MethodComparison
from selfcorrect_agents.pictures.markup import one_line
from selfcorrect_env import Attempt, Episode, printable

SHOWN = 12
"""Episodes of each method × decoding × transition that are on the page, at most."""

LONGEST = 6_000
"""Characters of a text that are kept; longer ones are cut in the middle, with a mark there."""

LONGEST_ANSWER = 300
"""The same for an extracted answer and for a problem's id."""


@dataclass(frozen=True, slots=True)
class ShownEpisode:
    """An episode on the page."""

    method: str
    """Name of the method."""
    seed: int
    """Of its run."""
    decoding: str
    """How its replies were drawn."""
    episode: Episode
    """The problem and the attempts."""

    @property
    def transition(self) -> str:
        """One of `TRANSITIONS`."""
        kind = self.episode.transition
        return TRANSITIONS[-1] if kind is None else kind.value


def shown_episodes(results: Sequence[MethodResults]) -> Iterator[ShownEpisode]:
    """Yield the episodes of the page: `SHOWN` of each method, decoding and transition at most.

    Problems are tried in one random order for every method, so that most problems on the page are
    there for all of them; seeds take turns.
    """
    for result in results:
        for decoding, report in result.cells[0].reports.items():
            left: dict[str, int] = dict.fromkeys(TRANSITIONS, SHOWN)
            order = np.random.default_rng(0).permutation(len(report.episodes))
            for i, index in enumerate(order.tolist()):
                cell = result.cells[i % len(result.cells)]
                episode = cell.reports[decoding].episodes[index]
                shown = ShownEpisode(result.method.label, cell.cell.seed, decoding, episode)
                if left[shown.transition]:
                    left[shown.transition] -= 1
                    yield shown


def episode_data(shown: ShownEpisode) -> dict[str, Any]:
    """Return an episode as JSON for the page's script, every text cut and cleaned.

    Control characters, text-direction marks and lone surrogates become visible escapes; tabs
    become spaces.
    """
    problem = shown.episode.problem
    return {
        "method": one_line(shown.method, 100),  # the page has cut it, and numbered equal ones
        "seed": one_line(shown.seed),
        "decoding": one_line(shown.decoding),
        "id": _text(problem.id, LONGEST_ANSWER),
        "prompt": _text(problem.prompt, LONGEST),
        "reference": _text(problem.reference, LONGEST),
        "transition": shown.transition,
        "attempts": [_attempt(attempt) for attempt in shown.episode.attempts],
    }


def as_json(value: Any) -> str:
    """Return JSON that may be in a ``script`` element: no ``<``, ``>`` or ``&`` in it."""
    written = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        written = written.replace(character, f"\\u{ord(character):04x}")
    return written


def selection(comparison: MethodComparison, episodes: Sequence[ShownEpisode]) -> str:
    """Return a sentence: how many of the measured episodes are on the page, and which."""
    if not episodes:
        return "No episodes were kept with this page."
    runs = len(comparison.methods) * len(comparison.decodings) * len(comparison.seeds)
    measured = comparison.measured.problems * runs
    if measured == len(episodes):
        return f"This page shows all {measured:,} measured episodes."
    kinds = Counter((e.method, e.decoding, e.transition) for e in episodes)
    of = f" of the {measured:,} measured" if measured > len(episodes) else ""
    return (
        f"This page shows {len(episodes):,}{of} episodes: at most {max(kinds.values()):,} for each "
        "method, decoding and transition."
    )


def _attempt(attempt: Attempt) -> dict[str, Any]:
    verdict = attempt.verdict
    return {
        "reply": _text(attempt.reply, LONGEST),
        "answer": None if verdict.answer is None else _text(verdict.answer, LONGEST_ANSWER),
        "reason": verdict.reason.value,
        "right": verdict.correct,
        "judged": verdict.judged,
        "score": verdict.score,
    }


def _text(whole: str, longest: int) -> str:
    half = longest // 2
    if len(whole) > longest:  # cut before anything that takes time
        cut = len(whole) - 2 * half
        whole = f"{whole[:half]}\n … [{cut:,} characters left out] … \n{whole[-half:]}"
    lines = whole.replace("\r\n", "\n").expandtabs(4)
    return printable(lines, len(lines))
