"""The table of a comparison whose seeds ran in parts: on several machines, or on several days.

    selfcorrect compare benchmarks/arithmetic.toml --seeds 16 17 18 19 --out runs/last
    python benchmarks/pool_seeds.py runs/last/comparison.json --tables runs/first/table.csv \\
        --out runs/pooled
    python benchmarks/pool_seeds.py runs/first/comparison.json runs/last/comparison.json \\
        --out runs/pooled

Writes table.md and table.csv of all seeds. Every part must have the same rows, and be measured on
the same problems after the same training: comparison.json says that, and the table.md beside a
table.csv. What is kept of a seed in a table.csv
is enough for everything that is computed seed by seed: arrivals, their level, the episodes until
then, and the pairs of arrivals. Single problems are not in it, so intervals are over seeds alone,
and the tests that compare two methods problem by problem are left out.
"""

from __future__ import annotations

import csv
import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import tyro

from selfcorrect_agents.comparison.plan.content_hashes import weights_of
from selfcorrect_agents.comparison.report.csv_rows import to_csv
from selfcorrect_agents.comparison.report.markdown import to_markdown
from selfcorrect_agents.comparison.report.terminal import subject
from selfcorrect_agents.comparison.results.arrivals import arrivals_of
from selfcorrect_agents.comparison.results.comparison import (
    CHANGES,
    TRANSITIONS,
    Arrivals,
    ComparedMethod,
    DecodingMetrics,
    MethodComparison,
    MetricValue,
    read_comparison,
)
from selfcorrect_agents.comparison.results.seed_outcomes import (
    compared_by_seed,
    without_false_intervals,
)
from selfcorrect_agents.comparison.results.statistics import (
    OVER_SEEDS,
    standard_error,
    t_quantile,
)
from selfcorrect_agents.comparison.results.summary import metric_value
from selfcorrect_env.evaluation import Estimate

UNKNOWN = (
    "The episodes until this level are not known, so no seed is earlier than another one here."
)
"""A note on another level of arrival."""

MEAN = "mean"
"""The column "seed" of a number that is a mean over seeds."""

SAME = (
    *("measured", "model", "loading", "preset", "max_new_tokens", "train", "test"),
    *("episodes", "decodings", "arrival"),
)
"""Fields of `MethodComparison` that all parts share."""

SETTINGS = "## Settings"
"""The heading of the rows' settings in a table.md; it is missing from older ones."""

SAME_ROWS = ("name", "agent", "learning", "play", "preset", "trained")
"""Fields of `ComparedMethod` that the rows of all parts share."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which parts."""

    comparisons: tyro.conf.Positional[tuple[Path, ...]]
    """The comparison.json of one part or of several; the first says what was compared, on what."""
    tables: tuple[Path, ...] = ()
    """The table.csv of further parts, each with its table.md beside it."""
    out: Path
    """The folder of the pooled tables."""
    arrival: float | None = None
    """Another level of arrival; the episodes until then are not known for it."""


@dataclass(frozen=True)
class Part:
    """A table.csv: (method, decoding, metric) -> the value of each seed, or the mean's."""

    path: Path
    seeds: tuple[int, ...]
    values: Mapping[tuple[str, str, str], Mapping[str, float | None]] = field(repr=False)
    bases: Mapping[str, str] = field(default_factory=dict)
    """Name of each base model -> what identifies its weights; empty if it is not known."""
    instructions: tuple[str, ...] = ()
    """Of the processors that it ran on."""

    @classmethod
    def of(cls, path: Path, rows: Iterator[Mapping[str, str]]) -> Part:
        """Read the rows of a table."""
        found: dict[tuple[str, str, str], dict[str, float | None]] = defaultdict(dict)
        for row in rows:
            value = float(row["value"]) if row["value"] else None
            found[row["method"], row["decoding"], row["metric"]][row["seed"]] = value
        seeds = {seed for values in found.values() for seed in values if seed != MEAN}
        return cls(path, tuple(sorted(map(int, seeds))), dict(found))

    def has(self, metric: str) -> bool:
        """Return whether it has a metric of any method."""
        return any(name == metric for _, _, name in self.values)

    def by_seed(self, method: str, decoding: str, metric: str) -> dict[int, float | None]:
        """Return the value of each seed. What a part leaves out because it is the accuracy, as
        where all was judged or no credit was partial, is the accuracy.

        Raises:
            SystemExit: the table lacks one.
        """
        values = self.values.get((method, decoding, metric), {})
        if (same := accuracy_of(metric)) is not None and not self.has(metric):
            values = self.values.get((method, decoding, same), {})
        missing = [seed for seed in self.seeds if str(seed) not in values]
        if missing:
            named = ", ".join(filter(None, (method, decoding, metric)))
            raise SystemExit(f"{self.path} has no {named} of {missing}.")
        return {seed: values[str(seed)] for seed in self.seeds}

    def mean(self, method: str, decoding: str, metric: str) -> float | None:
        """Return the mean over its seeds; None if the table has none."""
        return self.values.get((method, decoding, metric), {}).get(MEAN)


