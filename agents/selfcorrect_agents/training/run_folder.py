"""The folder of a training run: what was asked for, what was measured, what was said.

config.json          the method, its configuration, the environment, versions
metrics.jsonl        one row of figures for each step
tensorboard/         the same figures, for TensorBoard
episodes.jsonl       the episodes of some steps, as `datasets.load_dataset("json")` reads them
checkpoints/step-…   see `selfcorrect_agents.training.checkpoint`
model/               the trained policy, written at the end
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch.utils.tensorboard.writer import SummaryWriter

from selfcorrect_env import CheckpointError, Episode, TrainingEnv
from selfcorrect_env.evaluation import to_row


class RunFolder:
    """The folder of one training run, open for writing.

    Args:
        path: the folder; made where it does not exist.
        config: JSON-able facts that determine the run's result.
        resume: whether to go on with the run that the folder holds.
        episodes_every: episodes of every so many steps are written; 0 writes none.

    Raises:
        CheckpointError: the folder holds a run and ``resume`` is False; or its config.json is
            missing, damaged or of another run. Nothing is overwritten.
    """

    def __init__(
        self,
        path: str | Path,
        config: Mapping[str, Any],
        *,
        resume: bool = False,
        episodes_every: int = 10,
    ) -> None:
        self.path = Path(path)
        self.episodes_every = episodes_every
        config_path = self.path / "config.json"
        wanted = json.loads(json.dumps(config))
        if config_path.exists() and not resume:
            raise CheckpointError(
                f"{self.path} already holds a run. Pass --resume to go on with it, "
                "or name another folder."
            )
        if config_path.exists():
            _require_same(config_path, wanted)
        elif (self.path / "metrics.jsonl").exists() or self.checkpoints.exists():
            raise CheckpointError(
                f"{self.path} holds parts of a run but no config.json, so nobody knows which. "
                "Name another folder."
            )
        else:
            self.path.mkdir(parents=True, exist_ok=True)
            _write_atomically(config_path, json.dumps(wanted, indent=2) + "\n")
        self._tensorboard: SummaryWriter | None = None

    @property
    def checkpoints(self) -> Path:
        """The folder that checkpoints go to."""
        return self.path / "checkpoints"

    @property
    def model(self) -> Path:
        """Where the trained policy goes."""
        return self.path / "model"

    def rewind(self, step: int) -> list[dict[str, float]]:
        """Drop what was logged after ``step`` steps and return the figures before that.

        A run that was killed may have logged steps that its newest checkpoint does not
        know; they are taken again, to the same result.
        """
        for name in ("metrics.jsonl", "episodes.jsonl"):
            path = self.path / name
            if path.exists():
                kept = [line for line, row in _rows(path) if row["step"] <= step]
                _write_atomically(path, "".join(kept))
        self._tensorboard = SummaryWriter(str(self.path / "tensorboard"), purge_step=step + 1)
        metrics = self.path / "metrics.jsonl"
        return [row for _, row in _rows(metrics)] if metrics.exists() else []

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Append one step's figures; ``step`` counts from 1."""
        _append(self.path / "metrics.jsonl", [{"step": step, **figures}])
        if self._tensorboard is None:
            self._tensorboard = SummaryWriter(str(self.path / "tensorboard"))
        for key, value in figures.items():
            self._tensorboard.add_scalar(key, value, step)

    def log_episodes(self, step: int, episodes: tuple[Episode, ...]) -> None:
        """Append the episodes of a step, where it is one whose episodes are kept."""
        if self.episodes_every and (step == 1 or step % self.episodes_every == 0):
            rows = [{"step": step, **to_row(episode)} for episode in episodes]
            _append(self.path / "episodes.jsonl", rows)

    def close(self) -> None:
        """Flush everything to disk; safe to call twice."""
        if self._tensorboard is not None:
            self._tensorboard.close()
            self._tensorboard = None


def open_run(path: str | Path, method: str, env: TrainingEnv, config: Any) -> RunFolder:
    """Open the folder of a run that is started from Python: a new run, or one to resume.

    Args:
        path: the folder. If it holds a run of the same method, environment and configuration, the
            run is resumed.
        method: the method's name.
        env: the environment that is trained on.
        config: the method's configuration, a dataclass.

    Raises:
        CheckpointError: the folder holds another run.
    """
    problems = env.problems
    metadata = {
        "method": method,
        "learning": dataclasses.asdict(config),
        "problem_set": problems.name,
        "split": problems.split,
        "fingerprint": problems.fingerprint,
        "verifier": env.verifier.name,
        "prompts": env.prompts.name,
        "attempts": env.attempts,
    }
    return RunFolder(path, metadata, resume=(Path(path) / "config.json").exists())


def read_metrics(path: str | Path) -> list[dict[str, float]]:
    """Read a run's metrics.jsonl: one dict for each step, with its ``step``."""
    return [row for _, row in _rows(Path(path))]


def _require_same(path: Path, wanted: dict[str, Any]) -> None:
    try:
        found = dict(json.loads(path.read_bytes()))
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged ({error}); the run can't be resumed.") from error
    different = sorted(k for k in {*found, *wanted} if found.get(k) != wanted.get(k))
    if different:
        was = "; ".join(f"{k}: {found.get(k)!r} then, {wanted.get(k)!r} now" for k in different)
        raise CheckpointError(
            f"{path.parent} holds another run, so it can't be resumed ({was}). "
            "Use the same options, or another folder."
        )


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
