import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcorrect_env.errors import ProblemSetError, UnknownNameError
from selfcorrect_env.problems.generated.arithmetic import as_problem, chains, load, solve
from selfcorrect_env.problems.sources import load_problems
from selfcorrect_env.problems.splits import SHARES, is_test, split_of

CHAINS = st.lists(st.integers(0, 9), min_size=2, max_size=9).flatmap(
    lambda digits: st.lists(
        st.sampled_from("+-*"), min_size=len(digits) - 1, max_size=len(digits) - 1
    ).map(lambda signs: (digits, signs))
)


def by_hand(digits, signs):
    value, results = digits[0], ""
    for sign, right in zip(signs, digits[1:], strict=True):
        value = {"+": value + right, "-": value - right, "*": value * right}[sign] % 10
        results += str(value)
    return results


@given(CHAINS)
def test_chains_are_worked_from_left_to_right_modulo_10(chain):
    digits, signs = chain
    prompt = str(digits[0]) + "".join(f"{s}{d}" for s, d in zip(signs, digits[1:], strict=True))
    assert solve(prompt + "=") == by_hand(digits, signs)


def test_the_example_of_the_page():
    problem = as_problem("3+4*2-1=")
    assert (problem.id, problem.reference) == ("3+4*2-1", "3")
    assert dict(problem.metadata) == {"results": "743"}


@pytest.mark.parametrize("bad", ["", "=", "3=", "3+4", "3+44=", "3/4=", "3+4=\n", "३+4="])
def test_something_else_than_a_chain_is_refused(bad):
    with pytest.raises(ValueError, match="Expected a chain"):
        solve(bad)


def test_problems_carry_their_solution():
    for problem in load("train", size=500, operations=4):
        digits, signs = [int(d) for d in problem.prompt[0:-1:2]], problem.prompt[1:-1:2]
        assert problem.metadata["results"] == by_hand(digits, signs)
        assert problem.reference == problem.metadata["results"][-1]
        assert len(digits) == 5


@pytest.mark.slow
@given(
    st.integers(1, 3),
    st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    st.integers(0, 2**32),
    st.integers(1, 50),
)
def test_no_problem_is_in_two_splits(operations, multiply, seed, size):
    shape = {"operations": operations, "multiply": multiply}
    drawn = {
        split: set(chains(np.random.default_rng(seed), size, split=split, **shape))
        for split in ("train", "validation")
    }
    loaded = {split: {p.prompt for p in load(split, seed=seed, **shape)} for split in SHARES}
    for found in (drawn, loaded):
        for split, prompts in found.items():
            assert {split_of(prompt) for prompt in prompts} == {split}
    assert all(map(is_test, loaded["test"]))


def test_the_split_is_by_sha256_of_the_text():
    for prompt in chains(np.random.default_rng(0), 100):
        assert int(hashlib.sha256(prompt.encode()).hexdigest()[:16], 16) % 5 != 0
    shares = [is_test(str(i)) for i in range(20_000)]
    assert abs(np.mean(shares) - 0.2) < 0.015  # five standard deviations


@pytest.mark.parametrize(("operations", "size"), [(2, 1500), (3, 4000), (3, 30_000), (5, 1000)])
def test_problems_are_distinct(operations, size):
    """2 and the 30,000 take the way through all chains, the others the way of rejection."""
    problems = load("test", size=size, operations=operations)
    assert len({p.prompt for p in problems}) == len(problems) == size


def test_default_sizes():
    assert len(load_problems("arithmetic")) == 4_000
    assert len(load_problems("arithmetic", split="validation")) == 2_000
    assert len(load_problems("arithmetic", split="train")) == 20_000
    every = {p.prompt for split in SHARES for p in load(split, operations=1)}
    assert len(every) == 300  # every chain of one operation


@pytest.mark.parametrize("multiply", [0.0, 0.2, 0.5, 1.0])
def test_share_of_multiplications(multiply):
    prompts = "".join(chains(np.random.default_rng(1), 5_000, multiply=multiply))
    share = prompts.count("*") / sum(map(prompts.count, "+-*"))
    assert abs(share - multiply) < 0.025  # at least six standard deviations (n = 15,000)


def test_both_ways_of_drawing_give_the_same_mixture():
    few = load("train", size=3_000, operations=2, multiply=0.2)  # through all 7,200 chains
    share = sum(p.prompt.count("*") for p in few) / 6_000
    drawn = dict.fromkeys(chains(np.random.default_rng(5), 9_000, operations=2, multiply=0.2))
    expected = sum(prompt.count("*") for prompt in list(drawn)[:3_000]) / 6_000
    assert abs(share - expected) < 0.03


def test_seeds():
    assert load("test", size=50, seed=3) == load("test", size=50, seed=3)
    assert load("test", size=50, seed=3) != load("test", size=50, seed=4)
    assert load("test").fingerprint == "1c999acd5a4031c9"  # the same on every machine


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"split": "valid"}, UnknownNameError, "Known: test, train, validation"),
        ({"size": 0}, ProblemSetError, "size must be at least 1"),
        ({"operations": 0}, ProblemSetError, "operations must be at least 1"),
        ({"multiply": 1.5}, ProblemSetError, "multiply must be a probability"),
        ({"multiply": float("nan")}, ProblemSetError, "multiply must be a probability"),
        ({"operations": 1, "size": 100}, ProblemSetError, "There are only 57 chains"),
        ({"size": 2.5}, TypeError, "float"),
    ],
)
def test_wrong_options(options, error, message):
    with pytest.raises(error, match=message):
        load(**options)


def test_no_chains():
    assert chains(np.random.default_rng(0), 0) == []
