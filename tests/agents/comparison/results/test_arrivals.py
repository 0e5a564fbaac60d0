"""Arrivals of seeds: exact intervals, episodes until then, pairs, no false interval of a mean."""

import csv
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_results import episodes, results
from rich.console import Console

from selfcorrect_agents.comparison.plan.config import CompareConfig, config_of
from selfcorrect_agents.comparison.report.files import write_tables
from selfcorrect_agents.comparison.report.page import page
from selfcorrect_agents.comparison.report.terminal import for_terminal
from selfcorrect_agents.comparison.results.arrivals import (
    arrival_pair,
    arrivals_of,
    clopper_pearson,
    episodes_to_arrival,
    two_groups,
)
from selfcorrect_agents.comparison.results.cell_results import CellResult, MethodResults
from selfcorrect_agents.comparison.results.comparison import MethodComparison, read_comparison
from selfcorrect_agents.comparison.results.seed_outcomes import without_false_intervals
from selfcorrect_agents.comparison.results.summary import comparison_of
from selfcorrect_agents.errors import ComparisonError
from selfcorrect_env.evaluation import per_problem
from selfcorrect_env.evaluation.report import Report


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [
        # R: binom.test(k, n)$conf.int
        (0, 10, 0.0, 0.3084971),
        (7, 10, 0.3475471, 0.9332605),
        (19, 20, 0.7512671, 0.9987349),
        (5, 5, 0.4781762, 1.0),
        (1, 1, 0.025, 1.0),
    ],
)
def test_clopper_pearson(k: int, n: int, low: float, high: float) -> None:
    found = clopper_pearson(k, n)
    assert (found.value, found.low, found.high) == pytest.approx((k / n, low, high), abs=1e-6)


@given(n=st.integers(1, 10), share=st.floats(0.001, 0.999))
def test_clopper_pearson_covers_every_share(n: int, share: float) -> None:
    covered = sum(
        math.comb(n, k) * share**k * (1 - share) ** (n - k)
        for k in range(n + 1)
        if clopper_pearson(k, n).low <= share <= clopper_pearson(k, n).high
    )
    assert covered >= 0.95 - 1e-9


def log(*accuracies: float) -> list[dict[str, float]]:
    return [
        {"episodes": 10.0 * step, "t2/accuracy": accuracy}
        for step, accuracy in enumerate(accuracies, start=1)
    ]


def test_episodes_until_the_mean_of_the_last_rows_reaches_the_level() -> None:
    assert episodes_to_arrival(log(0.2, 0.5, 0.9, 1.0), "t2/accuracy", 0.9) == 30
    # one row of 100 is no arrival: the window is 4 rows
    single = [0.1] * 40 + [1.0] + [0.1] * 9 + [0.9] * 50
    assert episodes_to_arrival(log(*single), "t2/accuracy", 0.9) == 540
    assert episodes_to_arrival(log(0.2, 0.5), "t2/accuracy", 0.9) is None
    assert episodes_to_arrival([], "t2/accuracy", 0.9) is None
    assert episodes_to_arrival([{"episodes": 5.0, "fit/loss": 1.0}], "t2/accuracy", 0.9) is None


def test_episodes_until_a_fit_takes_the_policy_to_the_level() -> None:
    """The log of imitation: steps that gather with the policy of before, then a fit."""
    gathered = log(*[0.3] * 50)
    fitted = [*gathered[:-1], {**gathered[-1], "after_fit/t2/accuracy": 0.95}]
    assert episodes_to_arrival(gathered, "t2/accuracy", 0.9) is None
    assert episodes_to_arrival(fitted, "t2/accuracy", 0.9) == 500
    again = [*fitted, *({**row, "episodes": row["episodes"] + 500} for row in log(*[0.95] * 50))]
    assert episodes_to_arrival(again, "t2/accuracy", 0.9) == 500


