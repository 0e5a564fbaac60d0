"""Tiles of tokens by columns have the values and gradients of chunks of whole rows."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scored_tokens import random_tokens
from torch import Tensor
from torch.testing import assert_close

from selfcorrect_agents.lm import output_layer
from selfcorrect_agents.lm.output_layer import LinearHead, LogitChange, is_plain
from selfcorrect_agents.rl import token_terms
from selfcorrect_agents.rl.token_terms import Heads, Terms

VOCABULARY = 7
CHANGES = [LogitChange(), LogitChange(0.5), LogitChange(2.0, 3.0), LogitChange(cap=1.5)]


@pytest.fixture(autouse=True)
def small_tiles() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(output_layer, "BLOCK", 3)  # tiles of 3, 3 and 1 columns
        patch.setattr(output_layer, "MANY", 24)
        patch.setattr(token_terms, "TOKENS", 4)
        yield


def made(tokens: int, seed: int = 0, dtype: torch.dtype = torch.double) -> dict[str, Tensor]:
    return random_tokens(tokens, VOCABULARY, seed, dtype)


def terms_of(
    of: dict[str, Tensor],
    *,
    tiled: bool,
    change: LogitChange = CHANGES[0],
    temperature: float = 1.0,
    kl_gradient: bool = True,
    reference: bool = True,
) -> Terms:
    def head(weight: Tensor) -> Any:
        return LinearHead(weight, change) if tiled else lambda hidden: change(hidden @ weight.t())

    heads = Heads(
        vocabulary=VOCABULARY,
        policy=head(of["weight"]),
        reference=head(of["ref_weight"]) if reference else None,
        temperature=temperature,
        kl_gradient=kl_gradient,
    )
    assert (heads.tiled is not None) == tiled
    ref_hidden = of["ref_hidden"] if reference else None
    weights = [of["weight"]] if of["weight"].requires_grad else []
    return token_terms.token_terms(heads, of["hidden"], ref_hidden, of["ids"], weights)


@given(
    tokens=st.integers(0, 9),
    change=st.sampled_from(CHANGES),
    temperature=st.sampled_from([0.5, 1.0, 2.0]),
    kl_gradient=st.booleans(),
    reference=st.booleans(),
    frozen=st.booleans(),
    seed=st.integers(0, 99),
)
def test_values_and_gradients_are_those_of_whole_rows(
    tokens: int,
    change: LogitChange,
    temperature: float,
    kl_gradient: bool,
    reference: bool,
    frozen: bool,
    seed: int,
) -> None:
    of = made(tokens, seed)
    of["weight"].requires_grad_(not frozen)
    factors = torch.randn(2, tokens, generator=torch.Generator().manual_seed(seed)).double()

    def both(tiled: bool) -> tuple[list[Tensor], Any]:
        terms = terms_of(
            of, tiled=tiled, change=change, temperature=temperature,
            kl_gradient=kl_gradient, reference=reference,
        )  # fmt: skip
        kl = terms.kl if terms.kl.requires_grad else torch.zeros_like(terms.kl)
        total = (factors[0] * terms.logps + factors[1] * kl).sum()
        wanted = [of["hidden"]] if frozen else [of["hidden"], of["weight"]]
        values = [terms.logps, terms.ref_logps, terms.kl, terms.entropy]
        return values, torch.autograd.grad(total, wanted)

    assert_close(both(tiled=True), both(tiled=False))


@pytest.mark.parametrize("change", CHANGES)
def test_gradients_pass_gradcheck(change: LogitChange) -> None:
    of = made(6)

    def function(hidden: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        given = {**of, "hidden": hidden, "weight": weight}
        terms = terms_of(given, tiled=True, change=change, temperature=0.7)
        return terms.logps, terms.kl

    assert torch.autograd.gradcheck(function, (of["hidden"], of["weight"]))


def test_the_same_weights_diverge_by_nothing() -> None:
    of = made(9, dtype=torch.float32)
    of |= {"ref_hidden": of["hidden"].detach(), "ref_weight": of["weight"].detach()}
    terms = terms_of(of, tiled=True)
    assert torch.equal(terms.kl, torch.zeros(9))
    assert torch.equal(terms.logps, terms.ref_logps)


@pytest.mark.parametrize("size", [1e2, 1e4, 1e6])
def test_large_logits_are_finite(size: float) -> None:
    of = made(9, dtype=torch.float32)
    of["weight"] = (size * of["weight"].detach()).requires_grad_()
    found, expected = terms_of(of, tiled=True), terms_of(of, tiled=False)
    assert (found.logps <= 0).all()
    for name in ("logps", "ref_logps", "kl", "entropy"):
        assert_close(getattr(found, name), getattr(expected, name), rtol=1e-4, atol=1e-6 * size)
    gradient = torch.autograd.grad(found.kl.sum() + found.logps.sum(), of["hidden"])[0]
    assert gradient.isfinite().all()


def test_a_logit_that_is_not_a_number_is_none_in_the_result() -> None:
    of = made(5, dtype=torch.float32)
    with torch.no_grad():
        of["hidden"][2] = torch.nan
    terms = terms_of(of, tiled=True)
    assert terms.logps.isnan().tolist() == [False, False, True, False, False]


def test_half_precision_is_that_of_the_products() -> None:
    of = made(9, dtype=torch.bfloat16)
    found, expected = terms_of(of, tiled=True), terms_of(of, tiled=False)
    assert found.logps.dtype == found.kl.dtype == torch.float32
    assert_close(found.logps, expected.logps.float(), rtol=0.02, atol=0.02)
    gradient = torch.autograd.grad(found.logps.sum(), [of["hidden"], of["weight"]])
    wanted = torch.autograd.grad(expected.logps.sum(), [of["hidden"], of["weight"]])
    assert [g.dtype for g in gradient] == [torch.bfloat16] * 2
    assert_close(gradient, wanted, rtol=0.05, atol=0.05)


@pytest.mark.parametrize(
    ("layer", "plain"),
    [
        (torch.nn.Linear(2, 24, bias=False), True),
        (torch.nn.Linear(2, 24), False),
        (torch.nn.Linear(2, 23, bias=False), False),
        (torch.nn.Linear(2, 24, bias=False, device="meta"), False),
        (torch.nn.Sequential(torch.nn.Linear(2, 24, bias=False)), False),
    ],
)
def test_which_layers_are_computed_in_parts(layer: torch.nn.Module, plain: bool) -> None:
    assert is_plain(layer) == plain
