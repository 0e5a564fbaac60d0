"""Reports: metrics that people read, files that come back, comparisons on equal ground."""

import dataclasses
import json

import pytest

from selfcorrect_env.errors import CheckpointError
from selfcorrect_env.evaluation.report import Measured, Report, compare
from selfcorrect_env.evaluation.tables import as_text
from selfcorrect_env.types import Attempt, Episode, Problem, Reason, Verdict

RIGHT, WRONG = Verdict(1.0, Reason.CORRECT, "2"), Verdict(0.0, Reason.WRONG, "3")
ERROR = Verdict(0.0, Reason.ERROR, detail="it broke")
HALF = Verdict(0.5, Reason.PARTIAL, "2 or 3")
VERDICTS = {"c": RIGHT, "i": WRONG, "e": ERROR, "h": HALF}
MEASURED = Measured(
    agent="[bold]guesser",
    problem_set="sums",
    split="test",
    size=100,
    fingerprint="0123456789abcdef",
    verifier="exact",
    prompts="plain",
    attempts=2,
    decoding="greedy",
    settings={"model": "none"},
)


def report(outcomes, **changes):
    episodes = [
        Episode(
            problem=Problem(id=str(i), prompt="1 + 1", reference="2"),
            attempts=tuple(Attempt(reply=f"reply {o}", verdict=VERDICTS[o]) for o in outcome),
            conversation=(),
        )
        for i, outcome in enumerate(outcomes.split())
    ]
    return Report.of(episodes, dataclasses.replace(MEASURED, **changes), seed=5)


MIXED = "ic ic ic cc cc ci ii ii ii ii"


def test_the_table_shows_the_metrics_and_what_they_were_measured_on():
    text = str(report(MIXED + " ce"))
    for part in (
        *("[bold]guesser", "sums/test", "0123456789abcdef", "verifier exact, prompts plain"),
        *("accuracy@t1", "30.0", "accuracy@t2", "50.0", "+20.0", "95% interval"),
        *("decoding: greedy", "11 of 100 problems, 1 not judged", "verdict: error"),
        *("edit-distance ratio", "mean length, tokens", "unknown", "it broke"),
    ):
        assert part in text, part
    assert max(map(len, text.splitlines())) <= 80


def test_unjudged_episodes_show_the_accuracy_both_ways(tmp_path):
    shown = report("ic ic ic ie ie ie ie ie ie ie")
    text = str(shown)
    rows = {line.split("│")[1].strip(): line for line in text.splitlines() if "│" in line}
    for name, value in (
        ("accuracy@t2", "100.0"),
        ("accuracy@t2, unjudged wrong", "30.0"),
        ("accuracy@t2, unjudged right", "100.0"),
        ("Δ(t1, t2), unjudged wrong", "+30.0"),
    ):
        assert value in rows[name], name
    assert "Warning: 7 episodes were not judged, of 10" in text
    assert "7 not judged (acc@t2 30.0 if wrong)" in repr(shown)
    found = shown.to_dict()["metrics"]
    (warning,) = shown.to_dict()["warnings"]
    assert warning.startswith("7 episodes were not judged, of 10: accuracy@t2 is 30.0")
    assert Report.load(shown.save(tmp_path)) == shown
    assert found["unjudged_wrong"]["accuracy"][1]["value"] == pytest.approx(0.3)
    assert found["unjudged_right"]["accuracy"][1]["value"] == 1.0
    assert "unjudged wrong" not in str(report(MIXED))


def test_side_by_side_unjudged_attempts_count_as_wrong_too():
    cheat = report("ie ie ic ie", agent="provokes errors")
    text = " ".join(str(compare([report("ii ic ic ii", agent="honest"), cheat])).split())
    for part in ("acc@t2, unjudged wrong", "Warning: provokes errors: 3 episodes were not judged"):
        assert part in text
    assert "unjudged wrong" not in str(compare([report("ii ic"), report("ic ic", agent="b")]))


def test_three_attempts_name_their_turns():
    text = str(report("iic iic icc ccc iii", attempts=3))
    rows = {line.split("│")[1].strip(): line for line in text.splitlines() if "│" in line}
    for name, value in (
        *(("accuracy@t1", "20.0"), ("accuracy@t2", "40.0"), ("accuracy@t3", "80.0")),
        *(("Δ(t1, t2)", "+20.0"), ("Δ(t2, t3)", "+40.0"), ("Δ(t1, t3)", "+60.0")),
        ("wrong → right (i→c), of all problems", "60.0"),
    ):
        assert value in rows[name]
    assert "same answer at t1 and t3" in rows
    assert "acc@t3 80.0" in repr(report("iic iic icc ccc iii", attempts=3))
    both = str(compare([report("iic iii"), report("iic icc", agent="other")]))
    assert "acc@t3 − first's" in both
    assert "Δ(t1, t3)" in both


