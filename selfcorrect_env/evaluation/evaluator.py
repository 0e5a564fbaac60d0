"""`play` and `evaluate`: any agent, in any self-correction environment, at text level."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from selfcorrect_env.errors import ProblemSetError, UnjudgedWarning
from selfcorrect_env.evaluation.agents import agent_name, as_agent, attach, is_oracle
from selfcorrect_env.evaluation.progress import progress_display
from selfcorrect_env.evaluation.report import Measured, Report
from selfcorrect_env.evaluation.runners import Runner, runner_for
from selfcorrect_env.evaluation.stored_run import identity, kept_episodes, open_run
from selfcorrect_env.problems.overlap import TrainedOn
from selfcorrect_env.registration import make
from selfcorrect_env.training_env import AnyEnv, TrainingEnv
from selfcorrect_env.types import Agent, Episode, ReplyFunction

__all__ = ["as_agent", "evaluate", "play"]

ORACLE_MARK = " (oracle)"
"""Follows the name of an agent that sees references, in every report."""


def play(
    agent: Agent | ReplyFunction,
    env: str | AnyEnv | TrainingEnv,
    *,
    indices: Sequence[int] | None = None,
    batch_size: int = 64,
    progress: bool = False,
) -> list[Episode]:
    """Play problems and return the finished episodes, in the order of ``indices``.

    Args:
        agent: an `Agent`, or a function ``(conversation) -> str``. It gets conversations and
            nothing else, and may return a `Reply` to report tokens and truncation. If it is an
            oracle (its attribute ``oracle`` is True), its ``attach(env)`` is called with the
            unwrapped environment before the first episode.
        env: an environment's id, a ``gymnasium.Env`` (wrapped or not) or a
            `SelfCorrectVectorEnv`. How it is stepped:
            `selfcorrect_env.evaluation.runners.runner_for`.
        indices: which problems; by default every problem once, in order.
        batch_size: how many problems are played at the same time, >= 1.
        progress: whether to show a progress bar on stderr.

    Raises:
        TypeError: the agent did not return one str for each conversation.
        ProblemSetError: an index is outside the problem set.
    """
    agent = as_agent(agent)
    with _runner(env) as runner:
        attach(agent, _innermost(runner.env))
        indices = range(runner.metadata["size"]) if indices is None else indices
        _check_indices(indices, runner)
        episodes: list[Episode] = []
        with _progress(len(indices), show=progress) as advance:
            for batch in _batches(indices, batch_size):
                episodes += runner.play(agent, batch)
                advance(len(batch))
        return episodes


def evaluate(
    agent: Agent | ReplyFunction,
    env: str | AnyEnv | TrainingEnv,
    *,
    n: int | None = None,
    samples: int = 1,
    batch_size: int = 64,
    progress: bool = False,
    name: str | None = None,
    settings: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    trained_on: TrainedOn | None = None,
) -> Report:
    """Play every problem, in order, and report how well the agent corrects itself.

    Args:
        agent: as in `play`. Its attribute ``decoding`` (a str), if any, is in the report.
        env: as in `play`.
        n: only the first ``n`` problems (all of them if there are fewer); None means all.
        samples: episodes of each problem, >= 1. Above 1 the report also has Avg@k, pass@k and
            maj@k, and its intervals are over whole problems.
        batch_size: how many problems are played at the same time, >= 1.
        progress: whether to show a progress bar on stderr.
        name: the agent's name in the report; by default its own. An oracle's is followed by
            ``" (oracle)"``.
        settings: JSON-able settings of the agent for the report (model, token cap …).
        out: a folder for the report and its episodes. Finished episodes are written as the
            evaluation goes; if it is interrupted, the same call resumes after them. `Report.reused`
            is the number of episodes that were already there. A folder of an agent, verifier,
            prompts or environment whose code has changed since is refused.
        seed: of the bootstrap intervals.
        trained_on: what the agent was trained on, by default its attribute ``trained_on``. If
            problems of it are measured, `Report.warnings` says so.

    Raises:
        TypeError: the agent did not return one str for each conversation.
        CheckpointError: ``out`` holds an evaluation of another agent, of other problems, or
            one of more than ``n`` problems; or it cannot be written.

    Warns:
        UnjudgedWarning: the verifier failed at an episode; the message holds the first cause, and
            the least and the greatest accuracy that the unjudged attempts allow.

    What the agent raises passes through; with ``out``, the finished episodes are kept.
    """
    agent = as_agent(agent)
    if n is not None and n < 1:
        raise ProblemSetError(f"evaluate(n=...) needs n >= 1, got {n}.")
    if samples < 1:
        raise ValueError(f"samples must be at least 1, got {samples}.")
    with _runner(env) as runner:
        attach(agent, _innermost(runner.env))
        size = runner.metadata["size"]
        total = samples * (size if n is None else min(n, size))
        measured = Measured(
            agent=_label(agent, name),
            decoding=str(getattr(agent, "decoding", "")),
            settings=dict(settings or {}),
            samples=samples,
            **runner.metadata,
        )
        with ExitStack() as stack:
            log = None
            if out is not None:
                log = open_run(Path(out), identity(agent, runner.env, measured))
                stack.enter_context(log)
            episodes = [] if log is None else kept_episodes(log, total)
            reused = len(episodes)
            advance = stack.enter_context(_progress(total, show=progress))
            advance(reused)
            for batch in _batches(range(reused, total), batch_size):
                finished = runner.play(agent, [episode // samples for episode in batch])
                if log is not None:
                    log.append(finished)
                episodes += finished
                advance(len(finished))
    known = trained_on if trained_on is not None else getattr(agent, "trained_on", None)
    report = Report.of(
        episodes, measured, seed=seed, warnings=overlap_warnings(episodes, known), reused=reused
    )
    if out is not None:
        report.save(out)
    if report.metrics.unjudged:
        warnings.warn(f"{report.agent}: {report.metrics.why_unjudged()}", UnjudgedWarning, 2)
    return report


def overlap_warnings(episodes: Sequence[Episode], trained_on: TrainedOn | None) -> tuple[str, ...]:
    """Return a warning if problems of ``episodes`` were also trained on, else nothing."""
    if not isinstance(trained_on, TrainedOn):
        return ()
    shared = trained_on.shared([episode.problem for episode in episodes])
    if not shared:
        return ()
    return (
        f"{len(shared)} of the {len(episodes)} measured problems were also trained on "
        f"({'; '.join(trained_on.problem_sets)}): the metrics are not those of held-out problems.",
    )


def _label(agent: Agent, name: str | None) -> str:
    name = name or agent_name(agent)
    marked = not is_oracle(agent) or name.endswith(ORACLE_MARK)
    return name if marked else name + ORACLE_MARK


@contextmanager
def _runner(env: str | AnyEnv | TrainingEnv) -> Iterator[Runner]:
    if not isinstance(env, str):
        yield runner_for(env)
        return
    made = make(env)
    try:
        yield runner_for(made)
    finally:
        made.close()


def _innermost(env: Any) -> Any:
    return getattr(env, "unwrapped", env)


def _check_indices(indices: Sequence[int], runner: Runner) -> None:
    size, name = runner.metadata["size"], runner.metadata["problem_set"]
    for index in indices:
        if not 0 <= index < size:
            raise ProblemSetError(
                f"Index {index} is outside problem set {name!r}, which has {size} problems "
                f"(0 to {size - 1})."
            )


def _batches(indices: Sequence[int], batch_size: int) -> Iterator[Sequence[int]]:
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}.")
    for start in range(0, len(indices), batch_size):
        yield indices[start : start + batch_size]


@contextmanager
def _progress(total: int, *, show: bool) -> Iterator[Callable[[int], None]]:
    if not show:
        yield lambda done: None
        return
    with progress_display() as bar:
        task = bar.add_task("episodes", total=total)
        yield lambda done: bar.advance(task, done)
