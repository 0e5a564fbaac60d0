"""A tiny causal LM for `SelfCorrect-Arithmetic-v0`, pre-trained here in under a minute and cached.

It is an ordinary Hugging Face model (Llama architecture, about 100k parameters) with an
ordinary tokenizer and chat template, so everything that works on it works on any causal LM.

What it is taught decides what there is to learn by reinforcement. Its replies give the
answer digit *first* and the working after it: at the first attempt the digit is a guess
(about 37% right) and the working is nearly always right; at the second attempt the first
reply stands in the context, so a model that checks its guess against its own working can
correct it. The pre-training data hardly ever does that: second replies copy the first
answer (two thirds), spoil it (almost a third) or fix it (a few percent, `TinyConfig.fix`).
So the base model gets *worse* at the second attempt, as the paper's does (section 4,
table 1), and the way to the better behaviour is there, but rare.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
import transformers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from selfcorrect_env.datasets.arithmetic import as_problem, chains, solve
from selfcorrect_env.prompts import PROMPTS

RECIPE = 1
"""Number of the pre-training procedure, part of the cache's key: raise it on any change."""

IGNORED = -100
"""The label of a token that carries no loss (the convention of PyTorch and Hugging Face)."""

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"
)


@dataclass(frozen=True)
class TinyConfig:
    """What determines a tiny base model, and so its place in the cache."""

    hidden_size: int = 64
    """Width of the residual stream; a multiple of 2 × `heads`."""
    layers: int = 2
    """Number of transformer blocks."""
    heads: int = 4
    """Number of attention heads."""
    seed: int = 0
    """Seed of the initial weights and of the pre-training data."""
    steps: int = 800
    """Optimiser steps of pre-training."""
    rows: int = 64
    """Conversations in one step, half of them with two turns."""
    learning_rate: float = 4e-3
    """Peak rate of AdamW at `hidden_size` 64, cosine to zero; falls with the root of width."""
    first_right: float = 0.5
    """Share of two-turn rows whose first answer is right."""
    copy: float = 0.67
    """Share of second replies that repeat the first answer."""
    fix: float = 0.05
    """Share of second replies that give the right answer whatever the first was.
    What is left over spoils: a digit that is neither the first answer nor the right one."""
    slips: float = 0.0
    """Share of replies whose working holds a slip, in [0, 1): the digit of one step, any of them,
    is another one, and the steps after it go on from there. The answer does not depend on it."""
    operations: int = 3
    """Number of operators in a problem of the arithmetic set."""

    def __post_init__(self) -> None:
        if self.hidden_size % (2 * self.heads):
            raise ValueError(
                f"hidden_size must be a multiple of 2 × heads = {2 * self.heads}, "
                f"got {self.hidden_size}."
            )
        if min(self.layers, self.heads, self.steps, self.rows, self.operations) < 1:
            raise ValueError("layers, heads, steps, rows and operations must be at least 1.")
        if not (0 <= self.first_right <= 1 and self.learning_rate > 0 and self.seed >= 0):
            raise ValueError("first_right is a share, learning_rate above 0, seed at least 0.")
        if not (self.copy >= 0 and self.fix >= 0 and self.copy + self.fix <= 1):
            raise ValueError("copy and fix are shares: both >= 0 and their sum <= 1.")
        if not 0 <= self.slips < 1:
            raise ValueError(f"slips is a share, in [0, 1), got {self.slips}.")

    @property
    def key(self) -> str:
        """The name of this model in the cache: everything that its weights depend on."""
        facts = {
            **asdict(self),
            "recipe": RECIPE,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "template": CHAT_TEMPLATE,
            "corpus": corpus(self, 64)[0],  # the prompts, the problems and how they are drawn
        }
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]
        return f"tiny-h{self.hidden_size}-l{self.layers}-s{self.seed}-{digest}"