def test_one_attempt_has_an_accuracy_and_no_change():
    text = str(report("c i c c", attempts=1))
    assert "accuracy@t1" in text
    assert "75.0" in text
    assert "Δ" not in text
    assert "→" not in text
    assert repr(report("c i c c", attempts=1)).endswith("acc@t1 75.0, n=4)")
    assert "acc@t1" in str(compare([report("c i"), report("i c", agent="other")]))


def test_partial_credit_adds_the_mean_score():
    assert "mean score" not in str(report("ic cc"))
    partial = report("hc hh")
    (line,) = [line for line in str(partial).splitlines() if "mean score@t1" in line]
    assert "50.0" in line
    assert partial.to_dict()["metrics"]["score"][1]["value"] == 0.75
    assert report("ic cc").to_dict()["metrics"]["score"][0]["value"] == 0.5
    for order in ([partial, report("ic cc", agent="other")], [report("ic cc"), partial]):
        assert "score@t2" in str(compare(order))


@pytest.mark.parametrize("width", [50, 60, 80, 100, 140])
def test_no_number_is_cut_at_any_width(width):
    agents = ["my_package.my_module:my_agent", "short"]
    shown = compare([report(MIXED, agent=agent) for agent in agents])
    text = as_text(shown.__rich__(), width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    for part in ("30.0", "50.0", "+20.0", "[-27.8, +27.8]", "fingerprint 0123456789abcdef"):
        assert part in text, part
    assert "[10.8, 60.3]" in as_text(report(MIXED).__rich__(), width)


def test_undefined_metrics_print_as_a_dash_and_save_as_null():
    undefined = report("ee ee")
    assert "nan" not in str(undefined)
    assert undefined.to_dict()["metrics"]["delta"]["value"] is None


def test_repr_is_one_short_line():
    assert repr(report(MIXED)) == (
        "Report('[bold]guesser' on sums/test: acc@t1 30.0, acc@t2 50.0, Δ +20.0, n=10)"
    )


def test_a_saved_report_comes_back(tmp_path):
    saved = report(MIXED)
    folder = saved.save(tmp_path / "runs" / "one")
    assert Report.load(folder) == saved
    as_json = json.loads((folder / "report.json").read_text())
    assert as_json["measured"]["fingerprint"] == MEASURED.fingerprint
    assert as_json["metrics"]["accuracy"][0]["value"] == 0.3
    assert as_json["metrics"]["judged"] == 10
    assert as_json == saved.to_dict()
    assert (folder / "episodes.parquet").exists()
    assert not list(folder.glob(".*"))


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    folder = report(MIXED).save(tmp_path)
    lines = (folder / "episodes.jsonl").read_text().splitlines(keepends=True)
    (folder / "episodes.jsonl").write_text("".join(lines[:-1]))
    with pytest.raises(CheckpointError, match=r"is of 10 episodes, but episodes\.jsonl holds 9"):
        Report.load(folder)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"measured": {"agent": "a"}}'])
def test_a_broken_report_is_refused(tmp_path, content):
    folder = report(MIXED).save(tmp_path)
    (folder / "report.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"report\.json: not a readable report"):
        Report.load(folder)


def test_compare_pairs_every_report_with_the_first():
    first, second = report("ii ii ii ii ii ii cc"), report("ic ic ic ic ic ic cc", agent="fixer")
    comparison = compare([first, second, first])
    assert [pair.difference.value for pair in comparison.pairs] == [pytest.approx(6 / 7), 0.0]
    assert comparison.pairs[0].p_value == 2 / 2**6
    text = str(comparison)
    for part in ("[bold]guesser", "fixer", "+85.7", "0.031", "sums/test"):
        assert part in text, part


def test_compare_refuses_unequal_ground():
    with pytest.raises(ValueError, match="at least two"):
        compare([report(MIXED)])
    for change in ({"fingerprint": "other"}, {"verifier": "math"}, {"prompts": "math"}):
        with pytest.raises(ValueError, match=f"they differ in {next(iter(change))}"):
            compare([report(MIXED), report(MIXED, **change)])
    with pytest.raises(ValueError, match="same problems"):
        compare([report(MIXED), report("ic")])
