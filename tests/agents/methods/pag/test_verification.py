"""Episodes with a verification between the attempts."""

import gymnasium as gym
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcorrect_agents.methods.pag.verification import Verification, VerifiedEnv
from selfcorrect_env import Reason, Reply, SelfCorrectEnv, Transition, Verdict

TEXTS = Verification()
RIGHT, WRONG, SILENT = "Fine. The answer is correct.", "No. The answer is wrong.", "Hm."


@pytest.mark.parametrize(
    ("text", "judgement"),
    [
        ("The answer is correct.", True),
        ("the answer is **CORRECT**", True),
        ("The answer is wrong!\n", False),
        ("It looks correct. The answer is wrong.", False),
        ("The answer is correct, I think", None),
        ("", None),
        ("<think>Step 2 is off.</think>The answer is wrong.", False),
        ("<think>Correct? Or maybe not</think>It is correct.", True),
        ("<think>So step 2 is wrong", None),
        ("2 or 3? It is wrong</think>", None),
    ],
)
def test_a_judgement_is_the_last_word(text: str, judgement: bool | None) -> None:
    assert TEXTS.judgement(text) is judgement


@pytest.mark.parametrize(
    "text",
    [
        "The answer is not correct.",
        "The answer is **not** correct.",
        "The answer isn't correct.",
        "The answer isn’t quite correct.",
        "The answer cannot be correct",
        "That can't be correct!",
        "The answer is incorrect.",
        "Incorrect",
        "17 is no prime, so the answer is wrong.",
        "The second step does not follow and the answer is wrong.",
    ],
)
def test_a_judgement_may_be_a_denial(text: str) -> None:
    assert TEXTS.judgement(text) is False


@pytest.mark.parametrize(
    "text",
    [
        "I found no mistake. The answer is correct.",
        "I found no mistake, so the answer is correct.",
        "There is no mistake so the answer is correct.",
        "Nothing is missing: correct",
        "It is not what I expected, but it is correct.",
        "Step 1 isn't needed\nThe answer is correct",
    ],
)
def test_a_denial_in_another_clause_says_nothing_of_the_answer(text: str) -> None:
    assert TEXTS.judgement(text) is True


@pytest.mark.parametrize(
    "text",
    [
        "There is no incorrect step.",
        "No step is incorrect.",
        "Nothing is wrong.",
        "I can't find anything wrong.",
        "The answer is not wrong.",
        "The answer isn't incorrect.",
        "There is no doubt that the answer is correct.",
        "I don't think that the answer is correct.",
        "I can't tell whether the answer is correct.",
        "The answer is neither correct nor wrong.",
        "The answer is correct or wrong.",
        'I end with "The answer is correct." or "The answer is wrong."',
        "The answer is partly correct.",
        "The answer is almost correct.",
        "Is the answer correct?",
        "See if it is not correct.",
    ],
)
def test_what_does_not_settle_it_is_no_judgement(text: str) -> None:
    assert TEXTS.judgement(text) is None


@pytest.mark.parametrize(
    ("words", "text", "judgement"),
    [
        (("yes", "no"), "Is it right? No.", False),
        (("yes", "no"), "There is no mistake: yes", True),
        (("valid", "invalid"), "The proof is invalid.", False),
        (("correct", "incorrect"), "It is incorrect.", False),
    ],
)
def test_other_words(words: tuple[str, str], text: str, judgement: bool) -> None:
    right, wrong = words
    assert Verification(right=right, wrong=wrong).judgement(text) is judgement


@given(st.text())
def test_the_requested_sentences_are_read_after_any_sentence(text: str) -> None:
    for sentence, judgement in ((RIGHT, True), (WRONG, False)):
        assert TEXTS.judgement(f"{text}. {sentence}") is judgement


@given(st.text())
def test_any_text_has_a_judgement_or_none(text: str) -> None:
    assert TEXTS.judgement(text) in (True, False, None)


