"""comparison.json, its tables and the page's episodes, of results made by hand."""

import csv
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_results import MEASURED, config, episodes, results
from rich.console import Console

from selfcorrect_agents.comparison.plan.typed_values import build
from selfcorrect_agents.comparison.report.csv_rows import to_csv
from selfcorrect_agents.comparison.report.files import write_tables
from selfcorrect_agents.comparison.report.markdown import to_markdown
from selfcorrect_agents.comparison.report.sections.episodes import (
    SHOWN,
    episode_data,
    shown_episodes,
)
from selfcorrect_agents.comparison.report.sections.metrics import headline, metrics_table, section
from selfcorrect_agents.comparison.report.sections.pairs import section as pairs_section
from selfcorrect_agents.comparison.report.terminal import for_terminal
from selfcorrect_agents.comparison.results.cell_results import (
    curve,
    final_kl,
    require_same_problems,
)
from selfcorrect_agents.comparison.results.comparison import (
    CHANGES,
    MethodComparison,
    MetricValue,
    Spent,
    read_comparison,
)
from selfcorrect_agents.comparison.results.sampling import scaling_curves
from selfcorrect_agents.comparison.results.summary import comparison_of
from selfcorrect_agents.errors import ComparisonError
from selfcorrect_env.errors import CheckpointError
from selfcorrect_env.evaluation import mcnemar
from selfcorrect_env.evaluation.report import Report


def printed(found: MethodComparison, width: int) -> str:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(for_terminal(found))
    return capture.get()


def test_the_metrics_are_the_reports_averaged_over_seeds() -> None:
    found = comparison_of(config(), results(config()))
    for method, result in zip(found.methods, results(config()), strict=True):
        values = method.metrics["greedy"].named()
        metrics = [cell.reports["greedy"].metrics for cell in result.cells]
        expected = {
            "accuracy_t1": [m.accuracy[0].value for m in metrics],
            "accuracy_t2": [m.accuracy[1].value for m in metrics],
            "delta": [m.delta.value for m in metrics],
            "delta_i_to_c": [m.delta_i_to_c.value for m in metrics],
            "delta_c_to_i": [m.delta_c_to_i.value for m in metrics],
            "unchanged_answers": [m.unchanged_answers.value for m in metrics],
            "edit_distance_ratio": [m.edit_distance_ratio for m in metrics],
        }
        both = ("wrong", "right")
        counted = [f"accuracy_unjudged_{how}_t{turn}" for how in both for turn in (1, 2)]
        assert sorted(values) == sorted([*expected, *counted])
        for name, seeds in expected.items():
            value = values[name]
            assert value is not None
            assert value.seeds == pytest.approx(seeds), name
            assert value.value == pytest.approx(np.mean(seeds)), name
            assert value.low <= value.value <= value.high  # type: ignore[operator]
        assert sum(method.metrics["greedy"].transitions.values()) == pytest.approx(1)
        assert sum(method.metrics["greedy"].edit_histogram.counts) == 10  # type: ignore[union-attr]
    base, score = found.methods
    assert base.metrics["greedy"].transitions["c->i"] == pytest.approx(0.1)
    assert base.metrics["greedy"].transitions["unjudged"] == pytest.approx(0.1)
    assert (base.trained, score.trained) == (False, True)
    assert base.kl == ()
    assert score.kl[0] is not None
    assert score.kl[0].value == pytest.approx(1.0)  # the last of ten
    assert score.kl[1] is None
    assert base.spent == Spent(
        episodes=0, tokens=0, gradient_tokens=0, seconds=2, training_seconds=0
    )
    assert score.spent == Spent(episodes=40, tokens=90, seconds=62, training_seconds=60)
    assert score.metrics["greedy"].tokens == (3.0, 6.0)
    assert list(base.curves) == []
    assert score.curves["1"][-1]["episodes"] == 40
    assert found.measured.problems == 5
    assert found.measured.size == 100


