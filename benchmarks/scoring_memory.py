"""Memory of scoring one row at a large vocabulary, forward and backward, beside TRL's fused head.

    python benchmarks/scoring_memory.py --columns 256 512

One row of C tokens is scored by a one-layer Llama with V = 151,936 and a frozen reference, and a
loss of log-probabilities and KL is differentiated. Each case runs in a process of its own and
reports the peak of its resident memory above what it had before, as a multiple of one [1, C, V]
tensor in float32. The gradient of the output layer, [V, H], is allocated before, as it belongs to
the weights.

"full KL" has the gradient of the KL over the vocabulary, "k2" that of the sampled estimate with the
full KL as a number for the log, "frozen head" is "full KL" with a frozen output layer, as under
adapters, and "TRL" is `trl.trainer.utils.add_fused_lm_head` with the k3
estimate, as its GRPO computes it (pip install --no-deps trl; left out where it is not installed).

Freed memory goes back to the system in every case, as in a training run of ours; with
``--keep-freed`` it stays in the process, as the C library keeps it by default.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from selfcorrect_agents.lm.allocator import return_freed_memory
from selfcorrect_agents.lm.output_layer import LinearHead
from selfcorrect_agents.rl.token_terms import Heads, token_terms

VOCABULARY, WIDTH = 151_936, 64
CASES = ("full KL", "k2", "frozen head", "TRL")


@dataclass(frozen=True)
class Options:
    """What is measured."""

    columns: tuple[int, ...] = (256, 512)
    """C, the tokens of the row."""
    keep_freed: bool = False
    """Leave freed memory in the process."""
    only: str | None = None
    """Measure this case alone, in this process, and print it as JSON."""


def main(options: Options) -> None:
    """Measure every case in a process of its own and print a table."""
    if options.only is not None:
        if not options.keep_freed:
            return_freed_memory()
        print(json.dumps(measure(options.only, options.columns[0])))
        return
    cases = CASES if importlib.util.find_spec("trl") else CASES[:-1]
    print(f"{'case':<12}{'C':>6}{'one [1, C, V]':>16}{'peak':>10}{'multiple':>10}{'CPU-s':>8}")
    for columns in options.columns:
        one = 4 * columns * VOCABULARY
        for case in cases:
            command = [sys.executable, __file__, "--columns", str(columns), "--only", case]
            command += ["--keep-freed"] if options.keep_freed else []
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"{case}: {done.stderr.strip().splitlines()[-1]}")
            row = json.loads(done.stdout.strip().splitlines()[-1])
            print(f"{case:<12}{columns:>6}{one / 1e6:>13.0f} MB{row['peak'] / 1e6:>7.0f} MB"
                  f"{row['peak'] / one:>10.2f}{row['seconds']:>8.1f}", flush=True)  # fmt: skip


def measure(case: str, columns: int) -> dict[str, float]:
    """Score one row and differentiate; returns bytes above the start, and CPU-seconds."""
    torch.set_num_threads(1)
    model, reference = made(), made().requires_grad_(False)
    ids = torch.randint(0, VOCABULARY, (1, columns + 1))
    run = {"full KL": ours, "k2": sampled, "frozen head": ours, "TRL": trl}[case](
        model, reference, ids
    )
    for weight in model.parameters():
        weight.grad = torch.zeros_like(weight)
    model(ids[:, :4]).logits.sum().backward()  # loads the libraries' code
    if case == "frozen head":
        model.requires_grad_(False)
        model.model.layers.requires_grad_(True)
    start = time.process_time()
    with watched() as peak:
        run()
    return {"peak": float(peak[1] - peak[0]), "seconds": time.process_time() - start}


def made() -> Any:
    """Return a one-layer Llama with a large vocabulary."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=1,
        num_attention_heads=4,
        tie_word_embeddings=True,
    )
    return LlamaForCausalLM(config)


def ours(model: Any, reference: Any, ids: Tensor) -> Callable[[], None]:
    """Log-probabilities and the full KL, both with gradient."""
    return lambda: scored(model, reference, ids, kl_gradient=True)


def sampled(model: Any, reference: Any, ids: Tensor) -> Callable[[], None]:
    """Log-probabilities with gradient; the full KL is a number."""
    return lambda: scored(model, reference, ids, kl_gradient=False)


def scored(model: Any, reference: Any, ids: Tensor, *, kl_gradient: bool) -> None:
    """Score by `token_terms` and differentiate."""
    hidden = model.model(input_ids=ids).last_hidden_state[0, :-1]
    with torch.no_grad():
        ref_hidden = reference.model(input_ids=ids).last_hidden_state[0, :-1]
    heads = Heads(
        vocabulary=VOCABULARY,
        policy=LinearHead(model.lm_head.weight),
        reference=LinearHead(reference.lm_head.weight),
        temperature=1.0,
        kl_gradient=kl_gradient,
    )
    weights = [weight for weight in model.lm_head.parameters() if weight.requires_grad]
    terms = token_terms(heads, hidden, ref_hidden, ids[0, 1:], weights)
    kl = terms.kl if kl_gradient else 0.5 * (terms.logps - terms.ref_logps).square()
    (0.01 * kl - terms.logps).sum().backward()


def trl(model: Any, reference: Any, ids: Tensor) -> Callable[[], None]:
    """TRL's fused head: log-probabilities with gradient, k3 and entropy."""
    from trl.trainer.utils import add_fused_lm_head  # type: ignore[import-not-found]

    add_fused_lm_head(model, outputs=("log_probs", "entropy"))
    add_fused_lm_head(reference)
    labels = ids.clone()
    labels[:, 0] = -100

    def run() -> None:
        with torch.no_grad():
            ref = reference(input_ids=ids, labels=labels, fused_lm_head=True).log_probs
        logps = model(input_ids=ids, labels=labels, fused_lm_head=True).log_probs
        k3 = torch.exp(ref - logps) - (ref - logps) - 1
        (0.01 * k3 - logps).sum().backward()

    return run


@contextmanager
def watched() -> Iterator[list[int]]:
    """Yield [resident memory at the start, its peak]; it is looked at every 2 ms."""
    found, stop = [_resident()] * 2, threading.Event()

    def watch() -> None:
        while not stop.wait(0.002):
            found[1] = max(found[1], _resident())

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()


def _resident() -> int:
    return 4096 * int(Path("/proc/self/statm").read_text().split()[1])


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
