"""A training step of real model shapes on this machine's GPU: speed, utilisation, peak memory.

    python benchmarks/gpu_check.py

Nothing is downloaded: the models have the shapes of Qwen2.5 0.5B, 1.5B and 7B and random weights
in bfloat16, with LoRA adapters on every linear layer. A random model ends no reply, so every reply
has exactly ``--tokens`` tokens, and each row of the table is the same work on every machine. Each
shape takes a few whole steps of multi-turn RL: episodes are sampled, then the policy is updated.

Columns: sampled tokens a second in the rollout; the same of transformers' ``generate`` on the
first attempt alone; tokens a second that the update computes (replies and instructions, and each
problem's prompt once); the update's floating-point operations, counted without recomputation, as a
share of the rate at which this GPU multiplies 8192 x 8192 matrices in bfloat16; seconds of a whole
step; peak memory that PyTorch allocated, beside the prediction of `selfcorrect train --plan`.

On a machine without a GPU, ``--device cpu --shapes tiny`` runs the same code in seconds.
"""

from __future__ import annotations

import gc
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
import tyro
from peft import LoraConfig, get_peft_model
from transformers import Qwen2Config, Qwen2ForCausalLM

from selfcorrect_agents.lm.free_memory import free_memory
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.shapes import shape_of
from selfcorrect_agents.lm.tiny import build_tokenizer
from selfcorrect_agents.methods.multiturn_rl import MultiTurnRLConfig
from selfcorrect_agents.rl.credit import own_turn
from selfcorrect_agents.rl.rollout import Rollout
from selfcorrect_agents.rl.scoring import micro_batches, packed_rows
from selfcorrect_agents.training.config import from_flat
from selfcorrect_agents.training.memory_plan import Plan, Work, computed_share, plan
from selfcorrect_agents.training.trainer import Stage, Trainer
from selfcorrect_env import SelfCorrectEnv, training_env
from selfcorrect_env.problems import ProblemSet


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The shape of a Qwen2 model."""

    hidden: int
    inner: int
    layers: int
    heads: int
    kv_heads: int
    vocabulary: int
    tied: bool = True

    def config(self) -> Qwen2Config:
        """Return the configuration of transformers."""
        return Qwen2Config(
            hidden_size=self.hidden,
            intermediate_size=self.inner,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            num_key_value_heads=self.kv_heads,
            vocab_size=self.vocabulary,
            tie_word_embeddings=self.tied,
            max_position_embeddings=4096,
        )

    def update_flops(self, computed: float, scored: float) -> float:
        """Return the floating-point operations of an update, without recomputation.

        ``computed`` tokens pass the layers: the prompt of a problem once for its samples.

        2 for each weight and token in a forward pass, of the policy and of the reference, and 2
        more for the gradient of the activations; frozen weights have no gradient. The output layer
        acts on scored tokens alone. Attention's own products are left out.
        """
        width = self.hidden // self.heads
        attention = 2 * self.hidden * (self.hidden + self.kv_heads * width)
        layers = self.layers * (attention + 3 * self.hidden * self.inner)
        return 6.0 * (layers * computed + self.vocabulary * self.hidden * scored)


SHAPES = {
    "tiny": Shape(hidden=64, inner=128, layers=2, heads=4, kv_heads=2, vocabulary=1000),
    "0.5B": Shape(hidden=896, inner=4864, layers=24, heads=14, kv_heads=2, vocabulary=151936),
    "1.5B": Shape(hidden=1536, inner=8960, layers=28, heads=12, kv_heads=2, vocabulary=151936),
    "7B": Shape(
        hidden=3584, inner=18944, layers=28, heads=28, kv_heads=4, vocabulary=152064, tied=False
    ),
}
"""Shapes of Qwen2.5's models, from their published configurations."""


INSTRUCTION = 4
"""Tokens that are read between two attempts: the instruction is one token of this tokenizer."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which shapes, and the size of a step."""

    shapes: tuple[str, ...] = ("0.5B", "1.5B", "7B")
    """Names of the shapes to run, in this order: tiny, 0.5B, 1.5B, 7B."""
    problems: int = 16
    """Problems in a step."""
    samples: int = 8
    """Episodes of each problem in a step."""
    prompt: int = 200
    """Tokens of a problem's text."""
    tokens: int = 256
    """Tokens of each reply."""
    steps: int = 2
    """Steps that are measured, after one that warms up."""
    rank: int = 16
    """Rank of the adapters."""
    activation_checkpointing: bool = True
    """Whether activations are recomputed in the backward pass."""
    device: str = "cuda"
    """Where the models run."""
    out: str = ""
    """A JSON file for the measurements; "" writes none."""


