"""What is compared: frozen dataclasses that check themselves, and compare.toml, which holds them.

title = "Methods on arithmetic"
model = "tiny:seed={seed}"        # one base for each seed; without {seed}, one for all
seeds = [0, 1, 2]
episodes = 40960                  # training episodes of every method
problems = 2000                   # held-out problems

[methods.base]

[methods.SCoRe]
agent = "score"

[methods."SCoRe, no bonus"]       # the same agent with other settings: an ablation
agent = "score"
learning = {alpha = 0.0}
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from selfcorrect_agents.comparison.plan.toml_fields import build, field_types, fit, require_known
from selfcorrect_agents.errors import ComparisonError
from selfcorrect_env.problems import has_splits

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pyright: ignore[reportMissingImports]  installed below 3.11 only

DECODINGS = {"sampled": 1.0, "greedy": 0.0}
"""How every method is measured: name -> temperature."""

ARITHMETIC = "SelfCorrect-Arithmetic-v0"


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
    """What tables call it; different for each row."""
    agent: str
    """A name of ``selfcorrect list``, or ``module:attribute``."""
    learning: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the method's ``Learning`` that differ from its defaults."""
    play: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of the agent that plays (fields of its ``Config``)."""

    def __post_init__(self) -> None:
        if not re.search(r"\w", self.label):
            raise ComparisonError(f"A method's label needs a letter or digit, got {self.label!r}.")
        for name in ("model", "device", "seed", "temperature"):
            if name in self.play:
                raise ComparisonError(
                    f"[methods.{self.label!r}] play: {name} is the comparison's, the same for "
                    "every method; take it out."
                )

    @property
    def slug(self) -> str:
        """The label as a part of a folder's name."""
        return re.sub(r"[^\w.+]+", "-", self.label).strip("-.").lower()


@dataclass(frozen=True, kw_only=True)
class ScalingConfig:
    """Many samples of each problem: majority vote and pass@k (paper, figure 1, right)."""

    problems: int = 200
    """The first so many of the held-out problems, ≥ 1."""
    samples: int = 32
    """Episodes of each problem, ≥ 2."""
    temperature: float = 0.7
    """Of sampling, > 0; the paper: 0.7. Tiny models say more at 1."""
    methods: tuple[str, ...] | None = None
    """Labels of the methods that are sampled; None takes all."""

    def __post_init__(self) -> None:
        _check(self.problems >= 1, "scaling: problems", "at least 1", self.problems)
        _check(self.samples >= 2, "scaling: samples", "at least 2", self.samples)
        _check(self.temperature > 0, "scaling: temperature", "above 0", self.temperature)


