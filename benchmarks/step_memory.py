"""Peak memory of a training step of SCoRe: full weights against LoRA, and bfloat16.

    python benchmarks/step_memory.py --model path/to/model.gguf

Each configuration runs in a process of its own: it loads the model, takes one step of stage I on
generated arithmetic problems, and reports its peak resident memory (the maximum of ru_maxrss) and
what a checkpoint of it holds on disk. "Loaded" is the resident memory after loading. CPU only: on a
GPU, use torch.cuda.max_memory_allocated instead.
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

from selfcorrect_agents.lm.model_config import LoRAConfig, ModelConfig
from selfcorrect_agents.lm.pretrained import load_pretrained
from selfcorrect_agents.methods.score import SCoRe, SCoReConfig
from selfcorrect_agents.training.config import from_flat
from selfcorrect_env import SelfCorrectEnv


@dataclass(frozen=True)
class Options:
    """The model and the size of a step."""

    model: str
    """A folder, a Hugging Face id or a .gguf file."""
    problems_per_step: int = 4
    """Problems in the step."""
    samples: int = 4
    """Episodes of each problem."""
    max_new_tokens: int = 32
    """Token cap of one reply."""
    tokens_per_forward: int | None = None
    """Tokens in one forward pass of the update; None: as memory allows."""
    threads: int = 2
    """CPU threads."""
    only: str | None = None
    """Run this configuration alone, in this process, and print its measurements as JSON."""


CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "full weights, float32": {},
    "LoRA rank 16, float32": {"lora": LoRAConfig(rank=16)},
    "LoRA rank 16, bfloat16": {"lora": LoRAConfig(rank=16), "dtype": "bfloat16"},
    "LoRA rank 16, bfloat16, activation checkpointing": {
        "lora": LoRAConfig(rank=16),
        "dtype": "bfloat16",
        "activation_checkpointing": True,
    },
}


def main(options: Options) -> None:
    """Measure every configuration in a process of its own and print a table."""
    if options.only is not None:
        print(json.dumps(measure(options, options.only)))
        return
    print(f"{'configuration':<52}{'loaded':>9}{'peak':>9}{'saved':>9}{'seconds':>9}")
    for name in CONFIGURATIONS:
        words = [f"--{key.replace('_', '-')}={value}" for key, value in asdict(options).items()
                 if key != "only"]  # fmt: skip
        command = [sys.executable, __file__, *words, f"--only={name}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{name}: {done.stderr.strip().splitlines()[-1]}")
        row = json.loads(done.stdout.strip().splitlines()[-1])
        sizes = "".join(f"{row[key] / 1e9:>6.2f} GB" for key in ("loaded", "peak", "saved"))
        print(f"{name:<52}{sizes}{row['seconds']:>9.0f}")


def measure(options: Options, name: str) -> dict[str, float]:
    """Take one step with a configuration; returns bytes and seconds."""
    torch.set_num_threads(options.threads)
    config = ModelConfig(model=options.model, device="cpu", **CONFIGURATIONS[name])
    policy = load_pretrained(config, train=True)
    loaded = _peak()
    learning = from_flat(
        SCoReConfig,
        {
            "stage_one_steps": 1,
            "stage_two_steps": 0,
            "problems_per_step": options.problems_per_step,
            "samples": options.samples,
            "max_new_tokens": options.max_new_tokens,
            "tokens_per_forward": options.tokens_per_forward,
        },
    )
    start = time.monotonic()
    env = SelfCorrectEnv("arithmetic", split="train", size=200)
    SCoRe(policy).learn(env, learning)
    seconds = time.monotonic() - start
    with tempfile.TemporaryDirectory() as folder:
        policy.save_pretrained(folder)
        saved = sum(path.stat().st_size for path in Path(folder).glob("*.safetensors"))
    return {"loaded": loaded, "peak": _peak(), "saved": float(saved), "seconds": seconds}


def _peak() -> float:
    return 1024.0 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
