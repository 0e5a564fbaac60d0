"""maj@k and pass@k against the enumeration of every subset."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcorrect_env.evaluation.pass_at_k import NO_ANSWER, answer_codes, maj_at_k, pass_at_k


def majority_by_enumeration(codes, correct, k):
    """The same by the definition: every subset, every tied answer with equal probability."""
    total = 0.0
    for subset in itertools.combinations(range(len(codes)), k):
        votes = {}
        for i in subset:
            if codes[i] != NO_ANSWER:
                votes[codes[i]] = votes.get(codes[i], 0) + 1
        if not votes:
            continue
        winners = [code for code, n in votes.items() if n == max(votes.values())]
        worth = {
            code: np.mean([c for a, c in zip(codes, correct, strict=True) if a == code])
            for code in winners
        }
        total += sum(worth.values()) / len(winners)
    return total / math.comb(len(codes), k)


@st.composite
def samples(draw):
    n = draw(st.integers(1, 7))
    codes = draw(st.lists(st.integers(-1, 3), min_size=n, max_size=n))
    right = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    return codes, right


@given(samples())
def test_maj_at_k_is_the_mean_over_every_subset(drawn):
    codes, right = drawn
    ks = list(range(1, len(codes) + 1))
    expected = [majority_by_enumeration(codes, right, k) for k in ks]
    assert maj_at_k([codes], [right], ks)[0] == pytest.approx(expected, abs=1e-12)


@given(samples())
def test_pass_at_k_is_the_mean_over_every_subset(drawn):
    _, right = drawn
    for k in range(1, len(right) + 1):
        subsets = list(itertools.combinations(right, k))
        expected = np.mean([any(subset) for subset in subsets])
        assert pass_at_k([right], k)[0] == pytest.approx(expected, abs=1e-12)


def test_a_tie_is_split_and_silence_does_not_vote():
    codes = answer_codes([["7", "3"], ["7", None], [None, None]])
    right = [[True, False], [True, False], [False, False]]
    assert codes.tolist() == [[0, 1], [0, NO_ANSWER], [NO_ANSWER, NO_ANSWER]]
    assert maj_at_k(codes, right, [1, 2]).tolist() == [[0.5, 0.5], [0.5, 1.0], [0.0, 0.0]]


def test_one_sample_is_the_accuracy_and_large_n_stays_exact():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 5, size=(4, 200))
    right = codes == 0
    assert maj_at_k(codes, right, [1])[:, 0] == pytest.approx(right.mean(axis=1))
    assert pass_at_k(right, 1) == pytest.approx(right.mean(axis=1))
    (everyone,) = maj_at_k(codes[:1], right[:1], [200])
    counts = np.bincount(codes[0])
    winners = np.flatnonzero(counts == counts.max())
    assert everyone[0] == pytest.approx((winners == 0).mean())


@pytest.mark.parametrize("k", [0, 4])
def test_a_k_that_is_not_there_is_refused(k):
    with pytest.raises(ValueError, match=f"between 1 and the number of samples 3, got {k}"):
        pass_at_k([[True, False, False]], k)
    with pytest.raises(ValueError, match=f"between 1 and the number of samples 3, got {k}"):
        maj_at_k([[0, 1, 2]], [[True, False, False]], [k])


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        maj_at_k([[0, 1]], [[True]], [1])
    with pytest.raises(ValueError, match="shape"):
        pass_at_k([True, False], 1)
