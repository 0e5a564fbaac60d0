"""`plan`: how much memory a training run will need, computed from sizes alone.

    at all times    weights + reference + optimiser
    in a rollout    + keys and values of the rows that are sampled at once + their logits
    in an update    + gradients + activations of one micro-batch + a fit's copy
                    + one layer's work + a chunk of logits (on a GPU: the larger of the two)
    in both         + the trained weights in bfloat16, as autocast keeps them

The peak is that of the larger of the two phases. No weights are loaded, so a plan can be made for
another machine. What is counted differs between devices: on a GPU the tensors that PyTorch holds at
the same time, on a CPU the whole process, which keeps some of what it has freed. So on a CPU what
is never needed at once still adds up, and the prompt that episodes share counts for each of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from selfcorrect_agents.lm.model_config import OptimizerName
from selfcorrect_agents.lm.shapes import ModelShape
from selfcorrect_agents.rl.token_terms import logits_at_once

DeviceType: TypeAlias = Literal["cpu", "cuda"]

PROCESS = {"cpu": 450_000_000, "cuda": 0}
"""Bytes of Python and its libraries; on a GPU none of them are PyTorch's allocations."""
SHARE = {"cpu": 0.4, "cuda": 0.6}
"""Share of the memory beside the weights that a micro-batch, or the rows of a rollout, may take."""
MOST_ACTIVATIONS = {"cpu": 1 << 30, "cuda": 1 << 40}
"""Bytes of a micro-batch's activations at most, and twice as many with adapters, which have no
gradients and optimiser states of all weights beside them. Larger ones are little faster here."""
MOST_TOKENS = {"cpu": 1 << 12, "cuda": 1 << 14}
"""Tokens of a micro-batch at most: a GPU is busy with these, and a CPU's caches hold no more."""
MOST_CACHE = {"cpu": 1 << 31, "cuda": 1 << 40}
"""Bytes of keys and values at most."""
STATE_BYTES: dict[OptimizerName, int] = {"adamw": 8, "adamw_8bit": 2, "paged_adamw_8bit": 2}
"""Optimiser -> bytes of its state for each trained weight."""
SLACK = 1.03
"""Allocators keep a few percent more than what is in use."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a run does with a model, as far as memory depends on it."""

    device: DeviceType = "cpu"
    """The kind of device."""
    memory: int
    """Bytes that the device has for this run."""
    mixed: bool = False
    """Whether forward passes compute in bfloat16, by autocast."""
    rank: int = 0
    """Rank of the adapters; 0 trains the full weights."""
    checkpointing: bool = False
    """Whether activations are recomputed in the backward pass."""
    optimizer: OptimizerName = "adamw"
    """The optimiser."""
    whole_logits: bool = False
    """Whether the logits of every token are kept, as for a model whose own logits are used."""
    episodes: int
    """Episodes of a step, ≥ 1."""
    read: int
    """Tokens of an episode that are read: prompt and instructions."""
    sampled: int
    """Tokens of an episode that are sampled, at most: the token cap times the turns."""
    tokens_per_forward: int | None = None
    """Tokens of a micro-batch; None: as `fitting_tokens` says."""
    rows_at_once: int | None = None
    """Episodes that are sampled at once; None: as `fitting_rows` says."""
    optimizers: int = 1
    """Optimisers whose states are in memory at once."""
    saved_optimizers: int = 1
    """Optimisers whose states a checkpoint holds."""
    copies: int = 0
    """Copies of the trained weights that a method keeps."""
    computed: float = 1.0
    """Share of a micro-batch's tokens that the layers compute, in (0, 1]: below 1 where the
    episodes of a problem compute their prompt once; see `computed_share`."""
    copied_reference: bool = False
    """Whether the reference is a copy of the whole model, as that of trained adapters is."""
    keep_best: bool = False
    """Whether the checkpoint of the best evaluation is kept beside the newest ones."""

    @property
    def length(self) -> int:
        """Tokens of an episode, at most."""
        return self.read + self.sampled


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Bytes by part; see the module's docstring."""

    device: DeviceType
    """The kind of device."""
    process: int
    """Python and its libraries; 0 on a GPU."""
    weights: int
    """The policy's weights, adapters included."""
    reference: int
    """The reference's own weights; with adapters, their initial values."""
    optimizer: int
    """The optimiser's state on the device."""
    copies: int
    """Copies of the trained weights that a fit keeps."""
    casts: int
    """Trained weights in bfloat16, beside those in float32: autocast keeps them."""
    gradients: int
    """Of the weights that are trained; a trained output layer has two."""
    cache: int
    """Keys and values of the rows that are sampled at once."""
    sampling: int
    """Logits of these rows."""
    activations: int
    """Of one micro-batch: what is kept for the backward pass, and hidden states of the sampled
    tokens."""
    layer: int
    """What one layer needs while it is computed, or recomputed, in a micro-batch."""
    logits: int
    """A chunk of logits with what is computed from it."""
    checkpoint: int
    """One checkpoint on disk."""
    checkpoints: int
    """Checkpoints on disk, at most: two, a third while it is written, and the best one's."""
    model: int
    """The trained model on disk."""
    tokens_per_forward: int
    """Tokens of a micro-batch."""
    rows_at_once: int
    """Episodes that are sampled at once."""

    @property
    def always(self) -> int:
        """Bytes that are taken in every phase."""
        return self.process + self.weights + self.reference + self.optimizer

    @property
    def rollout(self) -> int:
        """Bytes of the rollout, beside `always`."""
        return self.casts + self.cache + self.sampling

    @property
    def update(self) -> int:
        """Bytes of the update, beside `always`."""
        turns = self.layer, self.logits
        working = max(turns) if self.device == "cuda" else sum(turns)
        return self.copies + self.casts + self.gradients + self.activations + working

    @property
    def peak(self) -> int:
        """Bytes at the peak of a step."""
        return int(SLACK * (self.always + max(self.rollout, self.update)))

    @property
    def disk(self) -> int:
        """Bytes on disk at most: the checkpoints and the model."""
        return self.checkpoints * self.checkpoint + self.model