def test_pairs_are_compared_seed_by_seed() -> None:
    """A seed that never arrives comes last; where neither does, it says nothing."""
    played = [900.0] * 5
    when = [100.0, 300.0, 200.0, None, None]
    one = arrivals_of([0.95, 0.95, 0.95, 0.2, 0.2], 0.9, None, when, played)
    when = [200.0, None, 100.0, 500.0, None]
    two = arrivals_of([0.95, 0.2, 0.95, 0.95, 0.2], 0.9, None, when, played)
    assert one.seeds == (True, True, True, False, False)
    assert (one.count, one.mixed, one.share.value) == (3, True, 0.6)
    pair = arrival_pair("one", "two", "sampled", one, two)
    assert (pair.earlier_first, pair.earlier_second) == (2, 2)
    assert (pair.only_first, pair.only_second) == (1, 1)
    assert pair.ratio == pytest.approx(1.0)  # twice as early and twice as late: neither
    assert pair.p_earlier == 1.0
    first = arrivals_of([0.95] * 8, 0.9, None, [100.0] * 8, [900.0] * 8)
    later = arrivals_of([0.95] * 8, 0.9, None, [150.0] * 8, [900.0] * 8)
    pair, reverse = (
        arrival_pair("a", "b", "t", first, later),
        arrival_pair("b", "a", "t", later, first),
    )
    assert pair.p_earlier == pytest.approx(2 / 2**8)
    assert pair.ratio == pytest.approx(1 / (reverse.ratio or 0))


def test_a_seed_has_arrived_by_what_it_is_in_the_end() -> None:
    """One that was at the level and left it did not arrive; one that is at it on the held-out
    problems alone arrived after all of its episodes."""
    left, late, early = arrivals_of(
        [0.4, 0.92, 0.99], 0.9, None, [50.0, None, 20.0], [80.0] * 3
    ).episodes
    assert (left, late, early) == (None, 80.0, 20.0)


def test_seeds_whose_episodes_are_not_known_are_not_compared() -> None:
    unknown = arrivals_of([0.95, 0.2], 0.9, None, [None, None], [None, None])
    known = arrivals_of([0.95, 0.95], 0.9, None, [10.0, 10.0], [80.0, 80.0])
    pair = arrival_pair("unknown", "known", "sampled", unknown, known)
    assert (pair.earlier_first, pair.earlier_second) == (0, 1)
    assert (pair.only_first, pair.only_second) == (0, 1)
    assert pair.ratio is None


@given(st.lists(st.floats(0, 1), max_size=8))
def test_groups_are_a_partition_with_a_gap(values: list[float]) -> None:
    found = two_groups(values, 1000)
    if found is not None:
        low, high = found
        assert low
        assert high
        assert sorted(values) == [*low, *high]
        assert high[0] - low[-1] >= 0.2


# -- in a comparison -----------------------------------------------------------------------
SOLVED, COPIED = "ic ic ic cc cc", "ii ii cc cc ii"


def asked(arrival: float | None, seeds: int = 3) -> CompareConfig:
    methods = {"base": {}, "SCoRe": {"agent": "score"}, "RL": {"agent": "multiturn_rl"}}
    return config_of(
        {
            "seeds": list(range(seeds)),
            "methods": methods,
            "decodings": ["greedy"],
            **({} if arrival is None else {"arrival": arrival}),
        },
        "test",
    )


def compared(arrival: float | None, outcomes: dict[str, list[str]]) -> MethodComparison:
    config = asked(arrival, len(next(iter(outcomes.values()))))
    made = []
    for result in results(config, {label: each[0] for label, each in outcomes.items()}):
        cells: list[CellResult] = []
        for cell, outcome in zip(result.cells, outcomes[result.method.label], strict=True):
            measured = next(iter(cell.reports.values())).measured
            measured = replace(measured, attempts=len(outcome.split()[0]))
            report = Report.of(episodes(outcome), measured)
            last = per_problem(report.episodes)
            rising = log(0.1, 0.95 if outcome == SOLVED else 0.2)
            cells.append(
                replace(cell, reports={"greedy": report}, problems={"greedy": last}, history=rising)
            )
        made.append(MethodResults(result.method, result.agent, cells))
    return comparison_of(config, made)


MIXED = {
    "base": [COPIED] * 3,
    "SCoRe": [SOLVED] * 3,
    "RL": [SOLVED, COPIED, SOLVED],
}


