"""Replies of which a part alone would be another answer: each is read whole, or not at all."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelled_pairs import labelled_pairs

from selfcorrect_env import Problem, Verdict
from selfcorrect_env.verifiers.math.verifier import MathVerifier

PAIRS = Path(__file__).with_name("reply_pairs.txt")
VERIFIER = MathVerifier(deadline=30, workers=1)


def judged(reference: str, reply: str) -> Verdict:
    return VERIFIER.verify(Problem(id="", prompt="", reference=reference), reply)


@pytest.mark.parametrize(("reference", "reply"), labelled_pairs(PAIRS, "+"))
def test_a_right_reply(reference: str, reply: str) -> None:
    verdict = judged(reference, reply)
    assert verdict.correct, verdict


@pytest.mark.parametrize(("reference", "reply"), labelled_pairs(PAIRS, "-"))
def test_a_wrong_reply(reference: str, reply: str) -> None:
    verdict = judged(reference, reply)
    assert not verdict.correct, verdict


ADJOINING = st.sampled_from(
    [
        "π",
        "θ",
        "³",
        "·7",
        " × 7",
        "½",
        "√7",
        "x",
        "^7",
        "/x",
        " + x",
        " million",
        " dozens",
        " thirds",
    ]
)
FRAMES = st.sampled_from(
    ["The answer is {}.", "#### {}", "**{}**", "So in the end it is {}.", "Then we get {} in all."]
)


@given(st.integers(2, 9999), ADJOINING, FRAMES)
def test_a_number_is_not_read_without_what_adjoins_it(
    number: int, adjoining: str, frame: str
) -> None:
    verdict = judged(str(number), frame.format(f"{number}{adjoining}"))
    assert not verdict.correct, verdict
