"""The table of a comparison whose seeds ran in parts: on several machines, or on several days.

    selfcorrect compare benchmarks/arithmetic.toml --seeds 16 17 18 19 --out runs/last
    python benchmarks/pool_seeds.py runs/last/comparison.json --tables runs/first/table.csv \\
        --out runs/pooled

Writes table.md and table.csv of all seeds. Every part must have the same rows. What is kept of a
seed in a table.csv is enough for everything that is computed seed by seed: arrivals, their level,
the episodes until then, and the pairs of arrivals. Single problems are not in it, so intervals are
over seeds alone, and the tests that compare two methods problem by problem are left out.
"""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import tyro

from selfcorrect_agents.comparison.report.csv_rows import to_csv
from selfcorrect_agents.comparison.report.markdown import to_markdown
from selfcorrect_agents.comparison.results.arrivals import arrival_pair, arrivals_of
from selfcorrect_agents.comparison.results.comparison import (
    TRANSITIONS,
    Arrivals,
    ComparedMethod,
    DecodingMetrics,
    MethodComparison,
    MetricValue,
    read_comparison,
)
from selfcorrect_agents.comparison.results.seed_outcomes import without_false_intervals
from selfcorrect_agents.comparison.results.statistics import standard_error, t_quantile
from selfcorrect_agents.comparison.results.summary import metric_value
from selfcorrect_env.evaluation import Estimate

MEAN = "mean"
"""The column "seed" of a number that is a mean over seeds."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which parts."""

    comparison: tyro.conf.Positional[Path]
    """The comparison.json of one part: what was compared, on what."""
    tables: tuple[Path, ...]
    """The table.csv of the others."""
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

    @classmethod
    def of(cls, path: Path, rows: Iterator[Mapping[str, str]]) -> Part:
        """Read the rows of a table."""
        found: dict[tuple[str, str, str], dict[str, float | None]] = defaultdict(dict)
        for row in rows:
            value = float(row["value"]) if row["value"] else None
            found[row["method"], row["decoding"], row["metric"]][row["seed"]] = value
        seeds = {seed for values in found.values() for seed in values if seed != MEAN}
        return cls(path, tuple(sorted(map(int, seeds))), dict(found))

    def by_seed(self, *key: str) -> dict[int, float | None]:
        """Return the value of each seed.

        Raises:
            SystemExit: the table lacks one.
        """
        values = self.values.get((key[0], key[1], key[2]), {})
        missing = [seed for seed in self.seeds if str(seed) not in values]
        if missing:
            raise SystemExit(f"{self.path} has no {', '.join(filter(None, key))} of {missing}.")
        return {seed: values[str(seed)] for seed in self.seeds}

    def mean(self, *key: str) -> float | None:
        """Return the mean over its seeds; None if the table has none."""
        return self.values.get((key[0], key[1], key[2]), {}).get(MEAN)


def main() -> None:
    options = tyro.cli(Options, description=__doc__)
    pooled = pool(read_comparison(options.comparison), read_tables(options.tables), options.arrival)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "table.md").write_text(to_markdown(pooled), "utf-8")
    (options.out / "table.csv").write_text(to_csv(pooled), "utf-8")
    print(f"{len(pooled.seeds)} seeds: {options.out}/table.md, {options.out}/table.csv")


def read_tables(paths: Sequence[Path]) -> list[Part]:
    """Read tables of other parts."""
    parts = []
    for path in paths:
        with path.open(encoding="utf-8", newline="") as file:
            parts.append(Part.of(path, csv.DictReader(file)))
    return parts