@dataclass(frozen=True, kw_only=True)
class CompareConfig:
    """A comparison: every method with every seed, from the same base, on the same problems."""

    methods: tuple[MethodConfig, ...]
    """What is compared, in the order of the tables."""
    title: str = "Self-correction methods compared"
    """Stands over the tables and the page."""
    model: str = "tiny:seed={seed}"
    """The base model of every method; ``{seed}`` is replaced by the seed."""
    device: str = "cpu"
    """Where models run."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Each trains every method once."""
    episodes: int | None = None
    """Training episodes of every method that can be kept to a number; None takes each method's
    own default."""
    max_new_tokens: int = 16
    """Token cap of one reply, in measuring and, where ``learning`` says nothing, in training."""
    train: EnvConfig = EnvConfig(options={"split": "train"})
    """Where the methods are trained."""
    test: EnvConfig = EnvConfig(options={"split": "test"})
    """Where they are measured."""
    problems: int = 2000
    """The first so many problems of ``test`` are measured on (all, where there are fewer)."""
    batch_size: int = 500
    """Problems that are answered at a time in measuring; lower it where memory is short."""
    decodings: tuple[str, ...] = tuple(DECODINGS)
    """``sampled`` (T = 1) and ``greedy`` (T = 0; the paper's tables)."""
    reference: str | None = None
    """The method that every other one is paired with, beside the base; None takes SCoRe's."""
    scaling: ScalingConfig | None = None
    """Many samples of each problem; None leaves that out."""
    jobs: int = 2
    """Cells that run at the same time, each in a process with one thread."""

    def __post_init__(self) -> None:
        _check(bool(self.title.strip()), "title", "a text", self.title)
        _check(bool(self.seeds), "seeds", "at least one seed", self.seeds)
        _check(len(set(self.seeds)) == len(self.seeds), "seeds", "all different", self.seeds)
        _check(min(self.seeds) >= 0, "seeds", "at least 0 each", self.seeds)
        for name in ("max_new_tokens", "problems", "batch_size", "jobs"):
            _check(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        if self.episodes is not None:
            _check(self.episodes >= 1, "episodes", "at least 1", self.episodes)
        known = f"some of {', '.join(DECODINGS)}, each once"
        named = set(self.decodings)
        well = bool(named) and named <= set(DECODINGS) and len(named) == len(self.decodings)
        _check(well, "decodings", known, self.decodings)
        self._check_labels()

    def _check_labels(self) -> None:
        _check(bool(self.methods), "methods", "at least one method", ())
        slugs: dict[str, str] = {}
        for method in self.methods:
            other = slugs.setdefault(method.slug, method.label)
            if other is not method.label:
                raise ComparisonError(
                    f"The methods {other!r} and {method.label!r} would share the folder "
                    f"{method.slug!r}; give one of them another label."
                )
        named = [("reference", self.reference)] if self.reference is not None else []
        if self.scaling is not None and self.scaling.methods is not None:
            named += [("scaling: methods", label) for label in self.scaling.methods]
        for what, label in named:
            require_known({label: None}, {m.label: None for m in self.methods}, what)

    @property
    def base(self) -> str | None:
        """The label of the untrained base model's row, if it takes part."""
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
        ComparisonError: the file cannot be read, is no TOML, or holds an unknown key, a value of
            a wrong type or one that can't be meant. The message names the file and the key.
    """
    try:
        tables = tomllib.loads(Path(path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ComparisonError(f"{path}: cannot be read as TOML: {error}") from error
    return config_of(tables, str(path))


def config_of(tables: Mapping[str, Any], where: str) -> CompareConfig:
    """Return the configuration that TOML tables hold; ``where`` names them in messages.

    ``env`` is the id for training and testing; ``train`` and ``test`` hold options of the
    environment and, where one of the two is another, its ``env``.

    Raises:
        ComparisonError: see `read_config`.
    """
    values = dict(tables)
    require_known(values, {**field_types(CompareConfig), "env": str}, where)
    id = fit(values.pop("env", ARITHMETIC), str, f"{where}: env")
    for name in ("train", "test"):
        options = dict(fit(values.get(name, {}), dict, f"{where}: {name}"))
        own = fit(options.pop("env", id), str, f"{where}: {name}: env")
        if has_splits(options.get("problems"), options.get("holdout")):
            options = {"split": name, **options}
        values[name] = EnvConfig(id=own, options=options)
    if "scaling" in values:
        table = fit(values["scaling"], dict, f"{where}: scaling")
        values["scaling"] = build(ScalingConfig, table, f"{where}: [scaling]")
    methods = fit(values.get("methods", {}), dict, f"{where}: methods")
    values["methods"] = tuple(_method(label, table, where) for label, table in methods.items())
    return build(CompareConfig, values, where)


def to_toml(config: CompareConfig) -> str:
    """Write a configuration as the text of a compare.toml, every default included."""
    values = {key: value for key, value in asdict(config).items() if value is not None}
    methods = values.pop("methods")
    for name in ("train", "test"):
        values[name] = {"env": values[name]["id"], **values[name]["options"]}
    lines = [f"{key} = {_toml(value)}" for key, value in values.items()]
    for method in methods:
        lines += ["", f"[methods.{_key(method.pop('label'))}]"]
        lines += [f"{key} = {_toml(value)}" for key, value in method.items() if value]
    return "\n".join(lines) + "\n"


def _method(label: str, table: Any, where: str) -> MethodConfig:
    place = f"{where}: [methods.{label!r}]"
    values = fit(table, dict, place)
    if "label" in values:
        raise ComparisonError(f"{place}: the label is the table's name; take out 'label'.")
    return build(MethodConfig, {"label": label, "agent": label, **values}, place)


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
