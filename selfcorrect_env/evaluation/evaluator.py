"""`play` and `evaluate`: any agent, in any self-correction environment, at text level."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gymnasium as gym

from selfcorrect_env.errors import CheckpointError, ProblemSetError
from selfcorrect_env.evaluation.agents import agent_name, as_agent, attach, is_oracle
from selfcorrect_env.evaluation.episode_files import EpisodeLog, replacing
from selfcorrect_env.evaluation.report import EPISODES_FILE, Measured, Report
from selfcorrect_env.evaluation.runners import Runner, runner_for
from selfcorrect_env.training_env import AnyEnv, TrainingEnv
from selfcorrect_env.types import Agent, Episode, ReplyFunction

__all__ = ["as_agent", "evaluate", "play"]

RUN_FILE = "run.json"
"""What a folder's run measures, written before its first episode."""

ORACLE_MARK = " (oracle)"
"""What follows the name of an agent that sees what no agent may see, in every report."""


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
        agent: an `Agent`, or a function ``(conversation) -> str``. It is shown conversations
            and nothing else; unless it is an oracle (its attribute ``oracle`` is True), whose
            ``attach(env)`` is called with the unwrapped environment before the first episode.
        env: an environment's id, a ``gymnasium.Env`` (wrapped or not) or a
            `SelfCorrectVectorEnv`. How it is stepped:
            `selfcorrect_env.evaluation.runners.runner_for`.
        indices: which problems; by default every problem once, in order.
        batch_size: how many problems are played at the same time, >= 1.
        progress: whether to show a progress bar on stderr.

    Raises:
        TypeError: the agent returned something else than one str for each conversation.
        ProblemSetError: an index lies outside the problem set.
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
    batch_size: int = 64,
    progress: bool = False,
    name: str | None = None,
    settings: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    seed: int = 0,
) -> Report:
    """Play every problem once, in order, and report how well the agent corrects itself.

    Args:
        agent: as in `play`. Its attribute ``decoding`` (a str), if any, goes to the report.
        env: as in `play`.
        n: only the first ``n`` problems (all of them where there are fewer); None means all.
        batch_size: how many problems are played at the same time, >= 1.
        progress: whether to show a progress bar on stderr.
        name: the agent's name in the report; by default its own. An oracle's is followed by
            ``" (oracle)"``.
        settings: JSON-able facts about the agent for the report (model, token cap …).
        out: a folder for the report and its episodes. Finished episodes are written as the
            evaluation goes; if it is interrupted, the same call goes on after them.
        seed: of the bootstrap intervals.

    Raises:
        TypeError: the agent returned something else than one str for each conversation.
        CheckpointError: ``out`` holds an evaluation of another agent, of other problems, or
            one of more than ``n`` problems.

    Whatever the agent raises passes through; with ``out``, the episodes so far are kept.
    """
    agent = as_agent(agent)
    if n is not None and n < 1:
        raise ProblemSetError(f"evaluate(n=...) needs n >= 1, got {n}.")
    with _runner(env) as runner:
        attach(agent, _innermost(runner.env))
        size = runner.metadata["size"]
        total = size if n is None else min(n, size)
        measured = Measured(
            agent=_label(agent, name),
            decoding=str(getattr(agent, "decoding", "")),
            settings=dict(settings or {}),
            **runner.metadata,
        )
        with ExitStack() as stack:
            log = None if out is None else stack.enter_context(_open_run(Path(out), measured))
            episodes = [] if log is None else _kept(log, total)
            advance = stack.enter_context(_progress(total, show=progress))
            advance(len(episodes))
            for batch in _batches(range(len(episodes), total), batch_size):
                finished = runner.play(agent, batch)
                if log is not None:
                    log.append(finished)
                episodes += finished
                advance(len(finished))
    report = Report.of(episodes, measured, seed=seed)
    if out is not None:
        report.save(out)
    return report


def _label(agent: Agent, name: str | None) -> str:
    name = name or agent_name(agent)
    marked = not is_oracle(agent) or name.endswith(ORACLE_MARK)
    return name if marked else name + ORACLE_MARK


@contextmanager
def _runner(env: str | AnyEnv | TrainingEnv) -> Iterator[Runner]:
    if not isinstance(env, str):
        yield runner_for(env)
        return
    made = gym.make(env)
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


def _open_run(folder: Path, measured: Measured) -> EpisodeLog:
    """Open the folder's log of episodes, new or of the same run."""
    folder.mkdir(parents=True, exist_ok=True)
    run_file = folder / RUN_FILE
    ours = json.loads(json.dumps(asdict(measured)))
    if run_file.exists():
        try:
            theirs = json.loads(run_file.read_bytes())
        except ValueError as error:
            raise CheckpointError(f"{run_file}: not valid JSON ({error}).") from error
        differing = [key for key in ours if ours[key] != theirs.get(key)]
        if differing:
            changes = "; ".join(
                f"{key}: {theirs.get(key)!r}, now {ours[key]!r}" for key in differing
            )
            raise CheckpointError(
                f"{folder} holds another evaluation ({changes}). Give another folder."
            )
    elif (folder / EPISODES_FILE).exists():
        raise CheckpointError(
            f"{folder} holds an {EPISODES_FILE} but no {RUN_FILE}, so it cannot be gone on with. "
            "Give another folder."
        )
    else:
        with replacing(run_file) as temporary:
            temporary.write_text(json.dumps(ours, indent=2) + "\n", encoding="utf-8")
    return EpisodeLog(folder / EPISODES_FILE)


def _kept(log: EpisodeLog, total: int) -> list[Episode]:
    if len(log.kept) > total:
        raise CheckpointError(
            f"{log.path} already holds {len(log.kept)} episodes, more than the {total} asked for. "
            "Ask for as many, or give another folder."
        )
    return list(log.kept)


@contextmanager
def _progress(total: int, *, show: bool) -> Iterator[Callable[[int], None]]:
    if not show:
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("episodes"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("episodes", total=total)
        yield lambda done: bar.advance(task, done)
