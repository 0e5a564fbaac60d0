"""SCoRe in one file (Kumar et al., arXiv 2409.12917): read it from top to bottom.

It needs torch, transformers and the environment, and nothing of ``selfcorrect_agents``; with the
same settings it takes the same steps as ``selfcorrect_agents.SCoRe`` does. The library adds what a
long run needs: a key-value cache, resuming, logs, micro-batches, LoRA.

    python examples/score_in_one_file.py --model FOLDER --stage-one-steps 100 --stage-two-steps 20

FOLDER holds a causal language model with a chat template, as ``save_pretrained`` writes it. This
prints one of 100,000 weights, which the defaults below fit:

    python -c "from selfcorrect_agents import tiny_base; print(tiny_base())"
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import tyro
from gymnasium.vector import AutoresetMode
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from selfcorrect_env import Conversation, SelfCorrectVectorEnv, evaluate


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The defaults fit the tiny model; the paper's values for MATH (table 5) are in parentheses."""

    model: str  # folder or Hugging Face id of the base model
    problems: str = "arithmetic"  # name of a problem set, or a file
    problems_per_step: int = 8  # (64)
    samples: int = 8  # episodes of each problem: they are each other's baseline
    max_new_tokens: int = 16  # longest reply (1024)
    stage_one_steps: int = 587  # (3,000 for both stages)
    stage_two_steps: int = 53
    learning_rate: float = 5e-4  # in stage I (5e-6)
    stage_two_learning_rate: float = 1e-4  # (5e-6)
    alpha: float = 10.0  # α, the weight of the progress bonus in stage II (10)
    beta_1: float = 0.15  # β₁, the KL coefficient of both turns in both stages (0.01)
    beta_2: float = 0.05  # β₂, the further KL coefficient of the first turn in stage I (0.1)
    max_grad_norm: float = 0.3  # the gradient's norm is clipped to this
    seed: int = 0  # of problems and samples
    test_problems: int = 200  # measured before and after training; 0 skips it


# -- 1. Conversations in token ids ----------------------------------------------------------
# Token in, token out: the ids that were sampled are the ids that are trained on. A reply is
# never decoded and tokenised again; the instruction's ids are appended to the reply's.


def prompt_ids(tokenizer: Any, conversation: Conversation) -> list[int]:
    """The whole conversation, up to where the assistant begins to write."""
    text = tokenizer.apply_chat_template(
        list(conversation), tokenize=False, add_generation_prompt=True
    )
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def instruction_ids(tokenizer: Any, instruction: str) -> list[int]:
    """What the chat template writes after a reply: its end, the instruction, the next start."""
    messages = [
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": "REPLY"},
        {"role": "user", "content": instruction},
    ]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return tokenizer(text.partition("REPLY")[2], add_special_tokens=False)["input_ids"]


