"""Saving the trained model of a run, for any method."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from selfcorrect_agents.errors import LearningError
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.training.run_folder import RunFolder


def save_trained(agent: Any, policy: Policy, run: RunFolder) -> None:
    """Write what a method has learned to ``run.model``, unless its ``learn`` did so itself.

    It is written by ``agent.save(path)``, if there is one, else as ``agent.policy``, else as the
    policy that the method was given. Writing is atomic.

    Args:
        agent: the trained agent.
        policy: the policy that it was given.
        run: the run's folder.

    Raises:
        LearningError: the agent has no ``save``, and its ``policy`` is no `Policy`.
    """
    run.start()
    if run.model_written:
        return
    write = getattr(agent, "save", None)
    if write is None:
        learned = getattr(agent, "policy", policy)
        if not isinstance(learned, Policy):
            raise LearningError(
                f"{type(agent).__name__} has learned, but it has no save(path) and its attribute "
                f"policy is a {type(learned).__name__}, not a selfcorrect_agents.Policy. Add one "
                "of them, or let learn write run.model."
            )
        write = learned.save_pretrained
    write_model(run, write)


def write_model(run: RunFolder, write: Callable[[Path], object]) -> None:
    """Write the trained model of a run: all of it or, if there is no room, nothing.

    Args:
        run: the run.
        write: writes the model to the folder that it is given.
    """
    run.start()
    unfinished = Path(run.path) / ".model"
    if unfinished.exists():  # of a process that was killed
        shutil.rmtree(unfinished)
    try:
        write(unfinished)
        _remove_empty_card(unfinished / "README.md")
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    if run.model.exists():  # what the run had learned before it was resumed
        shutil.rmtree(run.model)
    unfinished.rename(run.model)
    run.log_model()


def _remove_empty_card(card: Path) -> None:
    """Delete the unfilled form of a model card that peft writes; `push` writes a real one."""
    if card.is_file() and "[More Information Needed]" in card.read_text(encoding="utf-8"):
        card.unlink()
