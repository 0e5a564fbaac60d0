"""What is compared: frozen dataclasses that check themselves, and compare.toml, which holds them.

title = "Methods on arithmetic"
model = "tiny:seed={seed}"        # one base for each seed; without {seed}, one for all
seeds = [0, 1, 2]
episodes = 40960                  # training episodes of every method
n = 2000                          # held-out problems

[methods.base]

[methods.SCoRe]
agent = "score"

[methods."SCoRe, no bonus"]       # the same agent with other settings: an ablation
agent = "score"
learning = {alpha = 0.0}
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from selfcorrect_agents.comparison.plan.base_model import (
    DEFAULT_MODEL,
    MODEL_FIELDS,
    flattened,
    model_config,
    preset_by_default,
)
from selfcorrect_agents.comparison.plan.typed_values import build, field_types, fit, require_known
from selfcorrect_agents.errors import ComparisonError
from selfcorrect_agents.lm.model_config import ModelConfig
from selfcorrect_agents.training.presets import TOKEN_CAPS
from selfcorrect_env import UnknownNameError
from selfcorrect_env.problems import has_splits

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pyright: ignore[reportMissingImports]  installed below 3.11 only

DECODINGS = {"sampled": 1.0, "greedy": 0.0}
"""How every method is measured by default: name -> temperature."""

BASE_FIRST = "base_first"
"""Measured on the base model's first attempts, sampled: a method corrects attempts that are not its
own (the paper's figure 5)."""

TEMPERATURES = {**DECODINGS, BASE_FIRST: 1.0}
"""Every way to measure a method -> temperature."""

ARITHMETIC = "SelfCorrect-Arithmetic-v0"

ENV_OPTIONS = {"problems": str, "verifier": str, "prompts": str, "attempts": int, "holdout": float}
"""Options of the environment that a file may set for training and testing, with their types."""


@dataclass(frozen=True, kw_only=True)
class EnvConfig:
    """An environment: ``gym.make(id, **options)``."""

    id: str = ARITHMETIC
    """The environment's id."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Its keyword arguments: split, problems, path, verifier, prompts …"""


@dataclass(frozen=True, kw_only=True)
class MethodConfig:
    """One row of the comparison."""

    label: str
    """Its name in tables; different for each row."""
    agent: str
    """A name of ``selfcorrect list``, or ``module:attribute``."""
    learning: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the method's ``Learning`` that differ from its preset."""
    play: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of the agent that plays (fields of its ``Config``)."""
    preset: str | None = None
    """Its preset, if it is another one than the comparison's."""
    episodes: int | None = None
    """Its budget of training episodes, if it is another one than the comparison's."""

    def __post_init__(self) -> None:
        if not re.search(r"\w", self.label):
            raise ComparisonError(f"A method's label needs a letter or digit, got {self.label!r}.")
        for name in ("device", "seed", "temperature"):
            self.refuse(name)
        if self.episodes is not None:
            where = f"[methods.{self.label!r}] episodes"
            _check(self.episodes >= 1, where, "at least 1", self.episodes)

    def refuse(self, name: str) -> None:
        """Raise a ComparisonError if ``play`` has a field that the comparison sets itself."""
        if name in self.play:
            raise ComparisonError(
                f"[methods.{self.label!r}] play: {name} is set by the comparison, the same "
                "for every method; remove it."
            )

    @property
    def slug(self) -> str:
        """The label in the name of a folder."""
        return re.sub(r"[^\w.+]+", "-", self.label).strip("-.").lower()


MOST_SEED = 2**63
"""Seeds are below it, as all generators take them."""


@dataclass(frozen=True, kw_only=True)
class ScalingConfig:
    """Many samples of each problem: majority vote and pass@k (paper, figure 1, right)."""

    n: int = 200
    """The first N held-out problems are sampled, N ≥ 1."""
    samples: int = 32
    """Episodes of each problem, ≥ 2 and at least as many as an episode has attempts."""
    temperature: float = 0.7
    """Of sampling, > 0; the paper: 0.7. Samples of tiny models vary more at 1."""
    methods: tuple[str, ...] | None = None
    """Labels of the methods that are sampled; None takes all."""

    def __post_init__(self) -> None:
        _check(self.n >= 1, "scaling: n", "at least 1", self.n)
        _check(self.samples >= 2, "scaling: samples", "at least 2", self.samples)
        _check(
            0 < self.temperature < math.inf,
            "scaling: temperature",
            "above 0 and finite",
            self.temperature,
        )
        _check(self.methods != (), "scaling: methods", "at least one label", self.methods)


@dataclass(frozen=True, kw_only=True)
class CompareConfig:
    """A comparison: every method with every seed, from the same base, on the same problems."""

    methods: tuple[MethodConfig, ...]
    """What is compared, in the order of the tables."""
    title: str = "Self-correction methods compared"
    """Title of the tables and the page."""
    model: Mapping[str, Any] = field(default_factory=lambda: {"model": DEFAULT_MODEL})
    """The base model of every method: the fields of `ModelConfig` that are given, by flat name
    (``lora.rank``). ``{seed}`` in its name is replaced by the seed. The device is by default "cpu"
    for tiny models and "auto" for others."""
    preset: str | None = None
    """Preset of every method that learns; by default "tiny" for tiny models and "one-gpu" for
    others. Fields of ``learning`` and of ``model`` win over it."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Each trains every method once."""
    episodes: int | None = None
    """Training episodes of every method whose configuration is `Budgeted`; by default each
    method's own number."""
    max_new_tokens: int | None = None
    """Token cap of one reply, in measuring and, unless ``learning`` has another one, in
    training; by default the preset's (`token_cap`)."""
    train: EnvConfig = EnvConfig(options={"split": "train"})
    """The environment that methods are trained in."""
    test: EnvConfig = EnvConfig(options={"split": "test"})
    """The environment that methods are measured in."""
    n: int = 2000
    """Methods are measured on the first N problems of ``test`` (all, if there are fewer)."""
    batch_size: int = 500
    """Problems that are answered at a time in measuring; lower it if memory is short."""
    decodings: tuple[str, ...] = tuple(DECODINGS)
    """``sampled`` (T = 1), ``greedy`` (T = 0; the paper's tables), and ``base_first`` (T = 1, with
    the base model's first attempts)."""
    reference: str | None = None
    """The method that every other one is paired with, beside the base; by default SCoRe's."""
    scaling: ScalingConfig | None = None
    """Many samples of each problem; by default none."""
    arrival: float | None = None
    """Accuracy at the last attempt, in (0, 1), from which a seed has arrived. With it, the report
    counts the seeds that arrive and when; give it where seeds either solve the task or do not."""
    jobs: int = 2
    """Runs at the same time, each in a process with one thread."""

    def __post_init__(self) -> None:
        _check(bool(self.title.strip()), "title", "a text", self.title)
        _check(bool(self.seeds), "seeds", "at least one seed", self.seeds)
        _check(len(set(self.seeds)) == len(self.seeds), "seeds", "all different", self.seeds)
        within = all(0 <= seed < MOST_SEED for seed in self.seeds)
        _check(within, "seeds", "at least 0 and below 2⁶³ each", self.seeds)
        for name in ("n", "batch_size", "jobs"):
            _check(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        _check(self.token_cap >= 1, "max_new_tokens", "at least 1", self.max_new_tokens)
        if self.episodes is not None:
            _check(self.episodes >= 1, "episodes", "at least 1", self.episodes)
        if self.arrival is not None:
            _check(0 < self.arrival < 1, "arrival", "in (0, 1)", self.arrival)
        known = f"some of {', '.join(TEMPERATURES)}, each once"
        named = set(self.decodings)
        well = bool(named) and named <= set(TEMPERATURES) and len(named) == len(self.decodings)
        _check(well, "decodings", known, self.decodings)
        self._check_labels()
        for method in self.methods:
            self.base_model(method, self.seeds[0])

    def _check_labels(self) -> None:
        _check(bool(self.methods), "methods", "at least one method", ())
        slugs: dict[str, str] = {}
        for method in self.methods:
            if method.slug in slugs:
                raise ComparisonError(
                    f"The methods {slugs[method.slug]!r} and {method.label!r} would share the "
                    f"folder {method.slug!r}; give one of them another label."
                )
            slugs[method.slug] = method.label
        named = [("reference", self.reference)] if self.reference is not None else []
        if self.scaling is not None and self.scaling.methods is not None:
            named += [("scaling: methods", label) for label in self.scaling.methods]
        for what, label in named:
            require_known({label: None}, {m.label: None for m in self.methods}, what)

    def episodes_of(self, method: MethodConfig) -> int | None:
        """Return the budget of a method, None if none is given."""
        return self.episodes if method.episodes is None else method.episodes

    def preset_of(self, method: MethodConfig) -> str | None:
        """Return the preset that is given for a method, None if there is none."""
        return method.preset or self.preset

    def base_model(self, method: MethodConfig, seed: int) -> ModelConfig:
        """Return the model that a method starts from.

        Raises:
            ComparisonError: a field is invalid.
        """
        return model_config(self.model, self.preset_of(method), seed)

    @property
    def token_cap(self) -> int:
        """Token cap of one reply in all cells.

        It is ``max_new_tokens``, else that of the comparison's preset, else that of the methods'
        presets, else that of the model's default preset.

        Raises:
            ComparisonError: the presets of the methods have different caps, or one is unknown.
        """
        if self.max_new_tokens is not None:
            return self.max_new_tokens
        of_methods = {method.preset: None for method in self.methods if method.preset}
        default = preset_by_default(str(self.model["model"]))
        names = [self.preset] if self.preset else list(of_methods) or [default]
        for name in names:
            if name not in TOKEN_CAPS:
                unknown = UnknownNameError.of("preset", name, TOKEN_CAPS)
                raise ComparisonError(
                    f"{unknown} (A preset that only one method has needs max_new_tokens.)"
                )
        caps = {name: TOKEN_CAPS[name] for name in names}
        if len(set(caps.values())) > 1:
            listed = ", ".join(f"{name}: {cap}" for name, cap in caps.items())
            raise ComparisonError(
                f"The presets have different token caps ({listed}): set max_new_tokens."
            )
        return next(iter(caps.values()))

    @property
    def base(self) -> str | None:
        """The label of the untrained base model's row, if there is one."""
        return next((m.label for m in self.methods if m.agent == "base"), None)

    @property
    def referred(self) -> str | None:
        """The label that the others are paired with: `reference`, else SCoRe's, if there is one."""
        if self.reference is not None:
            return self.reference
        scores = [m.label for m in self.methods if m.agent == "score"]
        return "SCoRe" if "SCoRe" in scores else next(iter(scores), None)


def read_config(path: str | Path) -> CompareConfig:
    """Read a compare.toml.

    Raises:
        ComparisonError: the file cannot be read, is no TOML, or holds an unknown key or a value
            of a wrong type or range. The message names the file and the key.
    """
    try:
        tables = tomllib.loads(Path(path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ComparisonError(f"{path}: cannot be read as TOML: {error}") from error
    return config_of(tables, str(path))


def config_of(tables: Mapping[str, Any], where: str) -> CompareConfig:
    """Return the configuration that TOML tables hold; ``where`` names them in messages.

    ``env`` and each of `ENV_OPTIONS` are for training and testing. ``train`` and ``test`` hold
    further options of the environment and, if one of the two is another one, its ``env``.

    Raises:
        ComparisonError: see `read_config`.
    """
    values = flattened(tables, where)
    known = {**field_types(CompareConfig), **MODEL_FIELDS, **ENV_OPTIONS, "env": str}
    require_known(values, known, where)
    _refuse_count(values, where)
    id = fit(values.pop("env", ARITHMETIC), str, f"{where}: env")
    shared = {
        name: fit(values.pop(name), hint, f"{where}: {name}")
        for name, hint in ENV_OPTIONS.items()
        if name in values
    }
    for name in ("train", "test"):
        options = dict(fit(values.get(name, {}), dict, f"{where}: {name}"))
        own = fit(options.pop("env", id), str, f"{where}: {name}: env")
        options = {**shared, **options}
        if has_splits(options.get("problems"), options.get("holdout")):
            options = {"split": name, **options}
        values[name] = EnvConfig(id=own, options=options)
    model = {"model": DEFAULT_MODEL, **values}
    values["model"] = {
        name: fit(model[name], hint, f"{where}: {name}")
        for name, hint in MODEL_FIELDS.items()
        if name in model
    }
    for name in MODEL_FIELDS.keys() - {"model"}:
        values.pop(name, None)
    if "scaling" in values:
        table = fit(values["scaling"], dict, f"{where}: scaling")
        _refuse_count(table, f"{where}: [scaling]")
        values["scaling"] = build(ScalingConfig, table, f"{where}: [scaling]")
    methods = fit(values.get("methods", {}), dict, f"{where}: methods")
    values["methods"] = tuple(_method(label, table, where) for label, table in methods.items())
    return build(CompareConfig, values, where)


def _refuse_count(values: Mapping[str, Any], where: str) -> None:
    """Refuse a number of problems under the key ``problems``, which names a problem set."""
    count = values.get("problems")
    if type(count) is int:
        raise ComparisonError(
            f"{where}: problems names a problem set, got {count}. The number of problems is "
            f"n = {count}."
        )


def to_toml(config: CompareConfig) -> str:
    """Write a configuration as the text of a compare.toml.

    Defaults are included, except those that depend on the model or the preset.
    """
    values = {key: value for key, value in asdict(config).items() if value is not None}
    methods, model = values.pop("methods"), values.pop("model")
    values |= {key: value for key, value in model.items() if value is not None}
    for name in ("train", "test"):
        values[name] = {"env": values[name]["id"], **values[name]["options"]}
    lines = [f"{key} = {_toml(value)}" for key, value in values.items()]  # lora.rank is a path
    for method in methods:
        lines += ["", f"[methods.{_key(method.pop('label'))}]"]
        lines += [f"{key} = {_toml(value)}" for key, value in method.items() if value]
    return "\n".join(lines) + "\n"


def _method(label: str, table: Any, where: str) -> MethodConfig:
    key = f"{where}: [methods.{label!r}]"
    values = fit(table, dict, key)
    if "label" in values:
        raise ComparisonError(f"{key}: the label is the table's name; remove 'label'.")
    return build(MethodConfig, {"label": label, "agent": label, **values}, key)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _toml(key)


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        pairs = (f"{_key(key)} = {_toml(v)}" for key, v in value.items() if v is not None)
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, str):
        return '"' + re.sub(r'[\x00-\x1f\x7f"\\]', lambda m: f"\\u{ord(m[0]):04x}", value) + '"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    raise TypeError(f"compare.toml has no form for {type(value).__name__} ({value!r}).")


def _check(holds: bool, name: str, expected: str, value: object) -> None:
    if not holds:
        raise ComparisonError(f"{name} must be {expected}, got {value!r}.")
