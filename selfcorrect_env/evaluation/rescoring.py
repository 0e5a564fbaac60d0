"""`rescore`: judge stored episodes with another verifier, and compare the verdicts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selfcorrect_env.errors import CheckpointError
from selfcorrect_env.evaluation.episode_files import read_episodes, replacing
from selfcorrect_env.evaluation.metrics import Metrics, measure
from selfcorrect_env.evaluation.report import EPISODES_FILE, jsonable
from selfcorrect_env.evaluation.tables import as_text, percent
from selfcorrect_env.types import Attempt, Episode, ScoreFunction, Verdict, Verifier
from selfcorrect_env.verifiers import get_verifier
from selfcorrect_env.verifiers.base import judge

if TYPE_CHECKING:
    from rich.console import RenderableType

BATCH = 256
"""Replies that are judged together."""

SHOWN = 20
"""Differences that the printed result shows; the file has them all."""


@dataclass(frozen=True)
class Difference:
    """One reply whose two verdicts differ in score or reason."""

    problem_id: str
    attempt: int
    """From 1."""
    reference: str
    reply: str
    before: Verdict
    after: Verdict


@dataclass(frozen=True)
class Rescored:
    """The result of `rescore`; ``print(rescored)`` shows it."""

    verifier: str
    """The new verifier's name."""
    episodes: tuple[Episode, ...]
    """The episodes with their new verdicts."""
    replies: int
    """Number of replies that were judged."""
    verifications: int
    """Number of attempts that are no answers and keep their verdicts (`Attempt.verification`)."""
    differences: tuple[Difference, ...]
    before: Metrics
    after: Metrics

    @property
    def scores_changed(self) -> int:
        """Number of differences in the score, not only in the reason."""
        return sum(d.before.score != d.after.score for d in self.differences)

    def to_dict(self) -> dict[str, Any]:
        """Return every difference and both sets of accuracies as JSON-able values."""
        values = {
            "verifier": self.verifier,
            "replies": self.replies,
            "verifications": self.verifications,
            "scores_changed": self.scores_changed,
            "accuracy_before": [metric.value for metric in self.before.accuracy],
            "accuracy_after": [metric.value for metric in self.after.accuracy],
            "unjudged_before": self.before.unjudged,
            "unjudged_after": self.after.unjudged,
            "accuracy_unjudged_wrong_before": [
                metric.value for metric in self.before.unjudged_wrong.accuracy
            ],
            "accuracy_unjudged_wrong_after": [
                metric.value for metric in self.after.unjudged_wrong.accuracy
            ],
            "differences": [asdict(difference) for difference in self.differences],
        }
        return jsonable(values)  # without judged replies an accuracy is NaN

    def to_json(self, path: str | Path) -> None:
        """Write `to_dict` to a file: all of it or nothing."""
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")

    def __str__(self) -> str:
        return as_text(self.__rich__())

    def __rich__(self) -> RenderableType:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        title = f"{len(self.episodes):,} episodes re-scored with {self.verifier}"
        table = Table()
        table.add_column("metric")
        for column in ("before", "after"):
            table.add_column(column, justify="right")
        pairs = zip(self.before.accuracy, self.after.accuracy, strict=True)
        for turn, (before, after) in enumerate(pairs, start=1):
            table.add_row(f"accuracy@t{turn}", percent(before.value), percent(after.value))
        deltas = (percent(m.delta.value, signed=True) for m in (self.before, self.after))
        table.add_row("Δ", *deltas)
        table.add_row("not judged", str(self.before.unjudged), str(self.after.unjudged))
        if self.before.unjudged or self.after.unjudged:
            for turn in range(len(self.after.accuracy)):
                counted = (m.unjudged_wrong.accuracy[turn] for m in (self.before, self.after))
                values = (percent(metric.value) for metric in counted)
                table.add_row(f"accuracy@t{turn + 1}, unjudged wrong", *values)
        changes = Counter((d.before.reason.value, d.after.reason.value) for d in self.differences)
        lines = [
            f"{self.replies:,} replies: {len(self.differences):,} judged differently, "
            f"{self.scores_changed:,} of them with another score"
        ]
        lines += [f"  {old} → {new}: {n:,}" for (old, new), n in changes.most_common()]
        if self.verifications:
            lines.append(
                f"{self.verifications:,} attempts verify the one before, so they were not judged "
                "as answers: they keep their verdicts, which agree or not with the old ones."
            )
        if self.after.unjudged:
            lines.append(f"Warning: {self.after.why_unjudged()}")
        lines += [_line(difference) for difference in self.differences[:SHOWN]]
        more = len(self.differences) - SHOWN
        lines += [f"… and {more:,} more"] if more > 0 else []
        return Group(Text(title, style="bold"), table, *map(Text, lines))