def plan(shape: ModelShape, work: Work) -> Plan:
    """Return the memory that a run needs; nothing is loaded."""
    adapters = work.rank * shape.ports
    trained = adapters or shape.parameters
    each = 2 if work.mixed else 4
    stored = each * (shape.parameters - shape.quantised) + shape.quantised_bytes * shape.quantised
    weights = int(stored) + 4 * adapters if work.rank else 4 * shape.parameters
    state = STATE_BYTES[work.optimizer]
    partial = Plan(
        device=work.device,
        process=PROCESS[work.device],
        weights=weights,
        reference=4 * adapters if work.rank and not work.copied_reference else weights,
        optimizer=work.optimizers * state_bytes(work) * trained,
        copies=4 * trained * work.copies,
        casts=2 * trained if work.mixed and not work.rank else 0,
        gradients=gradients_of(shape, work, trained),
        cache=0,
        sampling=0,
        activations=0,
        layer=0,
        logits=0,
        checkpoint=(4 + work.saved_optimizers * state) * trained,
        checkpoints=3 + work.keep_best,
        model=4 * trained,
        tokens_per_forward=0,
        rows_at_once=0,
    )
    return _with_phases(shape, work, partial, each)


def state_bytes(work: Work) -> int:
    """Return the bytes of an optimiser's state for each weight, on the device."""
    paged = work.optimizer.startswith("paged") and work.device == "cuda"
    return 0 if paged else STATE_BYTES[work.optimizer]


def gradients_of(shape: ModelShape, work: Work, trained: int) -> int:
    """Return the bytes of the gradients of ``trained`` weights: the output layer has two."""
    return 4 * trained + (0 if work.rank else 4 * shape.vocabulary * shape.hidden)


