"""`play` and `evaluate`: any agent, in any self-correction environment, at text level."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from selfcorrect_env.errors import ProblemSetError, UnjudgedWarning
from selfcorrect_env.evaluation.agents import agent_name, as_agent, attach, is_oracle
from selfcorrect_env.evaluation.concurrent_play import Replies, ReplyKey
from selfcorrect_env.evaluation.metrics import by_problem
from selfcorrect_env.evaluation.players import Players
from selfcorrect_env.evaluation.progress import progress_display
from selfcorrect_env.evaluation.report import Measured, Report
from selfcorrect_env.evaluation.runners import Runner, runner_for
from selfcorrect_env.evaluation.stored_run import StoredRun, identity
from selfcorrect_env.evaluation.usage import Usage
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
    concurrency: int | None = None,
    progress: bool = False,
) -> list[Episode]:
    """Play problems and return the finished episodes, in the order of ``indices``.

    Args:
        agent: an `Agent`, or a function ``(conversation) -> str``, which may be ``async def``. It
            gets conversations and nothing else, and may return a `Reply` to report tokens and
            truncation. If it is an oracle (its attribute ``oracle`` is True), its ``attach(env)``
            is called with the unwrapped environment before the first episode.
        env: an environment's id, a ``gymnasium.Env`` (wrapped or not) or a
            `SelfCorrectVectorEnv`. How it is stepped:
            `selfcorrect_env.evaluation.runners.runner_for`.
        indices: which problems; by default every problem once, in order.
        batch_size: how many problems an agent with ``act`` answers at the same time, >= 1.
        concurrency: how many conversations an agent answers at the same time that is asked one by
            one, >= 1: an ``async def`` function or an `AsyncAgent` (by default 32), or a plain
            function (by default 1; with more, it is called in that many threads). Such episodes go
            on, and end, each when its own reply is there.
        progress: whether to show a progress bar on stderr.

    Raises:
        TypeError: the agent did not return one str for each conversation.
        ProblemSetError: an index is outside the problem set.
        AgentError: ``concurrency`` was given for an agent that answers whole batches.
    """
    agent = as_agent(agent)
    with _runner(env) as runner:
        attach(agent, _innermost(runner.env))
        chosen = range(runner.metadata["size"]) if indices is None else indices
        _check_indices(chosen, runner)
        players = Players(agent, runner, batch_size=batch_size, concurrency=concurrency)
        episodes: dict[int, Episode] = {}
        with _progress(len(chosen), 0, show=progress) as advance:
            for finished in players.play(range(len(chosen)), index_of=chosen.__getitem__):
                episodes |= finished
                advance(len(finished))
        return [episodes[number] for number in range(len(chosen))]


def evaluate(
    agent: Agent | ReplyFunction,
    env: str | AnyEnv | TrainingEnv,
    *,
    n: int | None = None,
    samples: int = 1,
    batch_size: int = 64,
    concurrency: int | None = None,
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
        batch_size: as in `play`.
        concurrency: as in `play`.
        progress: whether to show a progress bar on stderr.
        name: the agent's name in the report; by default its own. An oracle's is followed by
            ``" (oracle)"``.
        settings: JSON-able settings of the agent for the report (model, token cap …).
        out: a folder for the report and its episodes. Finished episodes are written as the
            evaluation goes, and so are the replies of an agent that is asked one by one; if it is
            interrupted, the same call resumes after them, and asks nothing twice. `Report.reused`
            is the number of episodes that were already there. A folder of an agent, verifier,
            prompts or environment whose code has changed since is refused.
        seed: of the bootstrap intervals.
        trained_on: what the agent was trained on, by default its attribute ``trained_on``. If
            problems of it are measured, `Report.warnings` says so.

    Raises:
        TypeError: the agent did not return one str for each conversation.
        CheckpointError: ``out`` holds an evaluation of another agent, of other problems, or
            one of more than ``n`` problems; or it cannot be written.
        AgentError: as in `play`.

    Warns:
        UnjudgedWarning: the verifier failed at an episode, or the agent had no reply for one; the
            message holds the first cause, and the least and the greatest accuracy that the
            unjudged attempts allow.

    What the agent raises passes through, except for a `NoReplyError` of an agent that is asked one
    by one, which leaves one episode unjudged. With ``out``, what was finished is kept, and an
    episode that lacks a reply is asked for it again by the next call.
    """
    agent = as_agent(agent)
    if n is not None and n < 1:
        raise ProblemSetError(f"evaluate(n=...) needs n >= 1, got {n}.")
    if samples < 1:
        raise ValueError(f"samples must be at least 1, got {samples}.")
    with _runner(env) as runner:
        attach(agent, _innermost(runner.env))
        players = Players(agent, runner, batch_size=batch_size, concurrency=concurrency)
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
            run = None
            if out is not None:
                run = StoredRun(Path(out), identity(agent, runner.env, measured), total)
                stack.callback(run.close)
            episodes = {} if run is None else dict(run.episodes)
            replies = {} if run is None else run.replies
            reused = len(episodes)

            def record(given: Replies) -> None:
                if run is not None:
                    run.add_replies(given)
                replies.update(given)

            left = [number for number in range(total) if number not in episodes]
            advance = stack.enter_context(_progress(total, reused, show=progress))
            playing = players.play(
                left,
                samples=samples,
                index_of=lambda number: number // samples,
                known=replies,
                record=record,
            )
            stack.enter_context(closing(playing))
            for finished in playing:
                if run is not None:
                    run.add_episodes(finished)
                episodes |= finished
                advance(len(finished))
    return _report(agent, episodes, replies, measured, seed, trained_on, reused, out)


