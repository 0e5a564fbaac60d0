"""A two-turn training step, collecting and updating, against TRL's GRPO on the same model.

    pip install trl==1.16.0
    python benchmarks/two_turn_step.py                      # a tiny random Llama, 16 tokens a reply
    python benchmarks/two_turn_step.py --hidden-size 128 --layers 4
    python benchmarks/two_turn_step.py --model path/to/model --problem-set sums --lora-rank 16 \\
        --problems 2 --samples 8 --max-new-tokens 128 --steps 2

Both sides play the same environment with the same chat template, number of episodes, token cap,
precision and LoRA adapters, and hold the policy to a reference by a KL term. Ours is `MultiTurnRL`
with its default objective (the KL over the whole vocabulary). TRL's is `GRPOTrainer` with a
``rollout_func`` that calls ``generate`` for each turn, as its documentation shows; it returns zeros
for the log-probabilities of sampling, which spares TRL their computation. TRL's steps and ours take
turns in one process, and the first of each is not counted. The unit is sampled tokens per
CPU-second, so that replies of different lengths compare.

The share of the ceiling is the arithmetic of our update (matrix products and attention, counted by
torch while it runs) per CPU-second, over what a product of two square matrices reaches.
"""

from __future__ import annotations

import copy
import itertools
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")

import torch
import tyro
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from selfcorrect_agents.lm.model_config import LoRAConfig, ModelConfig
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.pretrained import load_pretrained
from selfcorrect_agents.lm.tiny import TinyConfig, build_model, build_tokenizer
from selfcorrect_agents.methods.multiturn_rl import MultiTurnRLConfig
from selfcorrect_agents.rl.credit import own_turn
from selfcorrect_agents.training.config import from_flat
from selfcorrect_agents.training.trainer import Stage, Trainer
from selfcorrect_env import SelfCorrectEnv, training_env

BETA = 0.04
"""Coefficient of both KL terms."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The model and the size of a step."""

    model: str | None = None
    """A folder or a Hugging Face id; by default a tiny Llama with random weights that never ends a
    reply, so that every reply has max_new_tokens tokens."""
    hidden_size: int = 64
    """Width of the tiny Llama."""
    layers: int = 2
    """Layers of the tiny Llama."""
    problem_set: str = "arithmetic"
    """Problem set of the environment: a name of 'selfcorrect list'."""
    problems: int = 64
    """Problems in a step."""
    samples: int = 4
    """Episodes of each problem."""
    max_new_tokens: int = 16
    """Token cap of one reply."""
    lora_rank: int = 0
    """Rank of the adapters; 0 trains the full weights."""
    steps: int = 5
    """Steps of each side that are counted."""
    alone: bool = False
    """Measure our step only, without TRL."""


def load(options: Options) -> Policy:
    """Load the model; two calls give equal ones."""
    if options.model is not None:
        lora = LoRAConfig(rank=options.lora_rank)
        named = ModelConfig(model=options.model, device="cpu", dtype="float32", lora=lora)
        return load_pretrained(named, train=True)
    tokenizer = build_tokenizer()
    config = TinyConfig(hidden_size=options.hidden_size, layers=options.layers)
    model: Any = build_model(config, tokenizer)
    model.lm_head = nn.Linear(options.hidden_size, len(tokenizer))
    model.lm_head.weight = model.get_input_embeddings().weight
    model.lm_head.bias.data.zero_()[tokenizer.eos_token_id] = -30.0
    model.lm_head.bias.requires_grad_(False)
    return Policy(model.eval(), tokenizer)


@dataclass
class Measured:
    """One side's counted steps."""

    name: str
    tokens: list[int]
    """Sampled tokens of each step."""
    seconds: list[float]
    """CPU-seconds of each step."""

    @property
    def rates(self) -> list[float]:
        """Sampled tokens per CPU-second of each step."""
        return [t / s for t, s in zip(self.tokens, self.seconds, strict=True)]

    def add(self, tokens: int, seconds: float) -> None:
        """Add a step."""
        self.tokens.append(tokens)
        self.seconds.append(seconds)

    def __str__(self) -> str:
        rate = sum(self.tokens) / sum(self.seconds)
        low, high = min(self.rates), max(self.rates)
        mean = statistics.mean(self.seconds)
        return (
            f"{self.name:<5} {rate:8.1f} sampled tokens/CPU-s ({low:.1f} to {high:.1f}), "
            f"{mean:.2f} CPU-s and {statistics.mean(self.tokens):.0f} tokens a step"
        )


_ATEN = torch.ops.aten
FORMULAS: dict[Any, Any] = {
    **flop_registry,
    _ATEN.addmm_: flop_registry[_ATEN.addmm],
    _ATEN._scaled_dot_product_flash_attention_for_cpu: flop_registry[
        _ATEN._scaled_dot_product_flash_attention
    ],
    _ATEN._scaled_dot_product_flash_attention_for_cpu_backward: flop_registry[
        _ATEN._scaled_dot_product_flash_attention_backward
    ],
}
"""Operation -> its arithmetic: torch's formulas, and the same for operations that it leaves out."""


