"""`Report`: the metrics of an evaluation, what was measured, and the episodes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selfcorrect_env.errors import CheckpointError
from selfcorrect_env.evaluation import tables
from selfcorrect_env.evaluation.episode_files import (
    read_episodes,
    replacing,
    write_episodes,
    write_parquet,
)
from selfcorrect_env.evaluation.intervals import LEVEL, METHOD, METHOD_CLUSTERED, RESAMPLES
from selfcorrect_env.evaluation.metrics import Metrics, measure
from selfcorrect_env.evaluation.paired import Paired, paired
from selfcorrect_env.evaluation.sampled import Samples, measure_samples
from selfcorrect_env.evaluation.usage import Usage
from selfcorrect_env.types import Episode

if TYPE_CHECKING:
    from rich.console import RenderableType

REPORT_FILE, EPISODES_FILE, PARQUET_FILE = "report.json", "episodes.jsonl", "episodes.parquet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was measured on what. Two reports on equal problems may be compared."""

    agent: str
    """The agent's name."""
    problem_set: str
    """The problem set's name."""
    split: str
    """The problem set's split."""
    size: int
    """Number of problems in the whole set; a report may cover its first ones only."""
    fingerprint: str
    """`ProblemSet.fingerprint` of the whole set."""
    verifier: str
    """The verifier's name."""
    prompts: str
    """The name of the prompts."""
    attempts: int
    """Attempts in an episode."""
    samples: int = 1
    """Episodes of each problem, >= 1."""
    decoding: str = ""
    """How replies were sampled, as the agent describes it ("greedy", "T = 1" …)."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The agent's settings, JSON-able (model, token cap …)."""


