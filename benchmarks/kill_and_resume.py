"""Does a run that is killed (SIGKILL) at a random moment resume to the same bits?

    python benchmarks/kill_and_resume.py                 full weights and LoRA, 20 kills each

An uninterrupted SCoRe run is the reference. Each other run is killed once, at a moment drawn
uniformly from the reference's duration, started again with the same folder until it ends, and
compared: every weight that is trained, and every row of metrics.jsonl, bit by bit. Prints one line
for each kind of weights, and exits with 1 if any run differs.
"""

from __future__ import annotations

import multiprocessing
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from safetensors.torch import load_file

from selfcorrect_agents.lm.model_config import LoRAConfig, ModelConfig
from selfcorrect_agents.lm.pretrained import load_pretrained
from selfcorrect_agents.lm.tiny import TinyConfig, build_model, build_tokenizer
from selfcorrect_agents.methods.score import SCoRe, SCoReConfig
from selfcorrect_agents.training.config import from_flat
from selfcorrect_env import SelfCorrectEnv


@dataclass(frozen=True)
class Options:
    """How often runs are killed, and how long they are."""

    kills: int = 20
    """Runs of each kind, each killed once."""
    steps: int = 40
    """Steps of a run, three quarters of them of stage I."""
    seed: int = 0
    """Of the moments."""


def main(options: Options) -> int:
    """Run the comparison; returns the exit status."""
    torch.set_num_threads(1)
    differing = 0
    with tempfile.TemporaryDirectory() as folder:
        base = _save_base(Path(folder))
        for name, rank in (("full weights", 0), ("LoRA, rank 4", 4)):
            differing += _compare(name, rank, base, Path(folder), options)
    return int(differing > 0)


def _compare(name: str, rank: int, base: Path, folder: Path, options: Options) -> int:
    start = time.monotonic()
    _train_until_the_end(base, folder / "reference", rank, options.steps)
    duration = time.monotonic() - start
    reference = _result(folder / "reference")
    rng = np.random.default_rng([options.seed, rank])
    resumed_at: list[int] = []
    equal = 0
    for _ in range(options.kills):
        run = folder / "run"
        while True:  # until one is killed, and has not ended before
            child = _process(base, run, rank, options.steps)
            child.start()
            child.join(rng.uniform(0, duration))
            if child.exitcode is None:
                break
            shutil.rmtree(run)
        child.kill()
        child.join()
        resumed_at.append(_newest_step(run))
        _train_until_the_end(base, run, rank, options.steps)
        equal += _result(run) == reference
        shutil.rmtree(run)
    shutil.rmtree(folder / "reference")
    print(
        f"{name}: {equal} of {options.kills} killed runs equal the uninterrupted one, bit by bit; "
        f"they resumed after steps {sorted(resumed_at)} of {options.steps}",
        flush=True,  # a forked child would print what is still buffered once more
    )
    return options.kills - equal


def _save_base(folder: Path) -> Path:
    """Write a small model with random weights; what it answers does not matter here."""
    from selfcorrect_agents import Policy

    tokenizer = build_tokenizer()
    model = build_model(TinyConfig(hidden_size=16, layers=1, heads=2), tokenizer)
    Policy(model.eval(), tokenizer).save_pretrained(folder / "base")
    return folder / "base"


def _train(base: Path, run: Path, rank: int, steps: int) -> None:
    torch.set_num_threads(1)
    config = ModelConfig(model=str(base), device="cpu", lora=LoRAConfig(rank=rank))
    learning: dict[str, Any] = {
        "stage_one_steps": steps - steps // 4,
        "stage_two_steps": steps // 4,
        "problems_per_step": 4,
        "samples": 4,
        "learning_rate": 1e-3,
        "checkpoint_every": 1,
    }
    env = SelfCorrectEnv("arithmetic", split="train", size=200)
    policy = load_pretrained(config, train=True)
    SCoRe(policy).learn(env, from_flat(SCoReConfig, learning), run=run)


def _process(
    base: Path, run: Path, rank: int, steps: int
) -> multiprocessing.context.SpawnProcess | multiprocessing.context.ForkProcess:
    context = multiprocessing.get_context("fork")  # what is imported need not be imported again
    return context.Process(target=_train, args=(base, run, rank, steps))


def _train_until_the_end(base: Path, run: Path, rank: int, steps: int) -> None:
    child = _process(base, run, rank, steps)
    child.start()
    child.join()
    if child.exitcode != 0:
        raise SystemExit(f"The run in {run} ended with status {child.exitcode}.")


def _newest_step(run: Path) -> int:
    names = [path.name for path in (run / "checkpoints").glob("step-*")]
    return max((int(name.removeprefix("step-")) for name in names), default=0)


def _result(run: Path) -> tuple[dict[str, bytes], str]:
    (weights,) = (run / "model").glob("*.safetensors")
    tensors = {name: w.numpy().tobytes() for name, w in load_file(weights).items()}
    return tensors, (run / "metrics.jsonl").read_text("utf-8")


if __name__ == "__main__":
    raise SystemExit(main(tyro.cli(Options, description=__doc__)))
