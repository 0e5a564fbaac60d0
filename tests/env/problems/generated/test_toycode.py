"""Programs to finish: splits that never meet, sizes, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfcorrect_env.errors import ProblemSetError, UnknownNameError
from selfcorrect_env.problems.generated.toycode import MOST_OPERATIONS, as_problem, load, statements
from selfcorrect_env.problems.sources import load_problems
from selfcorrect_env.problems.splits import SHARES, split_of
from selfcorrect_env.verifiers.toycode import read_statement


@pytest.mark.slow
@given(
    st.integers(2, 6),
    st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    st.integers(3, 10),
    st.integers(0, 2**32),
    st.sampled_from(list(SHARES)),
)
@settings(max_examples=20)
def test_no_problem_is_in_two_splits(operations, multiply, choices, seed, split):
    shape = {"operations": operations, "multiply": multiply, "choices": choices}
    drawn = statements(np.random.default_rng(seed), 20, split=split, **shape)
    loaded = [p.prompt for p in load(split, seed=seed, **shape)]
    assert len(drawn) == 20
    for prompt in [*drawn, *loaded]:
        assert split_of(prompt) == split
        assert int(as_problem(prompt).reference[1:]) < choices
        assert len(read_statement(prompt).program) == 2 * (operations - 1)


def test_default_sizes():
    sizes = {split: len(load_problems("toycode", split=split)) for split in SHARES}
    assert sizes == {"train": 20_000, "validation": 1_500, "test": 4_000}
    for operations, choices in ((1, 10), (2, 10), (2, 4)):  # every problem there is
        sets = [load(s, operations=operations, choices=choices) for s in SHARES]
        assert len({p.prompt for problems in sets for p in problems}) == sum(map(len, sets))
        assert sum(map(len, sets)) == 10 * choices * 30 ** (operations - 1)


@pytest.mark.parametrize(("operations", "size"), [(3, 6_000), (5, 5_000)])
def test_problems_are_distinct(operations, size):
    """3 takes the way through all problems, 5 the way of rejection."""
    problems = load("test", size=size, operations=operations)
    assert len({p.prompt for p in problems}) == len(problems) == size


@pytest.mark.parametrize("multiply", [0.2, 0.5, 1.0])
def test_every_part_has_its_share(multiply):
    """Each share within six standard errors (false alarm below 1e-6; the draws are seeded)."""
    prompts = statements(np.random.default_rng(0), 9_000, multiply=multiply)
    even = dict.fromkeys("0123456789", 0.1)
    added = "".join(as_problem(prompt).reference[1:] for prompt in prompts)
    for digit in "0123":
        assert abs(added.count(digit) / 9_000 - 0.25) <= 6 * (0.25 * 0.75 / 9_000) ** 0.5
    signs = {"+": (1 - multiply) / 2, "-": (1 - multiply) / 2, "*": multiply}
    for place, shares in {0: signs, 1: even, 2: signs, 3: even, 5: even}.items():
        found = "".join(prompt[place] for prompt in prompts)
        for symbol, p in shares.items():
            assert abs(found.count(symbol) / 9_000 - p) <= 6 * (p * (1 - p) / 9_000) ** 0.5


def test_both_ways_of_drawing_give_the_same_mixture():
    few = load("train", size=3_000, operations=3, multiply=0.2)  # a part of all 67,500
    share = sum(p.prompt.count("*") for p in few) / 6_000
    drawn = statements(np.random.default_rng(5), 3_000, multiply=0.2)
    expected = sum(prompt.count("*") for prompt in drawn) / 6_000
    assert abs(share - expected) < 0.04
    whole = load("train", size=60_000, multiply=0.2, choices=10)
    assert sum(p.prompt.count("*") for p in whole.head(3_000)) / 6_000 < 0.27
    assert "-" not in "".join(p.prompt for p in load("test", operations=2, multiply=1.0))


def test_seeds():
    assert load("test", size=50, seed=3) == load("test", size=50, seed=3)
    assert load("test", size=50, seed=3) != load("test", size=50, seed=4)
    assert load("test").fingerprint == "9e705f2e4b36831a"  # the same on every machine


def test_the_example_of_the_page():
    problem = as_problem("*7-4?3>8=")
    assert (problem.id, problem.reference) == ("*7-4?3>8", "+1")
    with pytest.raises(ValueError, match="Expected one test"):
        as_problem("*7-4?3>8;1>4=")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"split": "valid"}, UnknownNameError, "Known: test, train, validation"),
        ({"size": 0}, ProblemSetError, "size must be at least 1"),
        ({"operations": 0}, ProblemSetError, "operations must be 1 to 12"),
        ({"operations": MOST_OPERATIONS + 1}, ProblemSetError, "operations must be 1 to 12"),
        ({"multiply": 1.5}, ProblemSetError, "multiply must be a probability"),
        ({"multiply": float("nan")}, ProblemSetError, "multiply must be a probability"),
        ({"choices": 0}, ProblemSetError, "choices must be 1 to 10"),
        ({"choices": 11}, ProblemSetError, "choices must be 1 to 10"),
        ({"operations": 1, "choices": 1, "split": "validation"}, ProblemSetError, "None of the 10"),
        ({"operations": 1, "size": 100}, ProblemSetError, "There are only 6 programs"),
        ({"size": 2.5}, TypeError, "float"),
    ],
)
def test_wrong_options(options, error, message):
    with pytest.raises(error, match=message):
        load(**options)


def test_the_longest_programs_can_be_drawn():
    assert len(load("test", size=3, operations=MOST_OPERATIONS)) == 3
    assert statements(np.random.default_rng(0), 0) == []
