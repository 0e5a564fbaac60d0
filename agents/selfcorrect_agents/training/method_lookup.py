"""Methods by name: agents of the entry-point group, or ``module:Class``, that can learn.

The entry-point group ``selfcorrect_env.learning`` names the configuration of a method, so that its
options can be shown without importing the method itself, and torch with it.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from typing_extensions import Self, TypeIs

from selfcorrect_agents.training.progress import MetricsRow
from selfcorrect_env import AgentError, SelfCorrectEnv
from selfcorrect_env.evaluation import (
    installed_agents,
    installed_configurations,
    load_configuration,
    load_named,
    summary,
)

if TYPE_CHECKING:
    from selfcorrect_agents.training.run_folder import RunFolder


class Method(Protocol):
    """A class of agents that learn, as the command line trains them."""

    Learning: type[Any]
    """The dataclass of its configuration; every field has a default and a docstring. It has a
    field ``seed``, and may be `Budgeted`."""

    def __call__(
        self,
        policy: Any,
        *,
        max_new_tokens: int = ...,
        temperature: float = ...,
        seed: int = ...,
    ) -> LearningAgent:
        """Make an agent of a policy."""
        ...


class LearningAgent(Protocol):
    """An agent that learns."""

    def learn(
        self,
        env: SelfCorrectEnv,
        config: Any = None,
        *,
        run: RunFolder | None = None,
        progress: bool = False,
    ) -> list[MetricsRow]:
        """Train in place; return one dict of metrics for each step."""
        ...


@runtime_checkable
class Budgeted(Protocol):
    """A method's configuration with a number of training episodes."""

    @property
    def episodes(self) -> int:
        """Training episodes that a run with this configuration plays."""
        ...

    def within(self, episodes: int) -> Self:
        """Return the same configuration, with a budget of ``episodes``."""
        ...


def learns(found: object) -> TypeIs[Method]:
    """Whether ``found`` is a method: a class with ``learn`` and a dataclass ``Learning``."""
    if not (isinstance(found, type) and hasattr(found, "learn")):
        return False
    return dataclasses.is_dataclass(getattr(found, "Learning", None))


def trainable() -> dict[str, str]:
    """Return the methods whose configurations are installed, each with one line about it.

    No method is imported. One without an entry point in ``selfcorrect_env.learning`` is not listed,
    and can be trained all the same.
    """
    agents = installed_agents()
    return {name: summary(name) for name in installed_configurations() if name in agents}


def learning_of(name: str) -> type[Any]:
    """Return `Method.Learning` of the method called ``name``.

    The method itself is imported only if no entry point in ``selfcorrect_env.learning`` has its
    name.

    Raises:
        UnknownNameError: there is no agent of that name.
        AgentError: it can't be imported, or it does not learn.
    """
    if name not in installed_configurations():
        return find_method(name).Learning
    found = load_configuration(name)
    if not (isinstance(found, type) and dataclasses.is_dataclass(found)):
        raise AgentError(f"The entry point {name!r} of selfcorrect_env.learning is no dataclass.")
    return found


def name_of(method: type[Any]) -> str:
    """Return the name that `find_method` finds ``method`` by: an entry point's, or
    ``module:Class``.
    """
    for name, entry in installed_agents().items():
        above = f"{method.__module__}.".startswith(f"{entry.module}.")
        if above and entry.attr == method.__name__ and entry.load() is method:
            return name
    return f"{method.__module__}:{method.__qualname__}"


def find_method(name: str) -> Method:
    """Return the class of the method called ``name``.

    Args:
        name: a name of the entry-point group ``selfcorrect_env.agents``, or ``module:Class``.

    Raises:
        UnknownNameError: there is no agent of that name.
        AgentError: it can't be imported, it does not learn, or its ``Learning`` is not what its
            entry point in ``selfcorrect_env.learning`` names.
    """
    found = load_named(name)
    if not learns(found):
        raise AgentError(
            f"{name!r} does not learn: a method is a class with learn(env, config, ...) and a "
            f"dataclass Learning. Methods here: {', '.join(trainable())}."
        )
    if name in installed_configurations() and learning_of(name) is not found.Learning:
        named = installed_configurations()[name].value
        raise AgentError(
            f"Method {name!r}: its Learning is {found.Learning.__name__}, and its entry point in "
            f"selfcorrect_env.learning is {named!r}; name the same class in both."
        )
    return found
