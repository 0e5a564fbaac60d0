"""Pre-training of a tiny model: next-token prediction on its task's corpus."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from selfcorrect_agents.lm.learner import Learner, adamw
from selfcorrect_agents.lm.tiny.config import TinyConfig
from selfcorrect_agents.lm.tiny.corpora import corpus, find_task
from selfcorrect_agents.lm.tiny.model import build_model, build_tokenizer
from selfcorrect_env import PROMPTS

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

IGNORED = -100
"""The label of a token without loss (the convention of PyTorch and Hugging Face)."""


def encode(
    tokenizer: PreTrainedTokenizerFast,
    texts: list[str],
    masked: np.ndarray,
    task: str = "arithmetic",
) -> tuple[torch.Tensor, torch.Tensor]:
    """Encode conversations of `corpus` for training.

    Returns:
        ids: (rows, T) int64, right-padded.
        labels: (rows, T) int64, `IGNORED` on prompts, on padding and on masked digits.
    """
    batch = tokenizer(texts, padding=True, return_offsets_mapping=True, return_tensors="np")
    ids = batch["input_ids"]
    starts = batch["offset_mapping"][:, :, 0]
    # a reply starts after "=" or the instruction, and ends with its turn
    correction = tokenizer.convert_tokens_to_ids(PROMPTS[find_task(task).prompts].correction)
    opens = (ids == tokenizer.convert_tokens_to_ids("=")) | (ids == correction)
    closes = ids == tokenizer.eos_token_id
    depth = np.cumsum(opens, axis=1) - np.cumsum(closes, axis=1)
    in_reply = (depth > 0) & ~opens | closes
    in_reply &= starts != masked[:, None]
    labels = np.where(in_reply, ids, IGNORED)
    return torch.from_numpy(ids), torch.from_numpy(labels)


def pretrain(
    config: TinyConfig, on_step: Callable[[int, float], None] | None = None
) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """Train the model of ``config`` from scratch on `corpus` by next-token prediction.

    Its weights are rounded to float16 at the end, so they can be stored in half the space.
    It runs on one thread, since the last bits of the weights depend on the number of threads.
    ``on_step(step, loss)`` is called after each optimiser step.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _pretrain(config, on_step)
    finally:
        torch.set_num_threads(threads)


def _pretrain(
    config: TinyConfig, on_step: Callable[[int, float], None] | None
) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    tokenizer = build_tokenizer(config.task)
    model = build_model(config, tokenizer)
    texts, masked = corpus(config, config.steps * config.rows)
    ids, labels = encode(tokenizer, texts, masked, config.task)
    rate = config.learning_rate * math.sqrt(64 / config.hidden_size)
    optimizer = adamw(model, rate, betas=(0.9, 0.98), weight_decay=0.01)
    learner = Learner(model, optimizer, max_grad_norm=1.0)
    for step in range(config.steps):
        rows = slice(step * config.rows, (step + 1) * config.rows)
        progress = step / config.steps
        warm_up = min(1.0, (step + 1) / 30)
        learner.learning_rate = rate * warm_up * 0.5 * (1 + math.cos(math.pi * progress))
        logits = model(input_ids=ids[rows]).logits[:, :-1]
        loss = cross_entropy(logits.flatten(0, 1), labels[rows, 1:].flatten(), ignore_index=IGNORED)
        learner.step([loss])
        if on_step:
            on_step(step + 1, loss.item())
    return model.half().float().eval(), tokenizer