def test_a_method_that_provokes_errors_does_not_lead() -> None:
    """SCoRe is right where it is judged, at one problem of four; the base is right at two."""
    played = {"base": "cc cc ii ii", "SCoRe": "ic ie ie ie"}
    found = comparison_of(config(), results(config(), played))
    base, score = found.methods
    assert found.unjudged
    assert [value.value for value in score.metrics["greedy"].accuracy] == [0, 1]
    assert [value.value for value in score.metrics["greedy"].unjudged_wrong] == [0, 0.25]
    assert [value.value for value in score.metrics["greedy"].unjudged_right] == [0, 1]
    assert [value.value for value in base.metrics["greedy"].unjudged_wrong] == [0.5, 0.5]
    (pair,) = found.pairs
    assert pair.difference.value == 0  # on the one problem that both were judged on
    assert pair.unjudged_wrong is not None
    assert pair.unjudged_wrong.value == -0.25
    leader = str(headline(found))
    assert "<b>base</b> has the highest Acc@t2 with unjudged attempts counted as wrong" in leader
    warning = "Warning: SCoRe: 6 of 8 episodes were not judged"
    page = str(section(found).markup())
    for text in (to_markdown(found), printed(found, 300), page):
        assert warning in text
    assert "| acc@t2, unjudged wrong |" in to_markdown(found)
    assert "Acc@t2, unjudged wrong" in page
    assert "difference, unjudged wrong" in to_markdown(found)
    assert "SCoRe,greedy,accuracy_unjudged_wrong_t2,mean,0.25" in to_csv(found)
    assert "SCoRe,greedy,accuracy_t2 minus base with unjudged wrong,mean,-0.25" in to_csv(found)
    assert build(MethodComparison, asdict(found), "test") == found


def test_the_p_value_beside_the_ranking_is_that_of_the_ranking() -> None:
    """SCoRe is right at all 18 problems that were judged, of 60; the base at 30, 9 of these 18."""
    score = " ".join(["ic"] * 18 + ["ie"] * 42)
    base = " ".join(["cc"] * 9 + ["ii"] * 9 + ["cc"] * 21 + ["ii"] * 21)
    found = comparison_of(config(), results(config(), {"base": base, "SCoRe": score}))
    (pair,) = found.pairs
    assert pair.difference.value == 0.5  # of the judged
    assert pair.p_value == mcnemar(0, 9)
    assert pair.unjudged_wrong is not None
    assert pair.unjudged_wrong.value == pytest.approx(-0.2)
    assert pair.p_unjudged_wrong == pair.p_holm_unjudged_wrong == mcnemar(9, 21)
    told = str(headline(found))
    assert "<b>SCoRe</b> is next with 30.0%, different (p = 0.043, Holm)" in told
    untested = replace(pair, p_unjudged_wrong=None, p_holm_unjudged_wrong=None)
    older = str(headline(replace(found, pairs=(untested,))))
    assert "without a test of the two" in older
    matrix = str(pairs_section(found).markup())  # type: ignore[union-attr]
    assert '<td class="down"><b>−20.0</b><small>0.043</small></td>' in matrix
    assert "with unjudged attempts counted as wrong" in matrix
    assert "| −20.0 [" in to_markdown(found)
    assert "SCoRe,greedy,p of accuracy_t2 minus base with unjudged wrong,mean,0.04" in to_csv(found)


def test_no_method_is_marked_as_best_by_what_was_not_judged() -> None:
    """SCoRe is right at 100% of the judged, 25% of all; the base at 50% of both."""
    played = {"base": "cc cc ii ii", "SCoRe": "ic ie ie ie"}
    found = comparison_of(config(), results(config(), played))
    (row,) = (row for row in str(metrics_table(found)).split("<tr") if "SCoRe" in row)
    assert "100.0" in row
    assert "(best)" not in row
    judged = comparison_of(config(), results(config(), {"base": "cc ii", "SCoRe": "ic ic"}))
    (row,) = (row for row in str(metrics_table(judged)).split("<tr") if "SCoRe" in row)
    assert "(best)" in row


def test_where_all_is_judged_there_is_one_accuracy() -> None:
    found = comparison_of(config(), results(config(), {"base": "cc ii", "SCoRe": "ic ic"}))
    assert not found.unjudged
    assert found.pairs[0].unjudged_wrong is None
    assert found.pairs[0].p_unjudged_wrong is None
    assert "unjudged wrong" not in to_markdown(found) + printed(found, 300) + to_csv(found)