def test_where_seeds_split_no_mean_of_a_trained_method_has_an_interval(tmp_path: Path) -> None:
    found = compared(0.9, MIXED)
    assert found.arrives("greedy")
    base, score, rl = (method.metrics["greedy"] for method in found.methods)
    for trained in (score, rl):
        first, last = trained.accuracy
        assert first.low is not None
        assert (last.low, last.high) == (None, None)
        assert trained.delta is not None
        assert trained.delta.low is None
    assert base.accuracy[1].low is not None
    assert all(pair.difference.low is None for pair in found.pairs)
    assert all((pair.p_value, pair.p_holm) == (None, None) for pair in found.pairs)
    assert any("a seed arrives at 90% or not" in note for note in found.notes)
    arrivals = {method.name: method.arrivals["greedy"] for method in found.methods}
    assert [arrivals[name].count for name in ("base", "SCoRe", "RL")] == [0, 3, 2]
    assert arrivals["RL"].level is not None
    assert arrivals["RL"].level.value == 1.0
    assert arrivals["RL"].episodes == (20.0, None, 20.0)
    (pair,) = found.arrival_pairs
    assert (pair.first, pair.second, pair.earlier_first) == ("SCoRe", "RL", 1)

    write_tables(tmp_path, found)
    assert read_comparison(tmp_path / "comparison.json") == found
    text = (tmp_path / "table.md").read_text()
    assert "| RL | 2 of 3 | [9.4, 99.2] | 100.0" in text
    table = (tmp_path / "table.csv").read_text()
    rows = {tuple(row[:4]): row[4:] for row in csv.reader(table.splitlines())}
    assert rows["RL", "greedy", "arrived", "1"][0] == "0.0"
    assert rows["RL", "greedy", "seeds later than SCoRe", "mean"][0] == "1"
    assert rows["RL", "greedy", "episodes to arrival", "1"][0] == ""
    assert rows["RL", "greedy", "episodes to arrival", "2"][0] == "20.0"
    console = Console(width=120)
    with console.capture() as capture:
        console.print(for_terminal(found))
    assert "2 of 3" in capture.get()
    html = page(found, [])
    assert "Arrivals" in html
    assert "20, –, 20 episodes until arrival" in html


def test_with_one_attempt_it_is_the_one_that_arrives() -> None:
    right, wrong = "c c c c c", "i c i i c"
    found = compared(0.9, {"base": [wrong] * 3, "SCoRe": [right] * 3, "RL": [right, wrong, right]})
    assert found.arrives("greedy")
    for method in found.methods[1:]:
        (only,) = method.metrics["greedy"].accuracy
        assert (only.low, only.high) == (None, None)
    assert found.methods[0].metrics["greedy"].accuracy[0].low is not None


def test_an_oracle_at_the_level_is_no_reason_to_raise_it() -> None:
    found = compared(0.9, {"base": [SOLVED] * 3, "SCoRe": [SOLVED] * 3, "RL": [COPIED] * 3})
    methods = (replace(found.methods[0], oracle=True), *found.methods[1:])
    again = without_false_intervals(replace(found, methods=methods, notes=()))
    assert not [note for note in again.notes if "without training" in note]


def test_no_seed_arrives_by_what_was_not_judged() -> None:
    """RL is right at all problems that were judged, at two of five."""
    failed = "ic ie ie cc ie"
    found = compared(0.9, {**MIXED, "RL": [failed] * 3})
    rl = found.methods[2]
    assert rl.metrics["greedy"].accuracy[-1].value == 1.0
    assert rl.metrics["greedy"].ranking[-1].value == 0.4
    assert rl.arrivals["greedy"].seeds == (False,) * 3
    assert [pair.only_first for pair in found.arrival_pairs] == [3]
    html = page(found, [])
    assert "<b>SCoRe</b>: <b>3 of 3</b> seeds, the most, arrive at 90%, with unjudged" in html
    assert (pair := found.pairs[0]).unjudged_wrong is not None
    assert (pair.p_unjudged_wrong, pair.p_holm_unjudged_wrong) == (None, None)
    mostly = compared(0.6, {**MIXED, "RL": ["ic ic ie cc cc"] * 3}).methods[2]
    assert mostly.arrivals["greedy"].level is not None
    assert mostly.arrivals["greedy"].level.value == 0.8


def test_no_training_log_reaches_the_level_by_what_was_not_judged() -> None:
    rows = log(0.95, 0.95, 0.95)
    for row, share in zip(rows, (0.5, 0.02, 0.0), strict=True):
        row["train/unjudged_share"] = share
    assert episodes_to_arrival(rows, "t2/accuracy", 0.9) == 20
    nothing = [{"episodes": 10.0, "train/unjudged_share": 1.0}, *rows[2:]]
    assert episodes_to_arrival(nothing, "t2/accuracy", 0.9) == 30
    fitted = {"episodes": 10.0, "after_fit/t2/accuracy": 0.95, "after_fit/unjudged_share": 0.5}
    assert episodes_to_arrival([fitted], "t2/accuracy", 0.9) is None
    assert episodes_to_arrival([fitted | {"after_fit/unjudged_share": 0.0}], "t2/accuracy", 0.9)