class FlopCounter(TorchDispatchMode):
    """Counts the floating-point operations of matrix products and attention, backward included."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        count = FORMULAS.get(func._overloadpacket)
        if count is not None:
            self.total += count(*args, **(kwargs or {}), out_val=out)
        return out


# -- ours --------------------------------------------------------------------------------------
class Ours:
    """Our steps, one at a time."""

    def __init__(self, options: Options, policy: Policy) -> None:
        config = from_flat(
            MultiTurnRLConfig,
            {
                "steps": 10_000,
                "beta_1": BETA,
                "problems_per_step": options.problems,
                "samples": options.samples,
                "max_new_tokens": options.max_new_tokens,
            },
        )
        env = training_env(SelfCorrectEnv(options.problem_set, split="train"))
        self.trainer = Trainer(policy, env, config)
        self.stage = Stage(
            rewards=lambda scores: scores,
            betas=[BETA] * env.attempts,
            reach=own_turn(env.attempts),
            learning_rate=1e-5,
        )
        self._steps: Iterator[int] = self.trainer.steps(config.steps)
        self.collecting, self.updating = Measured("", [], []), Measured("", [], [])
        self.flops = 0

    def step(self, *, count_flops: bool = False) -> tuple[int, float]:
        """Take a step; returns its sampled tokens and CPU-seconds."""
        start = time.process_time()
        number = next(self._steps)
        rollout = self.trainer.collect(number)
        collected = time.process_time()
        if count_flops:
            with FlopCounter() as counter:
                self.trainer.update(number, self.stage, [rollout])
            self.flops = counter.total
            return rollout.tokens, 0.0
        self.trainer.update(number, self.stage, [rollout])
        end = time.process_time()
        self.collecting.add(rollout.tokens, collected - start)
        self.updating.add(rollout.tokens, end - collected)
        return rollout.tokens, end - start


# -- TRL's -------------------------------------------------------------------------------------
class TwoTurns:
    """TRL's ``rollout_func``: two turns by ``generate``, and the scores of the replies."""

    def __init__(self, options: Options, policy: Policy) -> None:
        self.options, self.policy = options, policy
        self.model: Any = policy.model
        self.env = SelfCorrectEnv(options.problem_set, split="train")
        asked = range(min(512, len(self.env.problems)))
        first = [self.env.reset(options={"index": i})[0] for i in asked]
        self.rows = [{"prompt": list(conversation)} for conversation in first]
        self.index = {conversation[-1]["content"]: i for i, conversation in enumerate(first)}
        second = self.env.step("")[0]
        self.instruction = second[len(first[-1]) + 1 :]
        self.tokens = 0

    def __call__(self, prompts: list[Any], trainer: Any) -> dict[str, Any]:
        """Play both turns of every prompt, each of which is repeated for its samples."""
        chat = self.policy.chat
        given = [chat.prompt_ids(tuple(prompt)) for prompt in prompts]
        first = self.generate(given)
        between = [chat.follow_up(reply, self.instruction) for reply in first]
        second = self.generate(joined(given, first, between))
        self.tokens = sum(map(len, first)) + sum(map(len, second))
        completions = joined(first, between, second)
        texts = self.policy.tokenizer.batch_decode(second, skip_special_tokens=True)
        return {
            "prompt_ids": given,
            "completion_ids": completions,
            "logprobs": [[0.0] * len(row) for row in completions],
            "env_mask": [
                [1] * len(a) + [0] * len(p) + [1] * len(b)
                for a, p, b in zip(first, between, second, strict=True)
            ],
            "score": [
                self.score(prompt, text) for prompt, text in zip(prompts, texts, strict=True)
            ],
        }

    def score(self, prompt: Any, text: str) -> float:
        """The verifier's score of a reply."""
        problem = self.env.problems[self.index[prompt[-1]["content"]]]
        return self.env.verifier.verify(problem, text).score

    @torch.no_grad()
    def generate(self, rows: list[list[int]]) -> list[list[int]]:
        """Sample a reply to every row, all in one left-padded batch."""
        pad, width = self.policy.chat.pad_id, max(map(len, rows))
        ids = torch.tensor([[pad] * (width - len(row)) + row for row in rows])
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
        ends = sorted(self.policy.chat.eos_ids)
        sampled = self.model.generate(
            input_ids=ids,
            attention_mask=mask,
            do_sample=True,
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            repetition_penalty=1.0,
            max_new_tokens=self.options.max_new_tokens,
            eos_token_id=ends,
            pad_token_id=pad,
        )[:, width:].tolist()
        return [_until_end(row, {*ends}) for row in sampled]


def joined(*parts: list[list[int]]) -> list[list[int]]:
    """Join the ids of each row."""
    return [[*itertools.chain(*row)] for row in zip(*parts, strict=True)]


