"""Evaluation on held-out problems while a run trains, and which of its evaluations is best.

Episodes have seeds of their own, which do not depend on the step: two evaluations differ by their
policies alone, and a run takes the same steps with and without evaluations, unless these hold out
training problems.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from selfcorrect_agents.errors import LearningError
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.rl.rollout import collect
from selfcorrect_agents.training.checkpoint import step_seed
from selfcorrect_agents.training.config import Evaluation, Sampling, TrainingConfig
from selfcorrect_agents.training.progress import GREEDY, SAME_WEIGHTS, SAMPLED, MetricsRow
from selfcorrect_env import AnyEnv, Episode, TrainingEnv, UnknownProblemSetError, training_env
from selfcorrect_env.evaluation import turn_metrics
from selfcorrect_env.problems import ProblemSet, shared_problems, statement_hash

TURN_METRICS, CHANGES = ("accuracy", "score", "tokens", "truncated"), ("delta", "unchanged")
"""What `turn_metrics` says of each turn, and of a whole episode."""
MOST_OF_TRAINING = 5
"""One in so many training problems can be held out with ``eval_split="train"``."""


class HeldOut:
    """The held-out problems of a run.

    Args:
        policy: what is evaluated, as it is at that moment.
        training: an environment with the problems that are trained on.
        held_out: the environment that is evaluated in; None evaluates in ``training``, on problems
            that it holds out.
        how: how many problems, how replies are drawn.
        sampling: of training: its token cap, temperature and seed; no more episodes are played at
            a time than in a step.

    Raises:
        LearningError: problems are both trained on and held out, of the split ``test``, or too
            few; or the best metric is none of an evaluation.
    """

    def __init__(
        self,
        policy: Policy,
        training: TrainingEnv,
        held_out: TrainingEnv | None,
        how: Evaluation,
        sampling: Sampling,
    ) -> None:
        self.policy, self.how, self.sampling = policy, how, sampling
        self.env = training if held_out is None else held_out
        self.indices = held_out_indices(training, held_out, how, training.attempts)
        self.of_training = frozenset(self.indices if held_out is None else ())
        """Indices of training problems that are not trained on."""

    def measure(self) -> MetricsRow:
        """Play the held-out problems once; returns the metrics of `turn_metrics`, prefixed."""
        metrics: MetricsRow = {}
        for prefix, temperature in self._decodings():
            found = turn_metrics(self._played(temperature))
            metrics |= {f"{prefix}/{key}": value for key, value in found.items()}
        return metrics

    def _decodings(self) -> list[tuple[str, float]]:
        temperatures = {GREEDY: 0.0, SAMPLED: self.sampling.temperature}
        return [(prefix, temperatures[prefix]) for prefix in _prefixes(self.how)]

    def _played(self, temperature: float) -> list[Episode]:
        seed = step_seed(self.sampling.seed, 0, "held out")
        generator = torch.Generator(self.policy.device).manual_seed(seed)
        size = self.sampling.problems_per_step * self.sampling.samples
        episodes: list[Episode] = []
        for start in range(0, len(self.indices), size):
            chosen = self.indices[start : start + size]
            rollout = collect(
                self.policy,
                self.env.vectorised(len(chosen)),
                chosen,
                samples=1,
                max_new_tokens=self.sampling.max_new_tokens,
                temperature=temperature,
                generator=generator,
                seed=seed % (1 << 31),
            )
            episodes += rollout.episodes
        return episodes


def held_out_of(
    policy: Policy,
    env: TrainingEnv,
    held_out: TrainingEnv | None,
    config: TrainingConfig,
    has_run: bool,
) -> HeldOut | None:
    """Return the held-out problems of a run; None if it has no evaluations.

    Raises:
        LearningError: as `HeldOut`; or the best model is to be kept, and there is no run folder.
    """
    how = config.evaluation
    if how.keep_best and not has_run:
        raise LearningError("keep_best needs a run folder, which keeps the best checkpoint: run=.")
    return HeldOut(policy, env, held_out, how, config.sampling) if how.eval_every else None


def held_out_indices(
    training: TrainingEnv, held_out: TrainingEnv | None, how: Evaluation, turns: int
) -> list[int]:
    """Return the indices of the problems that are evaluated.

    Args:
        training: an environment with the problems that are trained on.
        held_out: the environment that is evaluated in; None takes problems of ``training``.
        how: how many problems, and which metric is best.
        turns: the turns that the method samples in an episode.

    Raises:
        LearningError: as `HeldOut`.
    """
    problems = (training if held_out is None else held_out).problems
    if problems.split == "test":
        raise LearningError(
            f"{problems.name}/test is for measuring the trained model, and evaluations in training "
            "choose it: hold out problems of another split."
        )
    _check_metric(how, turns)
    if held_out is not None:
        _check_apart(training, held_out)
        return list(range(min(how.eval_problems, len(problems))))
    if how.eval_split != "train":
        raise LearningError(
            f"eval_every={how.eval_every} needs held-out problems: give the environment of the "
            f"split {how.eval_split!r} as held_out, or set eval_split='train' to hold out training "
            "problems."
        )
    return _held_out_of(problems, how.eval_problems)


def held_out_env(env: str | AnyEnv | TrainingEnv | None, how: Evaluation) -> TrainingEnv | None:
    """Return the environment of evaluations; None if there are none, or of training problems.

    Args:
        env: an environment's id, which is made with the split that ``how`` names, or an
            environment in any form that training takes.
        how: whether there are evaluations, and of which split.

    Raises:
        LearningError: the problems of an id have no such split.
        UnsupportedEnvError: as `selfcorrect_env.training_env`.
    """
    if env is None or not how.eval_every or (isinstance(env, str) and how.eval_split == "train"):
        return None
    try:
        return training_env(env, split=how.eval_split)
    except UnknownProblemSetError as error:
        raise LearningError(
            f"{error} Evaluations in the course of training need held-out problems: set "
            "eval_split='train' to hold out training problems, or name a split."
        ) from error


def is_due(history: Sequence[Mapping[str, float]], every: int, total: int | None) -> bool:
    """Whether the policy is evaluated after the last step of ``history``.

    It is after every ``every`` steps, after each fit and after the last step, unless the weights
    are those of the evaluation before.

    Args:
        history: the metrics of every step so far; a step that left the weights as they were says
            so (`SAME_WEIGHTS`).
        every: steps between evaluations, ≥ 1.
        total: the steps of the run; None if they are not known.
    """
    step = len(history)
    if not (step % every == 0 or step == total or "fit/steps" in history[-1]):
        return False
    prefixes = (f"{GREEDY}/", f"{SAMPLED}/")
    measured = [i for i, row in enumerate(history) if any(key.startswith(prefixes) for key in row)]
    return not measured or any(SAME_WEIGHTS not in row for row in history[measured[-1] + 1 :])


def metric_of(how: Evaluation, attempts: int) -> str:
    """Return the key of the metric that is best where it is highest."""
    return how.best_metric or f"{_prefixes(how)[0]}/t{attempts}/accuracy"


def best_step(history: Sequence[Mapping[str, float]], metric: str) -> int | None:
    """Return the step, from 1, with the highest value of a logged metric, the first of several.

    None if no step has it.
    """
    found = [(row[metric], -step) for step, row in enumerate(history, start=1) if metric in row]
    return -max(found)[1] if found else None


def is_over(
    history: Sequence[Mapping[str, float]], metric: str, patience: int, counted_from: int = 0
) -> bool:
    """Whether the last ``patience`` evaluations are no better than the best before them.

    Args:
        history: the metrics of every step so far.
        metric: the key of what is best where it is highest.
        patience: evaluations, ≥ 0; with 0 it is never over.
        counted_from: evaluations after this many steps count, and earlier ones don't.
    """
    best = best_step(history, metric)
    if not patience or best is None:
        return False
    return sum(metric in row for row in history[max(best, counted_from) :]) >= patience


def _prefixes(how: Evaluation) -> list[str]:
    """Return what the keys of an evaluation begin with."""
    both = [GREEDY, SAMPLED]
    return {"greedy": both[:1], "sampled": both[1:], "both": both}[how.eval_decoding]


def _check_metric(how: Evaluation, attempts: int) -> None:
    """Refuse a best metric that no evaluation logs: such a run would have no best step."""
    of_turns = [f"t{turn}/{name}" for turn in range(1, attempts + 1) for name in TURN_METRICS]
    names = [f"{prefix}/{name}" for prefix in _prefixes(how) for name in (*of_turns, *CHANGES)]
    if how.best_metric is not None and how.best_metric not in names:
        raise LearningError(
            f"best_metric must be a metric on held-out problems, as eval_decoding="
            f"{how.eval_decoding!r} logs them ({', '.join(names)}), got {how.best_metric!r}."
        )


def _held_out_of(problems: ProblemSet, most: int) -> list[int]:
    count = min(most, len(problems) // MOST_OF_TRAINING)
    if count == 0:
        raise LearningError(
            f"{problems.name}/{problems.split} has {len(problems)} problems, too few to hold any "
            f"out: it takes {MOST_OF_TRAINING}. Set eval_every=0, or give more problems."
        )
    hashes = [statement_hash(problem.prompt) for problem in problems]
    chosen = set(sorted(set(hashes))[:count])  # problems of equal statements stay together
    return [index for index, of in enumerate(hashes) if of in chosen]


def _check_apart(training: TrainingEnv, held_out: TrainingEnv) -> None:
    if held_out.attempts != training.attempts:
        raise LearningError(
            f"Held-out problems need as many attempts as training: {training.attempts}, not "
            f"{held_out.attempts}."
        )
    shared = shared_problems(training.problems, held_out.problems)
    if shared:
        raise LearningError(
            f"{len(shared)} of {len(held_out.problems)} held-out problems are also trained on "
            f"({shared[0].id!r}, say). Give problems of another split, or eval_split='train' to "
            "hold out training problems."
        )