def _with_phases(shape: ModelShape, work: Work, fixed: Plan, each: int) -> Plan:
    free = max(0, work.memory - fixed.always - fixed.casts)
    whole = work.episodes * work.length
    of_layer = each * (shape.dequantised + copied_experts(shape, work))
    budget = free - fixed.gradients - fixed.copies - of_layer
    tokens = work.tokens_per_forward or fitting_tokens(shape, work, budget)
    tokens = min(whole, max(work.length, tokens))
    rows = min(work.episodes, work.rows_at_once or fitting_rows(shape, work, free))
    share = work.computed if work.device == "cuda" and shape.shares_prompts else 1.0
    computed = math.ceil(share * tokens)
    scored = min(computed, -(-tokens * work.sampled // work.length))
    return replace(
        fixed,
        cache=rows * work.length * shape.cache(each),
        sampling=3 * 4 * rows * shape.vocabulary,
        activations=computed * kept_of_token(shape, work) + 4 * 4 * scored * shape.hidden,
        layer=computed * layer_of_token(shape, work) + of_layer,
        logits=4 * 4 * logits_at_once(scored, shape.vocabulary, work.device),
        tokens_per_forward=tokens,
        rows_at_once=rows,
    )


def computed_share(prompt: int, length: int, samples: int) -> float:
    """Return the share of tokens that is computed where a problem's episodes share their prompt.

    Args:
        prompt: tokens of the prompt.
        length: tokens of an episode, the prompt among them, ≥ 1.
        samples: episodes of a problem, ≥ 1.
    """
    return 1 - (1 - 1 / samples) * prompt / length


def copied_experts(shape: ModelShape, work: Work) -> int:
    """Return how many weights of experts an update has with their adapters added, in copies.

    PEFT adds them for a whole layer at a time, and the copies are kept for the backward pass, where
    one of them has a gradient. With ``checkpointing`` one layer's are there at a time.
    """
    layers = 1 if work.checkpointing else shape.adapted or shape.layers
    return (layers + 1) * shape.merged_experts if work.rank else 0


def kept_of_token(shape: ModelShape, work: Work) -> int:
    """Return the bytes of one token of a micro-batch that are kept for the backward pass."""
    kept = shape.activations(
        rank=work.rank, mixed=work.mixed, checkpointing=work.checkpointing, length=work.length
    )
    logits = 4 * 4 * shape.vocabulary if work.whole_logits else 0
    return kept - _recomputed(shape, work) + logits


def layer_of_token(shape: ModelShape, work: Work) -> int:
    """Return the bytes of one token while a layer is computed, or recomputed, and not after."""
    mask = (3 if work.mixed else 5) * work.length  # what each token sees of its row, twice
    return _recomputed(shape, work) + shape.working(2 if work.mixed else 4) + mask


def bytes_of_token(shape: ModelShape, work: Work) -> int:
    """Return the bytes of one token of a micro-batch: kept for the backward pass, and working."""
    return kept_of_token(shape, work) + layer_of_token(shape, work)


def _recomputed(shape: ModelShape, work: Work) -> int:
    if not work.checkpointing:
        return 0
    return shape.layer(rank=work.rank, mixed=work.mixed, length=work.length)


def fitting_tokens(shape: ModelShape, work: Work, free: int) -> int:
    """Return the tokens of a micro-batch that fit: a power of two, at least 1.

    Args:
        shape: of the model.
        work: what the run does.
        free: bytes that are left beside weights, optimiser and gradients.
    """
    kind = work.device
    activations = MOST_ACTIVATIONS[kind] * (2 if work.rank else 1)
    most = min(activations, SHARE[kind] * free) / bytes_of_token(shape, work)
    return _power_of_two(min(most, MOST_TOKENS[kind]))


def fitting_rows(shape: ModelShape, work: Work, free: int) -> int:
    """Return how many episodes are sampled at once: all, or a power of two of them.

    Args:
        shape: of the model.
        work: what the run does.
        free: bytes that are left beside weights and optimiser.
    """
    kind = work.device
    row = work.length * shape.cache(2 if work.mixed else 4) + 3 * 4 * shape.vocabulary
    most = min(MOST_CACHE[kind], SHARE[kind] * free) / row
    return work.episodes if most >= work.episodes else _power_of_two(most)


def _power_of_two(most: float) -> int:
    """Return the largest power of two that is at most ``most``; at least 1."""
    return 1 << (max(1, int(most)).bit_length() - 1)
