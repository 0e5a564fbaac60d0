"""The folder of a training run: its configuration, metrics, episodes, checkpoints and model.

config.json          the method, its configuration, the environment, versions
trained_on.json      hashes of the problems, for later warnings of overlap
metrics.jsonl        one row of metrics for each step
tensorboard/         the same metrics, for TensorBoard
episodes.jsonl       the episodes of some steps, as `datasets.load_dataset("json")` reads them
checkpoints/step-…   see `selfcorrect_agents.training.checkpoint`
first_episode.txt    the first episode as the model read and wrote it, with special tokens
model/               the trained policy, written at the end

Nothing is written before the first step: a run that is refused leaves nothing behind.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selfcorrect_agents.flat_config import flat
from selfcorrect_agents.training.resuming import check_resumable
from selfcorrect_env import CheckpointError, Episode, ProblemSet, TrainingEnv
from selfcorrect_env.evaluation import to_row
from selfcorrect_env.problems import write_trained_on

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter


class RunFolder:
    """The folder of one training run, open for writing.

    Args:
        path: the folder; made at the first step if it does not exist.
        config: JSON-able metadata that determine the run's result, of which ``learning`` is the
            method's configuration in flat form.
        resume: whether to resume the run that the folder holds, if it holds one.
        episodes_every: the episodes of every N-th step are written; 0 writes none.
        extendable: fields of ``learning`` that a resumed run may raise.
        problems: what the run trains on; recorded in ``trained_on.json``.
        base_model: the model that it starts from, for the same record.

    Raises:
        CheckpointError: the folder holds a run and ``resume`` is False; or its config.json is
            missing, damaged or of another run. Nothing is overwritten.
        OSError: the folder cannot be written.
    """

    def __init__(
        self,
        path: str | Path,
        config: Mapping[str, Any],
        *,
        resume: bool = False,
        episodes_every: int = 10,
        extendable: Sequence[str] = (),
        problems: ProblemSet | None = None,
        base_model: str | None = None,
    ) -> None:
        self.path = Path(path)
        self.episodes_every = episodes_every
        self._config = json.loads(json.dumps(config))
        self._problems, self._base_model = problems, base_model
        self._started = False
        self._model_before = _changed_at(self.model)
        self._tensorboard: SummaryWriter | None = None
        if not holds_run(self.path):
            self._check_free()
        elif resume:
            check_resumable(self.path, self._config, extendable)
        else:
            raise CheckpointError(
                f"{self.path} already holds a run. Resume it with --resume, or name another folder."
            )
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
        if self._problems is not None:
            write_trained_on(self.path, self._problems, model=self._base_model)
        _write_atomically(self.path / "config.json", json.dumps(self._config, indent=2) + "\n")
        self._started = True

    def rewind(self, step: int) -> list[dict[str, float]]:
        """Drop what was logged after ``step`` steps and return the metrics before that.

        A run that was killed may have logged steps after its newest checkpoint; they are taken
        again, to the same result.
        """
        for name in ("metrics.jsonl", "episodes.jsonl"):
            path = self.path / name
            if path.exists():
                kept = [line for line, row in _rows(path) if row["step"] <= step]
                _write_atomically(path, "".join(kept))
        if (self.path / "tensorboard").exists():
            self._tensorboard = self._summary_writer(purge_step=step + 1)
        metrics = self.path / "metrics.jsonl"
        return [row for _, row in _rows(metrics)] if metrics.exists() else []

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Append one step's metrics; ``step`` counts from 1."""
        self.start()
        _append(self.path / "metrics.jsonl", [{"step": step, **metrics}])
        if self._tensorboard is None:
            self._tensorboard = self._summary_writer()
        for key, value in metrics.items():
            self._tensorboard.add_scalar(key, value, step)

    def log_episodes(self, step: int, episodes: tuple[Episode, ...]) -> None:
        """Append the episodes of a step, if it is one whose episodes are kept."""
        if self.episodes_every and (step == 1 or step % self.episodes_every == 0):
            self.start()
            rows = [{"step": step, **to_row(episode)} for episode in episodes]
            _append(self.path / "episodes.jsonl", rows)

    def log_first_episode(self, text: str) -> None:
        """Write the run's first episode as the model read and wrote it, unless it is there."""
        path = self.path / "first_episode.txt"
        if not path.exists():
            self.start()
            _write_atomically(path, text)

    def close(self) -> None:
        """Flush everything to disk; safe to call twice."""
        if self._tensorboard is not None:
            self._tensorboard.close()
            self._tensorboard = None

    def _summary_writer(self, purge_step: int | None = None) -> SummaryWriter:
        from torch.utils.tensorboard.writer import SummaryWriter  # slow to import

        return SummaryWriter(str(self.path / "tensorboard"), purge_step=purge_step)

    def _check_free(self) -> None:
        """Refuse a folder whose files a new run would mix with or overwrite."""
        config_path = self.path / "config.json"
        if config_path.exists() and "learning" not in _json(config_path):
            raise CheckpointError(
                f"{config_path} is not the configuration of a run; name another folder."
            )
        if any((self.path / name).exists() for name in ("metrics.jsonl", "checkpoints")):
            raise CheckpointError(
                f"{self.path} holds parts of a run but no config.json; name another folder."
            )


def holds_run(path: str | Path) -> bool:
    """Whether a folder holds a run that has taken a step (or wrote its model)."""
    path = Path(path)
    if not (path / "config.json").is_file():
        return False
    return any((path / name).exists() for name in ("metrics.jsonl", "checkpoints", "model"))


def open_run(
    path: str | Path, method: str, env: TrainingEnv, config: Any, weights: str
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

    Raises:
        CheckpointError: the folder holds another run.
    """
    metadata = {"starting_weights": weights}
    return RunFolder.of(path, method, config, env, metadata=metadata, resume=True)


def read_metrics(path: str | Path) -> list[dict[str, float]]:
    """Read a run's metrics.jsonl: one dict for each step, with its ``step``."""
    return [row for _, row in _rows(Path(path))]


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


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (line, row); a last line that a killed process left half-written is dropped."""
    lines = path.read_text("utf-8").splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        try:
            yield line, json.loads(line)
        except ValueError as error:
            if number == len(lines) and not line.endswith("\n"):
                return
            raise CheckpointError(f"{path}, line {number}: not valid JSON ({error}).") from error


def _append(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def _write_atomically(path: Path, text: str) -> None:
    written = path.with_name(f".{path.name}.{os.getpid()}")
    written.write_text(text, "utf-8")
    written.replace(path)
