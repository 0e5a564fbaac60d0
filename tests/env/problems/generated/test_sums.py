import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcorrect_env import SelfCorrectEnv
from selfcorrect_env.errors import ProblemSetError, UnknownNameError
from selfcorrect_env.evaluation.validation import validate
from selfcorrect_env.problems.generated.sums import LEVELS, as_problem, load
from selfcorrect_env.problems.sources import load_problems
from selfcorrect_env.problems.splits import SHARES, split_of
from selfcorrect_env.prompts import get_prompts, prompts_of

QUESTION = re.compile(r"What is (\d+(?: [+-] \d+)+)\?")


def in_steps(text):
    """The values after each operator, worked out from the text alone."""
    first, *rest = text.split()
    value, values = int(first), []
    for sign, number in zip(rest[::2], rest[1::2], strict=True):
        value += int(number) if sign == "+" else -int(number)
        values.append(value)
    return values


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("split", SHARES)
def test_a_problem_carries_its_solution(level, split):
    problems = load(split, level=level)
    for problem in problems:
        text = QUESTION.fullmatch(problem.prompt)[1]
        assert problem.id == text
        assert problem.metadata == {"level": level, "results": in_steps(text)}
        assert problem.reference == str(in_steps(text)[-1])
        assert int(problem.reference) >= 1
        assert split_of(problem.prompt) == split
    assert len({problem.prompt for problem in problems}) == len(problems)


def test_the_example_of_the_page():
    problem = as_problem((14, 27, -9), level=1)
    assert (problem.prompt, problem.reference) == ("What is 14 + 27 - 9?", "32")
    assert problem.metadata["results"] == [41, 32]
    assert as_problem((7, 8, -5, 6), level=2).prompt == "What is 7 + 8 - 5 + 6?"


@given(st.sampled_from(list(LEVELS)), st.integers(0, 2**32), st.integers(1, 30))
def test_no_problem_is_in_two_splits(level, seed, size):
    drawn = [{p.prompt for p in load(s, level=level, seed=seed, size=size)} for s in SHARES]
    assert len(set.union(*drawn)) == 3 * size


def test_sizes_and_seeds():
    assert len(load_problems("sums")) == 1_000
    assert len(load_problems("sums", split="train")) == 4_000
    # level 2 has fewer than the default sizes: the splits are all sums that are at least 1
    digits = itertools.product(range(2, 10), repeat=4)
    exist = sum(a + b - c + d >= 1 for a, b, c, d in digits)
    assert sum(len(load(split, level=2)) for split in SHARES) == exist
    assert load("test", seed=3) == load("test", seed=3)
    assert load("test", seed=3) != load("test", seed=4)
    assert load("test").fingerprint == "3dce023080c3df73"  # the same on every machine


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"split": "valid"}, UnknownNameError, "Known: test, train, validation"),
        ({"size": 0}, ProblemSetError, "size must be at least 1"),
        ({"level": 4}, ProblemSetError, "level must be one of 1, 2, 3, got 4"),
        ({"level": 2, "size": 5_000}, ProblemSetError, "There are only .* sums of level 2"),
        ({"size": 2.5}, TypeError, "float"),
    ],
)
def test_wrong_options(options, error, message):
    with pytest.raises(error, match=message):
        load(**options)


@pytest.mark.parametrize("level", LEVELS)
def test_the_reward_can_be_trusted(level):
    assert validate(SelfCorrectEnv("sums", level=level), n=60).findings == ()


def test_the_texts_ask_for_the_answer_first_and_show_no_example():
    texts = get_prompts("sums")
    (message,) = texts.first(load("test")[0])
    question = load("test")[0].prompt
    assert message["content"].startswith(question)
    assert not re.search(r"\d", message["content"].removeprefix(question))  # no example's numbers
    assert message["content"].index("Answer:") < message["content"].index("Working:")
    assert prompts_of(texts.correction) is texts  # agents find the format by the instruction
