"""The folder of a training run: its configuration, metrics, episodes, checkpoints and model.

config.json          the method, its configuration, the environment, versions
trained_on.json      hashes of the problems, for later warnings of overlap
metrics.jsonl        one row of metrics for each step
tensorboard/         the same metrics, for TensorBoard (see `selfcorrect_agents.training.trackers`)
curves.svg           a picture of the metrics so far
episodes.jsonl       the episodes of some steps, as `datasets.load_dataset("json")` reads them
samples.txt          an episode of some steps, to read, if asked for
split.json           how the first step was cut to fit into memory; later ones are cut alike
checkpoints/step-…   see `selfcorrect_agents.training.checkpoint`
first_episode.txt    the first episode as the model read and wrote it, with special tokens
model/               the trained policy, written at the end
best.json            if the best evaluation's model is kept: its step and its value

Nothing is written before the first step: a run that is refused leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from selfcorrect_agents.flat_config import flat
from selfcorrect_agents.training.files import (
    FolderLock,
    append_rows,
    append_text,
    read_rows,
    write_atomically,
)
from selfcorrect_agents.training.progress import MetricsRow
from selfcorrect_agents.training.resuming import check_resumable
from selfcorrect_agents.training.run_picture import run_picture
from selfcorrect_agents.training.trackers import Trackers, check_trackers
from selfcorrect_env import CheckpointError, Episode, ProblemSet, TrainingEnv
from selfcorrect_env.evaluation import to_row
from selfcorrect_env.problems import write_trained_on

BEST = "best.json"
"""The file that says which step the trained model is of, if that is not the last one."""

SPLIT = "split.json"
"""The file that says how steps are cut (`selfcorrect_agents.training.memory_split.Split`)."""

MODEL = "model.json"
"""The file that says after how many steps, with which settings, the trained model was written."""

SAMPLES = "samples.txt"
"""The file with episodes to read."""
_SAMPLE = re.compile(r"(?m)^(?=== step \d+ ==$)")
"""The start of an episode in that file."""


class RunFolder:
    """The folder of one training run, open for writing.

    Args:
        path: the folder; made at the first step if it does not exist.
        config: JSON-able metadata that determine the run's result, of which ``learning`` is the
            method's configuration in flat form.
        resume: whether to resume the run that the folder holds, if it holds one.
        episodes_every: the episodes of every N-th step are written; 0 writes none.
        show_every: an episode of every N-th step is written to samples.txt; 0 writes none.
        trackers: where metrics are logged beside metrics.jsonl
            (`selfcorrect_agents.training.trackers`).
        extendable: fields of ``learning`` that a resumed run may raise.
        problems: what the run trains on; recorded in ``trained_on.json``.
        base_model: the model that it starts from, for the same record.

    Raises:
        CheckpointError: the folder holds a run and ``resume`` is False; or its config.json is
            missing, damaged or of another run. Nothing is overwritten.
        LearningError: the package of a tracker is not installed.
        OSError: the folder cannot be written.
    """

    def __init__(
        self,
        path: str | Path,
        config: Mapping[str, Any],
        *,
        resume: bool = False,
        episodes_every: int = 10,
        show_every: int = 0,
        trackers: Sequence[str] = ("tensorboard",),
        extendable: Sequence[str] = (),
        problems: ProblemSet | None = None,
        base_model: str | None = None,
    ) -> None:
        self.path = Path(path)
        self.episodes_every = episodes_every
        self.show_every = show_every
        check_trackers(trackers)
        self._config = json.loads(json.dumps(config))
        self._problems, self._base_model = problems, base_model
        self._started = False
        self._lock: FolderLock | None = None
        self._resumed = holds_run(self.path)
        self._model_before = _changed_at(self.model)
        self._tracker_names = tuple(trackers)
        self._trackers: Trackers | None = None
        if not holds_run(self.path):
            self._check_free()
        elif resume:
            check_resumable(self.path, self._config, extendable)
        else:
            check_no_run(self.path)
        _check_writable(self.path)

    @classmethod
    def of(
        cls,
        path: str | Path,
        method: str,
        learning: Any,
        env: TrainingEnv,
        *,
        model: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        resume: bool = False,
        episodes_every: int = 10,
        show_every: int = 0,
        trackers: Sequence[str] = ("tensorboard",),
    ) -> RunFolder:
        """Return the folder of a run that trains with ``method`` on ``env``.

        Args:
            path: the folder.
            method: the method's name.
            learning: its configuration.
            env: where it is trained.
            model: the name of the base model, if it has one.
            metadata: more JSON-able metadata that determine the result.
            resume: as in `RunFolder`.
            episodes_every: as in `RunFolder`.
            show_every: as in `RunFolder`.
            trackers: as in `RunFolder`.
        """
        import torch  # not needed to read a run, which --resume --help does

        problems = env.problems
        config = {
            "method": method,
            "learning": flat(learning),
            "model": model,
            "problem_set": problems.name,
            "split": problems.split,
            "fingerprint": problems.fingerprint,
            "verifier": env.verifier.name,
            "prompts": env.prompts.name,
            "attempts": env.attempts,
            "torch": torch.__version__,
            "transformers": version("transformers"),
            **(metadata or {}),
        }
        return cls(
            path,
            config,
            resume=resume,
            episodes_every=episodes_every,
            show_every=show_every,
            trackers=trackers,
            extendable=getattr(learning, "extendable", ()),
            problems=problems,
            base_model=model,
        )

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def model(self) -> Path:
        """The folder of the trained policy."""
        return self.path / "model"

    @property
    def model_written(self) -> bool:
        """Whether `model` was written since the folder was opened."""
        return _changed_at(self.model) not in (None, self._model_before)

    def start(self) -> None:
        """Make the folder and write its configuration, unless that was done; `log` calls it."""
        if self._started:
            return
        self.path.mkdir(parents=True, exist_ok=True)
        self._hold()
        if self._problems is not None:
            write_trained_on(self.path, self._problems, model=self._base_model)
        write_atomically(self.path / "config.json", json.dumps(self._config, indent=2) + "\n")
        self._started = True

    def _hold(self) -> None:
        """Keep other processes from writing to the folder until `close`.

        Raises:
            CheckpointError: one does, or has begun a run there since this folder was opened.
        """
        if self._lock is None:
            self._lock = FolderLock(self.path)
            if not self._resumed:
                check_no_run(self.path)

    def rewind(self, step: int) -> list[dict[str, float]]:
        """Drop what was logged after ``step`` steps and return the metrics before that.

        A run that was killed may have logged steps after its newest checkpoint; they are taken
        again, to the same result.

        Raises:
            CheckpointError: another process writes to the folder.
        """
        if self.path.exists():
            self._hold()
        for name in ("metrics.jsonl", "episodes.jsonl"):
            path = self.path / name
            if path.exists():
                kept = [line for line, row in read_rows(path) if row["step"] <= step]
                write_atomically(path, "".join(kept))
        samples = self.path / SAMPLES
        if samples.exists():
            parts = _SAMPLE.split(samples.read_text("utf-8"))
            kept = [part for part in parts if part and int(part.split()[2]) <= step]
            write_atomically(samples, "".join(kept))
        metrics = self.path / "metrics.jsonl"
        return [row for _, row in read_rows(metrics)] if metrics.exists() else []

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Append one step's metrics; ``step`` counts from 1."""
        self.start()
        append_rows(self.path / "metrics.jsonl", [{"step": step, **metrics}])
        self._open_trackers(step).log(step, metrics)

    def reach_trackers(self, step: int) -> None:
        """Start the trackers before anything is logged if one of them may be out of reach.

        Args:
            step: the next one that will be logged, counted from 1.

        Raises:
            LearningError: one of them can't be started.
        """
        if any(name != "tensorboard" for name in self._tracker_names):
            self.start()
            self._open_trackers(step)

    def _open_trackers(self, step: int) -> Trackers:
        if self._trackers is None:
            self._trackers = Trackers(self._tracker_names, self.path, self._config, step)
        return self._trackers

    def log_episodes(self, step: int, episodes: tuple[Episode, ...]) -> None:
        """Append the episodes of a step, if it is one whose episodes are kept."""
        if self.episodes_every and (step == 1 or step % self.episodes_every == 0):
            self.start()
            rows = [{"step": step, **to_row(episode)} for episode in episodes]
            append_rows(self.path / "episodes.jsonl", rows)

    def log_sample(self, step: int, text: str) -> None:
        """Append an episode as text."""
        self.start()
        body = _SAMPLE.sub(" ", text)  # no line of a reply passes for the head of a sample
        append_text(self.path / SAMPLES, f"== step {step} ==\n{body}\n")

    def draw_curves(self, history: Sequence[MetricsRow]) -> None:
        """Draw the accuracies of training and of held-out problems, if any, to curves.svg."""
        picture = run_picture(self.path.resolve().name, history)
        if picture is not None:
            write_atomically(self.path / "curves.svg", picture)

    def log_best(self, step: int, metric: str, value: float) -> None:
        """Write which step the trained model is of."""
        best = {"step": step, "metric": metric, "value": value}
        write_atomically(self.path / BEST, json.dumps(best) + "\n")

    def log_model(self) -> None:
        """Write after how many steps, and with which settings, the trained model was written."""
        write_atomically(self.path / MODEL, json.dumps(_state(self.path), indent=2) + "\n")

    def log_first_episode(self, text: str) -> None:
        """Write the run's first episode as the model read and wrote it, unless it is there."""
        path = self.path / "first_episode.txt"
        if not path.exists():
            self.start()
            write_atomically(path, text)

    def log_split(self, split: Mapping[str, int]) -> None:
        """Write how steps are cut, unless it is there."""
        if not (self.path / SPLIT).exists():
            write_atomically(self.path / SPLIT, json.dumps(split) + "\n")

    def split(self) -> dict[str, int] | None:
        """Return what `log_split` wrote; None if there is nothing.

        Raises:
            CheckpointError: the file is damaged.
        """
        path = self.path / SPLIT
        if not path.exists():
            return None
        try:
            return {str(key): int(value) for key, value in json.loads(path.read_bytes()).items()}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{path} is damaged ({error}): delete it.") from error

    def close(self) -> None:
        """Flush everything to disk; safe to call twice."""
        trackers, self._trackers = self._trackers, None
        try:
            if trackers is not None:
                trackers.close()
        finally:
            if self._lock is not None:
                self._lock.release()

    def _check_free(self) -> None:
        """Refuse a folder whose files a new run would mix with or overwrite."""
        config_path = self.path / "config.json"
        if config_path.exists() and "learning" not in _json(config_path):
            raise CheckpointError(
                f"{config_path} is not the configuration of a run; name another folder."
            )
        if config_path.exists():
            return
        ours = ("metrics.jsonl", "episodes.jsonl", "checkpoints", "model")
        found = [name for name in ours if (self.path / name).exists()]
        if found:
            raise CheckpointError(
                f"{self.path} holds {', '.join(found)} but no config.json of a run, and a run "
                "would write there; name another folder."
            )


