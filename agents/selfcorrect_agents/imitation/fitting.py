"""Imitation: the ground of the methods that learn by supervised fine-tuning on traces.

A run alternates between gathering episodes of the current policy and fitting the policy to
traces made of them. A fit goes on until the loss on held-out problems stops falling, and
keeps the best weights, so no method is judged by a fit that was cut short or overdone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from selfcorrect_agents.imitation.traces import Trace, is_right, sample_of
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.rl.objectives import mean_of_valid
from selfcorrect_agents.rl.reinforce import score
from selfcorrect_agents.rl.rollout import Rollout, rollout_figures
from selfcorrect_agents.training.checkpoint import step_seed
from selfcorrect_agents.training.config import SamplingConfig, above_zero, among, at_least, check
from selfcorrect_agents.training.progress import Figures
from selfcorrect_agents.training.trainer import Trainer, build_optimizer
from selfcorrect_env import Episode

FirstReply: TypeAlias = Literal["never", "right", "always"]
TracesOf: TypeAlias = Callable[[Sequence[Episode], np.random.Generator], list[Trace]]
"""Gathered episodes, and a source of randomness -> traces to imitate."""

IGNORED = -100
"""The label of a token without loss (PyTorch's and Hugging Face's convention)."""


@dataclass(frozen=True, kw_only=True)
class Fitting:
    """How a policy is fitted to traces."""

    learning_rate: float = 3e-4
    """Of AdamW, > 0; a fresh optimiser for each fit."""
    batch_size: int = 64
    """Traces in one optimiser step, ≥ 1."""
    first_reply: FirstReply = "right"
    """Whether the first reply carries loss as well: where it is right, always, or never. Without
    any, first attempts drift while second ones are imitated. In D_SFT and D_STaR every first reply
    is wrong, so ``right`` is ``never`` there; it acts where right first replies are: in the +
    sets and in RISE's."""
    held_out: float = 0.1
    """Share of the traces' problems that the fit is stopped by, in [0, 1). Without any (0, or a
    single problem) a fit takes `check_every` steps."""
    most_held_out: int = 500
    """Traces that are held out at most, ≥ 1; more would only cost time."""
    check_every: int = 50
    """Optimiser steps between two looks at the held-out loss, ≥ 1 (an epoch where that is less)."""
    patience: int = 4
    """Looks without a lower held-out loss after which a fit has converged, ≥ 1."""
    most_steps: int = 2000
    """Optimiser steps of a fit at most, ≥ 1; ``fit/converged`` says whether it was the limit."""
    most_traces: int = 10_000
    """Traces of a fit at most, ≥ 1; beyond it a random part is taken, and ``fit/available`` says
    of how many."""
    max_grad_norm: float = 1.0
    """The gradient's norm is clipped to this, > 0."""

    def __post_init__(self) -> None:
        """Refuse what can't be meant."""
        above_zero(self, "learning_rate", "max_grad_norm")
        at_least(self, 1, "batch_size", "check_every", "patience", "most_steps", "most_traces")
        at_least(self, 1, "most_held_out")
        among(self, "first_reply", ("never", "right", "always"))
        check(0 <= self.held_out < 1, "held_out", "in [0, 1)", self.held_out)


