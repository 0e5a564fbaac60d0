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

from selfcorrect_agents.imitation.config import FirstReply, Fitting, SupervisedConfig
from selfcorrect_agents.imitation.traces import Trace, is_right, sample_of
from selfcorrect_agents.lm.learner import Learner, make_optimizer
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.rl.objectives import mean_of_valid
from selfcorrect_agents.rl.rollout import Rollout, rollout_metrics
from selfcorrect_agents.rl.scoring import Scorer, score_in_parts
from selfcorrect_agents.rl.token_terms import Heads, token_terms
from selfcorrect_agents.training.checkpoint import step_seed
from selfcorrect_agents.training.progress import MetricsRow
from selfcorrect_agents.training.schedule import rate_factor
from selfcorrect_agents.training.trainer import Trainer
from selfcorrect_env import Episode

TracesOf: TypeAlias = Callable[[Sequence[Episode], np.random.Generator], list[Trace]]
"""Gathered episodes, and a source of randomness -> traces to imitate."""

IGNORED = -100
"""The label of a token without loss (PyTorch's and Hugging Face's convention)."""


def imitate(trainer: Trainer, config: SupervisedConfig, traces_of: TracesOf) -> None:
    """Run all iterations of a method: gather, make traces, fit.

    Args:
        trainer: of the run; its policy is fitted.
        config: how many rollouts and iterations, and how a policy is fitted.
        traces_of: (the episodes of an iteration, a generator of the fit's own) -> its traces.
    """
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
    (``after_fit/…``, with the share of its episodes that were not judged) and the KL from the
    policy to its reference (``t{t}/kl``).
    """
    rollout = trainer.collect(step)
    trainer.pool += rollout.episodes
    metrics, learned = rollout_metrics(rollout), False
    if fit_with is not None:
        seed = step_seed(trainer.config.sampling.seed, step, "fit")
        traces = traces_of(trainer.pool, np.random.default_rng(seed))
        if restart:
            trainer.reference.restore(trainer.policy)
        metrics |= fit(trainer.policy, traces, fit_with, seed, trainer.split.tokens_per_forward)
        learned = restart or metrics["fit/steps"] > 0
        trainer.pool = []
        after = trainer.collect(step, purpose="after fit", counted=False)
        metrics |= {f"after_fit/{key}": value for key, value in rollout_metrics(after).items()}
        metrics["after_fit/unjudged_share"] = 1 - float(after.judged.float().mean())
        tokens = trainer.split.tokens_per_forward
        metrics |= kl_metrics(trainer.policy, trainer.reference, after, tokens)
    trainer.log(step, metrics, rollout.episodes, learned=learned)


def kl_metrics(
    policy: Scorer, reference: Scorer, rollout: Rollout, tokens_per_forward: int | None
) -> MetricsRow:
    """Return the KL from ``policy`` to the reference on a rollout, turn by turn.

    The key and its meaning are those of the methods of reinforcement learning: the mean over
    judged episodes of KL(π_θ ‖ π_ref) at each sampled prefix, summed over the turn, in nats.
    Nothing is drawn at random.

    Args:
        policy: π_θ.
        reference: π_ref.
        rollout: sampled by ``policy``.
        tokens_per_forward: tokens in one forward pass, as in `micro_batches`.

    Returns:
        ``t{t}/kl`` of each turn; nothing if no episode could be judged.
    """
    if not bool(rollout.judged.any()):
        return {}
    kl = score_in_parts(policy, reference, rollout, tokens_per_forward).kl
    turns = mean_of_valid(rollout.turn_sum(kl), rollout.judged).tolist()
    return {f"t{turn + 1}/kl": value for turn, value in enumerate(turns)}


def fit(
    policy: Policy,
    traces: Sequence[Trace],
    how: Fitting,
    seed: int,
    tokens_per_forward: int | None = None,
) -> MetricsRow:
    """Fit the policy to traces by next-token prediction, in place.

    Args:
        policy: it ends with the weights of the lowest held-out loss.
        traces: what to imitate; an empty sequence leaves the policy unchanged.
        how: the optimiser, and when to stop.
        seed: of the order and of the held-out problems.
        tokens_per_forward: rows × columns of one forward pass; None takes an optimizer step's
            traces at once. It changes memory alone.

    Returns:
        ``fit/available`` (traces that were given), ``fit/traces`` (traces that were used, at most
        ``most_traces``, held-out ones included), ``fit/steps``, ``fit/loss`` (mean over the steps
        since the last evaluation, nats per token), ``fit/held_out_loss`` (the lowest; only where
        traces were held out), ``fit/converged`` (1, or 0 if ``most_steps`` ended it),
        ``fit/clipped`` (share of the steps whose gradient was clipped), ``fit/gradient_tokens``
        (tokens of all optimizer steps, prompts included, padding not).
    """
    rng = np.random.default_rng(seed)
    chosen = sample_of(traces, how.most_traces, rng)
    counts = {"fit/available": float(len(traces)), "fit/traces": float(len(chosen))}
    if not chosen:
        return {**counts, "fit/steps": 0.0}
    training, held_out = _split(chosen, how, rng)
    fitted = _Fit(policy, training, held_out, how, tokens_per_forward)
    fitted.run(rng)
    return {**counts, **fitted.metrics}


class _Fit:
    """A running fit."""

    def __init__(
        self,
        policy: Policy,
        training: list[Trace],
        held_out: list[Trace],
        how: Fitting,
        tokens_per_forward: int | None,
    ) -> None:
        self.policy, self.how, self.tokens = policy, how, tokens_per_forward
        self.rows = encode(policy, training, how.first_reply)
        self.lengths = _lengths(self.rows[1])
        self.held_out = encode(policy, held_out, how.first_reply) if held_out else None
        optimizer = make_optimizer(policy.model, how.learning_rate, how.optimizer)
        self.learner = Learner(policy.model, optimizer, max_grad_norm=how.max_grad_norm)
        self.best = self._look()
        trainable = policy.trainable() if self.held_out is not None else {}
        self.weights = {name: w.detach().clone() for name, w in trainable.items()}
        self.metrics: MetricsRow = {}

    def run(self, rng: np.random.Generator) -> None:
        how, losses, stale, steps = self.how, [], 0, 0
        converged, tokens, clipped = False, 0, 0
        every = min(how.check_every, -(-len(self.rows[0]) // how.batch_size))
        most = how.most_steps if self.held_out is not None else min(how.check_every, how.most_steps)
        if how.epochs:
            most = how.epochs * -(-len(self.rows[0]) // how.batch_size)
        while steps < most and not converged:
            for rows in np.array_split(
                rng.permutation(len(self.rows[0])), -(-len(self.rows[0]) // how.batch_size)
            ):
                self.learner.learning_rate = how.learning_rate * rate_factor(
                    "constant", how.warmup, steps, how.most_steps
                )
                loss, norm = self._step(torch.from_numpy(rows))
                losses.append(loss)
                clipped += self.learner.clips(norm)
                steps, tokens = steps + 1, tokens + int(self.lengths[rows].sum())
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
            **({} if self.held_out is None else {"fit/held_out_loss": self.best}),
            "fit/converged": float(converged),
            "fit/clipped": clipped / steps,
            "fit/gradient_tokens": float(tokens),
        }

    def _step(self, rows: Tensor) -> tuple[float, float]:
        """Take a step; return its loss and the norm of its gradient before clipping."""
        values: list[float] = []

        def losses() -> Iterator[Tensor]:
            for loss in loss_parts(self.policy, [part[rows] for part in self.rows], self.tokens):
                values.append(loss.item())
                yield loss

        norm = self.learner.step(losses())
        return sum(values), norm

    def _keep_if_better(self) -> bool:
        loss = self._look()
        better = loss < self.best
        if better:
            self.best = loss
            self._keep()
        return better

    @torch.no_grad()
    def _look(self) -> float:
        if self.held_out is None:
            return float("nan")
        size, count = 4 * self.how.batch_size, len(self.held_out[0])
        losses, counts = [], []
        for start in range(0, count, size):
            some = [values[start : start + size] for values in self.held_out]
            parts = loss_parts(self.policy, some, self.tokens)
            losses.append(sum(loss.item() for loss in parts))
            counts.append(len(some[0]))
        return float(np.average(losses, weights=counts))

    @torch.no_grad()
    def _keep(self) -> None:
        trained = self.policy.trainable()
        for name, kept in self.weights.items():
            kept.copy_(trained[name])

    @torch.no_grad()
    def _restore(self) -> None:
        trained = self.policy.trainable()
        for name, kept in self.weights.items():
            trained[name].copy_(kept)


def encode(
    policy: Policy, traces: Sequence[Trace], first_reply: FirstReply
) -> tuple[Tensor, Tensor, Tensor]:
    """Write traces in token ids, right-padded.

    Returns:
        Three tensors on the CPU.
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
    return ids, labels, weights