def test_every_attempt_is_measured_by_itself() -> None:
    """Right at t3 alone: three accuracies, and what changed is from t1 to t3."""
    found = comparison_of(config(), results(config(), {"base": "iic iic", "SCoRe": "iic cii"}))
    base, score = found.methods
    assert found.attempts == 3
    assert [accuracy.value for accuracy in base.metrics["greedy"].accuracy] == [0, 0, 1]
    assert [accuracy.value for accuracy in score.metrics["greedy"].accuracy] == [0.5, 0, 0.5]
    assert base.metrics["greedy"].delta.value == 1  # type: ignore[union-attr]
    assert [value.value for value in base.metrics["greedy"].successive] == [0, 1]
    assert "Δ(t2, t3)" in to_markdown(found)
    assert score.metrics["greedy"].transitions["c->i"] == 0.5
    assert [pair.difference.value for pair in found.pairs] == [-0.5]


def test_one_attempt_has_no_change() -> None:
    found = comparison_of(config(), results(config(), {"base": "c i", "SCoRe": "c c"}))
    for method, accuracy in zip(found.methods, (0.5, 1.0), strict=True):
        metrics = method.metrics["greedy"]
        assert [value.value for value in metrics.accuracy] == [accuracy]
        assert metrics.delta is metrics.unchanged_answers is metrics.edit_histogram is None
    markdown = to_markdown(found)
    assert "| method | acc@t1 | KL t1 |" in markdown
    assert "acc@t1, paired" in markdown
    assert "t2" not in markdown
    assert "Δ" not in markdown


def test_partial_credit_is_a_mean_score_beside_the_accuracy() -> None:
    found = comparison_of(config(), results(config(), {"base": "ii cc", "SCoRe": "ip cc"}))
    base, score = (method.metrics["greedy"] for method in found.methods)
    assert [value.value for value in base.mean_score] == [0.5, 0.5]
    assert [value.value for value in score.accuracy] == [0.5, 0.5]
    assert [value.value for value in score.mean_score] == [0.5, 0.75]
    assert "score@t2" in to_markdown(found)
    whole = comparison_of(config(), results(config()))
    assert whole.methods[0].metrics["greedy"].mean_score == ()
    assert "score@t" not in to_markdown(whole)


def test_every_method_is_paired_with_base_and_reference() -> None:
    (pair,) = comparison_of(config(), results(config())).pairs
    assert (pair.first, pair.second, pair.decoding) == ("base", "SCoRe", "greedy")
    assert (pair.only_first, pair.only_second, pair.problems) == (0, 5, 4)
    assert pair.difference.value == pytest.approx((3 / 4 + 2 / 5) / 2)
    assert pair.difference.seeds == pytest.approx((3 / 4, 2 / 5))
    third = replace(config().methods[1], label="third")
    asked = replace(config(), methods=(*config().methods, third))
    made = results(config())
    made.append(replace(made[1], method=third))
    pairs = comparison_of(asked, made).pairs
    assert [(p.first, p.second) for p in pairs] == [
        ("base", "SCoRe"),
        ("base", "third"),
        ("SCoRe", "third"),
    ]
    assert pairs[2].p_value == 1.0


