"""Imitation: the steps of methods that learn by supervised fine-tuning on traces.

A run alternates between gathering episodes of the current policy and fitting the policy to
traces made of them. A fit ends when the loss on held-out problems stops falling, and
keeps the best weights, so no method is measured after too short or too long a fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from selfcorrect_agents.imitation.config import FirstReply, Fitting, SupervisedConfig
from selfcorrect_agents.imitation.traces import Trace, is_right, sample_of
from selfcorrect_agents.lm.learner import Learner, adamw
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.rl.objectives import mean_of_valid
from selfcorrect_agents.rl.rollout import Rollout, rollout_metrics
from selfcorrect_agents.rl.scoring import Scorer, in_chunks, score
from selfcorrect_agents.training.checkpoint import step_seed
from selfcorrect_agents.training.progress import MetricsRow
from selfcorrect_agents.training.trainer import Trainer
from selfcorrect_env import Episode

TracesOf: TypeAlias = Callable[[Sequence[Episode], np.random.Generator], list[Trace]]
"""Gathered episodes, and a source of randomness -> traces to imitate."""

IGNORED = -100
"""The label of a token without loss (PyTorch's and Hugging Face's convention)."""


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

    After a fit a further rollout is played, outside of the budget, to log its metrics
    (``after_fit/…``) and the KL from the policy to its reference (``t{t}/kl``).
    """
    rollout = trainer.collect(step)
    trainer.pool += rollout.episodes
    metrics = rollout_metrics(rollout)
    if fit_with is not None:
        seed = step_seed(trainer.config.sampling.seed, step, "fit")
        traces = traces_of(trainer.pool, np.random.default_rng(seed))
        if restart:
            trainer.reference.restore(trainer.policy)
        metrics |= fit(trainer.policy, traces, fit_with, seed)
        trainer.pool = []
        after = trainer.collect(step, purpose="after fit", counted=False)
        metrics |= {f"after_fit/{key}": value for key, value in rollout_metrics(after).items()}
        rows = trainer.config.execution.rows_per_forward
        metrics |= kl_metrics(trainer.policy, trainer.reference, after, rows)
    trainer.log(step, metrics, rollout.episodes)


@torch.no_grad()
def kl_metrics(
    policy: Scorer, reference: Scorer, rollout: Rollout, rows_per_forward: int
) -> MetricsRow:
    """Return the KL from ``policy`` to the reference on a rollout, turn by turn.

    The key and its meaning are those of the methods of reinforcement learning: the mean over
    judged episodes of KL(π_θ ‖ π_ref) at each sampled prefix, summed over the turn, in nats.
    Nothing is drawn at random.

    Args:
        policy: π_θ.
        reference: π_ref.
        rollout: sampled by ``policy``.
        rows_per_forward: episodes in one forward pass.

    Returns:
        ``t{t}/kl`` of each turn; nothing if no episode could be judged.
    """
    if not bool(rollout.judged.any()):
        return {}
    starts = range(0, len(rollout), rows_per_forward)
    parts = [rollout[start : start + rows_per_forward] for start in starts]
    tokens = torch.cat([score(policy, reference, part).kl for part in parts])
    turns = mean_of_valid(rollout.turn_sum(tokens), rollout.judged).tolist()
    return {f"t{turn + 1}/kl": value for turn, value in enumerate(turns)}


def fit(policy: Policy, traces: Sequence[Trace], how: Fitting, seed: int) -> MetricsRow:
    """Fit the policy to traces by next-token prediction, in place.

    Args:
        policy: it ends with the weights of the lowest held-out loss.
        traces: what to imitate; an empty sequence leaves the policy unchanged.
        how: the optimiser, and when to stop.
        seed: of the order and of the held-out problems.

    Returns:
        ``fit/available`` (traces that were given), ``fit/traces`` (traces that were used, at most
        ``most_traces``, held-out ones included), ``fit/steps``, ``fit/loss`` (mean over the steps
        since the last evaluation, nats per token), ``fit/held_out_loss`` (the lowest),
        ``fit/converged`` (1, or 0 if ``most_steps`` ended it).
    """
    rng = np.random.default_rng(seed)
    chosen = sample_of(traces, how.most_traces, rng)
    counts = {"fit/available": float(len(traces)), "fit/traces": float(len(chosen))}
    if not chosen:
        return {**counts, "fit/steps": 0.0}
    training, held_out = _split(chosen, how, rng)
    fitted = _Fit(policy, training, held_out, how)
    fitted.run(rng)
    return {**counts, **fitted.metrics}