def test_where_all_seeds_arrive_the_next_might_not() -> None:
    """Three of three are compatible with an arrival in 29% of the seeds."""
    found = compared(0.9, {**MIXED, "RL": [COPIED] * 3})
    score = found.methods[1]
    assert score.metrics["greedy"].accuracy[1].low is None
    share, level = score.arrivals["greedy"].share, score.arrivals["greedy"].level
    assert (share.low, share.high) == (pytest.approx(0.2924018, abs=1e-6), 1.0)
    assert level is not None
    assert level.low is not None
    assert "SCoRe</b>: <b>3 of 3</b> seeds, the most, arrive at 90%." in page(found, [])


def test_where_no_trained_seed_arrives_means_keep_their_intervals() -> None:
    """The base's seeds are not runs: where they are does not matter."""
    found = compared(0.9, {"base": [SOLVED] * 3, "SCoRe": [COPIED] * 3, "RL": [COPIED] * 3})
    assert not found.arrives("greedy")
    assert found.methods[1].metrics["greedy"].accuracy[1].low is not None
    assert all(pair.p_value is not None for pair in found.pairs)


def test_two_groups_below_the_level_are_named() -> None:
    better = "ic ic cc cc ii"
    many = {
        "base": [" ".join([COPIED] * 20)] * 4,
        "SCoRe": [" ".join([each] * 20) for each in (COPIED, COPIED, better, better)],
        "RL": [" ".join([COPIED] * 20)] * 4,
    }
    (note,) = (note for note in compared(0.9, many).notes if "two groups" in note)
    assert note.startswith("Warning: SCoRe, greedy:")


def test_seeds_around_the_level_are_named() -> None:
    right, wrong = ["ic"] * 20, ["ii"] * 20
    around = [" ".join(right[:k] + wrong[k:]) for k in (18, 17, 19)]
    found = compared(0.9, {"base": [" ".join(wrong)] * 3, "SCoRe": around, "RL": around})
    assert [
        note for note in found.notes if note.startswith("Warning: SCoRe, greedy: its seeds lie")
    ]


def test_a_level_within_one_of_two_groups_is_named() -> None:
    """SCoRe's seeds are at 0 or around 90%, RL's at 0 or 75%: a count at 90% says little."""
    right, wrong = ["ic"] * 20, ["ii"] * 20
    at = {share: " ".join(right[:share] + wrong[share:]) for share in (0, 15, 17, 18, 19, 20)}
    found = compared(
        0.9,
        {
            "base": [at[0]] * 5,
            "SCoRe": [at[0], at[17], at[18], at[19], at[0]],
            "RL": [at[0], at[15], at[0], at[15], at[0]],
        },
    )
    assert [note.partition(", so how")[0] for note in found.notes if "two groups" in note] == [
        f"Warning: {name}, greedy: its seeds fall into two groups at the last attempt ({spans}), "
        "and the level of arrival is not between them"
        for name, spans in (("SCoRe", "0.0 and 85.0 to 95.0"), ("RL", "0.0 and 75.0"))
    ]
    between = {"base": [at[0]] * 3, "SCoRe": [at[0], at[19], at[20]], "RL": [at[0]] * 3}
    assert not [note for note in compared(0.9, between).notes if note.startswith("Warning")]


def test_one_seed_speaks_of_its_run_alone_and_keeps_its_interval() -> None:
    found = compared(0.9, {label: each[:1] for label, each in MIXED.items()})
    assert found.methods[1].metrics["greedy"].accuracy[1].low is not None


def test_one_seed_that_arrives_has_no_interval_over_seeds() -> None:
    found = compared(0.9, {**MIXED, "RL": [SOLVED, COPIED, COPIED]})
    level = found.methods[2].arrivals["greedy"].level
    assert level is not None
    assert (level.value, level.low, level.high) == (1.0, None, None)


def test_without_a_level_seeds_in_two_groups_are_named() -> None:
    many = {label: [" ".join([each] * 20) for each in of] for label, of in MIXED.items()}
    found = compared(None, many)
    (note,) = (note for note in found.notes if "two groups" in note)
    assert note.startswith("Warning: RL, greedy:")
    assert "(40.0 and 100.0, 100.0)" in note
    assert not any("two groups" in note for note in compared(None, MIXED).notes)  # five problems
    assert found.arrival_pairs == ()
    assert "Arrivals" not in page(found, [])


def test_the_level_is_checked() -> None:
    with pytest.raises(ComparisonError, match=r"arrival must be in \(0, 1\)"):
        asked(1.0)


def test_a_level_that_the_base_has_without_training_is_named() -> None:
    found = compared(0.9, {"base": [SOLVED] * 3, "SCoRe": [SOLVED] * 3, "RL": [COPIED] * 3})
    (note,) = (note for note in found.notes if note.startswith("Warning: base, greedy"))
    assert "without training, 100.0 at the last attempt" in note
