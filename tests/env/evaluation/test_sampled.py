"""Several samples of each problem: Avg@k, pass@k, maj@k, and intervals over whole problems."""

import json
from pathlib import Path

import numpy as np
import pytest

from selfcorrect_env import SelfCorrectEnv, evaluate
from selfcorrect_env.cli.main import main
from selfcorrect_env.evaluation import Report, measure, measure_samples
from selfcorrect_env.evaluation.intervals import METHOD_CLUSTERED, clustered, mean, wilson

PROBLEMS = [{"prompt": f"say {i}", "reference": str(i)} for i in range(4)]


class Scripted:
    """Replies of sample s to problem p at turn t: ``script[p][s][t]``."""

    def __init__(self, script: list[list[tuple[str, str]]]) -> None:
        self.script = script
        self.seen: dict[str, int] = {}

    def act(self, conversations):  # type: ignore[no-untyped-def]
        replies = []
        for conversation in conversations:
            problem = int(conversation[0]["content"].split()[-1])
            turn = len(conversation) // 2
            number = self.seen.get(f"{problem}/{turn}", 0)
            self.seen[f"{problem}/{turn}"] = number + 1
            replies.append(self.script[problem][number][turn])
        return replies


SCRIPT = [
    [("0", "0"), ("0", "9"), ("8", "0"), ("0", "0")],  # 3 of 4, then 3 of 4
    [("9", "1"), ("9", "9"), ("8", "1"), ("1", "1")],  # 1 of 4, then 3 of 4
    [("9", "9"), ("9", "9"), ("9", "9"), ("9", "9")],  # none
    [("3", "3"), ("3", "3"), ("3", "3"), ("3", "3")],  # all
]


@pytest.fixture
def env() -> SelfCorrectEnv:
    return SelfCorrectEnv(PROBLEMS, verifier="exact")


def test_the_metrics_by_hand(env: SelfCorrectEnv, tmp_path: Path) -> None:
    """Avg@4 is 8/16 and 10/16; pass@4 3/4 and 3/4; the vote is right at 2 and 3 of 4 problems."""
    report = evaluate(Scripted(SCRIPT), env, samples=4, batch_size=3, out=tmp_path)
    found = report.samples
    assert found is not None
    assert (found.k, found.problems, found.left_out) == (4, 4, 0)
    assert [e.value for e in found.average] == [8 / 16, 10 / 16]
    assert [e.value for e in found.pass_at_k] == [3 / 4, 3 / 4]
    assert [e.value for e in found.maj_at_k] == [2 / 4, 3 / 4]
    assert report.metrics.delta.value == pytest.approx(2 / 16)
    text = str(report)
    for expected in ("avg@4", "pass@4", "maj@4", "4 samples of 4 of 4 problems"):
        assert expected in text
    stored = json.loads((tmp_path / "report.json").read_text())
    assert stored["samples"]["average"][1]["value"] == 0.625
    assert stored["intervals"]["method"] == METHOD_CLUSTERED
    assert Report.load(tmp_path).samples == found
    again = evaluate(Scripted(SCRIPT), env, samples=4, batch_size=3, out=tmp_path)
    assert again.reused == 16


def test_once_each_has_no_samples(env: SelfCorrectEnv) -> None:
    report = evaluate(lambda conversation: "3", env)
    assert report.samples is None
    assert "avg@" not in str(report)


def test_samples_that_are_all_the_same_are_said(env: SelfCorrectEnv, tmp_path: Path) -> None:
    report = evaluate(lambda conversation: "3", env, samples=2, out=tmp_path)
    (warning,) = report.warnings
    assert "The 2 samples of each problem are the same, as greedy replies are" in warning
    assert Report.load(tmp_path).warnings == report.warnings
    assert evaluate(Scripted(SCRIPT), env, samples=4).warnings == ()
    assert evaluate(lambda conversation: "3", env).warnings == ()


def test_a_problem_that_is_not_judged_is_left_out(env: SelfCorrectEnv) -> None:
    calls = iter(range(100))

    def fails(problem, response):  # type: ignore[no-untyped-def]
        if next(calls) == 0:
            raise RuntimeError("the verifier broke")
        return response == problem.reference

    with pytest.warns(UserWarning, match="not judged"):
        report = evaluate(lambda c: "3", SelfCorrectEnv(PROBLEMS, verifier=fails), samples=2)
    assert report.samples is not None
    assert (report.samples.problems, report.samples.left_out) == (3, 1)
    assert report.samples.pass_at_k[0].value == pytest.approx(1 / 3)


def test_copies_of_a_sample_are_no_evidence(env: SelfCorrectEnv) -> None:
    """Ten equal samples of 40 problems: the interval is that of 40 values, not of 400."""
    right = np.random.default_rng(0).random(40) < 0.5
    ids = [str(i) for i in range(40)]
    once = mean(right, seed=0)
    ten = clustered(np.repeat(right, 10), np.repeat(ids, 10).tolist(), seed=0)
    assert ten.value == once.value
    assert (ten.low, ten.high) == pytest.approx((once.low, once.high), abs=0.02)
    independent = mean(np.repeat(right, 10), seed=0)
    assert ten.high - ten.low > 2.5 * (independent.high - independent.low)


@pytest.mark.parametrize(
    ("value", "least", "low", "high"),
    [(0, 0, 0, 1), (0, -1, -1, 1), (1, 0, -1, 0), (1, -1, -2, 0), (-1, -1, 0, 2)],
)
def test_the_interval_of_problems_that_are_all_alike(
    value: int, least: int, low: int, high: int
) -> None:
    """``low`` and ``high`` are in units of Wilson's bound of the problems with another mean."""
    found = clustered([value] * 4, ["a", "a", "b", "b"], least=least, seed=0)
    bound = wilson(0, 2).high
    assert found.value == value
    assert (found.low, found.high) == pytest.approx((value + low * bound, value + high * bound))


def test_coverage_of_the_clustered_interval() -> None:
    """400 data sets of 30 problems × 4 samples, accuracies uniform in [0, 1]: true mean 0.5.

    A bootstrap over 30 problems covers a little less than 95%; below 88% or a false alarm has
    probability below 1e-4 if the true coverage is 93%.
    """
    rng = np.random.default_rng(1)
    ids = [str(i) for i in range(30) for _ in range(4)]
    covered = 0
    for _ in range(400):
        accuracy = rng.random(30)
        values = rng.random((30, 4)) < accuracy[:, None]
        found = clustered(values.ravel(), ids, seed=0, resamples=500)
        covered += found.low <= 0.5 <= found.high
    assert covered >= 0.88 * 400


def test_unequal_numbers_of_samples_are_refused(env: SelfCorrectEnv) -> None:
    episodes = evaluate(Scripted(SCRIPT), env, samples=2).episodes
    with pytest.raises(ValueError, match=r"got \[1, 2\]"):
        measure_samples(episodes[:-1])
    assert measure(episodes[:-1]).episodes == 7


def test_samples_of_greedy_replies_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    status = main(
        ["eval", "base", "--env", "SelfCorrect-Arithmetic-v0", "--n", "2", "--samples", "3"]
    )
    assert status == 2
    assert "greedy replies are all alike: give --temperature" in capsys.readouterr().err
