"""The types: a verdict whose score and reason agree."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcorrect_env import (
    Attempt,
    Episode,
    Generation,
    Problem,
    Reason,
    Reply,
    Transition,
    Verdict,
)
from selfcorrect_env.env import SelfCorrectEnv
from selfcorrect_env.evaluation.evaluator import play
from selfcorrect_env.evaluation.metrics import measure
from selfcorrect_env.verifiers import get_verifier

PROBLEM = Problem(id="1", prompt="1 + 1", reference="2")
SCORES = st.sampled_from([0.0, 0.3, 0.999, 1.0]) | st.floats(0, 1)


@given(SCORES, st.sampled_from(Reason))
def test_correct_is_score_one_and_nothing_else(score: float, reason: Reason) -> None:
    agree = {Reason.CORRECT: score == 1.0, Reason.PARTIAL: 0.0 < score < 1.0}
    if agree.get(reason, score == 0.0):
        assert Verdict(score, reason).correct == (score == 1.0)
    else:
        with pytest.raises(ValueError, match=f"reason '{reason}' has .*score.*, got {score!r}"):
            Verdict(score, reason)


@pytest.mark.parametrize("score", [-0.1, 1.1, float("nan"), float("inf"), np.float32(2), 7])
def test_a_score_outside_of_0_to_1_is_refused(score: float) -> None:
    with pytest.raises(ValueError, match=r"must be in \[0, 1\]"):
        Verdict(score, Reason.CORRECT)


@pytest.mark.parametrize("score", ["1", None, [1.0], b"1"])
def test_a_score_that_is_no_number_is_refused(score: object) -> None:
    with pytest.raises(TypeError, match="must be a number"):
        Verdict(score, Reason.CORRECT)  # type: ignore[arg-type]


def test_a_verdict_holds_a_float_and_a_reason_whatever_it_was_given() -> None:
    for score in (True, 1, np.float32(1), np.bool_(True)):
        verdict = Verdict(score, "correct")  # type: ignore[arg-type]
        assert verdict == Verdict(1.0, Reason.CORRECT)
        assert type(verdict.score) is float
        assert verdict.reason is Reason.CORRECT
        assert verdict.correct
    assert str(Verdict(-0.0, Reason.WRONG).score) == "0.0"
    with pytest.raises(ValueError, match=r"Unknown Verdict.reason .right.\. Known: .correct."):
        Verdict(1.0, "right")  # type: ignore[arg-type]


@pytest.mark.parametrize(("answer", "detail"), [(42, ""), (["2"], ""), ("2", None), (None, 3)])
def test_an_answer_and_a_detail_are_texts(answer: object, detail: object) -> None:
    """Files of episodes hold them as texts, so a number would only fail when they are written."""
    with pytest.raises(TypeError, match=r"Verdict\.(answer|detail) must be a str"):
        Verdict(1.0, Reason.CORRECT, answer, detail)  # type: ignore[arg-type]


@pytest.mark.parametrize("tokens", [np.int64(3), np.array(3), True + 2])
def test_a_number_of_tokens_is_an_int_whatever_it_was_given(tokens: int) -> None:
    reply = Reply("2", tokens=tokens, truncated=np.bool_(False))  # type: ignore[arg-type]
    assert (type(reply.tokens), reply.tokens, reply.truncated) == (int, 3, False)
    assert type(reply.truncated) is bool


@pytest.mark.parametrize("tokens", [3.0, "3", np.array([3])])
def test_tokens_that_are_no_number_of_them_are_refused(tokens: int) -> None:
    with pytest.raises(TypeError, match=r"Reply\.tokens must be an int or None, got "):
        Reply("2", tokens=tokens)


def test_an_error_always_says_a_cause() -> None:
    assert Verdict(0.0, Reason.ERROR).detail
    assert Verdict(0.0, Reason.ERROR, detail="no disk").detail == "no disk"


def test_verdicts_are_copied_and_pickled() -> None:
    verdict = Verdict(0.25, Reason.PARTIAL, "2", "half")
    assert copy.deepcopy(verdict) == pickle.loads(pickle.dumps(verdict)) == verdict


@pytest.mark.parametrize("reason", [Reason.ERROR, Reason.NO_REPLY])
def test_what_was_not_judged_has_a_cause_and_no_transition(reason: Reason) -> None:
    verdict = Verdict(0.0, reason)
    assert (verdict.judged, bool(verdict.detail)) == (False, True)
    right, wrong = Verdict(1.0, Reason.CORRECT), Verdict(0.0, Reason.WRONG)
    assert Transition.of(verdict, right) is None
    # the episode is in no accuracy either, whatever its first and its last reply are
    assert Transition.of(wrong, verdict, right) is None
    episode = Episode(
        problem=PROBLEM,
        attempts=tuple(Attempt(reply="", verdict=v) for v in (wrong, verdict, right)),
        conversation=(),
    )
    assert (episode.judged, episode.transition) == (False, None)


def test_replies_keep_their_generation_when_they_are_copied_and_pickled() -> None:
    reply = Reply("2", tokens=1, generation=Generation(reasoning="1 + 1", requests=3))
    for twin in (copy.deepcopy(reply), pickle.loads(pickle.dumps(reply))):
        assert (twin, twin.tokens, twin.generation) == ("2", 1, reply.generation)


def test_partial_credit_is_not_right_anywhere() -> None:
    """Its score is the reward; accuracy and transition count it as incorrect."""

    def half(problem: Problem, response: str) -> float:
        return 0.5 if response == "almost" else float(response == problem.reference)

    verdict = get_verifier(half).verify(PROBLEM, "almost")
    assert (verdict.score, verdict.reason, verdict.correct) == (0.5, Reason.PARTIAL, False)
    env = SelfCorrectEnv([{"prompt": "1 + 1", "reference": "2"}], verifier=half)
    env.reset()
    assert env.step("almost")[1] == 0.5
    episodes = play(lambda conversation: "almost" if len(conversation) == 1 else "2", env)
    assert episodes[0].transition is Transition.INCORRECT_TO_CORRECT
    assert [estimate.value for estimate in measure(episodes).accuracy] == [0.0, 1.0]


@pytest.mark.parametrize(
    ("score", "reason"),
    [(1, "correct"), (True, "correct"), (0, "wrong"), (False, "wrong"), (1e-9, "partial credit")],
)
def test_a_plain_score_has_a_reason(score: float, reason: str) -> None:
    verdict = get_verifier(lambda problem, response: score).verify(PROBLEM, "")
    assert verdict.reason == reason