def main(options: Options) -> None:
    """Run every shape and print the table."""
    unknown = set(options.shapes) - set(SHAPES)
    if unknown:
        raise SystemExit(f"unknown shapes {sorted(unknown)}; known: {', '.join(SHAPES)}")
    torch.set_float32_matmul_precision("high")
    device = torch.device(options.device)
    ceiling = matmul_rate(device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    print(f"{name}, PyTorch {torch.__version__}; matrix products in bfloat16: "
          f"{ceiling / 1e12:.3g} TFLOP/s")  # fmt: skip
    print(f"{options.problems * options.samples} episodes a step, prompts of {options.prompt} "
          f"tokens, two replies of {options.tokens}, LoRA rank {options.rank}")  # fmt: skip
    print(HEADER)
    rows: list[Row] = []
    for shape in options.shapes:
        planned = plan_of(shape, options, device)
        if planned.peak > free_memory(device):
            print(f"{shape:>6}  needs {planned.peak / 1e9:.1f} GB by its plan: not measured here")
            continue
        rows.append(measure(options, shape, planned, device, ceiling))
        print(line(rows[-1]), flush=True)
        if options.out:  # after each: what is measured is kept if a later shape fails
            found = {"device": name, "torch": torch.__version__, "matmul": ceiling,
                     "options": asdict(options), "rows": [asdict(row) for row in rows]}  # fmt: skip
            Path(options.out).write_text(json.dumps(found, indent=2) + "\n")


@dataclass(frozen=True, kw_only=True)
class Row:
    """The measurements of one shape; rates in tokens a second."""

    shape: str
    rollout: float
    generate: float
    update: float
    utilisation: float
    step_seconds: float
    rollout_seconds: float
    update_seconds: float
    peak_bytes: float
    planned_bytes: float
    tokens_per_forward: int


HEADER = (
    f"{'shape':>6}{'rollout':>11}{'generate':>11}{'update':>11}{'share':>8}{'step':>9}{'peak':>10}"
    f"{'planned':>10}"
)


def line(row: Row) -> str:
    """Return a row of the printed table."""
    rates = "".join(f"{rate:>7,.0f} t/s" for rate in (row.rollout, row.generate, row.update))
    return (
        f"{row.shape:>6}{rates}{row.utilisation:>8.0%}{row.step_seconds:>7.1f} s"
        f"{row.peak_bytes / 1e9:>7.2f} GB{row.planned_bytes / 1e9:>7.2f} GB"
    )


def measure(
    options: Options, shape: str, planned: Plan, device: torch.device, ceiling: float
) -> Row:
    """Take ``steps`` steps with a shape and measure them."""
    policy = random_policy(shape, options, device)
    trainer, stage = make_trainer(policy, options, planned)
    trainer.update(0, stage, [trainer.collect(0)])
    _synchronise(device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    rollout_seconds = update_seconds = sampled = computed = 0.0
    for step in range(1, options.steps + 1):
        start = time.perf_counter()
        rollout = trainer.collect(step)
        _synchronise(device)
        middle = time.perf_counter()
        trainer.update(step, stage, [rollout])
        _synchronise(device)
        rollout_seconds += middle - start
        update_seconds += time.perf_counter() - middle
        sampled += rollout.tokens
        computed += computed_tokens(rollout, planned.tokens_per_forward)
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    flops = SHAPES[shape].update_flops(computed, sampled)
    row = Row(
        shape=shape,
        rollout=sampled / rollout_seconds,
        generate=generate_rate(policy, options, device),
        update=computed / update_seconds,
        utilisation=flops / update_seconds / ceiling,
        step_seconds=(rollout_seconds + update_seconds) / options.steps,
        rollout_seconds=rollout_seconds / options.steps,
        update_seconds=update_seconds / options.steps,
        peak_bytes=float(peak),
        planned_bytes=float(planned.peak),
        tokens_per_forward=planned.tokens_per_forward,
    )
    del trainer, policy
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    return row


def computed_tokens(rollout: Rollout, tokens_per_forward: int) -> int:
    """Return the tokens that pass the layers in an update, which shares prompts."""
    parts = (rollout[rows] for rows in micro_batches(rollout, tokens_per_forward))
    return sum(packed_rows(part).ids.numel() for part in parts)


def random_policy(shape: str, options: Options, device: torch.device) -> Policy:
    """Return a policy of a shape with random bfloat16 weights and LoRA adapters in float32."""
    tokenizer = build_tokenizer()
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with device:
            model = Qwen2ForCausalLM(SHAPES[shape].config())
    finally:
        torch.set_default_dtype(before)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    lora = LoraConfig(
        r=options.rank, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    adapted: Any = get_peft_model(cast(Any, model), lora)
    if options.activation_checkpointing:
        adapted.gradient_checkpointing_enable({"use_reentrant": False})
    return Policy(adapted.eval(), tokenizer, autocast=torch.bfloat16)


def plan_of(shape: str, options: Options, device: torch.device) -> Plan:
    """Return what `selfcorrect train --plan` says of such a run, with the memory that is free."""
    work = Work(
        device="cuda" if device.type == "cuda" else "cpu",
        memory=free_memory(device),
        mixed=True,
        rank=options.rank,
        checkpointing=options.activation_checkpointing,
        episodes=options.problems * options.samples,
        read=options.prompt + INSTRUCTION,
        sampled=2 * options.tokens,
        computed=computed_share(
            options.prompt, options.prompt + INSTRUCTION + 2 * options.tokens, options.samples
        ),
    )
    return plan(shape_of(SHAPES[shape].config()), work)


def make_trainer(policy: Policy, options: Options, planned: Plan) -> tuple[Trainer, Stage]:
    """Return a trainer of multi-turn RL on problems with prompts of a given length."""
    text = "one digit and a sum of it, " * (1 + options.prompt // 27)
    problems = ProblemSet.from_records(
        [{"prompt": f"{i}: {text}"[: options.prompt], "reference": str(i)} for i in range(512)],
        name="gpu-check",
    )
    env = training_env(SelfCorrectEnv(problems, verifier=_random_score, prompts="arithmetic"))
    config = from_flat(
        MultiTurnRLConfig,
        {
            "problems_per_step": options.problems,
            "samples": options.samples,
            "max_new_tokens": options.tokens,
            "tokens_per_forward": planned.tokens_per_forward,
        },
    )
    stage = Stage(
        rewards=lambda scores: scores,
        betas=[config.beta_1] * 2,
        reach=own_turn(2),
        learning_rate=config.learning_rate,
    )
    return Trainer(policy, env, config), stage


def _random_score(problem: Any, response: str) -> float:
    """0 or 1 by the reply's text, so that samples differ and the update has a gradient."""
    return float(sum(map(ord, response)) % 2)


@torch.no_grad()
def generate_rate(policy: Policy, options: Options, device: torch.device) -> float:
    """Tokens a second of ``generate`` on a step's first attempts, sampling at T = 1."""
    rows = options.problems * options.samples
    ids = torch.randint(3, 20, (rows, options.prompt), device=device)
    model = cast(Any, policy.model)

    def generate(tokens: int) -> None:
        model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            do_sample=True,
            top_k=0,
            max_new_tokens=tokens,
            min_new_tokens=tokens,
            pad_token_id=0,
        )
        _synchronise(device)

    with torch.autocast(device.type, dtype=torch.bfloat16):
        generate(4)
        start = time.perf_counter()
        generate(options.tokens)
    return rows * options.tokens / (time.perf_counter() - start)


def matmul_rate(device: torch.device) -> float:
    """Floating-point operations a second of large bfloat16 matrix products on this device."""
    size = 8192 if device.type == "cuda" else 256
    a = torch.randn(size, size, device=device, dtype=torch.bfloat16)
    for _ in range(3):
        torch.mm(a, a)
    _synchronise(device)
    start = time.perf_counter()
    for _ in range(10):
        torch.mm(a, a)
    _synchronise(device)
    return 10 * 2 * size**3 / (time.perf_counter() - start)


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
