"""The parts that the configurations of the methods are composed of, and their flat form.

A method's configuration is a frozen dataclass with a part for each concern (`Sampling`,
`Objective`, `Optimization`, `Execution` …) and fields of its own. Each part checks itself. In
files and on the command line a configuration is flat: ``{"learning_rate": 5e-4, "alpha": 10}``;
`flat` and `from_flat` convert.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, get_type_hints

from typing_extensions import Self

from selfcorrect_agents.checks import above_zero, at_least, check
from selfcorrect_agents.rl.loss import Objective
from selfcorrect_env import UnknownNameError

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How the episodes of a step are sampled."""

    problems_per_step: int = 32
    """Problems in one step, ≥ 1."""
    samples: int = 8
    """Episodes of each problem in one step, ≥ 2: they are each other's baseline (RLOO)."""
    temperature: float = 1.0
    """Sampling temperature, > 0. The paper: 1.0 (table 5)."""
    max_new_tokens: int = 16
    """Token cap of one reply, the same in every turn, ≥ 1."""
    seed: int = 0
    """Seed of problems and samples, ≥ 0."""

    def __post_init__(self) -> None:
        """Refuse invalid values."""
        at_least(self, 1, "problems_per_step", "max_new_tokens")
        at_least(self, 2, "samples", why="they are each other's baseline")
        at_least(self, 0, "seed")
        above_zero(self, "temperature")


@dataclass(frozen=True, kw_only=True)
class Optimization:
    """How a loss changes the weights."""

    learning_rate: float = 5e-4
    """Learning rate of AdamW, > 0. The paper: 5e-6 (MATH), 1e-5 (MBPP) for large models
    (table 5)."""
    max_grad_norm: float = 0.3
    """The gradient is clipped to this norm, > 0: rare tokens make the KL's gradient spike."""
    epochs: int = 1
    """Optimizer steps on the same episodes, ≥ 1; above 1 it needs clip or importance_cap."""

    def __post_init__(self) -> None:
        """Refuse invalid values."""
        above_zero(self, "learning_rate", "max_grad_norm")
        at_least(self, 1, "epochs")


@dataclass(frozen=True, kw_only=True)
class Execution:
    """What changes memory and disk use alone, not the result; a resumed run may change it."""

    rows_per_forward: int = 256
    """Episodes in one forward pass, ≥ 1: lower it if memory is short; the result is the same."""
    checkpoint_every: int = 50
    """Steps between checkpoints, ≥ 1."""

    def __post_init__(self) -> None:
        """Refuse invalid values."""
        at_least(self, 1, "rows_per_forward", "checkpoint_every")


class TrainingConfig(Protocol):
    """What a `Trainer` needs of a method's configuration."""

    @property
    def sampling(self) -> Sampling:
        """How the episodes of a step are sampled."""
        ...

    @property
    def execution(self) -> Execution:
        """Memory and disk use."""
        ...

    @property
    def learning_rate(self) -> float:
        """Learning rate of the first step."""
        ...

    @property
    def max_grad_norm(self) -> float:
        """The gradient is clipped to this norm, > 0."""
        ...


@dataclass(frozen=True, kw_only=True)
class OnPolicyConfig:
    """The parts of every method of reinforcement learning; subclasses add their own fields.

    The defaults of `Objective` are the paper's equations.
    """

    sampling: Sampling = Sampling()
    objective: Objective = Objective()
    optimization: Optimization = Optimization()
    execution: Execution = Execution()
    oversample: int = 1
    """Dynamic sampling (DAPO, arXiv 2503.14476): this many times problems_per_step problems are
    sampled, ≥ 1; those whose samples differ in reward are used first. All count as budget."""

    def __post_init__(self) -> None:
        """Refuse invalid values."""
        at_least(self, 1, "oversample")
        epochs, objective = self.optimization.epochs, self.objective
        if objective.clip is not None:
            check(epochs > 1, "epochs", "above 1 if clip is set", epochs)
        if epochs > 1 and objective.clip is None and objective.importance_cap is None:
            raise ValueError(
                f"epochs={epochs} steps on the same samples are off-policy after the first: "
                "set clip (PPO, 0.2 say) or importance_cap (2, say)."
            )

    @property
    def learning_rate(self) -> float:
        """Learning rate of the first step."""
        return self.optimization.learning_rate

    @property
    def max_grad_norm(self) -> float:
        """The gradient is clipped to this norm."""
        return self.optimization.max_grad_norm

    @property
    def total_steps(self) -> int:
        """Number of steps of a whole run."""
        raise NotImplementedError

    @property
    def episodes_per_step(self) -> int:
        """Episodes that one step samples, those of dynamic sampling included."""
        return self.oversample * self.sampling.problems_per_step * self.sampling.samples

    @property
    def episodes(self) -> int:
        """Training episodes that a whole run samples: its budget."""
        return self.total_steps * self.episodes_per_step

    def within(self, episodes: int) -> Self:
        """Return the same configuration with as many steps as ``episodes`` allow.

        Raises:
            ValueError: the budget is below one step, or below the method's minimum.
        """
        steps = steps_in(episodes, self.episodes_per_step)
        return dataclasses.replace(self, **self.steps_within(steps))

    def steps_within(self, steps: int) -> dict[str, Any]:
        """Return the fields that make `total_steps` at most ``steps``."""
        raise NotImplementedError