def cache_folder() -> Path:
    """Return where bases are kept: ``$SELFCORRECT_CACHE``, else ``~/.cache/selfcorrect-env``."""
    return Path(os.environ.get("SELFCORRECT_CACHE", "~/.cache/selfcorrect-env")).expanduser()


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Build the tokenizer: digits, operators, and one token for each fixed text of the task.

    The instructions of `SelfCorrect-Arithmetic-v0` are whole sentences, which any language
    model can read; here each of them is one token, so that an episode is 20 tokens long.
    """
    prompts = PROMPTS["arithmetic"]
    preamble = prompts.attempt.removesuffix("{prompt}")
    special = ["<pad>", "<unk>", "<eos>"]
    vocabulary = {token: i for i, token in enumerate([*special, *"0123456789+-*="])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in special])
    tokenizer.add_tokens(
        [AddedToken(text, special=False) for text in (preamble, prompts.correction)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        unk_token="<unk>",
        eos_token="<eos>",
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
    )


def build_model(config: TinyConfig, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Build the model with fresh weights drawn from ``config.seed``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(tokenizer),
                hidden_size=config.hidden_size,
                intermediate_size=4 * config.hidden_size,
                num_hidden_layers=config.layers,
                num_attention_heads=config.heads,
                max_position_embeddings=128,
                initializer_range=0.8 / math.sqrt(config.hidden_size),
                tie_word_embeddings=True,
                bos_token_id=None,
                eos_token_id=cast(int, tokenizer.eos_token_id),
                pad_token_id=cast(int, tokenizer.pad_token_id),
            )
        )


def corpus(config: TinyConfig, count: int) -> tuple[list[str], np.ndarray]:
    """Write ``count`` pre-training conversations about problems of the training split.

    Returns:
        texts: the conversations; even rows have one turn, odd rows two.
        masked: (count,) the offset in characters of the first reply's answer digit where it
            must carry no loss (two-turn rows), else -1. The working after it does carry
            loss: without it the model would learn to rationalise its wrong answers.
    """
    prompts = PROMPTS["arithmetic"]
    rng = np.random.default_rng([config.seed, 1])
    problems = map(as_problem, chains(rng, count, split="train", operations=config.operations))
    behaviour = rng.choice(3, size=count, p=[config.copy, config.fix, 1 - config.copy - config.fix])
    first_right = rng.random(count) < config.first_right
    slip_rng = np.random.default_rng([config.seed, 2])  # of its own: without slips nothing changes
    slips = slip_rng.random((count, 2)) < config.slips
    texts, masked = [], np.full(count, -1)
    for i, problem in enumerate(problems):
        right, results = problem.reference, problem.metadata["results"]
        working, again = (
            slipped(slip_rng, problem.prompt, results) if slip else results for slip in slips[i]
        )
        question = prompts.attempt.replace("{prompt}", problem.prompt)
        if i % 2 == 0:
            texts.append(f"{question}{right}{working}<eos>")
            continue
        first = right if first_right[i] else other_digit(rng, right)
        second = [first, right, other_digit(rng, right, first)][behaviour[i]]
        texts.append(f"{question}{first}{working}<eos>{prompts.correction}{second}{again}<eos>")
        masked[i] = len(question)
    return texts, masked


def slipped(rng: np.random.Generator, prompt: str, results: str) -> str:
    """Work a chain with one slip: the digit of a step is another one, the rest follows from it.

    >>> slipped(np.random.default_rng(1), "3+4*2-1=", "743")
    '754'
    """
    step = int(rng.integers(len(results)))
    wrong = other_digit(rng, results[step])
    rest = prompt[2 * step + 3 :]
    return results[:step] + wrong + (solve(wrong + rest) if rest != "=" else "")


def other_digit(rng: np.random.Generator, *excluded: str) -> str:
    """Draw a digit that is none of ``excluded``."""
    return str(rng.choice([digit for digit in "0123456789" if digit not in excluded]))


def encode(
    tokenizer: PreTrainedTokenizerFast, texts: list[str], masked: np.ndarray
) -> tuple[torch.Tensor, torch.Tensor]:
    """Encode conversations of `corpus` for training.

    Returns:
        ids: (rows, T) int64, right-padded.
        labels: (rows, T) int64, `IGNORED` on prompts, on padding and on masked digits.
    """
    batch = tokenizer(texts, padding=True, return_offsets_mapping=True, return_tensors="np")
    ids = batch["input_ids"]
    starts = batch["offset_mapping"][:, :, 0]
    # a reply is what lies between "=" or the instruction, and the end of its turn
    correction = tokenizer.convert_tokens_to_ids(PROMPTS["arithmetic"].correction)
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

    On one thread, since the weights' last bits would depend on how many there are.
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
    tokenizer = build_tokenizer()
    model = build_model(config, tokenizer).train()
    texts, masked = corpus(config, config.steps * config.rows)
    ids, labels = encode(tokenizer, texts, masked)
    rate = config.learning_rate * math.sqrt(64 / config.hidden_size)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.01)
    for step in range(config.steps):
        rows = slice(step * config.rows, (step + 1) * config.rows)
        progress = step / config.steps
        warm_up = min(1.0, (step + 1) / 30)
        for group in optimizer.param_groups:
            group["lr"] = rate * warm_up * 0.5 * (1 + math.cos(math.pi * progress))
        logits = model(input_ids=ids[rows]).logits[:, :-1]
        loss = cross_entropy(logits.flatten(0, 1), labels[rows, 1:].flatten(), ignore_index=IGNORED)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if on_step:
            on_step(step + 1, loss.item())
    return model.eval(), tokenizer


def tiny_base(config: TinyConfig, on_step: Callable[[int, float], None] | None = None) -> Path:
    """Return the folder of the base model of ``config``; pre-train it where the cache lacks it.

    The folder is what ``AutoModelForCausalLM.from_pretrained`` reads. It appears whole or
    not at all, so an interrupted or concurrent call leaves no broken model behind.
    """
    folder = cache_folder() / config.key
    if (folder / "config.json").is_file():
        return folder
    model, tokenizer = pretrain(config, on_step)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".writing-") as written:
        made = Path(written) / "model"
        model.save_pretrained(made)
        tokenizer.save_pretrained(made)
        (made / "tiny.json").write_text(json.dumps(asdict(config), indent=2) + "\n")
        try:
            made.rename(folder)
        except OSError:  # another process was first; its model is the same
            if not (folder / "config.json").is_file():
                shutil.rmtree(folder, ignore_errors=True)
                made.rename(folder)
    return folder