def accuracy_of(metric: str) -> str | None:
    """Return the accuracy of the attempt of a metric that equals it where all was judged and no
    credit was partial; None if it is no such metric.

    >>> accuracy_of("accuracy_unjudged_wrong_t2"), accuracy_of("delta")
    ('accuracy_t2', None)
    """
    found = re.fullmatch(r"(?:accuracy_unjudged_(?:wrong|right)|mean_score)_t(\d+)", metric)
    return found and f"accuracy_t{found[1]}"


def main() -> None:
    options = tyro.cli(Options, description=__doc__)
    if not options.comparisons:
        raise SystemExit("Name the comparison.json of a part.")
    first, *others = map(read_comparison, options.comparisons)
    parts = [part_of(other, like=first) for other in others]
    parts += [read_table(path, first) for path in options.tables]
    pooled = pool(first, parts, options.arrival)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "table.md").write_text(to_markdown(pooled), "utf-8")
    (options.out / "table.csv").write_text(to_csv(pooled), "utf-8")
    print(f"{len(pooled.seeds)} seeds: {options.out}/table.md, {options.out}/table.csv")


def part_of(comparison: MethodComparison, like: MethodComparison) -> Part:
    """Return the seeds of a comparison as a part.

    Raises:
        SystemExit: its settings or its rows are not those of ``like``.
    """
    where = f"The comparison of seeds {', '.join(map(str, comparison.seeds))}"
    for name in SAME:
        _require_same(where, name, getattr(comparison, name), getattr(like, name))
    theirs = {method.name: method for method in comparison.methods}
    for row in like.methods:
        for name in SAME_ROWS if row.name in theirs else ():
            found = getattr(theirs[row.name], name)
            _require_same(where, f"{row.name}: {name}", found, getattr(row, name))
    part = Part.of(Path(where), csv.DictReader(to_csv(comparison).splitlines()))
    return replace(part, bases=comparison.bases, instructions=comparison.instructions)


def read_table(path: Path, like: MethodComparison) -> Part:
    """Read a table.csv as a part, and what it was measured on from the table.md beside it.

    Raises:
        SystemExit: there is no table.md, or it is of other problems, another training, another
            level of arrival or other base weights than ``like``.
    """
    with path.open(encoding="utf-8", newline="") as file:
        part = Part.of(path, csv.DictReader(file))
    beside = path.with_name("table.md")
    if not beside.is_file():
        raise SystemExit(f"{beside} is missing: it says what {path.name} was measured on.")
    text = beside.read_text("utf-8")
    about = replace(like, seeds=part.seeds, bases={}, instructions=())
    found = list(map(without_seeds, text.splitlines()))
    for line in map(without_seeds, subject(about).splitlines()):
        if line not in found:
            raise SystemExit(f"{beside} is of something else: it has no line {line!r}.")
    if like.arrival is not None and f"≥ {100 * like.arrival:g}%" not in text:
        raise SystemExit(f"{beside} has another level of arrival than {100 * like.arrival:g}%.")
    if SETTINGS in text and section(text, SETTINGS) != section(to_markdown(like), SETTINGS):
        raise SystemExit(f"{beside} has other rows, or rows with other settings.")
    names = {like.model.replace("{seed}", str(seed)) for seed in part.seeds}
    weights = re.search(r"^Weights of the base models: (.+?)\.( |$)", text, re.MULTILINE)
    bases = {name: weights_of(name) for name in sorted(names)} if weights else {}
    if weights and replace(like, bases=bases).weights != weights[1]:
        raise SystemExit(f"{beside} is of other base weights: {weights[1]}.")
    instructions = re.search(r"Vector instructions: (.+)\.$", text, re.MULTILINE)
    names_of = tuple(instructions[1].split(", ")) if instructions else ()
    return replace(part, bases=bases, instructions=names_of)