def test_the_files_have_the_same_numbers(tmp_path: Path) -> None:
    found = comparison_of(config(), results(config()))
    write_tables(tmp_path, found)
    for path in (tmp_path / "comparison.json", str(tmp_path / "comparison.json")):
        assert read_comparison(path) == found
    rows = list(csv.DictReader((tmp_path / "table.csv").read_text("utf-8").splitlines()))
    row = next(
        r for r in rows if (r["method"], r["metric"], r["seed"]) == ("SCoRe", "accuracy_t2", "mean")
    )
    metric = found.methods[1].metrics["greedy"].accuracy[1]
    assert [float(row[k]) for k in ("value", "low", "high")] == [
        metric.value,
        metric.low,
        metric.high,
    ]
    assert not [r for r in rows if r["method"] == "base" and r["metric"] == "kl_t1"]
    values = {(r["method"], r["decoding"], r["metric"]): r for r in rows if r["seed"] == "mean"}
    (pair,) = found.pairs
    for key, value in {
        ("base", "greedy", "transition c->i"): 0.1,
        ("SCoRe", "", "kl_t1"): 1.0,
        ("SCoRe", "", "spent episodes"): 40,
        ("SCoRe", "", "spent training_seconds"): 60,
        ("SCoRe", "greedy", "tokens at attempt 2"): 6,
        ("SCoRe", "greedy", "accuracy_t2 minus base"): pair.difference.value,
        ("SCoRe", "greedy", "p of accuracy_t2 minus base"): pair.p_value,
    }.items():
        assert float(values[key]["value"]) == pytest.approx(value), key
    markdown = (tmp_path / "table.md").read_text("utf-8")
    shown = printed(found, 120)
    for text in (markdown, shown):
        for part in ("SCoRe", "base", "0123456789abcdef", "40", "1:02", "+57.5", "95% intervals"):
            assert part in text, part
    tables = [line for line in markdown.splitlines() if line.startswith("|")]
    assert "| base | 0 | 50.0 | 25.0 | 40.0 | 20.0 | 60.0 | 40.0 | −25.0 |" in markdown
    assert all(line.endswith("|") for line in tables)
    assert "| base | 30.0 | 0.0 | 10.0 | 50.0 | 10.0 |" in markdown  # transitions
    assert "| SCoRe | 40 | 90 | – | 1:00 | 1:02 | 9.0 (3.0 + 6.0) |" in markdown  # cost
    assert "Δ(t1, t2)" in markdown
    assert "| SCoRe | score | – |" in markdown  # settings
    assert "- KL: to the base, in nats, of the replies sampled in training" in markdown
    changes = found.methods[1].metrics["greedy"].delta_i_to_c
    assert changes is not None
    value, low, high = (100 * x for x in (changes.value, changes.low, changes.high))  # type: ignore[operator]
    whole = f"{value:.1f} [{low:.1f}, {high:.1f}]"
    assert whole in markdown
    assert whole in shown


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda as_json: as_json.update(sedes=[0]), "Unknown key 'sedes'. Did you mean 'seeds'?"),
        (lambda as_json: as_json.pop("methods"), "missing"),
        (lambda as_json: as_json.update(methods=[]), "at least one method"),
        (lambda as_json: as_json["methods"][0].update(oracle="no"), "oracle must be true or false"),
        (lambda as_json: as_json["measured"].update(attempts="2"), "measured: attempts"),
    ],
)
def test_a_damaged_comparison_is_refused_by_the_key(
    tmp_path: Path, spoil: Callable[[dict[str, Any]], object], expected: str
) -> None:
    path = tmp_path / "comparison.json"
    write_tables(tmp_path, comparison_of(config(), results(config())))
    as_json = json.loads(path.read_text("utf-8"))
    spoil(as_json)
    path.write_text(json.dumps(as_json))
    with pytest.raises(ComparisonError) as caught:
        read_comparison(path)
    assert expected in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_the_terminals_tables_never_cut_a_number(width: int, attempts: int) -> None:
    """The longest rows that there can be: three digits, signs, a long name."""
    outcomes = " ".join(["c" * attempts] * 3)
    found = comparison_of(config(), results(config(), {"base": outcomes, "SCoRe": outcomes}))
    worst = MetricValue(value=-0.9876, low=-1.0, high=-0.9753, seeds=(-0.9876, -0.9876))
    name = "control: 11 r2 for the bonus"
    metrics = replace(
        found.methods[0].metrics["greedy"],
        accuracy=(worst,) * attempts,
        successive=(worst,) * (attempts - 1 if attempts > 2 else 0),
        **(dict.fromkeys(("delta", *CHANGES), worst) if attempts > 1 else {}),
    )
    spent = replace(found.methods[0].spent, episodes=1_000_000, seconds=100_000)
    method = replace(found.methods[0], name=name, metrics={"greedy": metrics}, spent=spent)
    pair = replace(found.pairs[0], first=name, second=name, difference=worst)
    shown = printed(replace(found, methods=(method,), pairs=(pair,)), width)
    assert "…" not in shown
    assert shown.count("−98.8 [−100.0, −97.5]") == {1: 2, 2: 8, 5: 15}[attempts]
    assert "1,000,000" in shown
    assert all(len(line) <= width for line in shown.splitlines())


def test_scaling_is_in_the_files(tmp_path: Path) -> None:
    made = results(config())
    curves = scaling_curves(episodes("ic ic cc ii cc cc cc cc"), samples=4)
    cells = [replace(cell, scaling=curves) for cell in made[1].cells]
    found = comparison_of(config(), [made[0], replace(made[1], cells=cells)])
    write_tables(tmp_path, found)
    assert read_comparison(tmp_path / "comparison.json") == found
    markdown = (tmp_path / "table.md").read_text("utf-8")
    assert "| method | by | 2 replies | 4 replies |" in markdown
    (row,) = [
        line for line in markdown.splitlines() if line.startswith("| SCoRe | pass@k, parallel |")
    ]
    assert "75.0 [" in row  # pass@2: 1/2 at one problem, 1 at the other
    rows = list(csv.DictReader((tmp_path / "table.csv").read_text("utf-8").splitlines()))
    (row,) = [r for r in rows if r["metric"] == "pass_parallel, 2 replies" and r["seed"] == "mean"]
    assert (row["method"], row["decoding"], float(row["value"])) == ("SCoRe", "", 0.75)


