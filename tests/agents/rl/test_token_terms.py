"""`token_terms`: the values and gradients of autograd, whatever the size of a chunk."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scored_tokens import random_tokens
from torch import Tensor
from torch.testing import assert_close

from selfcorrect_agents.rl import objectives, token_terms
from selfcorrect_agents.rl.token_terms import Heads, Terms, chunk_size, logits_at_once

VOCABULARY = 5


def made(tokens: int, seed: int = 0) -> dict[str, Tensor]:
    return random_tokens(tokens, VOCABULARY, seed)


def heads_of(
    weight: Tensor, ref_weight: Tensor, temperature: float = 1.0, kl_gradient: bool = True
) -> Heads:
    return Heads(
        vocabulary=VOCABULARY,
        policy=lambda hidden: hidden @ weight.T,
        reference=lambda hidden: hidden @ ref_weight.T,
        temperature=temperature,
        kl_gradient=kl_gradient,
    )


def by_autograd(of: dict[str, Tensor], temperature: float) -> Terms:
    logits = of["hidden"] @ of["weight"].T / temperature
    ref_logits = of["ref_hidden"] @ of["ref_weight"].T / temperature
    return Terms(
        objectives.token_logps(logits, of["ids"]),
        objectives.token_logps(ref_logits, of["ids"]),
        objectives.kl_full(logits, ref_logits),
        torch.distributions.Categorical(logits=logits.detach(), validate_args=False).entropy(),
    )


def ours(of: dict[str, Tensor], temperature: float, kl_gradient: bool = True) -> Terms:
    heads = heads_of(of["weight"], of["ref_weight"], temperature, kl_gradient)
    inputs = of["hidden"], of["ref_hidden"], of["ids"]
    return token_terms.token_terms(heads, *inputs, [of["weight"]])


@pytest.mark.parametrize("temperature", [1.0, 0.6])
@pytest.mark.parametrize("chunk", [1, 3 * VOCABULARY, 1 << 22])
def test_gradients_pass_gradcheck(
    chunk: int, temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_terms, "CHUNK", chunk)
    of = made(7)

    def function(hidden: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        terms = ours({**of, "hidden": hidden, "weight": weight}, temperature)
        return terms.logps, terms.kl

    assert torch.autograd.gradcheck(function, (of["hidden"], of["weight"]))


@given(
    tokens=st.integers(0, 9),
    chunk=st.integers(1, 10 * VOCABULARY),
    temperature=st.sampled_from([0.5, 1.0, 2.0]),
    seed=st.integers(0, 99),
)
def test_values_and_gradients_are_autograds_whatever_the_chunk(
    tokens: int, chunk: int, temperature: float, seed: int
) -> None:
    of = made(tokens, seed)
    factors = torch.randn(2, tokens, generator=torch.Generator().manual_seed(seed)).double()

    def both(function: Callable[..., Terms]) -> tuple[list[Tensor], Any]:
        terms = function(of, temperature)
        total = (factors[0] * terms.logps + factors[1] * terms.kl).sum()
        values = [terms.logps, terms.ref_logps, terms.kl, terms.entropy]
        return values, torch.autograd.grad(total, [of["hidden"], of["weight"]])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(token_terms, "CHUNK", chunk)
        patch.setattr(token_terms, "SMALL", 1)
        found, expected = both(ours), both(by_autograd)
    assert_close(found, expected)


def test_a_kl_without_gradient_has_the_same_value() -> None:
    of = made(4)
    terms, logged = ours(of, 1.0), ours(of, 1.0, kl_gradient=False)
    assert terms.kl.requires_grad
    assert not logged.kl.requires_grad
    assert_close(logged.kl, terms.kl.detach())
    (gradient,) = torch.autograd.grad(logged.logps.sum(), of["hidden"])
    assert_close(gradient, torch.autograd.grad(terms.logps.sum(), of["hidden"])[0])


def test_a_frozen_head_gets_no_gradient() -> None:
    of = made(4)
    of["weight"].requires_grad_(False)
    ours(of, 1.0).kl.sum().backward()
    assert of["weight"].grad is None
    assert of["hidden"].grad is not None


def test_without_a_reference_the_divergence_is_zero() -> None:
    of = made(4)
    heads = Heads(
        vocabulary=VOCABULARY,
        policy=lambda hidden: hidden @ of["weight"].T,
        reference=None,
        temperature=1.0,
        kl_gradient=True,
    )
    terms = token_terms.token_terms(heads, of["hidden"], None, of["ids"], [of["weight"]])
    assert torch.equal(terms.kl, torch.zeros_like(terms.kl))
    assert torch.equal(terms.logps, terms.ref_logps)
    found = torch.autograd.grad(terms.logps.sum(), [of["hidden"], of["weight"]])
    expected = by_autograd(of, 1.0).logps.sum()
    assert_close(found, torch.autograd.grad(expected, [of["hidden"], of["weight"]]))


@pytest.mark.parametrize(
    ("tokens", "vocabulary", "expected"),
    [(128, 151_936, 8), (1024, 151_936, 27), (4096, 49_152, 85), (600, 64, 600), (1, 1 << 23, 1)],
)
def test_a_chunk_is_small_beside_all_logits(tokens: int, vocabulary: int, expected: int) -> None:
    assert min(tokens, chunk_size(tokens, vocabulary)) == expected


@pytest.mark.parametrize(
    ("tokens", "vocabulary", "device", "expected"),
    [
        (62, 151_936, "cpu", 62 * 1024),
        (4096, 151_936, "cpu", 256 * 1024),
        (600, 64, "cpu", 600 * 64),
        (128, 151_936, "cuda", 8 * 151_936),
    ],
)
def test_a_tile_has_fewer_logits_than_a_chunk(
    tokens: int, vocabulary: int, device: str, expected: int
) -> None:
    assert logits_at_once(tokens, vocabulary, device) == expected