def pool(
    comparison: MethodComparison, parts: Sequence[Part], level: float | None = None
) -> MethodComparison:
    """Return the comparison of the seeds of all parts.

    Raises:
        SystemExit: a part lacks a row, or has a seed of another one.
    """
    own = Part.of(Path("the comparison"), csv.DictReader(to_csv(comparison).splitlines()))
    found = [own, *parts]
    seeds = tuple(sorted(seed for part in found for seed in part.seeds))
    if len(set(seeds)) < len(seeds):
        raise SystemExit(f"Two parts have the same seed: {list(seeds)}.")
    changed = replace(
        comparison,
        seeds=seeds,
        arrival=comparison.arrival if level is None else level,
        methods=tuple(_method(comparison, method, found, level) for method in comparison.methods),
        pairs=(),
        arrival_pairs=(),
        bases={},
        intervals="mean ± Student's t × the standard error over seeds",
        notes=(
            f"Its seeds ran in {len(found)} parts; intervals are over seeds alone.",
            *(
                [
                    "The episodes until this level are not known, so no seed is earlier than "
                    "another one here."
                ]
                if level is not None
                else []
            ),
            *(note for note in comparison.notes if not _on_seeds(note)),
        ),
    )
    return without_false_intervals(_with_pairs(comparison, changed))


def _on_seeds(note: str) -> bool:
    """Return whether a note is on the outcomes of seeds, which are other ones now."""
    return ": a seed arrives at" in note or ": its seeds " in note


def _method(
    comparison: MethodComparison, method: ComparedMethod, parts: Sequence[Part], level: float | None
) -> ComparedMethod:
    name, turns = method.name, range(1, comparison.attempts + 1)
    metrics = {decoding: _metrics(parts, name, decoding, turns) for decoding in method.metrics}
    kl = [
        value and _metric(_seeds(parts, name, "", f"kl_t{turn}"))
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
    parts: Sequence[Part], name: str, decoding: str, turns: Sequence[int]
) -> DecodingMetrics:
    def of(metric: str) -> MetricValue:
        return _metric(_seeds(parts, name, decoding, metric))

    tokens = [_mean(parts, name, decoding, f"tokens at attempt {turn}") for turn in turns]
    return DecodingMetrics(
        accuracy=tuple(of(f"accuracy_t{turn}") for turn in turns),
        delta=of("delta"),
        delta_i_to_c=of("delta_i_to_c"),
        delta_c_to_i=of("delta_c_to_i"),
        unchanged_answers=of("unchanged_answers"),
        edit_distance_ratio=of("edit_distance_ratio"),
        transitions={
            t: _mean(parts, name, decoding, f"transition {t}") or 0.0 for t in TRANSITIONS
        },
        tokens=None if None in tokens else tuple(value or 0.0 for value in tokens),
    )


def _metric(seeds: Sequence[float | None]) -> MetricValue:
    """Return the mean over seeds with its interval over seeds."""
    if None in seeds:
        return MetricValue(value=None, seeds=tuple(seeds))
    known = [value for value in seeds if value is not None]
    return metric_value(_between(known), known)


def _between(values: Sequence[float]) -> Estimate:
    array = np.array(values)
    mean = float(array.mean())
    if len(array) < 2 or np.ptp(array) == 0:
        return Estimate(mean, math.nan, math.nan)
    error, freedom = standard_error(array, 0.0)
    reach = t_quantile(freedom) * error
    return Estimate(mean, mean - reach, mean + reach)


def _seeds(parts: Sequence[Part], *key: str) -> list[float | None]:
    """Return the values of all seeds, in their order."""
    values: dict[int, float | None] = {}
    for part in parts:
        values |= part.by_seed(*key)
    return [values[seed] for seed in sorted(values)]


def _mean(parts: Sequence[Part], *key: str) -> float | None:
    """Return a mean over the seeds of all parts; None if a part has none."""
    means = [(part.mean(*key), len(part.seeds)) for part in parts]
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
    given = _metric(of_arrived) if of_arrived else None
    return arrivals_of(last, reached, given, when, when)


def _with_pairs(comparison: MethodComparison, pooled: MethodComparison) -> MethodComparison:
    methods = {method.name: method for method in pooled.methods}
    pairs = [
        arrival_pair(
            pair.first,
            pair.second,
            pair.decoding,
            methods[pair.first].arrivals[pair.decoding],
            methods[pair.second].arrivals[pair.decoding],
        )
        for pair in comparison.arrival_pairs
    ]
    return replace(pooled, arrival_pairs=tuple(pairs))


if __name__ == "__main__":
    main()
