"""`run`: check a comparison, run what is missing of it, and load its results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfcorrect_agents.comparison.plan.cells import Cell, plan
from selfcorrect_agents.comparison.plan.config import BASE_FIRST, CompareConfig
from selfcorrect_agents.comparison.plan.content_hashes import Contents, look_up
from selfcorrect_agents.comparison.plan.environments import make_held_out_env, make_training_env
from selfcorrect_agents.comparison.report.files import write_config
from selfcorrect_agents.comparison.results.cell_results import MethodResults, load_results
from selfcorrect_agents.comparison.run.progress_bars import CellBars
from selfcorrect_agents.comparison.run.schedule import Failure, missing_cells, run_cells
from selfcorrect_agents.errors import ComparisonError, LearningError
from selfcorrect_agents.lm.loading import is_tiny, parse_tiny, tiny_base_with_progress
from selfcorrect_agents.lm.model_files import find_model
from selfcorrect_agents.training.config import Evaluation
from selfcorrect_agents.training.files import FolderLock
from selfcorrect_agents.training.held_out import held_out_indices
from selfcorrect_env import UnknownNameError
from selfcorrect_env.problems import ProblemSet


@dataclass(frozen=True)
class Finished:
    """A comparison after all of its cells were run."""

    cells: Sequence[Cell]
    """Every method × seed."""
    results: Sequence[MethodResults]
    """Of the methods without a failed cell."""
    failures: Sequence[Failure]
    """The cells that failed; running the comparison again tries them again."""


def run(config: CompareConfig, folder: Path) -> Finished:
    """Run the cells that ``folder`` lacks, with a progress bar for each running cell.

    Args:
        config: the comparison.
        folder: the folder of its results; the same call resumes after an interruption.

    Raises:
        ComparisonError: an agent, an environment or a model does not fit; nothing was run.
        EpisodeError: the test environment is not one of this project; nothing was run.
        CheckpointError: the folder holds a cell with other settings, problems or weights; nothing
            was run; or another process runs a comparison in it.
        KeyboardInterrupt: after the running cells have stopped and saved their state.
    """
    cells = plan(config, check(config))
    missing = missing_cells(cells, folder)
    loading = [cell for cell in missing if cell.compared_agent().loads_base or cell.base_first]
    _find_models(loading)
    write_config(folder, config)
    lock = FolderLock(folder)
    try:
        failures = _run(config, missing, loading, done=len(cells) - len(missing), folder=folder)
    finally:
        lock.release()
    return Finished(cells, load_results(config, cells, folder), failures)


def _run(
    config: CompareConfig, missing: list[Cell], loading: list[Cell], *, done: int, folder: Path
) -> list[Failure]:
    for model in _tiny_models(loading):  # else two cells would train the same base
        tiny_base_with_progress(parse_tiny(model))
    with CellBars(missing, done=done) as bars:
        return run_cells(missing, folder, jobs=config.jobs, watcher=bars)


def check(config: CompareConfig) -> Contents:
    """Check agents, their settings, models and environments before anything is run.

    Returns:
        The hashes of its problem sets and models.

    Raises:
        ComparisonError: the message says which method or key, and what was expected.
        EpisodeError: the test environment does not say what its problems are.
    """
    cells = plan(config)
    for cell in cells:
        if cell.base_first and cell.compared_agent().own_model:
            raise ComparisonError(
                f"decodings: with {BASE_FIRST} every method corrects the base model's first "
                f"attempts, and {cell.method.label!r} plays a model of its own: leave one out."
            )
        cell.learning()  # imports every agent, builds all settings
        cell.compared_agent().check_play(cell.play_settings(temperature=0.0, seed=cell.seed))
    held_out = _held_out_problems(cells)
    for model in _tiny_models(cells):
        try:
            parse_tiny(model)
        except (UnknownNameError, ValueError) as error:
            raise ComparisonError(f"model {model!r}: {error}") from error
    agents = [cell.compared_agent() for cell in cells]
    trained = [agent for agent in agents if agent.trains]
    models = [cell.model.model for cell in cells]
    return look_up(config, models, trained=trained, choosing=held_out)


def _held_out_problems(cells: Sequence[Cell]) -> dict[str, ProblemSet]:
    """Check every method's evaluations in the course of training.

    Returns:
        Label of a method -> the problems by which its evaluations choose a model, if they are of
        another split than training's.
    """
    methods = {cell.method.label: cell for cell in cells}  # seeds have the same problems
    found = {}
    for label, cell in methods.items():
        learning = cell.learning()
        how = getattr(learning, "evaluation", None)
        if not isinstance(how, Evaluation) or not how.eval_every:
            continue
        try:
            problems = _evaluated(cell, learning, how)
        except (ComparisonError, LearningError) as error:
            raise ComparisonError(f"{label!r}: {error}") from error
        if how.chooses and problems is not None:
            found[label] = problems
    return found


def _evaluated(cell: Cell, learning: Any, how: Evaluation) -> ProblemSet | None:
    """Return the problems of a method's evaluations; None if they are training problems.

    Raises:
        ComparisonError: there is no such split, or the method is not defined for the attempts.
        LearningError: the problems or the best metric are refused.
    """
    training, apart = make_training_env(cell.train), make_held_out_env(cell.train, learning)
    try:
        cell.compared_agent().check_attempts(training.attempts)
        turns = learning.turns(training.attempts)
        chosen = held_out_indices(training, apart, how, turns)
        return None if apart is None else apart.problems.head(len(chosen))
    finally:
        training.close()
        if apart is not None:
            apart.close()


def _find_models(cells: Sequence[Cell]) -> None:
    """Check that there are the models that cells load, before the first process starts.

    Raises:
        ComparisonError: one is missing, or the hub does not answer.
    """
    named = {(cell.model.model, cell.model.revision) for cell in cells}
    for model, revision in sorted(named, key=str):
        if is_tiny(model):
            continue
        try:
            find_model(model, revision)
        except OSError as error:
            raise ComparisonError(f"model {model!r}: {error}") from error


def _tiny_models(cells: Sequence[Cell]) -> list[str]:
    models = dict.fromkeys(cell.model.model for cell in cells)
    return [model for model in models if is_tiny(model)]