@dataclass(frozen=True, repr=False)
class Report:
    """The metrics of an evaluation, the episodes behind them, and what they were measured on.

    ``print(report)`` shows the table.
    """

    measured: Measured
    """Agent, problem set with its fingerprint, verifier, decoding."""
    episodes: tuple[Episode, ...]
    """Every episode, in the problem set's order."""
    metrics: Metrics = field(compare=False)  # they follow from the episodes and the seed
    """The metrics, with intervals."""
    samples: Samples | None = field(default=None, compare=False)
    """Avg@k, pass@k and maj@k, if each problem was played several times."""
    seed: int = 0
    """Seed of the bootstrap."""
    warnings: tuple[str, ...] = ()
    """What a reader must know before comparing the metrics, such as an overlap with the training
    set."""
    reused: int = field(default=0, compare=False)
    """How many of the episodes were stored before and not played again."""
    usage: Usage | None = field(default=None, compare=False)
    """What the replies of a served model took: requests, tokens, cost."""

    @classmethod
    def of(
        cls,
        episodes: Sequence[Episode],
        measured: Measured,
        *,
        seed: int = 0,
        warnings: Sequence[str] = (),
        reused: int = 0,
        usage: Usage | None = None,
    ) -> Report:
        """Compute the metrics of ``episodes`` and return the report."""
        return cls(
            measured,
            tuple(episodes),
            measure(episodes, seed=seed),
            measure_samples(episodes, seed=seed),
            seed,
            tuple(warnings),
            reused,
            usage,
        )

    @property
    def agent(self) -> str:
        """The agent's name."""
        return self.measured.agent

    # -- files ------------------------------------------------------------------------------
    def to_dict(self) -> dict[str, Any]:
        """Return everything but the episodes as JSON-able values; an undefined metric is None."""
        return jsonable(
            {
                "measured": asdict(self.measured),
                "metrics": {**asdict(self.metrics), "judged": self.metrics.judged},
                "samples": self.samples and asdict(self.samples),
                "usage": self.usage and asdict(self.usage),
                "intervals": {
                    "level": LEVEL,
                    "method": METHOD_CLUSTERED if self.samples else METHOD,
                    "resamples": RESAMPLES,
                    "seed": self.seed,
                },
                "warnings": [*self.warnings, *self.metrics.warnings()],
            }
        )

    def to_json(self, path: str | Path) -> None:
        """Write `to_dict` to a file: all of it or nothing."""
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")

    def save(self, folder: str | Path) -> Path:
        """Write ``report.json``, ``episodes.jsonl`` and, with pyarrow, ``episodes.parquet``.

        ``datasets.load_dataset("json", data_files=...)`` and ``("parquet", ...)`` read them.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_episodes(folder / EPISODES_FILE, self.episodes)
        if find_spec("pyarrow"):
            write_parquet(folder / PARQUET_FILE, self.episodes)
        self.to_json(folder / REPORT_FILE)
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> Report:
        """Read what `save` wrote; the metrics are computed anew from the episodes.

        Raises:
            CheckpointError: a file is missing or broken, or the two do not belong together.
        """
        folder = Path(folder)
        path = folder / REPORT_FILE
        try:
            saved = json.loads(path.read_bytes())
            measured, expected = Measured(**saved["measured"]), saved["metrics"]["episodes"]
            seed, warnings = saved["intervals"]["seed"], saved["warnings"]
            usage = Usage(**saved["usage"]) if saved.get("usage") else None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(
                f"{path}: not a readable report: {type(error).__name__}: {error}"
            ) from error
        episodes = read_episodes(folder / EPISODES_FILE)
        if len(episodes) != expected:
            raise CheckpointError(
                f"{folder}: {REPORT_FILE} is of {expected} episodes, but {EPISODES_FILE} holds "
                f"{len(episodes)}. The two are of different runs, or the file was cut."
            )
        report = cls.of(episodes, measured, seed=seed, usage=usage)
        computed = report.metrics.warnings()  # follow from the episodes
        return replace(report, warnings=tuple(text for text in warnings if text not in computed))

    # -- for people -------------------------------------------------------------------------
    def __repr__(self) -> str:
        m, on = self.metrics, self.measured
        accuracies = ", ".join(
            f"acc@t{t} {100 * a.value:.1f}" for t, a in enumerate(m.accuracy, start=1)
        )
        change = f"Δ {100 * m.delta.value:+.1f}, " if len(m.accuracy) > 1 else ""
        if m.unjudged:
            least = 100 * m.unjudged_wrong.accuracy[-1].value
            change += f"{m.unjudged} not judged (acc@t{len(m.accuracy)} {least:.1f} if wrong), "
        return (
            f"Report({on.agent!r} on {on.problem_set}/{on.split}: {accuracies}, "
            f"{change}n={m.judged})"
        )

    def notes(self) -> tuple[str, ...]:
        """Return the lines below the table: usage, warnings, causes, reused episodes."""
        notes = [] if self.usage is None else self.usage.lines()
        notes += [f"Warning: {text}" for text in (*self.warnings, *self.metrics.warnings())]
        if self.reused:
            total = len(self.episodes)
            notes.append(
                f"{self.reused} of {total} episodes were already stored; {total - self.reused} "
                "played"
            )
        return tuple(notes)

    def __str__(self) -> str:
        return tables.as_text(self.__rich__())

    def __rich__(self) -> RenderableType:
        return tables.report_table(self.measured, self.metrics, self.samples, self.notes())


@dataclass(frozen=True, slots=True)
class Comparison:
    """Several agents on the same problems; ``print(comparison)`` shows the table."""

    reports: tuple[Report, ...]
    """The reports; the first is the one that the others are paired with."""
    pairs: tuple[Paired, ...]
    """``pairs[i]`` compares ``reports[i + 1]`` with ``reports[0]``."""

    def __str__(self) -> str:
        return tables.as_text(self.__rich__())

    def __rich__(self) -> RenderableType:
        rows = [(report.agent, report.metrics) for report in self.reports]
        return tables.comparison_table(self.reports[0].measured, rows, self.pairs)


def compare(reports: Sequence[Report], *, seed: int = 0) -> Comparison:
    """Put reports side by side, each paired with the first one, problem by problem.

    Args:
        reports: two or more, measured on the same problems by the same verifier.
        seed: of the bootstrap of the differences.

    Raises:
        ValueError: the reports are of different problems, prompts, verifiers or attempts.
    """
    if len(reports) < 2:
        raise ValueError(f"A comparison needs at least two reports, got {len(reports)}.")
    first, *others = reports
    for other in others:
        for name in ("fingerprint", "verifier", "prompts", "attempts"):
            ours, theirs = getattr(first.measured, name), getattr(other.measured, name)
            if ours != theirs:
                raise ValueError(
                    f"{first.agent!r} and {other.agent!r} cannot be compared: they differ "
                    f"in {name} ({ours} and {theirs})."
                )
    pairs = [paired(first.episodes, other.episodes, seed=seed) for other in others]
    return Comparison(tuple(reports), tuple(pairs))


def jsonable(value: Any) -> Any:
    """Return a value for JSON: numbers that are not finite, such as a mean of nothing, are None."""
    if isinstance(value, Mapping):
        return {str(key): jsonable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