def check_no_run(path: str | Path) -> None:
    """Refuse a folder that holds a run.

    Raises:
        CheckpointError: it does.
    """
    if holds_run(path):
        raise CheckpointError(
            f"{path} already holds a run. Resume it with --resume, or name another folder."
        )


def model_is_older(path: str | Path) -> bool:
    """Whether a run went on, or was resumed to, after its trained model was written.

    It is not known, and False, of a model that this package did not write.
    """
    written = Path(path) / MODEL
    return written.is_file() and _json(written) != _state(Path(path))


def _state(path: Path) -> dict[str, Any]:
    """Return how many steps a run has logged, and the settings of its method."""
    metrics = path / "metrics.jsonl"
    steps = sum(1 for _ in read_rows(metrics)) if metrics.exists() else 0
    return {"steps": steps, "learning": _json(path / "config.json").get("learning")}


def holds_run(path: str | Path) -> bool:
    """Whether a folder holds a run that has taken a step (or wrote its model)."""
    path = Path(path)
    if not (path / "config.json").is_file():
        return False
    return any((path / name).exists() for name in ("metrics.jsonl", "checkpoints", "model"))


def open_run(
    path: str | Path,
    method: str,
    env: TrainingEnv,
    config: Any,
    weights: str,
    precision: str = "float32",
    further: Mapping[str, Any] | None = None,
) -> RunFolder:
    """Open the folder of a run that is started from Python: a new run, or one to resume.

    Args:
        path: the folder. If it holds a run of the same method, environment and configuration, the
            run is resumed.
        method: the method's name.
        env: the environment that is trained on.
        config: the method's configuration, a dataclass.
        weights: hash of the weights that the run starts from. They are also the reference, so
            another model would change the result of a resumed run.
        precision: of its forward passes, which changes the result as well.
        further: more JSON-able settings that change the result.

    Raises:
        CheckpointError: the folder holds another run.
    """
    metadata = {"starting_weights": weights, "precision": precision, **(further or {})}
    return RunFolder.of(path, method, config, env, metadata=metadata, resume=True)


def read_metrics(path: str | Path) -> list[dict[str, float]]:
    """Read a run's metrics.jsonl: one dict for each step, with its ``step``."""
    return [row for _, row in read_rows(Path(path))]


def _check_writable(path: Path) -> None:
    """Make the folder and remove it again, so that a run fails early if it can't be written.

    Raises:
        OSError: it can't be made, or can't be written.
    """
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    probe = path / f".writable.{os.getpid()}"
    try:
        probe.touch()
        probe.unlink()
    finally:
        with contextlib.suppress(OSError):  # another process may have made something there
            for folder in missing:
                folder.rmdir()


def _changed_at(folder: Path) -> tuple[int, ...] | None:
    """Return what tells a folder's state from a later one, None if it does not exist."""
    if not folder.exists():
        return None
    return tuple(sorted(path.stat().st_mtime_ns for path in (folder, *folder.iterdir())))


def _json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return {}
