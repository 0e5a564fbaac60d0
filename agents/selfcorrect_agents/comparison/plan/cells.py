"""Cells: one method with one seed, its folder, and whether what lies there is this very cell.

    cells/<label>-seed<k>/
        cell.json       the facts that determine the result, written before anything else
        run/            the training run (`selfcorrect_agents.training.run_folder`)
        trained.json    written once the method has learnt
        sampled/ …      a `Report` for each decoding
        scaling/        many samples of some problems, where asked for
        seconds.json    wall-clock, summed over interruptions
        log.txt         what the cell's process said last
        done.json       the facts again, once all of them are made

Facts come in parts: ``training``, ``test``, one for each decoding, ``scaling``. A part that a
folder holds must be equal to be gone on with; a part that it lacks is added. So a comparison may
grow (a method, a seed, a decoding), and nothing of it is ever mixed with other settings, problems
or weights (`contents`).
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
import transformers

from selfcorrect_agents.comparison.plan.config import (
    DECODINGS,
    CompareConfig,
    EnvConfig,
    MethodConfig,
    ScalingConfig,
)
from selfcorrect_agents.comparison.plan.content_hashes import Contents
from selfcorrect_agents.comparison.plan.contestants import Contestant
from selfcorrect_agents.training.config import flat
from selfcorrect_env import CheckpointError, __version__
from selfcorrect_env.evaluation import replacing

Facts: TypeAlias = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One method with one seed: what is trained, and what it is measured on."""

    method: MethodConfig
    """The row of the comparison."""
    seed: int
    """Of the training and of the sampling."""
    model: str
    """The base model."""
    device: str
    """Where the model runs."""
    episodes: int | None
    """The budget of training episodes."""
    max_new_tokens: int
    """Token cap of one reply."""
    train: EnvConfig
    """Where it is trained."""
    test: EnvConfig
    """Where it is measured."""
    problems: int
    """Held-out problems to measure on."""
    batch_size: int
    """Problems answered at a time."""
    decodings: tuple[str, ...]
    """Names of `DECODINGS`."""
    scaling: ScalingConfig | None
    """Many samples of each problem, if this method takes part in that."""
    weights: str | None = None
    """Of the base model, as `contents.weights_of` tells them; None where nobody looked."""
    train_problems: str | None = None
    """Fingerprint of the problems that it is trained on; None where nobody looked."""
    test_problems: str | None = None
    """Fingerprint of the problems that it is measured on; None where nobody looked."""

    @property
    def name(self) -> str:
        """What messages and bars call it."""
        return f"{self.method.label}, seed {self.seed}"

    @property
    def folder(self) -> str:
        """The cell's folder within the comparison's."""
        return f"cells/{self.method.slug}-seed{self.seed}"

    def contestant(self) -> Contestant:
        """Return the agent that its method names (imports it)."""
        return Contestant.find(self.method)

    def learning(self) -> Any:
        """Return the configuration of its training; None where its agent does not train."""
        contestant = self.contestant()
        if not contestant.trains:
            return None
        return contestant.learning(self.seed, self.max_new_tokens, self.episodes)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Cell:
        """Return the cell that ``dataclasses.asdict`` and JSON made ``values`` of."""
        nested = {
            "method": MethodConfig(**values["method"]),
            "train": EnvConfig(**values["train"]),
            "test": EnvConfig(**values["test"]),
            "decodings": tuple(values["decodings"]),
            "scaling": values["scaling"] and ScalingConfig(**values["scaling"]),
        }
        return cls(**{**values, **nested})


def plan(config: CompareConfig, contents: Contents | None = None) -> list[Cell]:
    """Return every method × seed, all methods of the first seed first.

    Args:
        config: the comparison.
        contents: what its names stand for; a plan that is run needs it, one that is only looked
            at does not.
    """
    return [
        Cell(
            method=method,
            seed=seed,
            model=(model := config.model.replace("{seed}", str(seed))),
            scaling=_scaling(config.scaling, method.label),
            weights=contents and contents.models[model],
            train_problems=contents and contents.train,
            test_problems=contents and contents.test,
            **{name: getattr(config, name) for name in SHARED},
        )
        for seed in config.seeds
        for method in config.methods
    ]


SHARED = (
    *("device", "episodes", "max_new_tokens", "train", "test", "problems", "batch_size"),
    "decodings",
)
"""Fields that every cell has from the comparison as they are."""


def _scaling(scaling: ScalingConfig | None, label: str) -> ScalingConfig | None:
    if scaling is None or (scaling.methods is not None and label not in scaling.methods):
        return None
    return dataclasses.replace(scaling, methods=None)  # who else takes part is not this cell's


# -- what determines a cell ----------------------------------------------------------------------
def facts_of(cell: Cell) -> Facts:
    """Return what determines the cell's result, by part, the defaults of its method included."""
    learning = cell.learning()
    trained = learning is not None
    facts: Facts = {
        "training": {
            "agent": cell.method.agent,
            "learning": flat(learning) if trained else None,
            "play": dict(cell.method.play),
            "model": cell.model,
            "weights": cell.weights,
            "seed": cell.seed,
            "device": cell.device,
            "max_new_tokens": cell.max_new_tokens,
            "env": dataclasses.asdict(cell.train) if trained else None,
            "fingerprint": cell.train_problems if trained else None,
            "selfcorrect_env": __version__,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
        "test": {
            **dataclasses.asdict(cell.test),
            "fingerprint": cell.test_problems,
            "problems": cell.problems,
            "batch_size": cell.batch_size,
        },
        **{name: {"temperature": DECODINGS[name]} for name in cell.decodings},
    }
    if cell.scaling is not None:
        facts["scaling"] = dataclasses.asdict(cell.scaling)
    return json.loads(json.dumps(facts, default=str))


def is_done(cell: Cell, folder: Path) -> bool:
    """Whether the cell was trained and measured with just these settings."""
    made = _read(folder / cell.folder / "done.json")
    return all(made.get(part) == facts for part, facts in facts_of(cell).items())


def require_same(cell: Cell, folder: Path) -> None:
    """Refuse a cell whose folder holds other settings.

    Raises:
        CheckpointError: the message says what differs, and how to go on.
    """
    place = folder / cell.folder
    asked = _read(place / "cell.json")
    if not asked and (place / "run").exists():
        raise CheckpointError(
            f"{place} holds a run but no cell.json, so nobody knows which. Delete it, or name "
            "another folder with --out."
        )
    wanted = facts_of(cell)
    differences = [
        f"{part}: {key}: {asked[part].get(key)!r} then, {wanted[part].get(key)!r} now"
        for part in wanted
        if part in asked
        for key in sorted({*asked[part], *wanted[part]})
        if asked[part].get(key) != wanted[part].get(key)
    ]
    if differences:
        raise CheckpointError(
            f"{place} was made with other settings ({'; '.join(differences)}). Results are never "
            "mixed: ask for the same, delete that folder to make the cell anew, give the method "
            "another label, or name another folder with --out."
        )


def write_facts(cell: Cell, place: Path, name: str) -> None:
    """Add the cell's facts to ``cell.json`` or ``done.json`` in its folder."""
    place.mkdir(parents=True, exist_ok=True)
    facts = {**_read(place / name), **facts_of(cell)}
    with replacing(place / name) as temporary:
        temporary.write_text(json.dumps(facts, indent=2) + "\n", "utf-8")


def _read(path: Path) -> Facts:
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_bytes()))
    except (ValueError, TypeError) as error:
        raise CheckpointError(
            f"{path} is damaged ({error}). Delete {path.parent} to make the cell anew."
        ) from error