def left_padded(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """(B, N) ids and (B, N) bool, False on padding."""
    width = max(map(len, rows))
    ids = torch.tensor([[0] * (width - len(row)) + list(row) for row in rows])
    real = torch.tensor([[False] * (width - len(row)) + [True] * len(row) for row in rows])
    return ids, real


# -- 2. Two attempts at each problem --------------------------------------------------------


@dataclass(frozen=True)
class Rollout:
    """B episodes of two turns: x, y₁, the instruction p, y₂, with padding between them."""

    ids: Tensor  # (B, T) int64
    real: Tensor  # (B, T) bool, False on padding
    turns: tuple[slice, slice]  # the columns of y₁ and those of y₂, the same in every row
    scores: Tensor  # (B, 2) float32, r(y₁, y*) and r(y₂, y*)


def next_token_logits(model: Any, ids: Tensor, real: Tensor) -> Tensor:
    """(B, T) ids -> (B, T, V): the logits of column c predict the token in column c + 1."""
    positions = (real.long().cumsum(dim=1) - 1).clamp(min=0)
    output = model(
        input_ids=ids, attention_mask=real.long(), position_ids=positions, use_cache=False
    )
    return output.logits.float()


@torch.no_grad()
def sample(
    model: Any,
    ids: Tensor,
    real: Tensor,
    end: int,
    max_new_tokens: int,
    generator: torch.Generator | None,
) -> tuple[Tensor, Tensor]:
    """Append a reply to each row, right-padded; greedy without a generator."""
    running = torch.ones(len(ids), dtype=torch.bool)
    uniforms = torch.rand((len(ids), max_new_tokens), generator=generator)
    for position in range(max_new_tokens):
        logits = next_token_logits(model, ids, real)[:, -1]
        if generator is None:
            token = logits.argmax(dim=-1)
        else:  # the token at which the cumulative probability passes a uniform number
            cumulative = logits.softmax(dim=-1).cumsum(dim=-1)
            point = uniforms[:, position, None] * cumulative[:, -1:]
            token = torch.searchsorted(cumulative, point, right=True)[:, 0]
            token = token.clamp(max=logits.shape[-1] - 1)
        ids = torch.cat([ids, torch.where(running, token, 0)[:, None]], dim=1)
        real = torch.cat([real, running[:, None]], dim=1)
        running = running & (token != end)
        if not running.any():
            break
    return ids, real


def texts_of(tokenizer: Any, ids: Tensor, real: Tensor) -> list[str]:
    """Decode one turn of every row."""
    rows = [row[mask].tolist() for row, mask in zip(ids, real, strict=True)]
    return [tokenizer.decode(row, skip_special_tokens=True) for row in rows]


def play(
    model: Any,
    tokenizer: Any,
    env: SelfCorrectVectorEnv,
    problems: Sequence[int],
    settings: Settings,
    generator: torch.Generator,
) -> Rollout:
    """Sample ``settings.samples`` episodes of each problem."""
    end, cap = tokenizer.eos_token_id, settings.max_new_tokens
    conversations, _ = env.reset(options={"index": np.repeat(problems, settings.samples)})
    ids, real = left_padded([prompt_ids(tokenizer, each) for each in conversations])
    turns, verdicts = [], []
    for turn in range(2):
        start = ids.shape[1]
        ids, real = sample(model, ids, real, end, cap, generator)
        turns.append(slice(start, ids.shape[1]))
        replies = texts_of(tokenizer, ids[:, turns[-1]], real[:, turns[-1]])
        conversations, _, _, _, infos = env.step(replies)
        verdicts.append(infos["verdict"])
        if turn == 0:
            after = [instruction_ids(tokenizer, each[-1]["content"]) for each in conversations]
            # a reply that ended has written its end token itself
            ended = ((ids[:, turns[0]] == end) & real[:, turns[0]]).any(dim=1).tolist()
            added = [r[1:] if e and r[0] == end else r for r, e in zip(after, ended, strict=True)]
            more_ids, more_real = left_padded(added)
            ids, real = torch.cat([ids, more_ids], dim=1), torch.cat([real, more_real], dim=1)
    if not all(verdict.judged for column in verdicts for verdict in column):
        raise RuntimeError("The verifier could not judge a reply; see the verdicts' details.")
    scores = torch.tensor([[verdict.score for verdict in column] for column in verdicts]).T
    return Rollout(ids, real, (turns[0], turns[1]), scores)


# -- 3. The objective -----------------------------------------------------------------------
# Both stages maximise E Σ_t [ R_t − β_t KL(π_θ(·|x_t) ‖ π_ref(·|x_t)) ]; they differ in R and β.


def stage_one(scores: Tensor, settings: Settings) -> tuple[Tensor, tuple[float, float]]:
    """Equation 3: only the second attempt is rewarded; the first stays close to the base."""
    rewards = torch.stack([torch.zeros_like(scores[:, 0]), scores[:, 1]], dim=1)
    return rewards, (settings.beta_1 + settings.beta_2, settings.beta_1)


def stage_two(scores: Tensor, settings: Settings) -> tuple[Tensor, tuple[float, float]]:
    """Equations 4 and 5: both are rewarded, and the second gets α (r(y₂) − r(y₁)) on top."""
    bonus = settings.alpha * (scores[:, 1] - scores[:, 0])
    rewards = torch.stack([scores[:, 0], scores[:, 1] + bonus], dim=1)
    return rewards, (settings.beta_1, settings.beta_1)


def leave_one_out(rewards: Tensor, samples: int) -> Tensor:
    """(B, 2): each reward less the mean reward of the same problem's other samples."""
    groups = rewards.view(-1, samples, 2)
    others = (groups.sum(dim=1, keepdim=True) - groups) / (samples - 1)
    return (groups - others).view_as(rewards)


def loss_of(
    model: Any,
    reference: Any,
    rollout: Rollout,
    rewards: Tensor,
    betas: Sequence[float],
    samples: int,
) -> Tensor:
    """−E Σ_t [ A_t log π_θ(y_t|x_t) − β_t KL_t ]: a scalar whose gradient is the objective's."""
    advantages = leave_one_out(rewards, samples)
    logps = next_token_logits(model, rollout.ids, rollout.real).log_softmax(dim=-1)
    with torch.no_grad():
        ref_logps = next_token_logits(reference, rollout.ids, rollout.real).log_softmax(dim=-1)
    loss = torch.zeros(())
    for turn, columns in enumerate(rollout.turns):
        before = slice(columns.start - 1, columns.stop - 1)  # the columns that predict the turn
        log_pi, log_ref = logps[:, before], ref_logps[:, before]  # (B, N, V)
        mask = rollout.real[:, columns].float()
        chosen = log_pi.gather(-1, rollout.ids[:, columns, None])[..., 0] * mask  # (B, N)
        gain = advantages[:, turn] * chosen.sum(dim=1)

        # KL_t = E Σ_u KL_u, over the whole vocabulary at each prefix. A token also decides which
        # prefixes come after it: ∇KL_t = E Σ_u [ ∇KL_u + (Σ_{v>u} KL_v) ∇log π_u ].
        kl = (log_pi.exp() * (log_pi - log_ref)).sum(dim=-1) * mask  # (B, N)
        later = (kl.sum(dim=1, keepdim=True) - kl.cumsum(dim=1)).detach()
        kl_turn = (kl + later * (chosen - chosen.detach())).sum(dim=1)

        loss = loss - (gain - betas[turn] * kl_turn).mean()
    return loss


# -- 4. Training ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """What one step did."""

    number: int
    rollout: Rollout
    loss: float
    grad_norm: float  # before clipping


def seed_of(seed: int, step: int, purpose: str) -> int:
    """A seed for each step and purpose, as the library derives it."""
    word = int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:4], "big")
    low, high = np.random.SeedSequence([seed, step, word]).generate_state(2)
    return int(high) << 31 ^ int(low)


