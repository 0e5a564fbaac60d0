"""The model that `benchmarks/sums.toml` starts from: it knows the form of the replies.

    python benchmarks/sums_start.py --model Qwen/Qwen2.5-Coder-0.5B-Instruct --out runs/sums-start
    selfcorrect compare benchmarks/sums.toml --model runs/sums-start --out runs/sums

A small instruct model follows the two-line form of `SelfCorrect-Sums-v0` well after an example and
badly without one, and an example in the prompt is something to copy from. So the form is learnt
beforehand: the model plays training problems with an example in the prompt, and is then fitted, by
one pass over these episodes, to give the same two replies without the example (distillation of a
context into weights: Askell et al., arXiv 2112.00861, appendix). Only the form decides which
episodes are kept. Whether a reply is right is never looked at, so nothing about correctness or
correction is taught.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import tyro

from selfcorrect_agents.imitation.config import Fitting
from selfcorrect_agents.imitation.fitting import fit
from selfcorrect_agents.imitation.traces import Trace, consecutive
from selfcorrect_agents.lm.agent import LanguageModelAgent
from selfcorrect_agents.lm.loading import load_policy
from selfcorrect_agents.lm.model_config import LoRAConfig, ModelConfig
from selfcorrect_env import Episode, Prompts, SelfCorrectEnv, evaluate
from selfcorrect_env.prompts import PROMPTS

EXAMPLE = (
    'Reply in exactly two lines: first "Answer:" and the result, then "Working:" and the '
    "calculation, one operation at a time.\n\nFor example:\nWhat is 16 + 25 - 8?\nAnswer: 33\n"
    "Working: 16 + 25 = 41, 41 - 8 = 33\n\nNow this question:\n{prompt}"
)
"""The first message while the episodes are played; its sum is in the training split."""

FORM = re.compile(r"Answer: -?\d+\nWorking: \S.*")
"""A reply of the two-line form."""


@dataclass(frozen=True)
class Options:
    """Which model, and how much it plays."""

    model: str
    """A folder, a Hugging Face id or a .gguf file."""
    out: Path = Path("runs/sums-start")
    """The folder of the new model."""
    episodes: int = 96
    """Training problems that are played, one episode each."""
    max_new_tokens: int = 48
    """Token cap of one reply."""
    fitting: Fitting = Fitting(
        learning_rate=2e-4, batch_size=8, epochs=1, first_reply="always", warmup=2
    )
    """The fit to the episodes."""
    rank: int = 16
    """Of the LoRA adapter, which is merged into the weights at the end."""
    dtype: str = "float32"
    """Precision of the forward pass."""
    seed: int = 0
    """Of the sampling and of the fit."""


def main() -> int:
    """Play, fit, write the model; print what was kept and the loss."""
    options = tyro.cli(Options, description=__doc__)
    config = ModelConfig(
        model=options.model, dtype=cast(Any, options.dtype), lora=LoRAConfig(rank=options.rank)
    )
    policy = load_policy(config, train=True)
    agent = LanguageModelAgent(
        policy, max_new_tokens=options.max_new_tokens, temperature=1.0, seed=options.seed
    )
    shown = Prompts("sums-example", attempt=EXAMPLE, correction=PROMPTS["sums"].correction)
    env = SelfCorrectEnv("sums", split="train", prompts=shown)
    report = evaluate(agent, env, n=options.episodes, batch_size=32, progress=True)
    print(report)
    traces = [without_example(episode) for episode in report.episodes if has_form(episode)]
    print(f"{len(traces)} of {options.episodes} episodes have the form")
    for name, value in fit(policy, traces, options.fitting, options.seed).items():
        print(f"{name}: {value:.3f}")
    policy.model = cast(Any, policy.model).merge_and_unload()
    policy.save_pretrained(options.out)
    print(f"Wrote {options.out}")
    return 0


def has_form(episode: Episode) -> bool:
    """Return whether both replies have the two-line form."""
    return all(FORM.fullmatch(str(attempt.reply).strip()) for attempt in episode.attempts)


def without_example(episode: Episode) -> Trace:
    """Return the episode's two replies after the environment's own first message."""
    return replace(consecutive(episode)[0], opening=PROMPTS["sums"].first(episode.problem))


if __name__ == "__main__":
    raise SystemExit(main())