@dataclass(frozen=True, kw_only=True)
class SupervisedConfig(SamplingConfig):
    """What every method of imitation is asked."""

    learning_rate: float = 3e-4
    """Of AdamW in a fit, > 0."""
    iterations: int = 1
    """How often episodes are gathered and a policy is fitted to them, ≥ 1."""
    rollouts: int = 160
    """Steps of gathering in one iteration, ≥ 1, of ``problems_per_step × samples`` episodes."""
    batch_size: int = 64
    """Traces in one optimiser step, ≥ 1."""
    first_reply: FirstReply = "right"
    """Whether the first reply of a trace carries loss as well; ``right`` acts on the + sets and on
    RISE's alone, since the others hold no right first reply."""
    patience: int = 4
    """Looks at the held-out loss without progress after which a fit has converged, ≥ 1."""
    most_steps: int = 2000
    """Optimiser steps of a fit at most, ≥ 1."""
    most_traces: int = 10_000
    """Traces of a fit at most, ≥ 1; where an iteration has more, a random part is imitated."""
    held_out: float = 0.1
    """Share of the traces' problems that a fit is stopped by, in [0, 1); 0 takes ``check_every``
    steps."""
    check_every: int = 50
    """Optimiser steps between two looks at the held-out loss, ≥ 1."""
    max_grad_norm: float = 1.0
    """A fit's gradient is clipped to this norm, > 0."""
    restart: bool = False
    """Whether each iteration fits the base model anew (as ReST^EM does) or goes on."""

    def __post_init__(self) -> None:
        """Refuse what can't be meant."""
        super().__post_init__()
        at_least(self, 1, "iterations", "rollouts")
        _ = self.fitting

    @property
    def total_steps(self) -> int:
        """Number of gathering steps of a whole run."""
        return self.iterations * self.rollouts

    def steps_within(self, steps: int) -> dict[str, Any]:
        """Return the field that makes a run at most ``steps`` long, with all its iterations."""
        check(steps >= self.iterations, "iterations", f"at most {steps}", self.iterations)
        return {"rollouts": steps // self.iterations}

    @property
    def fitting(self) -> Fitting:
        """How a policy is fitted."""
        return Fitting(
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            first_reply=self.first_reply,
            patience=self.patience,
            most_steps=self.most_steps,
            most_traces=self.most_traces,
            held_out=self.held_out,
            check_every=self.check_every,
            max_grad_norm=self.max_grad_norm,
        )


def imitate(trainer: Trainer, config: SupervisedConfig, traces_of: TracesOf) -> None:
    """Run all iterations of a method: gather, make traces, fit."""
    for step in trainer.steps(config.total_steps):
        last = (step + 1) % config.rollouts == 0
        gather(trainer, step, fit_with=config.fitting if last else None, traces_of=traces_of,
               restart=config.restart)  # fmt: skip


def gather(
    trainer: Trainer,
    step: int,
    *,
    fit_with: Fitting | None,
    traces_of: TracesOf,
    restart: bool = False,
) -> None:
    """Take one step: play its episodes and keep them; with ``fit_with`` then fit to all kept.

    After a fit a further rollout is played, outside of the budget, to log what it did
    (``after_fit/…``) and how far the policy is from its reference by then (``t{t}/kl``).
    """
    rollout = trainer.collect(step)
    trainer.pool += rollout.episodes
    figures = rollout_figures(rollout)
    if fit_with is not None:
        seed = step_seed(trainer.config.seed, step, "fit")
        traces = traces_of(trainer.pool, np.random.default_rng(seed))
        if restart:
            trainer.policy.model.load_state_dict(trainer.reference.model.state_dict())
        figures |= fit(trainer.policy, traces, fit_with, seed)
        trainer.pool = []
        after = trainer.collect(step, purpose="after fit", counted=False)
        figures |= {f"after_fit/{key}": value for key, value in rollout_figures(after).items()}
        rows = trainer.config.rows_per_forward
        figures |= kl_figures(trainer.policy, trainer.reference, after, rows)
    trainer.log(step, figures, rollout.episodes)


@torch.no_grad()
def kl_figures(
    policy: Policy, reference: Policy, rollout: Rollout, rows_per_forward: int
) -> Figures:
    """Score a rollout of ``policy``: how far it is from the reference, turn by turn.

    The key and its meaning are those of the methods of reinforcement learning: the mean over
    judged episodes of KL(π_θ ‖ π_ref) at each sampled prefix, summed over the turn, in nats.
    Nothing is drawn at random.

    Args:
        policy: π_θ.
        reference: π_ref.
        rollout: sampled by ``policy``.
        rows_per_forward: episodes in one forward pass.

    Returns:
        ``t{t}/kl`` of each turn; nothing where no episode could be judged.
    """
    if not bool(rollout.judged.any()):
        return {}
    starts = range(0, len(rollout.ids), rows_per_forward)
    parts = [slice(start, start + rows_per_forward) for start in starts]
    tokens = torch.cat([score(policy, reference, rollout, rows).kl for rows in parts])
    turns = mean_of_valid(rollout.turn_sum(tokens), rollout.judged).tolist()
    return {f"t{turn + 1}/kl": value for turn, value in enumerate(turns)}


def fit(policy: Policy, traces: Sequence[Trace], how: Fitting, seed: int) -> Figures:
    """Fit the policy to traces by next-token prediction, in place.

    Args:
        policy: it ends with the weights of the lowest held-out loss.
        traces: what to imitate. None at all leaves the policy as it is.
        how: the optimiser, and when to stop.
        seed: of the order and of the held-out problems.

    Returns:
        ``fit/available`` (traces that were given), ``fit/traces`` (those that were used, at most
        ``most_traces``, held-out ones included), ``fit/steps``, ``fit/loss`` (mean over the last
        look's steps, nats a token), ``fit/held_out_loss`` (the lowest), ``fit/converged`` (1, or
        0 where ``most_steps`` ended it).
    """
    rng = np.random.default_rng(seed)
    chosen = sample_of(traces, how.most_traces, rng)
    counts = {"fit/available": float(len(traces)), "fit/traces": float(len(chosen))}
    if not chosen:
        return {**counts, "fit/steps": 0.0}
    training, held_out = _split(chosen, how, rng)
    fitted = _Fit(policy, training, held_out, how)
    fitted.run(rng)
    return {**counts, **fitted.figures}


class _Fit:
    """One fit under way."""

    def __init__(
        self, policy: Policy, training: list[Trace], held_out: list[Trace], how: Fitting
    ) -> None:
        self.policy, self.how = policy, how
        self.rows = encode(policy, training, how.first_reply)
        self.held_out = encode(policy, held_out, how.first_reply) if held_out else None
        self.optimizer = build_optimizer(policy.model, how.learning_rate)
        self.best = self._look()
        self.weights = self._copy()
        self.figures: Figures = {}

    def run(self, rng: np.random.Generator) -> None:
        how, losses, stale, steps = self.how, [], 0, 0
        converged = False
        every = min(how.check_every, -(-len(self.rows[0]) // how.batch_size))
        most = how.most_steps if self.held_out is not None else min(how.check_every, how.most_steps)
        while steps < most and not converged:
            for rows in np.array_split(
                rng.permutation(len(self.rows[0])), -(-len(self.rows[0]) // how.batch_size)
            ):
                losses.append(self._step(torch.from_numpy(rows)))
                steps += 1
                if steps % every == 0:
                    stale = 0 if self._keep_if_better() else stale + 1
                    converged = self.held_out is not None and stale >= how.patience
                if steps >= most or converged:
                    break
        if self.held_out is not None:
            self._keep_if_better()
            self.policy.model.load_state_dict(self.weights)
        self.figures = {
            "fit/steps": float(steps),
            "fit/loss": float(np.mean(losses[-every:])),
            "fit/held_out_loss": self.best,
            "fit/converged": float(converged),
        }

    def _step(self, rows: Tensor) -> float:
        loss = trace_loss(self.policy, *(part[rows] for part in self.rows))
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(
            self.policy.model.parameters(), self.how.max_grad_norm, error_if_nonfinite=True
        )
        self.optimizer.step()
        return loss.item()

    def _keep_if_better(self) -> bool:
        loss = self._look()
        better = loss < self.best
        if better:
            self.best, self.weights = loss, self._copy()
        return better

    @torch.no_grad()
    def _look(self) -> float:
        if self.held_out is None:
            return float("nan")
        size, parts = 4 * self.how.batch_size, self.held_out
        losses, counts = [], []
        for start in range(0, len(parts[0]), size):
            part = [values[start : start + size] for values in parts]
            losses.append(trace_loss(self.policy, *part).item())
            counts.append(len(part[0]))
        return float(np.average(losses, weights=counts))

    def _copy(self) -> dict[str, Tensor]:
        state = self.policy.model.state_dict()
        return {name: weight.detach().clone() for name, weight in state.items()}


def encode(
    policy: Policy, traces: Sequence[Trace], first_reply: FirstReply
) -> tuple[Tensor, Tensor, Tensor]:
    """Write traces in token ids, right-padded.

    Returns:
        ids: (N, T) int64.
        labels: (N, T) int64; `IGNORED` where no loss is taken: on prompts, instructions,
            padding, and on first replies that ``first_reply`` leaves out.
        weights: (N,) float32.
    """
    rows = [_row(policy, trace, first_reply) for trace in traces]
    width = max(len(ids) for ids, _ in rows)
    ids = torch.full((len(rows), width), policy.pad_id)
    labels = torch.full((len(rows), width), IGNORED)
    for i, (row, label) in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
        labels[i, : len(label)] = torch.tensor(label)
    weights = torch.tensor([trace.weight for trace in traces])
    return ids.to(policy.device), labels.to(policy.device), weights.to(policy.device)


def trace_loss(policy: Policy, ids: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean over labelled tokens of −log π, a scalar; shapes as `encode` returns them."""
    # right-padded: padding comes after all that is scored, and needs no mask to be invisible
    columns = torch.arange(1, ids.shape[1], device=ids.device)
    logits = policy.logits(ids, torch.ones_like(ids, dtype=torch.bool), columns)
    targets = labels[:, 1:]
    nll = cross_entropy(
        logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="none"
    ).view_as(targets)
    weight = weights[:, None] * (targets != IGNORED)
    return (weight * nll).sum() / weight.sum().clamp(min=1e-8)


def _row(policy: Policy, trace: Trace, first_reply: FirstReply) -> tuple[list[int], list[int]]:
    opening = policy.prompt_ids(trace.opening)
    first = policy.reply_ids(trace.first.reply, ended=not trace.first.truncated)
    between = policy.follow_up(first, trace.instruction)
    second = policy.reply_ids(trace.second.reply, ended=not trace.second.truncated)
    learned = first_reply == "always" or (first_reply == "right" and is_right(trace.first))
    labels = [
        *[IGNORED] * len(opening),
        *(first if learned else [IGNORED] * len(first)),
        *[IGNORED] * len(between),
        *second,
    ]
    return [*opening, *first, *between, *second], labels


def _split(
    traces: list[Trace], how: Fitting, rng: np.random.Generator
) -> tuple[list[Trace], list[Trace]]:
    """Split by problem: at least one is held out where there are two and a share is asked for."""
    problems = sorted({trace.problem_id for trace in traces})
    held = max(1, int(how.held_out * len(problems))) if how.held_out and len(problems) > 1 else 0
    out = {problems[i] for i in rng.permutation(len(problems))[:held]}
    return (
        [trace for trace in traces if trace.problem_id not in out],
        [trace for trace in traces if trace.problem_id in out][: how.most_held_out],
    )