def rescore(
    episodes: Sequence[Episode], verifier: str | Verifier | ScoreFunction, *, seed: int = 0
) -> Rescored:
    """Judge every answer of ``episodes`` with another verifier; a missing reply stays unjudged.

    An attempt that verifies the one before it (`Attempt.verification`) keeps its verdict.

    Args:
        episodes: one or more.
        verifier: a verifier's name, a `Verifier` or a function ``(problem, response) -> score``.
        seed: of the bootstrap intervals.

    Raises:
        UnknownNameError: there is no verifier of that name.
        ValueError: there are no episodes.
    """
    if not episodes:
        raise ValueError("rescore() needs at least one episode.")
    verifier = get_verifier(verifier)
    cases = [(e.problem, a.reply) for e in episodes for a in e.attempts if _is_answer(a)]
    verdicts: list[Verdict] = []
    for start in range(0, len(cases), BATCH):
        batch = cases[start : start + BATCH]
        verdicts += judge(verifier, [p for p, _ in batch], [reply for _, reply in batch])
    new, rescored, differences = iter(verdicts), [], []
    for episode in episodes:
        attempts = tuple(
            replace(attempt, verdict=next(new)) if _is_answer(attempt) else attempt
            for attempt in episode.attempts
        )
        rescored.append(replace(episode, attempts=attempts))
        for number, (old, now) in enumerate(zip(episode.attempts, attempts, strict=True), start=1):
            before, after = old.verdict, now.verdict
            if (before.score, before.reason) != (after.score, after.reason):
                differences.append(
                    Difference(
                        episode.problem.id,
                        number,
                        episode.problem.reference,
                        str(old.reply),
                        before,
                        after,
                    )
                )
    return Rescored(
        verifier=verifier.name,
        episodes=tuple(rescored),
        replies=len(cases),
        verifications=sum(a.verification for e in episodes for a in e.attempts),
        differences=tuple(differences),
        before=measure(episodes, seed=seed),
        after=measure(rescored, seed=seed),
    )


def _is_answer(attempt: Attempt) -> bool:
    return attempt.answered and not attempt.verification


def stored_episodes(run: str | Path) -> list[Episode]:
    """Read the episodes of a run: its folder, or a ``.jsonl`` file of episodes.

    Raises:
        CheckpointError: there is no such file, it is broken, it holds no episode, or episodes with
            different numbers of attempts.
    """
    path = Path(run)
    file = path / EPISODES_FILE if path.is_dir() else path
    if not file.exists():
        raise CheckpointError(
            f"There are no episodes at {str(file)!r}. Name a folder that 'selfcorrect eval --out' "
            f"or 'selfcorrect train' wrote, or an {EPISODES_FILE}."
        )
    episodes = read_episodes(file)
    if not episodes:
        raise CheckpointError(f"{file} holds no episode.")
    numbers = sorted({len(episode.attempts) for episode in episodes})
    if len(numbers) > 1:
        raise CheckpointError(
            f"{file} holds episodes of {', '.join(map(str, numbers))} attempts, which have no "
            "metrics together. Put those of each number into a file of their own."
        )
    return episodes


def _line(difference: Difference) -> str:
    def described(verdict: Verdict) -> str:
        return f"{verdict.score:g} {verdict.reason}"

    answers = [difference.before.answer, difference.after.answer]
    found = " / ".join(dict.fromkeys(repr(answer)[:60] for answer in answers))
    return (
        f"{difference.problem_id}, attempt {difference.attempt}: {described(difference.before)} → "
        f"{described(difference.after)}; answer {found}, reference {difference.reference!r:.60}"
    )
