"""Methods by name: agents of the entry-point group, or ``module:Class``, that can learn."""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol, runtime_checkable

from typing_extensions import Self, TypeIs

from selfcorrect_agents.lm.agent import LanguageModelAgent
from selfcorrect_agents.training.progress import MetricsRow
from selfcorrect_agents.training.run_folder import RunFolder
from selfcorrect_env import AgentError, SelfCorrectEnv
from selfcorrect_env.evaluation import installed_agents, load_named, summary


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


def learns(found: object) -> TypeIs[type[LanguageModelAgent]]:
    """Whether ``found`` is a method: a class with ``learn`` and a dataclass ``Learning``."""
    if not (isinstance(found, type) and hasattr(found, "learn")):
        return False
    return dataclasses.is_dataclass(getattr(found, "Learning", None))


def trainable() -> dict[str, str]:
    """Return the installed methods that learn, by name, each with one line about it.

    An agent that can't be imported is left out: `selfcorrect list` shows it, and `find_method`
    raises the cause.
    """
    found = {}
    for name in installed_agents():
        try:
            method = load_named(name)
        except AgentError:
            continue
        if learns(method):
            found[name] = summary(name)
    return found


def find_method(name: str) -> type[LanguageModelAgent]:
    """Return the class of the method called ``name``.

    Args:
        name: a name of the entry-point group ``selfcorrect_env.agents``, or ``module:Class``.

    Raises:
        UnknownNameError: there is no agent of that name.
        AgentError: it can't be imported, or it does not learn.
    """
    found = load_named(name)
    if not learns(found):
        raise AgentError(
            f"{name!r} does not learn: a method is a class with learn(env, config, ...) and a "
            f"dataclass Learning. Methods here: {', '.join(trainable())}."
        )
    return found