class _Fit:
    """A running fit."""

    def __init__(
        self, policy: Policy, training: list[Trace], held_out: list[Trace], how: Fitting
    ) -> None:
        self.policy, self.how = policy, how
        self.rows = encode(policy, training, how.first_reply)
        self.held_out = encode(policy, held_out, how.first_reply) if held_out else None
        optimizer = adamw(policy.model, how.learning_rate)
        self.learner = Learner(policy.model, optimizer, max_grad_norm=how.max_grad_norm)
        self.best = self._look()
        self.weights = self._copy()
        self.metrics: MetricsRow = {}

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
            self._restore()
        self.metrics = {
            "fit/steps": float(steps),
            "fit/loss": float(np.mean(losses[-every:])),
            "fit/held_out_loss": self.best,
            "fit/converged": float(converged),
        }

    def _step(self, rows: Tensor) -> float:
        values: list[float] = []

        def losses() -> Iterator[Tensor]:
            loss = trace_loss(self.policy, *(part[rows] for part in self.rows))
            values.append(loss.item())
            yield loss

        self.learner.step(losses())
        return sum(values)

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
        return {name: w.detach().clone() for name, w in self.policy.trainable().items()}

    @torch.no_grad()
    def _restore(self) -> None:
        for name, weight in self.policy.trainable().items():
            weight.copy_(self.weights[name])


def encode(
    policy: Policy, traces: Sequence[Trace], first_reply: FirstReply
) -> tuple[Tensor, Tensor, Tensor]:
    """Write traces in token ids, right-padded.

    Returns:
        ids: (N, T) int64.
        labels: (N, T) int64; `IGNORED` where there is no loss: on prompts, instructions,
            padding, and on first replies that ``first_reply`` leaves out.
        weights: (N,) float32.
    """
    rows = [_row(policy, trace, first_reply) for trace in traces]
    width = max(len(ids) for ids, _ in rows)
    ids = torch.full((len(rows), width), policy.chat.pad_id)
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
    hidden = policy.hidden(ids, torch.ones_like(ids, dtype=torch.bool), columns)
    targets = labels[:, 1:]

    def chunk_nll(hidden: Tensor, targets: Tensor) -> tuple[Tensor]:
        logits = policy.head(hidden)
        nll = cross_entropy(
            logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="none"
        )
        return (nll.view_as(targets),)

    (nll,) = in_chunks(chunk_nll, policy.vocab_size, hidden, targets)
    weight = weights[:, None] * (targets != IGNORED)
    return (weight * nll).sum() / weight.sum().clamp(min=1e-8)


def _row(policy: Policy, trace: Trace, first_reply: FirstReply) -> tuple[list[int], list[int]]:
    opening = policy.chat.prompt_ids(trace.opening)
    first = policy.chat.reply_ids(trace.first.reply, ended=not trace.first.truncated)
    between = policy.chat.follow_up(first, trace.instruction)
    second = policy.chat.reply_ids(trace.second.reply, ended=not trace.second.truncated, last=True)
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
    """Split by problem: at least one is held out if there are two and ``held_out`` is above 0."""
    problems = sorted({trace.problem_id for trace in traces})
    held = max(1, int(how.held_out * len(problems))) if how.held_out and len(problems) > 1 else 0
    out = {problems[i] for i in rng.permutation(len(problems))[:held]}
    return (
        [trace for trace in traces if trace.problem_id not in out],
        [trace for trace in traces if trace.problem_id in out][: how.most_held_out],
    )