def loss_parts(policy: Policy, encoded: Sequence[Tensor], tokens: int | None) -> Iterator[Tensor]:
    """Yield `trace_loss` in parts that add up to it, each of one forward pass.

    Args:
        policy: π_θ.
        encoded: ids, labels and weights, as `encode` returns them.
        tokens: rows × columns of one forward pass, at most (one row at least), where a pass has the
            columns of its longest row; None takes all rows.
    """
    labels, weights = encoded[1:]
    total = _labelled(labels, weights).clamp(min=1e-8)
    for rows in _parts(_lengths(labels), tokens):
        part = [values[rows] for values in encoded]
        share = _labelled(part[1], part[2]) / total
        yield share.to(policy.device) * trace_loss(policy, *part)


def _parts(lengths: Tensor, tokens: int | None) -> Iterator[Tensor]:
    """Yield the rows of each forward pass: all of them, or rows of similar lengths."""
    if tokens is None or len(lengths) * int(lengths.max()) <= tokens:
        yield torch.arange(len(lengths))
        return
    order, start = lengths.argsort(stable=True), 0
    for end in range(1, len(order) + 1):
        if end == len(order) or (end + 1 - start) * int(lengths[order[end]]) > tokens:
            yield order[start:end]
            start = end


def trace_loss(policy: Policy, ids: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean over labelled tokens of −log π, a scalar; shapes as `encode` returns them."""
    lengths = _lengths(labels).clamp(min=1)  # right-padded: nothing is scored after a row's last
    ids, labels, weights, lengths = (x.to(policy.device) for x in (ids, labels, weights, lengths))
    width = int(lengths.max())
    ids, labels = ids[:, :width], labels[:, :width]
    real = torch.arange(width, device=ids.device) < lengths[:, None]
    learned = labels[:, 1:] != IGNORED
    columns = 1 + learned.any(dim=0).nonzero()[:, 0]
    mask, targets = learned[:, columns - 1], labels[:, columns]
    hidden = policy.hidden(ids, real, columns)[mask]
    heads = Heads(
        vocabulary=policy.vocab_size,
        policy=policy.linear_head or policy.head,
        reference=None,
        temperature=1.0,
        kl_gradient=False,
    )
    logps = token_terms(heads, hidden, None, targets[mask], policy.head_weights).logps
    weight = weights[:, None].expand_as(mask)[mask]
    return -(weight * logps).sum() / weight.sum().clamp(min=1e-8)


def _lengths(labels: Tensor) -> Tensor:
    """(N,) int64: the tokens of each row; its last token has a label."""
    columns = torch.arange(1, labels.shape[1] + 1, device=labels.device)
    return ((labels != IGNORED) * columns).amax(dim=1)


def _labelled(labels: Tensor, weights: Tensor) -> Tensor:
    """Return the weight of all tokens with loss."""
    return (weights[:, None] * (labels[:, 1:] != IGNORED)).sum()


def _row(policy: Policy, trace: Trace, first_reply: FirstReply) -> tuple[list[int], list[int]]:
    opening = policy.chat.prompt_ids(trace.opening)
    first = policy.chat.reply_ids(trace.first.reply, ended=not trace.first.truncated)
    between = policy.chat.follow_up(first, trace.instruction)
    second = policy.chat.reply_ids(trace.second.reply, ended=not trace.second.truncated, last=True)
    learned = first_reply == "always" or (first_reply == "right" and is_right(trace.first))
    end = None if trace.first.truncated else policy.chat.own_end
    sampled = first if end is None else [*first[:-1], end]  # later turns read another end
    labels = [
        *[IGNORED] * len(opening),
        *(sampled if learned else [IGNORED] * len(first)),
        *[IGNORED] * len(between),
        *second,
    ]
    return [*opening, *first, *between, *second], labels


def _split(
    traces: list[Trace], how: Fitting, rng: np.random.Generator
) -> tuple[list[Trace], list[Trace]]:
    """Split by problem: at least one is held out if there are two and ``held_out`` is above 0."""
    problems = sorted({trace.problem_id for trace in traces})
    holds_out = how.holds_out and len(problems) > 1
    held = max(1, int(how.held_out * len(problems))) if holds_out else 0
    out = {problems[i] for i in rng.permutation(len(problems))[:held]}
    return (
        [trace for trace in traces if trace.problem_id not in out],
        [trace for trace in traces if trace.problem_id in out][: how.most_held_out],
    )