def without_seeds(line: str) -> str:
    """Return a line about a comparison without its seeds, which are in the order of the runs.

    >>> without_seeds("Base tiny:seed={seed}; seeds 3, 1; training: 64 episodes each.")
    'Base tiny:seed={seed}; training: 64 episodes each.'
    """
    return re.sub(r"; seeds [\d, ]+(?=; training: )", "", line)


def section(markdown: str, heading: str) -> str:
    """Return what follows a heading of a page, up to the next list or heading."""
    return markdown.partition(heading)[2].strip().partition("\n\n")[0]


def _require_same(where: str, name: str, theirs: object, ours: object) -> None:
    if theirs != ours:
        raise SystemExit(f"{where} has another {name}: {theirs!r}, and the first has {ours!r}.")


def pool(
    comparison: MethodComparison, parts: Sequence[Part], level: float | None = None
) -> MethodComparison:
    """Return the comparison of the seeds of all parts.

    Raises:
        SystemExit: a part lacks a row, or has a seed of another one.
    """
    found = [part_of(comparison, like=comparison), *parts]
    seeds = tuple(sorted(seed for part in found for seed in part.seeds))
    if len(set(seeds)) < len(seeds):
        raise SystemExit(f"Two parts have the same seed: {list(seeds)}.")
    instructions = tuple(sorted({name for part in found for name in part.instructions}))
    known = all(part.bases for part in found)
    changed = replace(
        comparison,
        seeds=seeds,
        arrival=comparison.arrival if level is None else level,
        methods=tuple(_method(comparison, method, found, level) for method in comparison.methods),
        pairs=(),
        arrival_pairs=(),
        bases={k: v for part in found for k, v in part.bases.items()} if known else {},
        instructions=instructions,
        intervals=OVER_SEEDS,
        notes=(
            f"Its seeds ran in {len(found)} parts; single problems were not compared.",
            *([UNKNOWN] if level is not None else []),
            *([_processors(instructions)] if len(instructions) > 1 else []),
            *(_of_part(note, comparison) for note in comparison.notes if not _on_seeds(note)),
        ),
    )
    return without_false_intervals(compared_by_seed(changed, comparison.arrival_pairs))


def _processors(instructions: Sequence[str]) -> str:
    return (
        f"Warning: its parts ran on processors with different instructions "
        f"({', '.join(instructions)}). The same seed is another run on another processor."
    )


def _of_part(note: str, comparison: MethodComparison) -> str:
    """Return a note of the first part, with its seeds where it is on their runs alone."""
    seeds = ", ".join(map(str, comparison.seeds))
    return note.replace("Warning: ", f"Warning: of seeds {seeds}: ", 1)


def _on_seeds(note: str) -> bool:
    """Return whether a note is on the outcomes or the processors of seeds, which are more now."""
    said = (": a seed arrives at", ": its seeds ", "its cells ran on processors")
    return any(words in note for words in said)


def _method(
    comparison: MethodComparison, method: ComparedMethod, parts: Sequence[Part], level: float | None
) -> ComparedMethod:
    name = method.name
    metrics = {d: _metrics(parts, name, d, of_first) for d, of_first in method.metrics.items()}
    kl = [
        value and _metric(_seeds(parts, name, "", f"kl_t{turn}"), (0.0, math.inf))
        for turn, value in enumerate(method.kl, start=1)
    ]
    spent = {
        key: _mean(parts, name, "", f"spent {key.replace('gradient_', 'gradient ')}")
        for key in ("episodes", "tokens", "gradient_tokens", "seconds", "training_seconds")
    }
    return replace(
        method,
        metrics=metrics,
        kl=tuple(kl),
        spent=replace(method.spent, **spent),
        curves={},
        scaling=None,
        arrivals={
            decoding: _arrivals(comparison, metrics[decoding], parts, (name, decoding), level)
            for decoding in method.arrivals
        },
    )


