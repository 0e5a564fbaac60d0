"""Our forward pass against that of transformers: hidden states and gradients."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from selfcorrect_agents.lm.decoders import pack_rows
from selfcorrect_agents.lm.decoders.fused import fusible
from selfcorrect_agents.lm.plain_context import positions
from selfcorrect_agents.lm.policy import Policy

OWN = ["llama", "smollm2", "mistral", "qwen2", "qwen3", "olmo2"]
MakePolicy = Callable[..., Policy]


def ragged_groups(padding: float) -> tuple[Tensor, Tensor]:
    """Two groups of three rows with a common beginning, and padding anywhere."""
    torch.manual_seed(1)
    ids, mask = torch.randint(3, 15, (6, 12)), torch.rand(6, 12) >= padding
    mask[:, 4] = True
    for group, width in ((slice(0, 3), 5), (slice(3, 6), 8)):
        ids[group, :width] = ids[group.start, :width]
        mask[group, :width] = mask[group.start, :width]
    return ids, mask


def of_transformers(policy: Policy, ids: Tensor, mask: Tensor) -> Tensor:
    """(B, T, H) last hidden states by the model's own forward."""
    output = policy.forward(
        input_ids=ids,
        attention_mask=mask.long(),
        position_ids=positions(mask),
        output_hidden_states=True,
        use_cache=False,
    )
    return output.hidden_states[-1]


def gradients(policy: Policy, values: Tensor, mask: Tensor) -> list[Tensor]:
    """Gradients of a fixed weighted sum of (B, T, H) hidden states."""
    torch.manual_seed(2)
    weighted = (values * torch.randn(values.shape))[mask].sum()
    weights = [w for n, w in policy.trainable().items() if "lm_head" not in n]
    return list(torch.autograd.grad(weighted, weights))


@pytest.mark.parametrize("family", OWN)
@pytest.mark.parametrize("lora", [False, True])
@pytest.mark.parametrize(("samples", "padding"), [(1, 0.3), (3, 0.3), (3, 0.0)])
def test_hidden_states_and_gradients_are_the_models(
    make_policy: MakePolicy, family: str, lora: bool, samples: int, padding: float
) -> None:
    policy = make_policy(family, lora=lora)
    assert policy.forward_pass.startswith("own")
    ids, mask = ragged_groups(padding)
    packed = pack_rows(ids, mask, samples)
    if samples > 1:
        assert packed.prompts.tokens > 0  # the beginning of a group is computed once
        assert len(packed.ids) < mask.sum()
    own = policy.packed_hidden(packed)[packed.places_of(packed.index_in_row)]
    expected = of_transformers(policy, ids, mask)
    assert_close(own[mask], expected[mask], rtol=1e-4, atol=1e-5)
    ours, theirs = (gradients(policy, values, mask) for values in (own, expected))
    scale = max(float(gradient.norm()) for gradient in theirs)
    for mine, reference in zip(ours, theirs, strict=True):
        # a bias of the keys has no influence: its gradient is rounding of the other ones
        assert float((mine - reference).norm()) <= 1e-4 * max(float(reference.norm()), scale / 100)


def test_the_states_before_some_columns(make_policy: MakePolicy) -> None:
    policy, (ids, mask) = make_policy("qwen2"), ragged_groups(0.0)
    columns = torch.tensor([1, 6, 9, 12])
    packed = pack_rows(ids, mask, 3)
    own = policy.packed_hidden(packed)[packed.predictors(columns)]
    expected = of_transformers(policy, ids, mask)[:, columns - 1]
    assert_close(own, expected, rtol=1e-4, atol=1e-5)
    assert_close(policy.hidden(ids, mask, columns), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", ["gemma2", "windowed", "gpt_neox"])
def test_other_architectures_run_in_transformers(make_policy: MakePolicy, family: str) -> None:
    policy, (ids, mask) = make_policy(family), ragged_groups(0.3)
    assert policy.decoder is None
    assert policy.forward_pass.startswith("transformers (")
    packed = pack_rows(ids, mask, 3)
    states = policy.packed_hidden(packed)[packed.places_of(packed.index_in_row)]
    rows, whole = packed.rows()
    expected = policy.forward(
        input_ids=rows, attention_mask=whole.long(), position_ids=positions(whole), use_cache=False
    ).logits
    assert_close(policy.head(states[mask]), expected[whole].float(), rtol=1e-4, atol=1e-5)


def test_a_changed_forward_pass_is_noticed(make_policy: MakePolicy) -> None:
    policy = make_policy("llama")

    def louder(_: Any, __: Any, output: Tensor) -> Tensor:
        return output * 1.01

    layer: Any = policy.model.get_decoder()
    layer.layers[0].mlp.register_forward_hook(louder)
    assert policy.decoder is None
    assert "differs" in policy.forward_pass


@pytest.mark.parametrize("family", OWN)
def test_bfloat16(make_policy: MakePolicy, family: str) -> None:
    policy, (ids, mask) = make_policy(family, dtype=torch.bfloat16), ragged_groups(0.3)
    assert policy.forward_pass.startswith("own")
    packed = pack_rows(ids, mask, 3)
    own = policy.packed_hidden(packed)[packed.places_of(packed.index_in_row)][mask].detach()
    expected = of_transformers(policy, ids, mask)[mask].detach()
    assert own.dtype == torch.bfloat16
    assert float((own - expected).float().norm() / expected.float().norm()) < 2e-2


def test_activations_are_recomputed_in_training_mode(make_policy: MakePolicy) -> None:
    policy, (ids, mask) = make_policy("llama"), ragged_groups(0.0)
    packed = pack_rows(ids, mask, 3)

    def grads() -> list[Tensor]:
        own = policy.packed_hidden(packed)[packed.places_of(packed.index_in_row)]
        return gradients(policy, own, mask)

    plain = grads()
    calls = 0

    def count(*_: Any) -> None:
        nonlocal calls
        calls += 1

    model: Any = policy.model
    model.get_decoder().layers[0].mlp.gate_proj.register_forward_pre_hook(count)
    model.activation_checkpointing_enable()
    model.train()
    for ours, theirs in zip(grads(), plain, strict=True):
        assert torch.equal(ours, theirs)
    assert calls == 2


@pytest.mark.parametrize(
    ("family", "expected"), [("llama", True), ("qwen2", True), ("qwen3", False)]
)
def test_small_layers_are_fused(make_policy: MakePolicy, family: str, expected: bool) -> None:
    policy = make_policy(family)
    layers = policy.model.get_decoder().layers  # type: ignore[operator]
    assert {fusible(layer) for layer in layers} == {expected}


def test_a_layer_with_another_activation_is_not_fused(make_policy: MakePolicy) -> None:
    layer = make_policy("llama").model.get_decoder().layers[0]  # type: ignore[operator]
    layer.mlp.act_fn = torch.nn.GELU()
    assert not fusible(layer)


@pytest.mark.parametrize("family", OWN)
@pytest.mark.parametrize("samples", [1, 3])
def test_hidden_states_without_gradients_are_the_models(
    make_policy: MakePolicy, family: str, samples: int
) -> None:
    policy = make_policy(family)
    ids, mask = ragged_groups(0.3)
    packed = pack_rows(ids, mask, samples)
    with torch.no_grad():
        own = policy.packed_hidden(packed)[packed.places_of(packed.index_in_row)]
        assert_close(own[mask], of_transformers(policy, ids, mask)[mask], rtol=1e-4, atol=1e-4)
