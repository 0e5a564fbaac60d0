"""The built-in code problems: right references, tests that tell, splits apart."""

import ast

import pytest

from selfcorrect_env import ProblemSetError, SelfCorrectEnv, UnknownNameError
from selfcorrect_env.evaluation.validation import validate
from selfcorrect_env.problems.generated.code import SHOWN, TEMPLATES, load
from selfcorrect_env.sandbox import missing_for_strong
from selfcorrect_env.verifiers.code import CodeVerifier

needs_isolation = pytest.mark.skipif(
    bool(missing_for_strong()), reason=f"this machine cannot isolate: {missing_for_strong()}"
)


def test_the_kinds() -> None:
    assert len(TEMPLATES) >= 30
    assert len({template.name for template in TEMPLATES}) == len(TEMPLATES)
    assert {template.level for template in TEMPLATES} == {1, 2, 3, 4, 5}


def test_the_sizes_and_that_every_kind_is_there() -> None:
    problems = load()
    assert len(problems) == 250
    assert {problem.metadata["template"] for problem in problems} == {t.name for t in TEMPLATES}
    assert len(load("train", size=1500)) == 1500


def test_no_test_problem_is_trained_on() -> None:
    train = {problem.prompt for problem in load("train", size=3000)}
    test = {p.prompt for seed in range(3) for p in load("test", size=700, seed=seed)}
    assert not train & test


def test_the_same_seed_makes_the_same_problems() -> None:
    assert load(size=50) == load(size=50)
    assert load(size=50) != load(size=50, seed=1)
    assert load().fingerprint == "1b0024330ddec93f"  # results on it stay comparable


def test_a_problem_shows_some_of_its_tests() -> None:
    for problem in load():
        tests = problem.metadata["tests"]
        assert len(tests) >= SHOWN + 2
        assert problem.prompt.endswith("\n".join(tests[:SHOWN]))
        assert not any(
            hidden in problem.prompt for hidden in set(tests[SHOWN:]) - set(tests[:SHOWN])
        )
        for test in tests:
            ast.parse(test)


def test_bad_options() -> None:
    with pytest.raises(UnknownNameError, match="split"):
        load("validation")
    with pytest.raises(ProblemSetError, match="at least 1"):
        load(size=0)
    with pytest.raises(ProblemSetError, match="Only"):
        load(size=10**6)


@pytest.mark.slow
@needs_isolation
def test_its_reward_can_be_believed() -> None:
    assert validate(SelfCorrectEnv("code")).findings == ()


@needs_isolation
@pytest.mark.parametrize("body", ["return None", "return arguments[0]", "return 0", "return []"])
def test_programs_that_do_nothing_fail(body: str) -> None:
    problems = list(load("train", size=400))
    verifier = CodeVerifier()
    replies = [f"def {p.metadata['names'][0]}(*arguments):\n    {body}" for p in problems]
    verdicts = verifier.verify_batch(problems, replies)
    passing = [p.id for p, verdict in zip(problems, verdicts, strict=True) if verdict.correct]
    assert passing == []
    verifier.close()