def test_tokens_that_were_not_counted_stay_unknown() -> None:
    made = results(config())
    cell = made[1].cells[0]
    first, *rest = cell.reports["greedy"].episodes
    silent = replace(first, attempts=tuple(replace(a, tokens=None) for a in first.attempts))
    report = replace(cell.reports["greedy"], episodes=(silent, *rest))
    cells = [replace(cell, reports={"greedy": report}), made[1].cells[1]]
    found = comparison_of(config(), [made[0], replace(made[1], cells=cells)])
    assert found.methods[1].metrics["greedy"].tokens is None
    assert to_markdown(found).count("| – |") >= 1


def test_the_settings_of_a_row_are_in_its_reports() -> None:
    """A reader sees that a row has other settings than its name says."""
    asked = config()
    score = replace(asked.methods[1], learning={"gamma": 1.0, "alpha": 0.0}, play={"style": "a|b"})
    found = comparison_of(asked, results(replace(asked, methods=(asked.methods[0], score))))
    assert "| SCoRe | score | gamma 1.0, alpha 0.0, style a\\|b |" in to_markdown(found)
    assert "Settings: gamma 1.0, alpha 0.0, style a|b." in str(section(found).markup())


def test_a_method_that_failed_is_left_out_and_named() -> None:
    found = comparison_of(config(), results(config())[1:])
    assert found.left_out == ("base",)
    assert found.pairs == ()
    assert any("base" in note for note in found.notes)


def test_other_problems_are_refused() -> None:
    made = results(config())
    report = made[1].cells[0].reports["greedy"]
    other = replace(report, measured=replace(report.measured, fingerprint="another"))
    spoiled = replace(made[1].cells[0], reports={"greedy": other})
    made[1] = replace(made[1], cells=[spoiled, made[1].cells[1]])
    with pytest.raises(CheckpointError, match="they differ in fingerprint"):
        require_same_problems(made)


def test_the_page_gets_some_of_every_transition() -> None:
    made = results(config())
    shown = list(shown_episodes(made))
    assert {each.method for each in shown} == {"base", "SCoRe"}
    assert {each.seed for each in shown} == {0, 1}
    json.dumps([episode_data(each) for each in shown])
    many = Report.of(episodes(" ".join(["ii"] * 50 + ["cc"] * 2)), MEASURED)
    cell = replace(made[0].cells[0], reports={"greedy": many})
    kinds = [each.transition for each in shown_episodes([replace(made[0], cells=[cell])])]
    assert (kinds.count("i->i"), kinds.count("c->c")) == (SHOWN, 2)


def test_long_curves_are_thinned_and_skipped_steps_do_not_count() -> None:
    rows = [{"step": s, "episodes": 2 * s, "t1/accuracy": s % 2} for s in range(1, 1001)]
    thinned = curve(rows, 2)
    assert len(thinned) == 300
    assert thinned[-1]["step"] == 1000
    assert thinned[-1]["episodes"] == 2000
    assert all(0 < row["t1/accuracy"] < 1 for row in thinned)
    assert curve([{"step": 1, "train/skipped": 1.0}], 2) == [{"step": 1}]
    assert curve([], 2) == []
    assert final_kl([{"step": 1, "train/skipped": 1.0}], 1) is None


def test_scaling_of_other_numbers_of_attempts() -> None:
    three = scaling_curves(episodes("iic iic ccc iii"), samples=4)
    assert three.replies == (3,)  # 6 replies are two episodes, but also six first attempts
    assert three.pass_parallel[:, 0] == pytest.approx([3 / 4])
    assert three.pass_sequential[:, 0] == pytest.approx([3 / 4])
    assert three.sequential[:, 0] == pytest.approx([3 / 4])
    one = scaling_curves(episodes("c i i i"), samples=4)
    assert one.replies == (1, 2, 4)
    assert one.pass_parallel[:, 0] == pytest.approx([1 / 4, 1 / 2, 1])
    assert one.sequential.shape == one.pass_sequential.shape == (0, 1)


