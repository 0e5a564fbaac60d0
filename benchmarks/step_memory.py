"""Peak memory of a training step, beside what `selfcorrect train --plan` predicts.

    python benchmarks/step_memory.py --model path/to/model --configurations lora

Each configuration runs in a process of its own: it loads the model, takes one step of SCoRe's stage
I on sums in words, and reports its peak resident memory (the maximum of ru_maxrss, which counts
Python, its libraries and whatever the allocator keeps) and what a checkpoint of it holds on disk.
"Loaded" is the peak until the model was loaded. CPU only: `gpu_check.py` is for GPUs.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import tyro

from selfcorrect_agents.lm.free_memory import free_memory
from selfcorrect_agents.lm.loading import load_policy
from selfcorrect_agents.lm.model_config import LoRAConfig, ModelConfig
from selfcorrect_agents.lm.shapes import read_shape
from selfcorrect_agents.methods.score import SCoRe, SCoReConfig
from selfcorrect_agents.training.config import from_flat
from selfcorrect_agents.training.memory_plan import Plan, Work, plan
from selfcorrect_agents.training.memory_split import read_tokens
from selfcorrect_agents.training.trainer import Trainer
from selfcorrect_env import TrainingEnv, training_env


@dataclass(frozen=True, kw_only=True)
class Options:
    """The model and the size of a step."""

    model: str
    """A folder, a Hugging Face id or a .gguf file."""
    configurations: tuple[str, ...] = ("full", "lora", "lora-checkpointing", "lora-bfloat16")
    """Which of full, full-checkpointing, lora, lora-checkpointing, lora-bfloat16."""
    problems_per_step: int = 8
    """Problems in the step."""
    samples: int = 8
    """Episodes of each problem."""
    max_new_tokens: int = 64
    """Token cap of one reply."""
    tokens_per_forward: int | None = None
    """Tokens in one forward pass of the update; None: as memory allows."""
    threads: int = 1
    """CPU threads."""
    only: str | None = None
    """Run this configuration alone, in this process, and print its measurements as JSON."""


LORA = LoRAConfig(rank=16)
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "full": {},
    "full-checkpointing": {"activation_checkpointing": True},
    "lora": {"lora": LORA},
    "lora-checkpointing": {"lora": LORA, "activation_checkpointing": True},
    "lora-bfloat16": {"lora": LORA, "dtype": "bfloat16"},
}
"""Fields of `ModelConfig`; float32 on the CPU where no dtype is named."""


def main(options: Options) -> None:
    """Measure every configuration in a process of its own and print a table."""
    if options.only is not None:
        print(json.dumps(measure(options, options.only)))
        return
    print(f"{options.problems_per_step * options.samples} episodes of two replies of up to "
          f"{options.max_new_tokens} tokens; {free_memory(torch.device('cpu')) / 1e9:.0f} GB free"
          )  # fmt: skip
    columns = ("loaded", "peak", "plan", "plan/peak", "saved", "tokens", "planned", "seconds")
    print(f"{'configuration':<20}" + "".join(f"{column:>10}" for column in columns))
    for name in options.configurations:
        command = [sys.executable, __file__, *_flags(options), f"--only={name}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{name}: {done.stderr.strip().splitlines()[-1]}")
        row = json.loads(done.stdout.strip().splitlines()[-1])
        sizes = {key: f"{row[key] / 1e9:.2f} GB" for key in ("loaded", "peak", "plan", "saved")}
        cells = {**sizes, "plan/peak": f"{row['plan'] / row['peak']:.2f}",
                 "tokens": f"{row['tokens']:,.0f}", "planned": f"{row['planned']:,.0f}",
                 "seconds": f"{row['seconds']:.0f}"}  # fmt: skip
        print(f"{name:<20}" + "".join(f"{cells[column]:>10}" for column in columns), flush=True)


def measure(options: Options, name: str) -> dict[str, float]:
    """Take one step with a configuration; returns bytes, tokens of a micro-batch and seconds."""
    torch.set_num_threads(options.threads)
    env = training_env("SelfCorrect-Sums-v0")
    config = ModelConfig(model=options.model, device="cpu", **CONFIGURATIONS[name])
    memory = free_memory(torch.device("cpu"))
    policy = load_policy(config, train=True)
    loaded = _peak()
    settings = {
        "stage_one_steps": 1,
        "stage_two_steps": 0,
        "problems_per_step": options.problems_per_step,
        "samples": options.samples,
        "max_new_tokens": options.max_new_tokens,
        "tokens_per_forward": options.tokens_per_forward,
        "learning_rate": 4e-5,
    }
    expected = planned(config, env, options, memory, read_tokens(policy.chat, env))
    start = time.monotonic()
    agent = Noted(policy)
    agent.learn(env, from_flat(SCoReConfig, settings))
    seconds, peak = time.monotonic() - start, _peak()
    with tempfile.TemporaryDirectory() as folder:
        policy.save_pretrained(folder)
        saved = sum(path.stat().st_size for path in Path(folder).glob("*.safetensors"))
    return {
        "loaded": loaded,
        "peak": peak,
        "plan": float(expected.peak),
        "saved": float(saved),
        "tokens": float(agent.tokens_per_forward),
        "planned": float(expected.tokens_per_forward),
        "seconds": seconds,
    }


class Noted(SCoRe):
    """SCoRe that notes how its step is cut."""

    tokens_per_forward = 0

    def train(self, trainer: Trainer, config: SCoReConfig) -> None:
        """Train as SCoRe does."""
        self.tokens_per_forward = trainer.split.tokens_per_forward
        super().train(trainer, config)


def planned(
    config: ModelConfig, env: TrainingEnv, options: Options, memory: int, read: int
) -> Plan:
    """Return the plan of the step."""
    work = Work(
        device="cpu",
        memory=memory,
        mixed=config.dtype == "bfloat16",
        rank=config.lora.rank,
        checkpointing=config.activation_checkpointing,
        episodes=options.problems_per_step * options.samples,
        read=read,
        sampled=env.attempts * options.max_new_tokens,
        tokens_per_forward=options.tokens_per_forward,
    )
    return plan(read_shape(config), work)


def _flags(options: Options) -> list[str]:
    left_out = ("only", "configurations")
    given = {key: value for key, value in asdict(options).items() if key not in left_out}
    return [f"--{key.replace('_', '-')}={value}" for key, value in given.items()]


def _peak() -> float:
    return 1024.0 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
