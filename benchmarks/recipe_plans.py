"""Which memory, and how many hours, does each recipe take on a GPU of 24 or 80 GB?

    python benchmarks/recipe_plans.py

Computed from the models' published sizes; no weights are loaded, and no GPU is needed. The memory
is that of `selfcorrect_agents.training.memory_plan`, for the row that takes most. The hours of one
row (with one seed) are floating-point operations and bytes, divided by what the card does, for
the turns that the row's method samples; a row of imitation counts as one of reinforcement learning:

    sampling    every token of a step reads the weights once for all rows that are sampled at once,
                and each row's keys and values: bytes / bandwidth, and at least `LAUNCH` seconds
    scoring     2 x weights x tokens for a forward pass, twice that again for the backward pass of
                LoRA with activation checkpointing, and a forward pass of the reference: 8 x weights
                x tokens in all, at `USED` of the card's bfloat16 peak

Replies are taken to be `FILLED` of the token cap; the longest of a batch is taken to reach it. It
is an estimate, not a measurement.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro
from transformers import LlamaConfig, PretrainedConfig, Qwen2Config

from selfcorrect_agents.comparison.plan import cells
from selfcorrect_agents.comparison.plan.cells import Cell
from selfcorrect_agents.comparison.plan.config import read_config
from selfcorrect_agents.lm.shapes import ModelShape, shape_of
from selfcorrect_agents.training.memory_plan import Plan, Work, plan

RECIPES = Path(__file__).parent / "recipes"

READ = {"gsm8k": 330, "math": 330}
"""Tokens of an episode that are read: the prompt with its instruction (about 200 for the paper's
text and a problem), and the correction instruction with the template's marks (`BETWEEN`)."""
BETWEEN = 130
"""Tokens of a request between two turns, with the template's marks."""
USED = 0.3
"""Share of the bfloat16 peak that scoring reaches."""
LAUNCH = 0.02
"""Seconds that a forward pass of 28 layers takes at least, if Python launches each kernel: some 700
launches of about 30 µs. A guess."""
ATTEMPTS = 2
"""Attempts in an episode of the recipes' environments."""
FILLED = 0.6
"""Mean length of a reply, as a share of the token cap."""


@dataclass(frozen=True)
class Card:
    """A GPU, by its data sheet."""

    name: str
    memory: float
    """Bytes for this process."""
    flops: float
    """Dense bfloat16 operations a second, fp32 accumulation."""
    bandwidth: float
    """Bytes a second."""


CARDS = (
    Card("24 GB (RTX 4090)", 23e9, 165e12, 1.008e12),
    Card("80 GB (A100 SXM)", 78e9, 312e12, 2.039e12),
)

MODELS: dict[str, PretrainedConfig] = {
    "Qwen/Qwen2.5-1.5B-Instruct": Qwen2Config(
        vocab_size=151_936,
        hidden_size=1536,
        intermediate_size=8960,
        num_hidden_layers=28,
        num_attention_heads=12,
        num_key_value_heads=2,
        tie_word_embeddings=True,
    ),
    "meta-llama/Llama-3.2-3B-Instruct": LlamaConfig(
        vocab_size=128_256,
        hidden_size=3072,
        intermediate_size=8192,
        num_hidden_layers=28,
        num_attention_heads=24,
        num_key_value_heads=8,
        head_dim=128,
        tie_word_embeddings=True,
    ),
}
"""The sizes in each model's published config.json."""


@dataclass(frozen=True)
class Options:
    """Which recipes."""

    files: tyro.conf.Positional[tuple[Path, ...]] = tuple(sorted(RECIPES.glob("*.toml")))
    """By default all of `benchmarks/recipes`."""


def main() -> None:
    """Print a table."""
    options = tyro.cli(Options, description=__doc__)
    print("| recipe | GPU | peak memory | of it weights | rows sampled at once | tokens a forward "
          "pass | hours a row and seed | hours of all rows and seeds |")  # fmt: skip
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for path in options.files:
        for line in table_rows(path):
            print(line)


def table_rows(path: Path) -> list[str]:
    """Return a recipe's rows of the table, one for each card."""
    rows, shape = trained_rows(path)
    seeds, lines = len(read_config(path).seeds), []
    for card in CARDS:
        plans = [planned(row, shape, path.stem.rpartition("-")[2], card) for row in rows]
        hours = [hours_of(row, shape, *found, card) for row, found in zip(rows, plans, strict=True)]
        largest = max((found for _, found in plans), key=lambda found: found.peak)
        cells_of_line = (
            *(path.stem, card.name),
            *(f"{largest.peak / 1e9:.1f} GB", f"{largest.weights / 1e9:.1f} GB"),
            *(str(largest.rows_at_once), f"{largest.tokens_per_forward:,}"),
            *(f"{min(hours):.1f} to {max(hours):.1f}", f"{sum(hours) * seeds:.0f}"),
        )
        lines.append(f"| {' | '.join(cells_of_line)} |")
    return lines


def trained_rows(path: Path) -> tuple[list[Cell], ModelShape]:
    """Return the rows of a recipe that are trained, with its first seed, and its model's sizes."""
    config = read_config(path)
    rows = [
        row
        for row in cells.plan(config)
        if row.seed == config.seeds[0] and row.compared_agent().trains
    ]
    return rows, shape_of(MODELS[str(config.model["model"])])


def planned(row: Cell, shape: ModelShape, task: str, card: Card) -> tuple[Work, Plan]:
    """Return what a row does on a card, and the memory that it needs there."""
    model, learning = row.loaded_model(), row.learning()
    turns = learning.turns(ATTEMPTS)
    work = Work(
        device="cuda",
        memory=int(card.memory),
        mixed=model.dtype == "bfloat16",
        rank=model.lora.rank,
        checkpointing=model.activation_checkpointing,
        episodes=learning.episodes_per_step,
        read=READ[task] + (turns - ATTEMPTS) * BETWEEN,
        sampled=turns * learning.sampling.max_new_tokens,
        copies=learning.weight_copies,
    )
    return work, plan(shape, work)


def hours_of(row: Cell, shape: ModelShape, work: Work, found: Plan, card: Card) -> float:
    """Return the hours that one row trains with one seed."""
    length = work.read + FILLED * work.sampled
    batches = -(-work.episodes // found.rows_at_once)
    weights = 2 * shape.parameters
    kept = found.rows_at_once * shape.cache(2) * length / 2  # half of it, on average
    # the longest row of a batch ends it: all tokens up to the cap are read for
    sampling = batches * work.sampled * max(LAUNCH, (weights + kept) / card.bandwidth)
    scoring = 8 * shape.parameters * work.episodes * length / (USED * card.flops)
    return row.learning().total_steps * (sampling + scoring) / 3600


if __name__ == "__main__":
    main()
