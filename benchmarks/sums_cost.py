"""How many CPU-seconds do the rows of a comparison take on this machine?

    python benchmarks/sums_cost.py --model path/to/Qwen2.5-Coder-0.5B-Instruct

Measures, in CPU-seconds of this process with one thread: playing a group of episodes; one step of
multi-turn RL, sampling included; and an epoch of Pair-SFT. Then it prints the sum over the rows of
`benchmarks/sums.toml` at its numbers of episodes, problems and traces, evaluations in the course of
training and after a fit included, and the hours that this takes on two cores. Loading models and
writing files is left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
import tyro

from selfcorrect_agents.comparison.plan.cells import Cell, plan
from selfcorrect_agents.comparison.plan.config import CompareConfig, read_config
from selfcorrect_agents.imitation.config import Fitting
from selfcorrect_agents.imitation.fitting import fit
from selfcorrect_agents.imitation.traces import consecutive
from selfcorrect_agents.lm.loading import load_policy
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.methods.multiturn_rl import MultiTurnRL, MultiTurnRLConfig
from selfcorrect_agents.rl.rollout import Rollout, collect
from selfcorrect_agents.training.config import from_flat
from selfcorrect_env import SelfCorrectEnv

T = TypeVar("T")

CORES = 2


@dataclass(frozen=True)
class Options:
    """Which model and comparison."""

    model: str
    """A folder, a Hugging Face id, a .gguf file, or "tiny"."""
    file: Path = Path(__file__).parent / "sums.toml"
    """The comparison."""
    dtype: str = "float32"
    """Precision of the forward pass: bfloat16 is faster where the processor has AMX."""
    problems: int = 2
    """Problems of what is measured, in groups of 8."""


@dataclass(frozen=True)
class Costs:
    """CPU-seconds, measured."""

    play: float
    """Of an episode of two attempts."""
    step: float
    """Of an episode of a step of RL, sampling included."""
    trace: float
    """Of a trace in an epoch of a fit."""


def main() -> None:
    """Measure, and print the estimate."""
    options = tyro.cli(Options, description=__doc__)
    torch.set_num_threads(1)
    config = read_config(options.file)
    model = {**config.model, "model": options.model, "dtype": options.dtype}
    config = replace(config, model=model)
    costs = measured(config, options.problems)
    print(f"{processor()}, one thread, {options.dtype}, groups of 8, cap {config.token_cap} tokens")
    print(f"CPU-seconds: {costs.play:.1f} to play an episode, {costs.step:.1f} to train RL on one, "
          f"{costs.trace:.1f} to fit a trace")  # fmt: skip
    total = 0.0
    for cell in plan(config)[: len(config.methods)]:
        seconds = cost_of(cell, costs)
        total += seconds
        print(f"  {cell.method.label}: {seconds:,.0f}")
    print(f"one seed: {total:,.0f} CPU-seconds, {total / 3600 / CORES:.1f} h on {CORES} cores")


def measured(config: CompareConfig, problems: int) -> Costs:
    """Measure the costs on training problems of the comparison's environment."""
    env = SelfCorrectEnv("sums", split="train")
    policy = load_policy(config.base_model(config.methods[-1], 0))
    cap, episodes = config.token_cap, 8 * problems
    rollout, play = timed(lambda: played(policy, env, problems, cap))
    small = {"steps": 1, "problems_per_step": problems, "max_new_tokens": cap, "beta_1": 0.01}
    _, step = timed(lambda: MultiTurnRL(policy).learn(env, from_flat(MultiTurnRLConfig, small)))
    traces = [trace for episode in rollout.episodes[:8] for trace in consecutive(episode)]
    how = Fitting(batch_size=8, epochs=1, first_reply="always")
    _, fitting = timed(lambda: fit(policy, traces, how, seed=0))
    return Costs(play / episodes, step / episodes, fitting / len(traces))


def played(policy: Policy, env: SelfCorrectEnv, problems: int, cap: int) -> Rollout:
    """Play groups of 8 episodes."""
    return collect(
        policy,
        env.vectorised(8 * problems),
        list(range(problems)),
        samples=8,
        max_new_tokens=cap,
        generator=torch.Generator(policy.device).manual_seed(0),
    )


def cost_of(cell: Cell, costs: Costs) -> float:
    """Return the CPU-seconds of a cell: its training and its measurements."""
    learning, seconds = cell.learning(), len(cell.decodings) * cell.n * costs.play
    if learning is None:
        return seconds
    seconds += (held_out(learning) + after_fits(learning)) * costs.play
    if hasattr(learning, "fitting"):  # it imitates
        traces = min(learning.fitting.most_traces, 2 * learning.episodes)
        return seconds + learning.episodes * costs.play + traces * costs.trace
    gathered = getattr(learning, "warm_start_steps", 0) * learning.episodes_per_step
    fitted = 2 * gathered * costs.trace
    return seconds + gathered * costs.play + fitted + (learning.episodes - gathered) * costs.step


def held_out(learning: Any) -> int:
    """Return the held-out episodes that a run of reinforcement learning plays as it trains."""
    how = learning.evaluation
    return -(-learning.total_steps // how.eval_every) * how.eval_problems if how.eval_every else 0


def after_fits(learning: Any) -> int:
    """Return the episodes that are played after fits, to log what they changed."""
    fits = getattr(learning, "iterations", int(getattr(learning, "warm_start_steps", 0) > 0))
    return fits * learning.sampling.problems_per_step * learning.sampling.samples


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """Return what ``work`` returns, and its CPU-seconds."""
    start = time.process_time()
    return work(), time.process_time() - start


def processor() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "unknown processor")


if __name__ == "__main__":
    main()
