"""Trackers: services that a run's metrics are also logged to, through accelerate.

The run folder's metrics.jsonl is the record; a tracker shows it. Each tracker keeps its own
settings (``WANDB_PROJECT``, ``WANDB_MODE``, ``MLFLOW_TRACKING_URI``, ``TRACKIO_DIR`` …).
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import uuid
import warnings
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selfcorrect_agents.errors import LearningError
from selfcorrect_agents.training.files import write_atomically
from selfcorrect_env import CheckpointError, UnknownNameError

if TYPE_CHECKING:
    from accelerate.tracking import GeneralTracker

PACKAGES = {
    "tensorboard": "tensorboard",
    "wandb": "wandb",
    "trackio": "trackio",
    "mlflow": "mlflow",
}
"""Tracker -> the package that it needs."""

PROJECT = "selfcorrect"
"""The project, or experiment, of runs in trackers that group them."""

FILE_NAME = "trackers.json"
"""The file of a run folder with the ids of the run in its trackers, for resuming."""


def check_trackers(names: Sequence[str]) -> None:
    """Refuse trackers that don't exist or whose package is missing.

    Raises:
        UnknownNameError: there is no such tracker.
        LearningError: its package is not installed.
    """
    for name in names:
        if name not in PACKAGES:
            raise UnknownNameError.of("tracker", name, PACKAGES)
        found = find_spec(PACKAGES[name])
        if found is None or found.origin is None:  # a folder that a tracker made has no origin
            extra = "agents" if name == "tensorboard" else name
            raise LearningError(
                f"The tracker {name!r} needs the package {PACKAGES[name]}: pip install "
                f"'selfcorrect-env[{extra}]', or leave it out of the trackers."
            )


class Trackers:
    """The trackers of one run, open for logging.

    Args:
        names: keys of `PACKAGES`.
        folder: the run folder, which exists.
        config: the run's settings, which the trackers show.
        first_step: the first step that is going to be logged; 1 in a new run. A TensorBoard file
            is cut there. W&B ignores steps that it has, and they are the same.

    Raises:
        LearningError: one can't be started, such as for want of a key or a server.
    """

    def __init__(
        self, names: Sequence[str], folder: Path, config: Mapping[str, Any], first_step: int
    ) -> None:
        from accelerate import PartialState  # slow to import

        PartialState()  # accelerate's trackers write to its log, which needs it
        ids = _read_ids(folder)
        self._trackers: dict[str, GeneralTracker] = {}
        for name in names:
            try:
                tracker = _made(name, folder, ids.get(name), first_step)
                with contextlib.redirect_stdout(sys.stderr):  # some say there what they do
                    tracker.start()
                # TensorBoard would write a file of its own for each, and MLflow refuses other
                # values than those that a run was started with
                if name != "tensorboard" and name not in ids:
                    tracker.store_init_configuration(dict(_scalars(config)))
            except Exception as error:  # each package has its own
                self.close()
                raise LearningError(
                    f"The tracker {name!r} can't be started ({_said(error)}). Set it up as its "
                    "package asks, or leave it out of the trackers."
                ) from error
            self._trackers[name] = tracker
        found = ids | dict(_ids(self._trackers))
        if found:
            write_atomically(folder / FILE_NAME, json.dumps(found, indent=2) + "\n")

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Log one step's metrics; ``step`` counts from 1.

        Warns:
            UserWarning: a tracker failed. It gets no further steps, and the run goes on.
        """
        for name, tracker in list(self._trackers.items()):
            try:
                tracker.log(dict(metrics), step=step)
            except Exception as error:  # each package has its own
                del self._trackers[name]
                warnings.warn(
                    f"The tracker {name!r} failed at step {step} ({_said(error)}) and gets no "
                    "further steps; metrics.jsonl has them all.",
                    stacklevel=3,
                )

    def close(self) -> None:
        """Write what is buffered and end the run in every tracker.

        Warns:
            UserWarning: a tracker failed; metrics.jsonl has every step.
        """
        for name, tracker in self._trackers.items():
            try:
                tracker.finish()
            except Exception as error:  # each package has its own
                warnings.warn(
                    f"The tracker {name!r} failed as it was closed ({_said(error)}) and may lack "
                    "the last steps; metrics.jsonl has them all.",
                    stacklevel=3,
                )
        self._trackers = {}


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]


def _made(name: str, folder: Path, known: str | None, first_step: int) -> GeneralTracker:
    from accelerate import tracking  # slow to import

    run_name = folder.resolve().name
    if name == "tensorboard":
        purged = {"purge_step": first_step} if (folder / name).exists() else {}
        return tracking.TensorBoardTracker("tensorboard", folder, **purged)
    if name == "wandb":
        project = os.environ.get("WANDB_PROJECT", PROJECT)
        return tracking.WandBTracker(
            project, name=run_name, dir=str(folder), id=known, resume="allow"
        )
    if name == "trackio":
        # its runs go by their names, and another folder may have the same name
        own = known or f"{run_name}-{uuid.uuid4().hex[:6]}"
        return tracking.TrackioTracker(PROJECT, name=own, resume="allow")
    return tracking.MLflowTracker(PROJECT, run_id=known, run_name=run_name)


def _ids(trackers: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for name, tracker in trackers.items():
        if name == "mlflow":
            yield name, tracker.tracker.info.run_id
        elif name == "wandb":
            yield name, tracker.tracker.id
        elif name == "trackio":
            yield name, tracker.tracker.name


def _read_ids(folder: Path) -> dict[str, str]:
    path = folder / FILE_NAME
    if not path.exists():
        return {}
    try:
        return dict(json.loads(path.read_bytes()))
    except (ValueError, TypeError) as error:
        raise CheckpointError(
            f"{path} is damaged ({error}), so the run's place in its trackers is not known. Delete "
            "that file to log to new runs there."
        ) from error


def _scalars(config: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Yield every value of nested settings by its path; a list becomes a text."""
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _scalars(value, f"{prefix}{key}/")
        else:
            plain = value is None or isinstance(value, bool | int | float | str)
            yield f"{prefix}{key}", value if plain else json.dumps(value)