def _report(
    agent: Agent,
    episodes: Mapping[int, Episode],
    replies: Mapping[ReplyKey, str],
    measured: Measured,
    seed: int,
    trained_on: TrainedOn | None,
    reused: int,
    out: str | Path | None,
) -> Report:
    ordered = [episodes[number] for number in sorted(episodes)]
    known = trained_on if trained_on is not None else getattr(agent, "trained_on", None)
    report = Report.of(
        ordered,
        measured,
        seed=seed,
        warnings=(*overlap_warnings(ordered, known), *sameness_warnings(ordered)),
        reused=reused,
        usage=Usage.of(reply for (number, _), reply in replies.items() if number in episodes),
    )
    if out is not None:
        report.save(out)
    if report.metrics.unjudged:
        warnings.warn(f"{report.agent}: {report.metrics.why_unjudged()}", UnjudgedWarning, 3)
    return report


def overlap_warnings(episodes: Sequence[Episode], trained_on: TrainedOn | None) -> tuple[str, ...]:
    """Return a warning if problems of ``episodes`` were also trained on, else nothing."""
    if not isinstance(trained_on, TrainedOn):
        return ()
    problems = {episode.problem.id: episode.problem for episode in episodes}  # each sample is one
    shared = trained_on.shared(problems.values())
    if not shared:
        return ()
    return (
        f"{len(shared)} of the {len(problems)} measured problems were also trained on "
        f"({'; '.join(trained_on.problem_sets)}): the metrics are not those of held-out problems.",
    )


def sameness_warnings(episodes: Sequence[Episode]) -> tuple[str, ...]:
    """Return a warning if problems have several episodes, and each the same ones, else nothing."""
    groups = by_problem(episodes)
    k = len(groups[0])
    if k == 1 or any(_replies(e) != _replies(group[0]) for group in groups for e in group):
        return ()
    return (
        f"The {k} samples of each problem are the same, as greedy replies are: avg@{k}, pass@{k} "
        f"and maj@{k} are one number. Let the agent sample, or take one sample.",
    )


def _replies(episode: Episode) -> list[str]:
    return [attempt.reply for attempt in episode.attempts]


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


@contextmanager
def _progress(total: int, done: int, *, show: bool) -> Iterator[Callable[[int], None]]:
    if not show:
        yield lambda more: None
        return
    with progress_display() as bar:
        task = bar.add_task("episodes", total=total, completed=done)
        yield lambda more: bar.advance(task, more)