def _metrics(
    parts: Sequence[Part], name: str, decoding: str, of_first: DecodingMetrics
) -> DecodingMetrics:
    turns = range(1, len(of_first.accuracy) + 1)

    def of(metric: str) -> MetricValue:
        return _metric(_seeds(parts, name, decoding, metric), (0.0, 1.0))

    def difference(metric: str) -> MetricValue:
        return _metric(_seeds(parts, name, decoding, metric), (-1.0, 1.0))

    def of_turns(metric: str) -> tuple[MetricValue, ...]:
        """Return the metric of each attempt; empty if no part has it."""
        names = [f"{metric}_t{turn}" for turn in turns]
        return tuple(map(of, names)) if any(part.has(names[0]) for part in parts) else ()

    tokens = [_mean(parts, name, decoding, f"tokens at attempt {turn}") for turn in turns]
    several = len(turns) > 1
    return DecodingMetrics(
        accuracy=of_turns("accuracy"),
        unjudged_wrong=of_turns("accuracy_unjudged_wrong"),
        unjudged_right=of_turns("accuracy_unjudged_right"),
        mean_score=of_turns("mean_score"),
        delta=difference("delta") if several else None,
        successive=tuple(difference(f"delta_t{t}_t{t + 1}") for t in turns[:-1] if turns[2:]),
        **{change: of(change) if several else None for change in CHANGES},
        transitions={
            t: _mean(parts, name, decoding, f"transition {t}") or 0.0 for t in TRANSITIONS
        },
        tokens=None if None in tokens else tuple(value or 0.0 for value in tokens),
    )


def _metric(seeds: Sequence[float | None], within: tuple[float, float]) -> MetricValue:
    """Return the mean over seeds with its interval over seeds, which ends at what is possible."""
    if None in seeds:
        return MetricValue(value=None, seeds=tuple(seeds))
    known = [value for value in seeds if value is not None]
    found = _between(known)
    if not math.isnan(found.low):  # there is one
        ends = max(within[0], found.low), min(within[1], found.high)
        found = Estimate(found.value, *ends)
    return metric_value(found, known)


def _between(values: Sequence[float]) -> Estimate:
    array = np.array(values)
    mean = float(array.mean())
    if len(array) < 2 or np.ptp(array) == 0:
        return Estimate(mean, math.nan, math.nan)
    error, freedom = standard_error(array, 0.0)
    reach = t_quantile(freedom) * error
    return Estimate(mean, mean - reach, mean + reach)


def _seeds(parts: Sequence[Part], method: str, decoding: str, metric: str) -> list[float | None]:
    """Return the values of all seeds, in their order."""
    values: dict[int, float | None] = {}
    for part in parts:
        values |= part.by_seed(method, decoding, metric)
    return [values[seed] for seed in sorted(values)]


def _mean(parts: Sequence[Part], method: str, decoding: str, metric: str) -> float | None:
    """Return a mean over the seeds of all parts; None if a part has none."""
    means = [(part.mean(method, decoding, metric), len(part.seeds)) for part in parts]
    if any(value is None for value, _ in means):
        return None
    return sum((value or 0.0) * n for value, n in means) / sum(n for _, n in means)


def _arrivals(
    comparison: MethodComparison,
    metrics: DecodingMetrics,
    parts: Sequence[Part],
    key: tuple[str, str],
    level: float | None,
) -> Arrivals:
    last = metrics.ranking[-1].seeds
    reached = comparison.arrival or 0.0 if level is None else level
    when: list[float | None] = [None] * len(last)
    if level is None:
        when = _seeds(parts, *key, "episodes to arrival")
    of_arrived = [value for value in last if value is not None and value >= reached]
    given = _metric(of_arrived, (0.0, 1.0)) if of_arrived else None
    return arrivals_of(last, reached, given, when, when)


if __name__ == "__main__":
    main()
