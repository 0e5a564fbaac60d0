"""Two parts of a comparison, pooled, say what the whole comparison says."""

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import made_results
import pool_seeds
import pytest

from selfcorrect_agents.comparison.plan.config import CompareConfig
from selfcorrect_agents.comparison.plan.content_hashes import weights_of
from selfcorrect_agents.comparison.report.csv_rows import to_csv
from selfcorrect_agents.comparison.report.markdown import to_markdown
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


def compared(
    config: CompareConfig,
    *seeds: int,
    outcomes: dict[tuple[str, int], str] = OUTCOMES,
    arrival: float = 0.9,
) -> MethodComparison:
    """Return the comparison of these seeds; its log reaches the level after 8 of 40 episodes."""
    asked = replace(config, seeds=seeds, arrival=arrival)
    found = made_results.results(asked, {"base": "ii", "SCoRe": "ii"})
    log = [{**row, "t2/accuracy": 0.2 + 0.8 * (row["step"] > 1)} for row in made_results.HISTORY]
    for method in found:
        for i, cell in enumerate(method.cells):
            episodes = made_results.episodes(outcomes[method.method.label, cell.cell.seed])
            measured = replace(made_results.MEASURED, attempts=len(episodes[0].attempts))
            report = made_results.Report.of(episodes, measured)
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


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda outcome: outcome.replace("ci", "ee"), id="unjudged in one part"),
        pytest.param(lambda outcome: outcome.replace("ci", "pp"), id="partial in one part"),
        pytest.param(lambda outcome: outcome.replace(" ", "i "), id="three attempts"),
        pytest.param(lambda outcome: " ".join(o[1] for o in outcome.split()), id="one attempt"),
    ],
)
def test_every_metric_of_the_whole_is_pooled(change: Callable[[str], str]) -> None:
    outcomes = {key: change(f"{outcome} ").strip() for key, outcome in OUTCOMES.items()}
    config = made_results.config()
    whole = compared(config, 0, 1, 2, outcomes=outcomes)
    parts = [compared(config, 1, outcomes=outcomes), compared(config, 0, 2, outcomes=outcomes)]
    pooled = pool_seeds.pool(parts[0], [part(parts[1])])
    for ours, theirs in zip(pooled.methods, whole.methods, strict=True):
        got, expected = (m.metrics["greedy"].named() for m in (ours, theirs))
        assert got.keys() == expected.keys()
        assert {n: v and v.seeds for n, v in got.items()} == {
            n: v and v.seeds for n, v in expected.items()
        }
        assert ours.arrivals["greedy"].seeds == theirs.arrivals["greedy"].seeds


def test_intervals_end_at_what_is_possible_and_are_said_to_be_over_seeds() -> None:
    outcomes = dict.fromkeys(OUTCOMES, "cc cc cc cc cc") | {("SCoRe", 1): "cc cc cc cc ci"}
    config = made_results.config()
    one, two = (compared(config, *seeds, outcomes=outcomes) for seeds in ((1,), (0, 2)))
    level = pool_seeds.pool(one, [part(two)], 0.5).methods[1].arrivals["greedy"].level
    assert level is not None
    assert (level.value, level.high) == (pytest.approx(14 / 15), 1.0)
    text = to_markdown(pool_seeds.pool(one, [part(two)], 0.5))
    assert "95% intervals over seeds alone." in text
    assert "over seeds and problems" not in text


def test_one_seed_and_equal_seeds_have_no_interval() -> None:
    """Of three seeds one arrives; those of the base are equal."""
    outcomes = dict.fromkeys(OUTCOMES, "ii ii cc cc ii") | {("SCoRe", 0): "ic ic cc cc ic"}
    config = made_results.config()
    one, two = (compared(config, *seeds, outcomes=outcomes) for seeds in ((1,), (0, 2)))
    base, score = pool_seeds.pool(one, [part(two)]).methods
    level = score.arrivals["greedy"].level
    assert level is not None
    assert (level.value, level.low, level.high) == (1.0, None, None)
    last = base.metrics["greedy"].accuracy[1]
    assert (last.value, last.low, last.high) == (pytest.approx(0.4), None, None)


def with_alpha(comparison: MethodComparison, alpha: float) -> MethodComparison:
    base, score = comparison.methods
    return replace(comparison, methods=(base, replace(score, learning={"alpha": alpha})))


def test_parts_with_other_settings_are_refused() -> None:
    config = made_results.config()
    first, other = compared(config, 1), compared(config, 0, 2)
    assert pool_seeds.part_of(other, like=first).seeds == (0, 2)
    with pytest.raises(SystemExit, match="another episodes: 64, and the first has None"):
        pool_seeds.part_of(replace(other, episodes=64), like=first)
    changed = with_alpha(other, 1.0)
    with pytest.raises(SystemExit, match=r"another SCoRe: learning: \{'alpha': 1.0\}"):
        pool_seeds.part_of(changed, like=first)


def test_a_table_says_what_it_was_measured_on(tmp_path: Path) -> None:
    """The table.md beside a table.csv has its problems, its level, its bases and processors."""
    config = made_results.config()
    weights = {f"tiny:seed={seed}": weights_of(f"tiny:seed={seed}") for seed in range(3)}
    first = replace(compared(config, 1), bases={"tiny:seed=1": weights["tiny:seed=1"]})
    first = replace(first, instructions=("AVX512",))
    two = {name: weights[name] for name in ("tiny:seed=0", "tiny:seed=2")}
    other = replace(compared(config, 0, 2), bases=two, instructions=("AVX2",))
    table = tmp_path / "table.csv"

    def stored(comparison: MethodComparison) -> None:
        table.write_text(to_csv(comparison))
        table.with_name("table.md").write_text(to_markdown(comparison))

    stored(other)
    pooled = pool_seeds.pool(first, [pool_seeds.read_table(table, first)])
    assert pooled.bases == weights
    assert pooled.instructions == ("AVX2", "AVX512")
    assert any("different instructions (AVX2, AVX512)" in note for note in pooled.notes)
    measured = replace(other.measured, fingerprint="another")
    for comparison, message in (
        (replace(other, measured=measured), "is of something else"),
        (replace(other, episodes=64), "is of something else"),
        (with_alpha(other, 3.0), "rows with other settings"),
        (compared(config, 0, 2, arrival=0.8), "another level of arrival than 90%"),
        (replace(other, bases=dict.fromkeys(two, "other")), "of other base weights: other"),
    ):
        stored(comparison)
        with pytest.raises(SystemExit, match=message):
            pool_seeds.read_table(table, first)
    table.with_name("table.md").unlink()
    with pytest.raises(SystemExit, match="is missing"):
        pool_seeds.read_table(table, first)
