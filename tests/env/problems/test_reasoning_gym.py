"""Tasks of reasoning-gym as problem sets, judged by their own scorers."""

import json

import pytest

from selfcorrect_env import Problem, ProblemSetError, Reason, SelfCorrectEnv, UnknownNameError
from selfcorrect_env.evaluation.episode_files import from_row, to_row
from selfcorrect_env.evaluation.evaluator import play
from selfcorrect_env.evaluation.validation import validate
from selfcorrect_env.problems.reasoning_gym import load
from selfcorrect_env.verifiers.reasoning_gym import ReasoningGymVerifier, answer_of

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def verifier():
    verifier = ReasoningGymVerifier(deadline=30)
    yield verifier
    verifier.close()


def test_a_task_becomes_problems() -> None:
    problems = load(task="chain_sum", size=20, parameters={"max_terms": 3, "max_digits": 1})
    assert len(problems) == 20
    assert problems.name == "reasoning-gym-chain_sum"
    assert all(problem.reference.lstrip("-").isdigit() for problem in problems)
    assert load(task="chain_sum", size=20) == load(task="chain_sum", size=20)
    assert load(task="chain_sum", size=20) != load(task="chain_sum", size=20, seed=1)


def test_no_test_problem_is_trained_on() -> None:
    train = {problem.prompt for problem in load("train", size=300)}
    assert not train & {p.prompt for seed in range(3) for p in load("test", size=100, seed=seed)}


def test_mistakes_are_named() -> None:
    with pytest.raises(UnknownNameError, match="chain_sum"):
        load(task="chain_sun")
    with pytest.raises(ProblemSetError, match="parameters"):
        load(parameters={"no_such": 1})
    with pytest.raises(ProblemSetError, match="Only"):
        load(size=500, parameters={"max_terms": 2, "max_digits": 1, "min_terms": 2})
    with pytest.raises(ProblemSetError, match="at least 1"):
        load(size=0)


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("It is <answer>7</answer>.", "7"),
        ("<answer>6</answer> no, <answer> 7 </answer>", "7"),
        ("<answer>7", "7"),
        (r"So $\boxed{7}$", "7"),
        ("The answer is 7.", "7"),
        ("7", "7"),
        ("", None),
        ("<answer> </answer>", None),
    ],
)
def test_the_answer_is_found(reply: str, answer: str | None) -> None:
    assert answer_of(reply) == answer


def test_full_marks_alone_count(verifier: ReasoningGymVerifier) -> None:
    """The package's scorer pays part of the marks for containing the right answer."""
    problem = load(task="chain_sum", size=1)[0]
    right = problem.reference
    replies = [
        f"<answer>{right}</answer>",
        f"<answer>1 or {right}</answer>",
        "<answer>x</answer>",
        "",
    ]
    verdicts = verifier.verify_batch([problem] * 4, replies)
    assert [v.reason for v in verdicts] == [
        *(Reason.CORRECT, Reason.WRONG, Reason.WRONG, Reason.NO_ANSWER)
    ]
    assert [v.score for v in verdicts] == [1.0, 0.0, 0.0, 0.0]
    assert "scorer returned 0." in verdicts[1].detail


def test_a_problem_of_another_set_is_not_judged(verifier: ReasoningGymVerifier) -> None:
    assert verifier.verify(Problem(id="1", prompt="?", reference="1"), "1").reason is Reason.ERROR


@pytest.mark.parametrize("task", ["chain_sum", "spell_backward", "gcd", "letter_counting"])
def test_its_reward_can_be_believed(verifier: ReasoningGymVerifier, task: str) -> None:
    env = SelfCorrectEnv("reasoning-gym", task=task, size=15, verifier=verifier)
    assert validate(env).findings == ()


def test_stored_episodes_can_be_judged_again(verifier: ReasoningGymVerifier) -> None:
    env = SelfCorrectEnv("reasoning-gym", task="chain_sum", size=3, verifier=verifier)
    (episode, *_) = play(lambda conversation: "<answer>0</answer>", env, indices=[0])
    again = from_row(json.loads(json.dumps(to_row(episode))))
    reply = f"<answer>{again.problem.reference}</answer>"
    assert verifier.verify(again.problem, reply).correct
