"""Checkpoints: everything that a run needs to resume with the same result.

A checkpoint is a folder ``step-000120`` with the weights as ``save_pretrained`` writes them (only
the adapter if an adapter is trained), the optimiser's state in safetensors and a manifest of every
file's size and hash. It is written atomically; a damaged one is refused by name. Random numbers
need not be saved: every step draws its own from the run's seed and the step's number (`step_seed`).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from selfcorrect_agents.lm.learner import Learner
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.training.memory_split import Split
from selfcorrect_agents.training.optimizer_state import read_state, write_state
from selfcorrect_env import CheckpointError, Episode
from selfcorrect_env.evaluation import read_episodes, write_episodes

MANIFEST = "checkpoint.json"
EPISODES = "episodes.jsonl"
NAME = re.compile(r"step-(\d{6,})")


def step_seed(seed: int, step: int, purpose: str) -> int:
    """Return the 63-bit seed of one purpose in one step; different for each of the three."""
    word = int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:4], "big")
    low, high = np.random.SeedSequence([seed, step, word]).generate_state(2)
    return int(high) << 31 ^ int(low)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint on disk whose files were all checked."""

    folder: Path
    step: int
    """Number of steps that were taken before it was written."""
    split: Split | None = None
    """How the run cut its steps to fit into memory; None in a checkpoint that does not say."""

    @property
    def model(self) -> Path:
        """The folder that ``from_pretrained`` reads."""
        return self.folder / "model"

    def restore(self, policy: Policy, learner: Learner) -> None:
        """Load weights and optimiser state; the policy must be the one that was saved."""
        policy.load_weights(self.model)
        learner.load_state_dict(read_state(self.folder))

    def episodes(self) -> list[Episode]:
        """Return the episodes that the run had kept, if any."""
        path = self.folder / EPISODES
        return read_episodes(path) if path.is_file() else []


def checkpoint_of(folder: Path, step: int) -> Path:
    """Return the folder of the checkpoint after ``step`` steps."""
    return folder / f"step-{step:06d}"


def save_checkpoint(
    folder: Path,
    step: int,
    policy: Policy,
    learner: Learner,
    keep: int = 2,
    *,
    episodes: Sequence[Episode] = (),
    spared: int | None = None,
    split: Split | None = None,
) -> Path:
    """Write ``folder/step-…`` atomically and delete all but the newest ``keep`` checkpoints.

    If it can't be written, what was written of it is deleted, and older checkpoints stay.

    Args:
        folder: of all checkpoints of the run.
        step: steps that were taken.
        policy: whose weights are written.
        learner: whose optimiser's state is written.
        keep: how many checkpoints are kept.
        episodes: those that the resumed run needs (supervised methods gather them).
        spared: the step of one more checkpoint that is kept.
        split: how the run's steps are cut.
    """
    final = checkpoint_of(folder, step)
    written = folder / f".writing-step-{step:06d}-{os.getpid()}"
    for abandoned in folder.glob(".writing-*"):  # by a process that was killed
        shutil.rmtree(abandoned)
    try:
        _write(written, step, policy, learner, episodes, split)
    except BaseException:
        shutil.rmtree(written, ignore_errors=True)
        raise
    if final.exists():
        shutil.rmtree(final)
    written.rename(final)
    for old in _folders(folder)[:-keep]:
        if _step_of(old) != spared:
            shutil.rmtree(old)
    return final


def _write(
    folder: Path,
    step: int,
    policy: Policy,
    learner: Learner,
    episodes: Sequence[Episode],
    split: Split | None,
) -> None:
    folder.mkdir(parents=True)
    policy.save_pretrained(folder / "model")
    write_state(folder, learner.state_dict())
    if episodes:
        write_episodes(folder / EPISODES, episodes)
    files = {
        str(path.relative_to(folder)): _size_and_hash(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    manifest: dict[str, Any] = {"step": step, "torch": torch.__version__, "files": files}
    if split is not None:
        manifest["split"] = asdict(split)
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")


def latest_checkpoint(folder: Path) -> Checkpoint | None:
    """Return the newest checkpoint of a run, or None if there is none.

    Raises:
        CheckpointError: the newest one is damaged. The message names the file and the
            remedy. An older checkpoint is not used silently.
    """
    folders = _folders(folder)
    return open_checkpoint(folders[-1]) if folders else None


def open_checkpoint(folder: Path) -> Checkpoint:
    """Check every file of a checkpoint against its manifest.

    Raises:
        CheckpointError: a file is missing, truncated or changed.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
        step = int(manifest["step"])
        split = Split(**manifest["split"]) if "split" in manifest else None
        files = [
            (name, int(size), str(digest)) for name, (size, digest) in manifest["files"].items()
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{folder}: its {MANIFEST} cannot be read ({error}). {_REMEDY}"
        ) from error
    for name, size, digest in files:
        path = folder / name
        if not path.is_file():
            raise CheckpointError(f"{path} is missing. {_REMEDY}")
        if path.stat().st_size != size:
            raise CheckpointError(
                f"{path} has {path.stat().st_size:,} bytes, expected {size:,}: it is truncated "
                f"or was changed. {_REMEDY}"
            )
        if _size_and_hash(path)[1] != digest:
            raise CheckpointError(
                f"{path} was changed: its SHA-256 is not the recorded one. {_REMEDY}"
            )
    return Checkpoint(folder, step, split)


_REMEDY = "Delete this checkpoint's folder to resume from the previous one, or start a new run."


def _size_and_hash(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return path.stat().st_size, digest.hexdigest()


def _folders(folder: Path) -> list[Path]:
    found = [p for p in folder.glob("step-*") if NAME.fullmatch(p.name)]
    return sorted(found, key=_step_of)


def _step_of(folder: Path) -> int:
    return int(folder.name.removeprefix("step-"))