def steps_in(episodes: int, per_step: int) -> int:
    """Return how many steps of ``per_step`` episodes a budget of ``episodes`` allows.

    Raises:
        ValueError: not a single one.
    """
    if episodes < per_step:
        raise ValueError(
            f"A budget of {episodes} episodes is less than one step of {per_step}: raise it, or "
            "lower problems_per_step or samples."
        )
    return episodes // per_step


# -- the flat form ---------------------------------------------------------------------------
def flat(config: Any) -> dict[str, Any]:
    """Return the fields of a configuration and of its parts as one flat dict.

    Args:
        config: a dataclass; fields that are dataclasses are its parts.

    Raises:
        ValueError: two parts have a field of the same name.
    """
    flat_fields(type(config))  # refuses ambiguous names
    values: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        is_part = dataclasses.is_dataclass(value)
        values |= flat(value) if is_part else {field.name: value}
    return values


def from_flat(cls: type[T], values: Mapping[str, Any]) -> T:
    """Return ``cls`` with ``values`` by flat name; fields that are not named keep their default.

    Args:
        cls: a dataclass, such as a method's configuration.
        values: by name of a field, of ``cls`` or of one of its parts.

    Raises:
        UnknownNameError: a name is of no field.
        ValueError: a value is invalid, or two parts have a field of the same name.
    """
    known = flat_fields(cls)
    for name in values:
        if name not in known:
            raise UnknownNameError.of(f"field of {cls.__name__}", name, known)
    return _filled(cls, values)


def changed(config: T, **values: Any) -> T:
    """Return a copy of a configuration with other values, by flat name; see `from_flat`."""
    return from_flat(type(config), {**flat(config), **values})


def flat_fields(cls: type[Any]) -> dict[str, Any]:
    """Return the fields of a configuration and of its parts by flat name, each with its type.

    Raises:
        ValueError: two parts have a field of the same name.
    """
    found: dict[str, Any] = {}
    parts = _parts(cls)
    for name, hint in _constructor_fields(cls).items():
        for key, kind in (flat_fields(hint) if name in parts else {name: hint}).items():
            if key in found:
                raise ValueError(
                    f"{cls.__name__} has two fields named {key!r}; a flat name must be unique."
                )
            found[key] = kind
    return found


def _constructor_fields(cls: type[Any]) -> dict[str, Any]:
    hints = get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls) if field.init}


def _parts(cls: type[Any]) -> dict[str, Any]:
    """Return the parts of a configuration: fields that are dataclasses, by name."""
    fields = _constructor_fields(cls).items()
    return {n: t for n, t in fields if isinstance(t, type) and dataclasses.is_dataclass(t)}


def _filled(cls: type[T], values: Mapping[str, Any]) -> T:
    parts = _parts(cls)
    given = {name: value for name, value in values.items() if name in _constructor_fields(cls)}
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        if field.name in parts:
            known = flat_fields(parts[field.name])
            own = {name: value for name, value in values.items() if name in known}
            if own:
                given[field.name] = _filled(parts[field.name], {**_defaults(field), **own})
    return cls(**given)


def _defaults(field: dataclasses.Field[Any]) -> dict[str, Any]:
    """Return the flat default of a part."""
    if field.default is not dataclasses.MISSING:
        return flat(field.default)
    if field.default_factory is not dataclasses.MISSING:
        return flat(field.default_factory())
    return {}
