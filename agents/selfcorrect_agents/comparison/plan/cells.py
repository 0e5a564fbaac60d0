"""Cells: one method with one seed, its folder, and whether that folder holds this very cell.

    cells/<label>-seed<k>/
        cell.json       the settings that determine the result, written before anything else
        run/            the training run (`selfcorrect_agents.training.run_folder`)
        trained.json    written when the training is finished
        sampled/ …      a `Report` for each decoding
        scaling/        many samples of some problems, if asked for
        seconds.json    wall-clock time, summed over interruptions
        log.txt         the output of the cell's last process
        done.json       the settings again, written when everything is finished

The settings have parts: ``training``, ``test``, one for each decoding, ``scaling``. A part that a
folder holds must be equal for the cell to resume; a part that it lacks is added. So a comparison
may grow (a method, a seed, a decoding), and its results are never mixed with those of other
settings, problems or weights (`content_hashes`).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

import torch

from selfcorrect_agents.comparison.plan.base_model import (
    identity_of_model,
    settings_of,
    to_play,
)
from selfcorrect_agents.comparison.plan.compared_agents import ComparedAgent, play_settings
from selfcorrect_agents.comparison.plan.config import (
    BASE_FIRST,
    TEMPERATURES,
    CompareConfig,
    EnvConfig,
    MethodConfig,
    ScalingConfig,
)
from selfcorrect_agents.comparison.plan.content_hashes import Contents
from selfcorrect_agents.comparison.plan.typed_values import build
from selfcorrect_agents.lm.model_config import ModelConfig
from selfcorrect_agents.training.config import Execution, flat
from selfcorrect_env import CheckpointError, __version__
from selfcorrect_env.evaluation import replacing

TRANSFORMERS = version("transformers")

Identity: TypeAlias = dict[str, Any]
"""The settings that determine a cell's result, by part."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One method with one seed: what is trained, and what it is measured on."""

    method: MethodConfig
    """The row of the comparison."""
    seed: int
    """Of the training and of the sampling."""
    model: ModelConfig
    """The base model, and how it is loaded to be trained."""
    preset: str | None
    """The preset that was given for it; None for the model's default."""
    episodes: int | None
    """The budget of training episodes."""
    max_new_tokens: int
    """Token cap of one reply."""
    train: EnvConfig
    """Where it is trained."""
    test: EnvConfig
    """Where it is measured."""
    n: int
    """Number of held-out problems to measure on."""
    batch_size: int
    """Problems answered at a time."""
    decodings: tuple[str, ...]
    """Names of `TEMPERATURES`."""
    scaling: ScalingConfig | None
    """Many samples of each problem, if this method takes part in that."""
    weights: str | None = None
    """Hash of the base model's weights (`content_hashes.weights_of`); None if not computed."""
    train_problems: str | None = None
    """Fingerprint of the problems that it is trained on; None if not computed."""
    test_problems: str | None = None
    """Fingerprint of the problems that it is measured on; None if not computed."""
    train_code: Mapping[str, str] | None = None
    """Hashes of the training environment's own code; None if not computed."""
    test_code: Mapping[str, str] | None = None
    """Hashes of the code of the environment that it is measured in; None if not computed."""

    @property
    def name(self) -> str:
        """Its name in messages and progress bars."""
        return f"{self.method.label}, seed {self.seed}"

    @property
    def folder(self) -> str:
        """The cell's folder within the comparison's."""
        return f"cells/{self.method.slug}-seed{self.seed}"

    @property
    def base_first(self) -> bool:
        """Whether it is measured on first attempts of the base model, too."""
        return BASE_FIRST in self.decodings

    @cached_property
    def identity(self) -> Identity:
        """The settings that determine the cell's result, its method's defaults included."""
        return _identity(self)

    def compared_agent(self) -> ComparedAgent:
        """Return the agent of its method (imports it)."""
        return ComparedAgent.find(self.method)

    def learning(self) -> Any:
        """Return the configuration of its training; None if its agent does not train."""
        agent = self.compared_agent()
        if not agent.trains:
            return None
        preset = agent.preset(self.preset, self.model.model)
        return agent.learning(self.seed, self.max_new_tokens, self.episodes, preset=preset)

    def loaded_model(self) -> ModelConfig:
        """Return the base model as this cell loads it: with adapters only if its agent trains."""
        return self.model if self.compared_agent().trains else to_play(self.model)

    def play_settings(self, *, temperature: float, seed: int) -> dict[str, Any]:
        """Return the settings of the agent that plays."""
        return play_settings(
            self.method,
            model=settings_of(to_play(self.model)),
            max_new_tokens=self.max_new_tokens,
            temperature=temperature,
            seed=seed,
        )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Cell:
        """Return the cell whose ``dataclasses.asdict``, written as JSON, is ``values``."""
        nested = {
            "method": MethodConfig(**values["method"]),
            "model": build(ModelConfig, values["model"], "cell: model"),
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
        contents: hashes of its models and problem sets; needed to run the plan.
    """
    return [
        Cell(
            method=method,
            seed=seed,
            model=(model := config.base_model(method, seed)),
            preset=config.preset_of(method),
            episodes=config.episodes_of(method),
            max_new_tokens=config.token_cap,
            scaling=_scaling(config.scaling, method.label),
            weights=contents and contents.models[model.model],
            train_problems=contents and contents.train,
            test_problems=contents and contents.test,
            train_code=contents and contents.train_code,
            test_code=contents and contents.test_code,
            **{name: getattr(config, name) for name in SHARED},
        )
        for seed in config.seeds
        for method in config.methods
    ]


SHARED = (
    *("train", "test", "n", "batch_size"),
    "decodings",
)
"""Fields that every cell copies from the comparison."""


def _scaling(scaling: ScalingConfig | None, label: str) -> ScalingConfig | None:
    if scaling is None or (scaling.methods is not None and label not in scaling.methods):
        return None
    return dataclasses.replace(scaling, methods=None)  # the other methods do not matter here


ENV_CODE = "env_code"
"""Key of the hashes of an environment's code; cells of earlier versions lack it."""


# -- identity ----------------------------------------------------------------------
def _identity(cell: Cell) -> Identity:
    learning = cell.learning()
    trained = learning is not None
    identity: Identity = {
        "training": {
            "agent": cell.method.agent,
            **cell.compared_agent().code(),
            "learning": _without(flat(learning), NO_PART) if trained else None,
            "play": dict(cell.method.play),
            **identity_of_model(cell.loaded_model()),
            "weights": cell.weights,
            "seed": cell.seed,
            "max_new_tokens": cell.max_new_tokens,
            "env": dataclasses.asdict(cell.train) if trained else None,
            "fingerprint": cell.train_problems if trained else None,
            ENV_CODE: cell.train_code if trained else None,
            "selfcorrect_env": __version__,
            "torch": torch.__version__,
            "transformers": TRANSFORMERS,
        },
        "test": {
            **dataclasses.asdict(cell.test),
            "fingerprint": cell.test_problems,
            ENV_CODE: cell.test_code,
            "n": cell.n,
            "batch_size": cell.batch_size,
        },
        **{name: {"temperature": TEMPERATURES[name]} for name in cell.decodings},
    }
    if cell.scaling is not None:
        identity["scaling"] = dataclasses.asdict(cell.scaling)
    return json.loads(json.dumps(identity, default=str))


NO_PART = tuple(field.name for field in dataclasses.fields(Execution))
"""Settings of ``learning`` that may change when a cell resumes, as when a run does."""


def _without(settings: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in names}


def is_done(cell: Cell, folder: Path) -> bool:
    """Whether the cell was trained and measured with exactly these settings."""
    finished = _read_identity(folder / cell.folder / "done.json")
    return all(
        part in finished and not _differing(finished[part], settings)
        for part, settings in cell.identity.items()
    )


def _differing(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return the keys of a part's settings that differ."""
    return [
        key
        for key in sorted({*then, *now})
        if then.get(key) != now.get(key) and not (key == ENV_CODE and key not in then)
    ]


def require_same(cell: Cell, folder: Path) -> None:
    """Refuse a cell whose folder holds other settings.

    Raises:
        CheckpointError: the message says what differs, and what to do.
    """
    path = folder / cell.folder
    asked = _read_identity(path / "cell.json")
    if not asked and (path / "run").exists():
        raise CheckpointError(
            f"{path} holds a run but no cell.json, so its settings are unknown. Delete it, or "
            "name another folder with --out."
        )
    wanted = cell.identity
    differences = [
        f"{part}: {key}: {asked[part].get(key)!r} then, {wanted[part].get(key)!r} now"
        for part in wanted
        if part in asked
        for key in _differing(asked[part], wanted[part])
    ]
    if differences:
        raise CheckpointError(
            f"{path} was run with other settings ({'; '.join(differences)}). Results are never "
            "mixed: use the same settings, delete that folder to run it again, give the method "
            "another label, or name another folder with --out."
        )


def write_identity(cell: Cell, path: Path, name: str) -> None:
    """Add the cell's settings to the file ``name`` in its folder ``path``."""
    path.mkdir(parents=True, exist_ok=True)
    identity = {**_read(path / name), **cell.identity}
    with replacing(path / name) as temporary:
        temporary.write_text(json.dumps(identity, indent=2) + "\n", "utf-8")


def _read_identity(path: Path) -> Identity:
    """Return the settings in a file; earlier versions wrote those of `NO_PART`, too."""
    identity = _read(path)
    training = identity.get("training", {})
    if isinstance(training.get("learning"), dict):
        training["learning"] = _without(training["learning"], NO_PART)
    return identity


def _read(path: Path) -> Identity:
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_bytes()))
    except (ValueError, TypeError) as error:
        raise CheckpointError(
            f"{path} is damaged ({error}). Delete {path.parent} to run it again."
        ) from error