@pytest.mark.parametrize("correct", [True, False])
@pytest.mark.parametrize(("text", "says"), [(RIGHT, True), (WRONG, False), (SILENT, None)])
def test_a_verification_scores_1_if_it_is_right(text: str, says: object, correct: bool) -> None:
    reason = Reason.CORRECT if correct else Reason.WRONG
    verdict = TEXTS.verdict(text, Verdict(float(correct), reason))
    assert verdict.score == float(says is correct)
    assert verdict.judged


def test_a_verification_of_an_unjudged_answer_is_unjudged() -> None:
    assert not TEXTS.verdict(RIGHT, Verdict(0.0, Reason.ERROR)).judged


def play(rows: list[tuple[str, str, str]], **options: bool):
    """Play each row's answer, verification and revision; returns everything step gave."""
    env = SelfCorrectEnv([{"prompt": "1 + 1 = ?", "reference": "2"}], verifier="exact")
    venv = VerifiedEnv(env, TEXTS, **options).vectorised(len(rows))
    venv.reset(seed=0, options={"index": [0] * len(rows)})
    steps = []
    for turn in range(3):
        replies = [Reply(row[turn], tokens=7, truncated=False) for row in rows]
        steps.append(venv.step(replies))
    return steps


def test_the_turns_of_an_episode() -> None:
    rows = [("3", WRONG, "2"), ("2", RIGHT, "ignored"), ("2", WRONG, "3"), ("3", SILENT, "2")]
    steps = play(rows)
    assert [done.tolist() for _, _, done, _, _ in steps] == [[False] * 4, [False] * 4, [True] * 4]
    scores = [rewards.tolist() for _, rewards, _, _, _ in steps]
    assert scores == [[0, 1, 1, 0], [1, 1, 0, 0], [1, 1, 0, 0]]
    asked, told = steps[0][0], steps[1][0]
    assert asked[0][-1]["content"] == TEXTS.verify
    assert told[0][-1]["content"] == TEXTS.revise
    assert [m["role"] for m in told[0]] == ["user", "assistant"] * 2 + ["user"]
    assert steps[2][4]["dropped"].tolist() == [False, True, False, True]


def test_held_out_episodes_revise_what_was_not_judged_as_playing_does() -> None:
    rows = [("3", WRONG, "2"), ("2", RIGHT, "3"), ("3", SILENT, "2")]
    steps = play(rows, revise_unjudged=True)
    assert steps[2][1].tolist() == [1, 1, 1]
    assert steps[2][4]["dropped"].tolist() == [False, True, False]


def test_the_episodes_are_an_answer_a_verification_and_a_final_answer() -> None:
    steps = play([("3", WRONG, "2"), ("2", RIGHT, "ignored")])
    revised, kept = steps[2][4]["finished"]
    assert [str(a.reply) for a in revised.attempts] == ["3", WRONG, "2"]
    assert [a.tokens for a in revised.attempts] == [7, 7, 7]
    for episode in (revised, kept):  # what a verifier of answers may judge again
        assert [a.verification for a in episode.attempts] == [False, True, False]
    assert revised.transition is Transition.INCORRECT_TO_CORRECT
    assert revised.conversation[-1]["content"] == "2"
    assert [str(a.reply) for a in kept.attempts] == ["2", RIGHT, "2"]
    assert [a.tokens for a in kept.attempts] == [7, 7, 0]
    assert kept.conversation[-1]["content"] == RIGHT
    assert "ignored" not in str(kept)


def test_a_vector_environment_can_play_again() -> None:
    venv = VerifiedEnv(gym.make("SelfCorrect-Sums-v0").unwrapped, TEXTS).vectorised(1)
    for _ in range(2):
        venv.reset(seed=0, options={"index": [3]})
        for reply in ("Answer: 1", WRONG, "Answer: 2"):
            *_, infos = venv.step([reply])
        assert len(infos["finished"][0].attempts) == 3
