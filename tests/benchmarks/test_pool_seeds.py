"""Two parts of a comparison, pooled, say what the whole comparison says."""

import csv
from dataclasses import replace
from pathlib import Path

import made_results
import pool_seeds
import pytest

from selfcorrect_agents.comparison.plan.config import CompareConfig
from selfcorrect_agents.comparison.report.csv_rows import to_csv
from selfcorrect_agents.comparison.results.comparison import MethodComparison
from selfcorrect_agents.comparison.results.summary import comparison_of

OUTCOMES = {
    ("base", 0): "ii ii cc ci ii",
    ("base", 1): "ii ci cc cc ii",
    ("base", 2): "ii ii cc ii ii",
    ("SCoRe", 0): "ic ic cc cc ic",
    ("SCoRe", 1): "ic ii cc cc ic",
    ("SCoRe", 2): "ic ic cc ic ic",
}
"""Seeds 0 and 2 of SCoRe arrive."""


def compared(config: CompareConfig, *seeds: int) -> MethodComparison:
    """Return the comparison of these seeds; its log reaches the level after 8 of 40 episodes."""
    asked = replace(config, seeds=seeds, arrival=0.9)
    found = made_results.results(asked, {"base": "ii", "SCoRe": "ii"})
    log = [{**row, "t2/accuracy": 0.2 + 0.8 * (row["step"] > 1)} for row in made_results.HISTORY]
    for method in found:
        for i, cell in enumerate(method.cells):
            episodes = made_results.episodes(OUTCOMES[method.method.label, cell.cell.seed])
            report = made_results.Report.of(episodes, made_results.MEASURED)
            method.cells[i] = replace(
                cell,
                reports={"greedy": report},
                problems={"greedy": made_results.per_problem(episodes)},
                history=log if cell.history else [],
            )
    return comparison_of(asked, found)


def part(comparison: MethodComparison) -> pool_seeds.Part:
    return pool_seeds.Part.of(Path("part"), csv.DictReader(to_csv(comparison).splitlines()))


def test_the_pool_is_the_whole() -> None:
    config = made_results.config()
    whole = compared(config, 0, 1, 2)
    pooled = pool_seeds.pool(compared(config, 1), [part(compared(config, 0, 2))])
    assert pooled.seeds == (0, 1, 2)
    for ours, theirs in zip(pooled.methods, whole.methods, strict=True):
        got, expected = ours.metrics["greedy"], theirs.metrics["greedy"]
        for name, value in expected.named().items():
            assert value is not None
            found = got.named()[name]
            assert found is not None
            assert found.seeds == value.seeds, name
            assert found.value == pytest.approx(value.value), name
        assert got.transitions == pytest.approx(expected.transitions)
        assert got.tokens == pytest.approx(expected.tokens)
        assert ours.spent.tokens == pytest.approx(theirs.spent.tokens)
        assert ours.spent.training_seconds == pytest.approx(theirs.spent.training_seconds)
        arrivals = ours.arrivals["greedy"]
        assert arrivals.seeds == theirs.arrivals["greedy"].seeds
        assert arrivals.episodes == theirs.arrivals["greedy"].episodes
        assert arrivals.share == theirs.arrivals["greedy"].share
    score = pooled.methods[1].arrivals["greedy"]
    assert score.seeds == (True, False, True)
    assert score.episodes == (8.0, None, 8.0)
    assert pooled.arrival_pairs == whole.arrival_pairs
    assert pooled.methods[1].metrics["greedy"].delta is not None
    assert pooled.methods[1].metrics["greedy"].delta.low is None, "a seed arrives or not"


def test_another_level() -> None:
    config = made_results.config()
    pooled = pool_seeds.pool(compared(config, 1), [part(compared(config, 0, 2))], 0.75)
    assert pooled.methods[1].arrivals["greedy"].seeds == (True, True, True)
    assert pooled.methods[1].arrivals["greedy"].episodes == (None, None, None)


def test_a_seed_twice_and_a_row_that_is_missing() -> None:
    config = made_results.config()
    with pytest.raises(SystemExit, match=r"same seed: \[0, 0, 1\]"):
        pool_seeds.pool(compared(config, 0, 1), [part(compared(config, 0))])
    rows = csv.DictReader(to_csv(compared(config, 0)).splitlines())
    without = [row for row in rows if row["method"] != "SCoRe"]
    other = pool_seeds.Part.of(Path("table.csv"), iter(without))
    with pytest.raises(SystemExit, match=r"table\.csv has no SCoRe"):
        pool_seeds.pool(compared(config, 1), [other])
