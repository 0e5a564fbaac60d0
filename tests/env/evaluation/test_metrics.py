"""The metrics, against hand-computed numbers, the paper's tables and plain definitions."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcorrect_env.evaluation import intervals
from selfcorrect_env.evaluation.edit_distance import edit_distance_ratio
from selfcorrect_env.evaluation.intervals import difference, estimate, mcnemar, mean, ratio, share
from selfcorrect_env.evaluation.metrics import (
    correctness,
    measure,
    per_problem,
    scores,
    turn_metrics,
)
from selfcorrect_env.evaluation.paired import paired
from selfcorrect_env.types import Attempt, Episode, Problem, Reason, Verdict

VERDICTS = {
    "c": Verdict(1.0, Reason.CORRECT, "2"),
    "i": Verdict(0.0, Reason.WRONG, "3"),
    "-": Verdict(0.0, Reason.NO_ANSWER),
    "h": Verdict(0.5, Reason.PARTIAL, "2 or 3"),
    "e": Verdict(0.0, Reason.ERROR, detail="it broke"),
    "n": Verdict(0.0, Reason.NO_REPLY),
}


def episode(id, outcome, replies=None, tokens=None, truncated=None):
    replies = replies or ["y"] * len(outcome)
    return Episode(
        problem=Problem(id=str(id), prompt="1 + 1", reference="2"),
        attempts=tuple(
            Attempt(reply=reply, verdict=VERDICTS[o], tokens=tokens, truncated=truncated)
            for o, reply in zip(outcome, replies, strict=True)
        ),
        conversation=(),
    )


def episodes(**counts):
    """Episodes by outcome: ``episodes(ic=3, cc=2)``."""
    outcomes = [outcome for outcome, count in counts.items() for _ in range(count)]
    return [episode(i, outcome) for i, outcome in enumerate(outcomes)]


# SCoRe and the base model on MATH500 (paper, table 2), as whole counts of 500 problems
SCORE = {"ic": 29, "ci": 7, "cc": 293, "ii": 171}
BASE = {"ic": 23, "ci": 79, "cc": 184, "ii": 214}


@pytest.mark.parametrize(
    ("counts", "row"),
    [(SCORE, (60.0, 64.4, 4.4, 5.8, 1.4)), (BASE, (52.6, 41.4, -11.2, 4.6, 15.8))],
)
def test_the_papers_rows(counts, row):
    m = measure(episodes(**counts))
    metrics = (*m.accuracy, m.delta, m.delta_i_to_c, m.delta_c_to_i)
    assert [100 * metric.value for metric in metrics] == pytest.approx(row)


def test_conditional_rates_of_the_paper():
    m = measure(episodes(**SCORE))
    assert m.fixed.value == pytest.approx(5.8 / 40.0)
    assert m.broken.value == pytest.approx(1.4 / 60.0)


outcomes = st.integers(1, 4).flatmap(
    lambda turns: st.lists(st.text("cihe", min_size=turns, max_size=turns), min_size=1, max_size=20)
)


def plain(rows):
    """Every metric of the judged rows by its definition, in plain Python."""
    rows = [row for row in rows if "e" not in row]
    turns, points = len(rows[0]), {"c": 1.0, "h": 0.5, "i": 0.0}
    right = [[mark == "c" for mark in row] for row in rows]

    def average(values):
        values = list(values)
        return sum(values) / len(values)

    accuracy = [average(row[k] for row in right) for k in range(turns)]
    return {
        **{f"t{k + 1}/accuracy": accuracy[k] for k in range(turns)},
        **{f"t{k + 1}/score": average(points[row[k]] for row in rows) for k in range(turns)},
        "delta": accuracy[-1] - accuracy[0],
        "delta_i_to_c": average(not row[0] and row[-1] for row in right),
        "delta_c_to_i": average(row[0] and not row[-1] for row in right),
        "unchanged_answers": average(
            VERDICTS[row[0]].answer == VERDICTS[row[-1]].answer for row in rows
        ),
        **(
            {f"delta/t{k}-t{k + 1}": accuracy[k] - accuracy[k - 1] for k in range(1, turns)}
            if turns > 2
            else {}
        ),
    }


@given(outcomes)
def test_all_ways_to_a_metric_give_its_definition(rows):
    played = [episode(i, row) for i, row in enumerate(rows)]
    each, log = per_problem(played), turn_metrics(played)
    for how, counted in (("unjudged_wrong", "i"), ("unjudged_right", "c")):
        filled = plain([row.replace("e", counted) for row in rows])
        for name in [name for name in each if name.endswith(how)]:
            assert each.pop(name).mean() == pytest.approx(filled[name.rpartition("/")[0]])
    edited = each.pop("edit_distance_ratio")
    assert edited.tolist() == [0.0] * len(rows)
    if all("e" in row for row in rows):
        assert not any(name.endswith(("/accuracy", "/score", "delta")) for name in log)
        assert all(np.isnan(values).all() for values in each.values())
        return
    expected = plain(rows)
    assert {name: np.nanmean(values) for name, values in each.items()} == pytest.approx(expected)
    logged = {name: expected[name] for name in expected if name.endswith(("accuracy", "score"))}
    logged |= {"delta": expected["delta"], "unchanged": expected["unchanged_answers"]}
    assert log == pytest.approx(logged)
    m = measure(played, resamples=50)
    turns = range(1, len(rows[0]) + 1)
    assert [a.value for a in m.accuracy] == pytest.approx(
        [expected[f"t{t}/accuracy"] for t in turns]
    )
    assert [s.value for s in m.score] == pytest.approx([expected[f"t{t}/score"] for t in turns])
    for name in ("delta", "delta_i_to_c", "delta_c_to_i", "unchanged_answers"):
        assert getattr(m, name).value == pytest.approx(expected[name])
    assert m.delta.value == pytest.approx(m.delta_i_to_c.value - m.delta_c_to_i.value)
    assert sum(d.value for d in m.successive) == pytest.approx(m.delta.value)
    assert m.partial == any("h" in row for row in rows)


def test_more_than_two_attempts():
    m = measure(episodes(icc=2, iic=1, cci=1))
    assert [a.value for a in m.accuracy] == [0.25, 0.75, 0.75]
    assert (m.delta_i_to_c.value, m.delta_c_to_i.value) == (0.75, 0.25)
    assert [d.value for d in m.successive] == [0.5, 0.0]
    assert "delta/t2-t3" in per_problem(episodes(icc=2))


def test_one_attempt():
    m = measure(episodes(c=3, i=1))
    assert ([a.value for a in m.accuracy], m.successive) == ([0.75], ())
    assert turn_metrics(episodes(c=3, i=1))["t1/accuracy"] == 0.75


def test_partial_credit_is_in_the_score_and_not_in_the_accuracy():
    m = measure(episodes(hc=1, hh=1, ic=2))
    assert [a.value for a in m.accuracy] == [0.0, 0.75]
    assert [s.value for s in m.score] == [0.25, 0.875]
    assert m.score[0].low < 0.25 < m.score[0].high
    assert m.delta_i_to_c.value == 0.75
    assert not measure(episodes(ic=2)).partial


def test_arrays_have_a_row_for_each_episode():
    played = episodes(ch=1, ie=1)
    assert correctness(played).tolist() == [[True, False], [False, False]]
    assert scores(played).tolist() == [[1.0, 0.5], [0.0, 0.0]]
    assert np.isnan(per_problem(played)["delta"]).tolist() == [False, True]
    assert correctness([]).shape == (0, 0)
    assert turn_metrics([]) == {}


def test_the_first_error_is_kept():
    assert measure(episodes(cc=1, ie=1)).first_error == "it broke"
    assert measure(episodes(cc=1)).first_error is None


def test_unjudged_episodes_are_left_out_and_counted():
    judged, m = measure(episodes(ic=3, cc=1)), measure(episodes(ic=3, cc=1, ce=5, ec=2, ee=1))
    assert (m.episodes, m.unjudged, m.judged) == (12, 8, 4)
    assert m.accuracy == judged.accuracy
    assert m.delta == judged.delta
    assert m.turns[0].reasons == {"wrong": 3, "correct": 6, "error": 3}


def test_what_provokes_errors_does_not_look_better():
    """18 of 60 solved at the last attempt; at the other 42 the verifier was made to fail."""
    m = measure(episodes(ic=18, ie=42))
    assert m.accuracy[1].value == 1.0
    assert m.unjudged_wrong.accuracy == measure(episodes(ic=18, ii=42)).accuracy
    assert m.unjudged_right.accuracy == measure(episodes(ic=60)).accuracy
    assert m.why_unjudged().startswith(
        "42 episodes were not judged, of 60: accuracy@t2 is 30.0 with every unjudged attempt "
        "counted as wrong, 100.0 as right. First cause: it broke"
    )


@given(outcomes)
def test_accuracies_are_between_unjudged_wrong_and_unjudged_right(rows):
    m = measure([episode(i, row) for i, row in enumerate(rows)], resamples=20)
    for completed in (m.unjudged_wrong, m.unjudged_right):
        changes = completed.delta_i_to_c.value - completed.delta_c_to_i.value
        assert completed.delta.value == pytest.approx(changes)
        last, first = completed.accuracy[-1].value, completed.accuracy[0].value
        assert completed.delta.value == pytest.approx(last - first)
    for k in range(len(rows[0])):
        right = sum(row[k] == "c" for row in rows) / len(rows)
        failed = sum(row[k] == "e" for row in rows) / len(rows)
        assert m.unjudged_wrong.accuracy[k].value == pytest.approx(right)
        assert m.unjudged_right.accuracy[k].value == pytest.approx(right + failed)


def test_a_pair_counts_unjudged_attempts_as_wrong_beside():
    """The second is right wherever it was judged, on one problem of four."""
    first = [episode(i, "c") for i in range(4)]
    second = [episode(i, "c" if i == 0 else "e") for i in range(4)]
    result = paired(first, second)
    assert (result.problems, result.left_out) == (1, 3)
    assert result.difference.value == 0.0
    assert result.unjudged_wrong.value == -0.75
    assert (result.p_value, result.p_unjudged_wrong) == (1.0, mcnemar(3, 0))


def test_nothing_judged_is_undefined_not_zero():
    m = measure(episodes(ee=3))
    assert math.isnan(m.accuracy[0].value)
    assert math.isnan(m.delta.low)


def test_a_rate_without_cases_is_undefined():
    assert math.isnan(measure(episodes(cc=3)).fixed.value)
    assert math.isnan(measure(episodes(ii=3)).broken.value)


def test_unchanged_answers_and_texts():
    m = measure(
        [
            episode(0, "cc", ["2", "2"]),  # both the same
            episode(1, "cc", ["2", "it is 2"]),  # the same answer in another text
            episode(2, "--", ["?", "??"]),  # no answer, twice
            episode(3, "ic", ["3", "2"]),
        ]
    )
    assert m.unchanged_answers.value == 0.75
    assert m.unchanged_texts == 0.25
    assert m.edit_distance_ratio == pytest.approx((0 + 6 / 8 + 1 / 3 + 1 / 2) / 4)


def test_an_episode_that_lacks_a_reply_has_no_edit_distance():
    played = [
        episode(0, "n" * 2, ["", ""]),
        episode(1, "in", ["3", ""]),
        episode(2, "cc", ["it is 2", "it is 2"]),
        episode(3, "ie", ["23", "45"]),
    ]
    each = per_problem(played)["edit_distance_ratio"]
    assert np.isnan(each).tolist() == [True, True, False, False]
    assert each[2:].tolist() == [0.0, 0.5]
    assert np.nanmean(each) == measure(played).edit_distance_ratio == 0.25


def test_a_score_that_is_equal_at_all_problems_has_a_width():
    m = measure(episodes(hh=200))
    assert m.score[0].value == 0.5
    assert m.score[0].low < 0.492 < 0.508 < m.score[0].high


def test_identity_of_turns():
    m = measure(
        [
            episode(0, "cc", ["ab", ""], tokens=4, truncated=True),
            episode(1, "ii", ["abcd", ""], tokens=2, truncated=False),
            episode(2, "ii", ["", ""]),
        ]
    )
    assert [t.characters for t in m.turns] == [2.0, 0.0]
    assert (m.turns[0].tokens, m.turns[0].truncated) == (3.0, 0.5)
    assert m.warnings() == []
    assert measure(episodes(cc=1)).turns[0].tokens is None


def test_no_episode_or_unequal_attempts_are_refused():
    with pytest.raises(ValueError, match="at least one episode"):
        measure([])
    with pytest.raises(ValueError, match=r"\[2, 3\] attempts"):
        measure(episodes(cc=1, ccc=1))


# -- intervals -------------------------------------------------------------------------------
def test_intervals_cover_as_promised():
    """Of 400 samples of 200 problems at rate .3, the intervals hold .3 in about 95%.

    The count is Binomial(400, ~.94); below 360 or above 395 has a probability under 1e-3.
    """
    rng = np.random.default_rng(0)
    covered = 0
    for seed, right in enumerate(rng.binomial(200, 0.3, size=400)):
        m = measure(episodes(ic=int(right), ii=200 - int(right)), seed=seed, resamples=500)
        covered += m.accuracy[1].low <= 0.3 <= m.accuracy[1].high
    assert 360 <= covered <= 395


def test_intervals_equal_those_of_resampling_problems_one_by_one():
    correct = np.array([[0, 1]] * 40 + [[1, 0]] * 10 + [[1, 1]] * 70 + [[0, 0]] * 80)
    rng = np.random.default_rng(1)
    drawn = correct[rng.integers(200, size=(20_000, 200))].mean(axis=1)
    low, high = np.percentile(drawn[:, 1] - drawn[:, 0], [2.5, 97.5])
    ours = measure(episodes(ic=40, ci=10, cc=70, ii=80)).delta
    assert (ours.low, ours.high) == pytest.approx((low, high), abs=0.0051)  # one problem's worth


def test_intervals_are_seeded():
    many = episodes(ic=100, ci=50, cc=150, ii=100)
    first = measure(many, seed=3)
    assert measure(many, seed=3) == first
    assert measure(many, seed=4) != first


def test_a_share_near_zero_or_one_has_an_interval():
    """Against the Wilson interval of 0, 20 and 1 of 20 as published tables have it."""
    for right, low, high in ((0, 0.0, 0.1611), (20, 0.8389, 1.0), (1, 0.0089, 0.2361)):
        metric = measure(episodes(**{"ii": 20 - right, "cc": right})).accuracy[0]
        assert (metric.value, metric.low) == (right / 20, pytest.approx(low, abs=1e-4))
        assert metric.high == pytest.approx(high, abs=1e-4)


def test_a_difference_that_all_problems_share_has_an_interval():
    for gain, low, high in ((0, -0.1611, 0.1611), (1, 0.6777, 1.0), (-1, -1.0, -0.6777)):
        metric = difference([gain] * 20, seed=0)
        assert (metric.value, metric.low) == (gain, pytest.approx(low, abs=1e-4))
        assert metric.high == pytest.approx(high, abs=1e-4)
    assert measure(episodes(cc=10, ii=10)).delta.high > 0.1


@given(st.lists(st.booleans(), max_size=40))
def test_the_share_is_in_its_interval(flags):
    metric = share(flags)
    if not flags:
        assert math.isnan(metric.value)
    else:
        assert 0 <= metric.low <= metric.value <= metric.high <= 1
        assert metric.low < metric.high


def test_a_mean_of_many_values_is_resampled_in_parts(monkeypatch):
    values = np.random.default_rng(0).random(300)
    whole = mean(values, seed=1, resamples=400)
    monkeypatch.setattr(intervals, "_CHUNK", 1000)
    parts = mean(values, seed=1, resamples=400)
    assert (parts.low, parts.high) == pytest.approx((whole.low, whole.high))
    spread = values.std() / np.sqrt(300)
    assert whole.high - whole.low == pytest.approx(2 * 1.96 * spread, rel=0.2)


def test_undefined_resamples_are_left_out():
    metric = estimate(0.5, ratio([1, 1, 0], [2, 1, 0]))
    assert 0.5 <= metric.low <= metric.high <= 1.0


# -- pairs -----------------------------------------------------------------------------------
def test_mcnemar_against_known_values():
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(0, 5) == 2 / 32
    assert mcnemar(29, 7) == pytest.approx(0.000313, abs=1e-6)  # paper's counts for SCoRe
    assert mcnemar(5, 5) == 1.0
    assert mcnemar(0, 4_000) == 0.0


def test_paired_finds_a_difference_whatever_the_order():
    first = episodes(ii=60, ic=40)
    second = [episode(e.problem.id, "ic" if i >= 30 else "ii") for i, e in enumerate(first)]
    result = paired(first, second[::-1])
    assert (result.only_first, result.only_second, result.problems) == (0, 30, 100)
    assert result.difference.value == pytest.approx(0.3)
    assert 0.2 < result.difference.low < 0.3 < result.difference.high < 0.4
    assert result.p_value == mcnemar(0, 30)


def test_paired_leaves_out_what_either_could_not_judge():
    result = paired(episodes(cc=2, ce=1), [episode(i, o) for i, o in enumerate(["cc", "ec", "ci"])])
    assert (result.problems, result.left_out) == (1, 2)


def test_paired_refuses_other_problems():
    with pytest.raises(ValueError, match="same problems"):
        paired(episodes(cc=3), episodes(cc=2))
    with pytest.raises(ValueError, match="same problems"):
        paired([episode("a", "cc")], [episode("b", "cc")])
    with pytest.raises(ValueError, match="each played once"):
        paired([episode("a", "cc")] * 2, [episode("a", "cc")] * 2)


# -- edits -----------------------------------------------------------------------------------
def plain_levenshtein(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, start=1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]


@given(st.text("abc\ud800", max_size=12), st.text("abc\ud800", max_size=12))
def test_edit_distance_is_levenshteins(a, b):
    total = len(a) + len(b)
    assert edit_distance_ratio(a, b) == (plain_levenshtein(a, b) / total if total else 0.0)


def test_edit_distance_ratio():
    assert edit_distance_ratio("", "") == 0.0
    assert edit_distance_ratio("same", "same") == 0.0
    assert edit_distance_ratio("", "abc") == 1.0
    assert edit_distance_ratio("ab", "cd") == 0.5
    assert edit_distance_ratio("kitten", "sitting") == 3 / 13
    assert edit_distance_ratio("x" * 50 + "a", "x" * 50 + "b", limit=50) == 0.0


def test_replies_of_a_megabyte_are_compared_by_their_beginning():
    letters = np.random.default_rng(0).choice(list("abcdefgh "), size=(2, 1_000_000))
    first, second = "".join(letters[0]), "".join(letters[1])
    expected = edit_distance_ratio(first[:4_000], second[:4_000])
    assert edit_distance_ratio(first, second) == expected


def test_most_replies_cut_off_is_a_warning():
    cut = [episode(n, "ii", truncated=n > 0) for n in range(3)]
    (warning,) = measure(cut).warnings()
    assert warning.startswith("the token cap cut off 67% at t1, 67% at t2 of the replies")
    assert measure([episode(0, "ii")]).warnings() == []  # not known