def _until_end(row: list[int], ends: set[int]) -> list[int]:
    found = next((i for i, token in enumerate(row) if token in ends), len(row) - 1)
    return row[: found + 1]


def score_of(score: list[float], **_: Any) -> list[float]:
    """TRL's reward function."""
    return score


def grpo(options: Options, policy: Policy, folder: str, callback: Any) -> tuple[Any, TwoTurns]:
    """Return TRL's trainer on a policy's model, and its rollout function."""
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer
    from trl.trainer.utils import add_fused_lm_head

    turns, model = TwoTurns(options, policy), cast(Any, policy.model)
    adapter: dict[str, Any] = {}
    if policy.has_adapter:  # with its configuration, TRL's reference is the model without it
        adapter = {"peft_config": model.peft_config["default"]}
        model = model.unload()
    reference = copy.deepcopy(model).requires_grad_(False)
    model.save_pretrained(f"{folder}/base")
    model.config._name_or_path = f"{folder}/base"  # TRL loads its reference from there
    trainer = GRPOTrainer(
        model=model,
        **adapter,
        processing_class=policy.tokenizer,
        args=GRPOConfig(
            output_dir=f"{folder}/out",
            per_device_train_batch_size=options.problems * options.samples,
            num_generations=options.samples,
            max_steps=options.steps + 1,
            learning_rate=1e-5,
            beta=BETA,
            max_completion_length=4 * options.max_new_tokens,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            report_to=[],
            save_strategy="no",
            disable_tqdm=True,
            logging_strategy="no",
        ),
        train_dataset=Dataset.from_list(turns.rows),
        reward_funcs=score_of,
        rollout_func=turns,
        callbacks=[callback],
    )
    turns.model = trainer.model
    if options.model is None:  # the file has no bias of the output layer
        add_fused_lm_head(reference, temperature=trainer.temperature)
        trainer.ref_model = reference
    return trainer, turns


def interleaved(options: Options, ours: Ours) -> tuple[Measured, Measured]:
    """Take TRL's steps and ours in turn; the first of each is not counted."""
    from transformers import TrainerCallback

    here, there = Measured("ours", [], []), Measured("TRL", [], [])
    turns: TwoTurns

    class Timer(TrainerCallback):
        """Times TRL's step, and takes one of ours after it."""

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self.start = time.process_time()

        def on_step_end(self, args: Any, state: Any, *_: Any, **__: Any) -> None:
            seconds = time.process_time() - self.start
            taken = ours.step()
            if state.global_step > 1:
                there.add(turns.tokens, seconds)
                here.add(*taken)

    with tempfile.TemporaryDirectory() as folder:
        trainer, turns = grpo(options, load(options), folder, Timer())
        trainer.train()
    return here, there


# -- the machine -------------------------------------------------------------------------------
def matmul_ceiling(size: int = 2048, seconds: float = 2.0) -> float:
    """Return GFLOP per CPU-second of a product of two square float32 matrices."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    _, start, products = a @ b, time.process_time(), 0
    while time.process_time() - start < seconds:
        _ = a @ b
        products += 1
    return 2 * size**3 * products / (time.process_time() - start) / 1e9


def processor() -> str:
    """Return the processor's name."""
    lines = Path("/proc/cpuinfo")
    if not lines.exists():
        return platform.processor() or platform.machine()
    named = [line for line in lines.read_text().splitlines() if line.startswith("model name")]
    return named[0].partition(":")[2].strip() if named else platform.machine()


def main(options: Options) -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    ours = Ours(options, load(options))
    episodes = f"{options.problems} × {options.samples} episodes of 2 turns"
    print(f"{processor()}, 1 thread, torch {torch.__version__}, float32; {episodes}")
    if options.alone:
        here, there = Measured("ours", [], []), None
        ours.step()
        for _ in range(options.steps):
            here.add(*ours.step())
    else:
        here, there = interleaved(options, ours)
    print(here)
    if there is not None:
        ratios = [a / b for a, b in zip(here.rates, there.rates, strict=True)]
        whole = sum(here.tokens) / sum(here.seconds) * sum(there.seconds) / sum(there.tokens)
        print(there)
        print(f"ours / TRL: {whole:.2f} (step by step {min(ratios):.2f} to {max(ratios):.2f})")
    counted = slice(-options.steps, None)
    update, tokens = ours.updating.seconds[counted], ours.updating.tokens[counted]
    collect = ours.collecting.seconds[counted]
    print(f"ours: collect {sum(collect):.2f}, update {sum(update):.2f} CPU-s")
    counted_tokens, _ = ours.step(count_flops=True)
    per_second = ours.flops / counted_tokens * sum(tokens) / sum(update) / 1e9
    ceiling = matmul_ceiling()
    print(
        f"update: {per_second:.1f} GFLOP/CPU-s, {100 * per_second / ceiling:.0f}% of the "
        f"{ceiling:.1f} of a 2048 × 2048 product"
    )


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
