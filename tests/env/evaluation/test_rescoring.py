"""`rescore`: stored replies judged again."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from selfcorrect_env import Attempt, CheckpointError, Reason, SelfCorrectEnv, Verdict, evaluate
from selfcorrect_env.evaluation import write_episodes
from selfcorrect_env.evaluation.rescoring import rescore, stored_episodes

ROWS = [
    {"id": str(n), "prompt": f"Half of {n}, as a fraction?", "reference": f"{n}/2"}
    for n in (1, 3, 5)
]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """An evaluation by the strict verifier, of an agent that answers in decimals."""
    env = SelfCorrectEnv(ROWS, verifier="exact")
    evaluate(
        lambda conversation: "0.5" if len(conversation) == 1 else "1/2",
        env,
        out=tmp_path / "run",
    )
    return tmp_path / "run"


def test_the_same_verifier_says_the_same(run: Path) -> None:
    rescored = rescore(stored_episodes(run), "exact")
    assert rescored.differences == ()
    assert rescored.episodes == tuple(stored_episodes(run))
    assert rescored.replies == 6


def test_another_verifier_is_compared_reply_by_reply(run: Path) -> None:
    rescored = rescore(stored_episodes(run), "math")
    (difference,) = (d for d in rescored.differences if d.before.score != d.after.score)
    assert (difference.problem_id, difference.attempt) == ("1", 1)
    assert (difference.before.score, difference.after.score) == (0.0, 1.0)
    assert rescored.scores_changed == 1
    assert rescored.before.accuracy[0].value == 0.0
    assert rescored.after.accuracy[0].value == pytest.approx(1 / 3)
    assert "1, attempt 1: 0 wrong → 1 correct" in " ".join(str(rescored).split())
    assert str(rescored).startswith(f"{len(rescored.episodes)} episodes re-scored with ")


def test_a_verification_is_not_judged_as_an_answer(run: Path, tmp_path: Path) -> None:
    """It says whether the answer before it is right; to a verifier of answers it would be wrong."""
    said = Attempt(
        reply="The answer is wrong.",
        verdict=Verdict(1.0, Reason.CORRECT, "wrong"),
        verification=True,
    )
    played = [
        replace(episode, attempts=(episode.attempts[0], said, episode.attempts[1]))
        for episode in stored_episodes(run)
    ]
    write_episodes(tmp_path / "episodes.jsonl", played)
    stored = stored_episodes(tmp_path)
    assert stored == played
    same = rescore(stored, "exact")
    assert same.differences == ()
    assert (same.replies, same.verifications) == (6, 3)
    assert "3 attempts verify the one before" in " ".join(str(same).split())
    assert same.to_dict()["verifications"] == 3
    other = rescore(stored, "math")
    assert {difference.attempt for difference in other.differences} <= {1, 3}
    assert all(episode.attempts[1] == said for episode in other.episodes)


def test_differences_are_written(run: Path, tmp_path: Path) -> None:
    rescored = rescore(stored_episodes(run), "math")
    rescored.to_json(tmp_path / "d.json")
    content = json.loads((tmp_path / "d.json").read_text())
    assert content["scores_changed"] == 1
    assert content["replies"] == 6


def test_a_verifier_that_fails_is_no_wrong_answer(run: Path) -> None:
    def broken(problem, reply):
        raise RuntimeError("no server")

    rescored = rescore(stored_episodes(run), broken)
    assert rescored.after.unjudged == 3
    assert all(not d.after.judged for d in rescored.differences)
    as_json = json.loads(json.dumps(rescored.to_dict(), allow_nan=False))
    assert as_json["accuracy_after"] == [None, None]


def test_a_verifier_that_fails_at_times_shows_the_accuracy_both_ways(
    run: Path, tmp_path: Path
) -> None:
    def seldom(problem, reply):
        if problem.id != stored_episodes(run)[0].problem.id:
            raise RuntimeError("no server")
        return True

    rescored = rescore(stored_episodes(run), seldom)
    text = " ".join(str(rescored).split())
    assert "accuracy@t2, unjudged wrong" in text
    assert "Warning: 2 episodes were not judged, of 3: accuracy@t2 is 33.3" in text
    rescored.to_json(tmp_path / "d.json")
    content = json.loads((tmp_path / "d.json").read_text())
    assert content["unjudged_after"] == 2
    assert content["accuracy_after"] == [1.0, 1.0]
    assert content["accuracy_unjudged_wrong_after"] == pytest.approx([1 / 3, 1 / 3])


def test_no_episodes_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no episodes at"):
        stored_episodes(tmp_path)
    (tmp_path / "episodes.jsonl").write_text("")
    with pytest.raises(CheckpointError, match="holds no episode"):
        stored_episodes(tmp_path)
    with pytest.raises(ValueError, match="at least one"):
        rescore([], "exact")