def train(model: Any, tokenizer: Any, settings: Settings) -> Iterator[Step]:
    """Train ``model`` in place, first in stage I, then in stage II."""
    reference = copy.deepcopy(model).requires_grad_(False)
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.99), weight_decay=0.0)
    env = SelfCorrectVectorEnv(
        settings.problems_per_step * settings.samples,
        settings.problems,
        split="train",
        autoreset_mode=AutoresetMode.DISABLED,
    )
    for step in range(settings.stage_one_steps + settings.stage_two_steps):
        in_stage_one = step < settings.stage_one_steps
        rng = np.random.default_rng(seed_of(settings.seed, step, "problems"))
        problems = rng.choice(len(env.problems), settings.problems_per_step, replace=False)
        generator = torch.Generator().manual_seed(seed_of(settings.seed, step, "samples"))
        rollout = play(model, tokenizer, env, problems.tolist(), settings, generator)

        stage = stage_one if in_stage_one else stage_two
        rewards, betas = stage(rollout.scores, settings)
        loss = loss_of(model, reference, rollout, rewards, betas, settings.samples)

        rate = settings.learning_rate if in_stage_one else settings.stage_two_learning_rate
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(
            model.parameters(), settings.max_grad_norm, error_if_nonfinite=True
        )
        optimizer.step()
        yield Step(step, rollout, loss.item(), norm.item())


# -- 5. Measuring ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Greedy:
    """The model as an agent that takes the most likely token."""

    model: Any
    tokenizer: Any
    max_new_tokens: int

    def act(self, conversations: Sequence[Conversation]) -> list[str]:
        """Answer every conversation."""
        ids, real = left_padded([prompt_ids(self.tokenizer, each) for each in conversations])
        start, end = ids.shape[1], self.tokenizer.eos_token_id
        ids, real = sample(self.model, ids, real, end, self.max_new_tokens, None)
        return texts_of(self.tokenizer, ids[:, start:], real[:, start:])


def measure(agent: Greedy, settings: Settings) -> None:
    """Print the accuracy of both attempts on problems that were not trained on."""
    if settings.test_problems:
        env = SelfCorrectVectorEnv(1, settings.problems, split="test")
        print(evaluate(agent, env, n=settings.test_problems))


def main(settings: Settings) -> None:
    """Measure, train, measure."""
    tokenizer = AutoTokenizer.from_pretrained(settings.model)
    model: Any = AutoModelForCausalLM.from_pretrained(settings.model, dtype=torch.float32).eval()
    agent = Greedy(model, tokenizer, settings.max_new_tokens)
    measure(agent, settings)
    for step in train(model, tokenizer, settings):
        first, second = step.rollout.scores.mean(dim=0).tolist()
        print(f"step {step.number + 1}  t1 {first:.3f}  t2 {second:.3f}  loss {step.loss:+.4f}")
    measure(agent, settings)


if __name__ == "__main__":
    main(tyro.cli(Settings))
