"""`split_of`: how a step of a loaded policy is cut so that it fits into memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from selfcorrect_agents.errors import LearningError
from selfcorrect_agents.lm.chat import Chat
from selfcorrect_agents.lm.conversations import added
from selfcorrect_agents.lm.free_memory import free_memory
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.shapes import ModelShape, merged_experts, scored_heads
from selfcorrect_agents.training.config import TrainingConfig
from selfcorrect_agents.training.memory_plan import (
    Work,
    copied_experts,
    fitting_rows,
    fitting_tokens,
    gradients_of,
    state_bytes,
)
from selfcorrect_env import TrainingEnv

LOOKED_AT = 64
"""Problems whose prompts are tokenised to know how long prompts are."""


@dataclass(frozen=True, slots=True)
class Split:
    """How a step is cut. It is recorded in checkpoints: a resumed run cuts its steps alike."""

    tokens_per_forward: int
    """Tokens in one forward pass of an update, ≥ 1."""
    rows_at_once: int
    """Episodes whose keys and values are in memory at once while they are sampled, ≥ 1."""


def split_of(policy: Policy, env: TrainingEnv, config: TrainingConfig) -> Split:
    """Return how a step is cut with the memory that is free now.

    Args:
        policy: loaded, as its reference is; gradients and the optimiser's state are yet to come.
        env: where it will be trained.
        config: ``tokens_per_forward``, ``rows_at_once`` and the size of a step.

    Raises:
        LearningError: the sizes of the model are not known, and ``tokens_per_forward`` isn't given.
        UnsupportedModelError: the model has no positions for so many tokens.
    """
    sampling, given = config.sampling, config.execution.tokens_per_forward
    rows = config.execution.rows_at_once
    oversample = getattr(config, "oversample", 1)  # only of methods that choose among episodes
    episodes = oversample * sampling.problems_per_step * sampling.samples
    try:
        model: Any = policy.model
        base = model.get_base_model() if policy.has_adapter else model
        shape, adapted = ModelShape.of(policy.config), adapted_layers(policy)
        shape = replace(
            shape,
            adapted=adapted,
            scored_heads=scored_heads(base),
            merged_experts=merged_experts(model, adapted or shape.layers),
        )
    except ValueError as error:
        if given is None:
            raise LearningError(
                f"How many tokens fit into memory is not known: {error}. Set tokens_per_forward "
                "(--tokens-per-forward)."
            ) from error
        return Split(given, rows or episodes)
    trained = sum(weight.numel() for weight in policy.trainable().values())
    work = Work(
        device="cuda" if policy.device.type == "cuda" else "cpu",
        memory=free_memory(policy.device),
        mixed=policy.autocast == torch.bfloat16,
        rank=adapter_rank(policy),
        checkpointing=any(getattr(m, "gradient_checkpointing", False)
                          for m in policy.model.modules()),
        optimizer=config.optimizer,
        whole_logits=not policy.makes_logits,
        episodes=episodes,
        read=read_tokens(policy.chat, env),
        sampled=sampling.max_new_tokens * env.attempts,
        optimizers=config.optimizers,
        copies=config.weight_copies,
    )  # fmt: skip
    policy.check_length(work.length)
    casts = 2 if work.mixed and not work.rank else 0
    free = max(0, work.memory - trained * (work.optimizers * state_bytes(work) + casts))
    experts = (2 if work.mixed else 4) * copied_experts(shape, work)
    update = free - gradients_of(shape, work, trained) - 4 * trained * work.copies - experts
    return Split(
        tokens_per_forward=given or fitting_tokens(shape, work, update),
        rows_at_once=rows or fitting_rows(shape, work, free),
    )


def resumed(now: Split, before: Split | None, config: TrainingConfig) -> Split:
    """Return the split of a resumed run: as before, except for what is asked for now."""
    if before is None:
        return now
    return Split(
        tokens_per_forward=config.execution.tokens_per_forward or before.tokens_per_forward,
        rows_at_once=config.execution.rows_at_once or before.rows_at_once,
    )


def read_tokens(
    chat: Chat, env: TrainingEnv, turns: int | None = None, between: Sequence[str] = ()
) -> int:
    """Return how many tokens of an episode are read: the longest prompt seen, and instructions.

    Args:
        chat: the chat template.
        env: whose problems and texts are read.
        turns: turns that are sampled, with an instruction between each two; by default the
            attempts.
        between: the texts between the turns, where they are not the environment's instruction; by
            default those that ``env`` has as ``between_turns``.
    """
    texts = between or getattr(env, "between_turns", ())
    asked = sum(len(chat.follow_up([], [{"role": "user", "content": text}])) for text in texts)
    longest, between_turns = 0, (turns or env.attempts) - 1
    for opening, size in _openings(chat, env):
        corrected = env.prompts.correct(opening, "")
        (instruction,) = added([opening], [corrected])
        if not texts:
            asked = between_turns * len(chat.follow_up([], instruction))
        longest = max(longest, size + asked)
    return longest


def prompt_tokens(chat: Chat, env: TrainingEnv) -> tuple[int, int]:
    """Return how many tokens the shortest and the longest prompt have, of those looked at."""
    sizes = [size for _, size in _openings(chat, env)]
    return min(sizes), max(sizes)


def _openings(chat: Chat, env: TrainingEnv) -> Iterator[tuple[Any, int]]:
    """Yield first messages of the environment's problems, with the tokens of their prompts."""
    step = max(1, len(env.problems) // LOOKED_AT)
    for index in range(0, len(env.problems), step):
        opening = env.prompts.first(env.problems[index])
        yield opening, len(chat.prompt_ids(opening))


def adapter_rank(policy: Policy) -> int:
    """Return the largest rank of a policy's adapters; 0 without any."""
    configs: dict[str, Any] = getattr(policy.model, "peft_config", {})
    return max((int(getattr(config, "r", 0)) for config in configs.values()), default=0)


def adapted_layers(policy: Policy) -> int:
    """Return how many layers have adapters; 0 if every one has, or none."""
    configs: dict[str, Any] = getattr(policy.model, "peft_config", {})
    chosen = [getattr(config, "layers_to_transform", None) for config in configs.values()]
    return max((len(layers) if isinstance(layers, list) else 0 for layers in chosen), default=0)
