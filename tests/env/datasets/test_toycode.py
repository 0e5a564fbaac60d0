"""Programs to finish: splits that never meet, sizes, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcorrect_env.datasets import load_problems
from selfcorrect_env.datasets.splits import SHARES, split_of
from selfcorrect_env.datasets.toycode import MOST_OPERATIONS, as_problem, load, statements
from selfcorrect_env.errors import ProblemSetError, UnknownNameError
from selfcorrect_env.verifiers.toycode import read_statement


@given(st.integers(1, 6), st.integers(0, 2**32), st.integers(1, 50))
def test_no_problem_is_in_two_splits(operations, seed, size):
    for split in SHARES:
        drawn = statements(np.random.default_rng(seed), size, split=split, operations=operations)
        loaded = [p.prompt for p in load(split, operations=operations, seed=seed)[:50]]
        assert len(drawn) == size
        for prompt in [*drawn, *loaded]:
            assert split_of(prompt) == split
            assert len(read_statement(prompt).program) == 2 * (operations - 1)


def test_default_sizes():
    sizes = {split: len(load_problems("toycode", split=split)) for split in SHARES}
    assert sizes == {"train": 20_000, "validation": 2_000, "test": 4_000}
    for operations in (1, 2):  # every problem there is
        every = {p.prompt for split in SHARES for p in load(split, operations=operations)}
        assert len(every) == 100 * 30 ** (operations - 1)


@pytest.mark.parametrize(("operations", "size"), [(3, 15_000), (5, 5_000)])
def test_problems_are_distinct(operations, size):
    """3 takes the way through all problems, 5 the way of rejection."""
    problems = load("test", size=size, operations=operations)
    assert len({p.prompt for p in problems}) == len(problems) == size


def test_every_part_is_drawn_evenly():
    """Each share within six standard errors (false alarm below 1e-6; the draws are seeded)."""
    prompts = statements(np.random.default_rng(0), 9_000, operations=3)
    for place, symbols in {0: "+-*", 1: "0123456789", 3: "0123456789", 5: "0123456789"}.items():
        found = "".join(prompt[place] for prompt in prompts)
        p = 1 / len(symbols)
        for symbol in symbols:
            assert abs(found.count(symbol) / 9_000 - p) < 6 * (p * (1 - p) / 9_000) ** 0.5


def test_seeds():
    assert load("test", size=50, seed=3) == load("test", size=50, seed=3)
    assert load("test", size=50, seed=3) != load("test", size=50, seed=4)
    assert load("test").fingerprint == "d0298ebc6d99e999"  # the same on every machine


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
        ({"operations": 1, "size": 100}, ProblemSetError, "There are only 15 programs"),
        ({"size": 2.5}, TypeError, "float"),
    ],
)
def test_wrong_options(options, error, message):
    with pytest.raises(error, match=message):
        load(**options)


def test_the_longest_programs_can_be_drawn():
    assert len(load("test", size=3, operations=MOST_OPERATIONS)) == 3
    assert statements(np.random.default_rng(0), 0) == []
