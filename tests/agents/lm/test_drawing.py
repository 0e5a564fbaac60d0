"""Tokens drawn by given uniform numbers."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from selfcorrect_agents.lm.drawing import draw

LOGITS = torch.tensor([0.4, 0.3, 0.2, 0.1]).log()


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.5, 1.0), (1.0, 0.65)])
def test_frequencies_are_the_probabilities(temperature: float, top_p: float) -> None:
    """Evenly spaced numbers give each token its share, to one part in the number of them."""
    count = 10_000
    uniforms = (torch.arange(count) + 0.5) / count
    tokens, logps = draw(LOGITS.expand(count, -1), uniforms, temperature, top_p)
    expected = (LOGITS / temperature).softmax(-1)
    if top_p < 1:
        expected = torch.tensor([4 / 7, 3 / 7, 0.0, 0.0])
    shares = torch.bincount(tokens, minlength=4) / count
    assert_close(shares, expected, rtol=0, atol=2 / count)
    assert_close(logps, expected.log()[tokens], rtol=1e-5, atol=1e-5)


def test_temperature_0_takes_the_most_likely_token() -> None:
    tokens, logps = draw(torch.stack([LOGITS, LOGITS.flip(0)]), torch.tensor([0.99, 0.0]), 0.0)
    assert tokens.tolist() == [0, 3]
    assert logps.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("bad", [[0.1, torch.nan, 0.3], [torch.inf, 0.0, 0.0], [-torch.inf] * 3])
def test_logits_that_are_not_finite_have_no_log_probability(
    bad: list[float], temperature: float
) -> None:
    logits = torch.tensor([bad, [0.0, 1.0, -torch.inf]])
    _, logps = draw(logits, torch.tensor([0.5, 0.5]), temperature)
    assert logps.isfinite().tolist() == [False, True]


@given(st.floats(0, 1, exclude_max=True, width=32), st.integers(0, 5))
def test_impossible_tokens_are_never_drawn(uniform: float, seed: int) -> None:
    logits = torch.randn(1, 50, generator=torch.Generator().manual_seed(seed)) * 20
    logits[:, [0, 7, 48, 49]] = -torch.inf
    token, logp = draw(logits, torch.tensor([uniform]), 1.0)
    assert int(token) not in (0, 7, 48, 49)
    assert_close(logp, logits.log_softmax(-1)[0, token], rtol=1e-4, atol=1e-4)


def test_the_largest_number_takes_a_possible_token() -> None:
    below_one = torch.tensor([1.0]).nextafter(torch.tensor([0.0]))
    logits = torch.tensor([[0.0, 0.0, -torch.inf]])
    assert int(draw(logits, below_one, 1.0)[0]) == 1


def test_a_nucleus_keeps_at_least_one_token() -> None:
    tokens, logps = draw(LOGITS[None], torch.tensor([0.99]), 1.0, 1e-6)
    assert tokens.tolist() == [0]
    assert_close(logps, torch.zeros(1))