def test_scaling_where_a_seed_did_not_count_its_tokens() -> None:
    """It is compared at equal replies; at equal tokens it can't be."""
    sampled = episodes("ic ic cc ii cc cc cc cc")
    uncounted = [replace(sampled[0], attempts=tuple(
        replace(attempt, tokens=None) for attempt in sampled[0].attempts
    )), *sampled[1:]]  # fmt: skip
    made = results(config())
    curves = [scaling_curves(each, samples=4) for each in (sampled, uncounted)]
    cells = [replace(c, scaling=s) for c, s in zip(made[1].cells, curves, strict=True)]
    scaling = comparison_of(config(), [made[0], replace(made[1], cells=cells)]).methods[1].scaling
    assert scaling is not None
    assert (len(scaling.sequential), scaling.equal_tokens) == (2, ())
    assert scaling.episode_tokens is None


def test_scaling_counts_replies_on_both_sides() -> None:
    """Four samples: first attempts right at 1 of 4, corrected ones at 3 of 4; one not judged."""
    sampled = episodes("ic ic cc ii" + " cc cc cc ec")
    curves = scaling_curves(sampled, samples=4)
    assert curves.replies == (2, 4)
    # pass@2 and pass@4 of first attempts; of corrected ones pass@1 and pass@2
    assert curves.pass_parallel[:, 0] == pytest.approx([1 / 2, 1])
    assert curves.pass_sequential[:, 0] == pytest.approx([3 / 4, 1])
    # a wrong majority among four first attempts; two replies are one corrected answer
    assert curves.parallel[:, 0] == pytest.approx([1 / 4, 0])
    assert curves.sequential[0, 0] == pytest.approx(3 / 4)
    assert np.isnan(curves.parallel[:, 1]).all()


def test_scaling_at_equal_tokens() -> None:
    """A correction costs twice a first attempt here: an episode pays for three first attempts."""
    sampled = episodes("ic ic cc ii" + " cc cc cc ec")
    curves = scaling_curves(sampled, samples=4)
    assert curves.tokens == (3, 9)
    # k = 1 episode: 3 first attempts of 4, 1 of 4 right: never a majority, except by a tie
    assert curves.pass_equal_tokens[0, 0] == pytest.approx(3 / 4)
    assert curves.equal_tokens[0, 0] == pytest.approx(0)
    # k = 2 episodes: 6 first attempts, more than were sampled
    assert np.isnan(curves.equal_tokens[1]).all()
    uncounted = [
        replace(e, attempts=tuple(replace(a, tokens=None) for a in e.attempts)) for e in sampled
    ]
    without = scaling_curves(uncounted, samples=4)
    assert without.tokens is None
    assert without.equal_tokens.shape == (0, 2)


def test_problems_that_are_left_out_of_the_scaling_are_named() -> None:
    asked = config()
    found = results(asked, {"base": "cc ii", "SCoRe": "ic ic"})
    sampled = scaling_curves(episodes("ic ic cc ii" + " cc cc cc ec"), samples=4)
    cells = [replace(cell, scaling=sampled) for cell in found[0].cells]
    notes = comparison_of(asked, [replace(found[0], cells=cells), found[1]]).notes
    (note,) = [note for note in notes if "scaling" in note]
    assert note.startswith("Warning: base: 1 of 2 problems are left out of its scaling")


def test_a_method_with_most_replies_cut_off_is_named() -> None:
    asked = config()
    first, second = results(asked, {"base": "cc ii", "SCoRe": "ic ic"})
    cells = [replace(cell, reports=cut_off(cell.reports)) for cell in second.cells]
    (note,) = comparison_of(asked, [first, replace(second, cells=cells)]).notes
    assert re.match(r"Warning: SCoRe, \w+, seed 0: the token cap cut off 100% at t1, 100%", note)


def cut_off(reports: Mapping[str, Report]) -> dict[str, Report]:
    """Return reports as if the cap had cut off every reply."""
    found = {}
    for decoding, report in reports.items():
        cut = [
            replace(e, attempts=tuple(replace(a, truncated=True) for a in e.attempts))
            for e in report.episodes
        ]
        found[decoding] = Report.of(cut, report.measured)
    return found
