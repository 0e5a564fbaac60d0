"""Agents by name: an entry point in ``selfcorrect_env.agents``, or ``module:attribute``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from importlib.metadata import EntryPoint
from typing import Any

from selfcorrect_env.docstrings import docstring_line
from selfcorrect_env.errors import AgentError
from selfcorrect_env.evaluation.agents import as_agent
from selfcorrect_env.plugins import Registry
from selfcorrect_env.types import Agent

REGISTRY = Registry("agent", "selfcorrect_env.agents", error=AgentError)
"""The agents by name, of this distribution and of others."""

CONFIGURATIONS = Registry("configuration", "selfcorrect_env.learning", error=AgentError)
"""The dataclasses of what agents learn with, by the names of the agents."""


@dataclasses.dataclass(frozen=True)
class AgentFactory:
    """How to build the agent that a name refers to."""

    name: str
    """As the user wrote it."""
    config: type | None
    """The dataclass of the agent's options, or None where it takes none."""
    build: Callable[[Any], Agent]
    """Takes a ``config`` object (None where it takes none) and returns the agent."""


def installed_agents() -> dict[str, EntryPoint]:
    """Return the agents of the entry-point group, by name; none of them is imported."""
    return REGISTRY.installed()


def installed_configurations() -> dict[str, EntryPoint]:
    """Return the entry points of the dataclasses ``Learning`` of agents, by the agents' names.

    Neither a dataclass nor an agent is imported.
    """
    return CONFIGURATIONS.installed()


def load_configuration(name: str) -> Any:
    """Import the dataclass ``Learning`` of the agent called ``name``, and not the agent.

    Raises:
        UnknownNameError: no entry point has this name.
        AgentError: it cannot be imported.
    """
    return CONFIGURATIONS.load(name)


def summary(name: str) -> str:
    """Return one line about an installed agent, without importing it.

    It is the first line of the docstring of the agent's class, with the package that an agent of
    another one is from; where that line can't be read, it is the agent's import path.
    """
    return summary_of(installed_agents()[name])


def summary_of(point: EntryPoint) -> str:
    """Return the `summary` of the agent that an entry point names."""
    line = docstring_line(point.value)
    if line is not None and _is_own(point):
        return line
    origin = f" (from {point.dist.name})" if point.dist else ""
    return f"{line or point.value}{origin}"


def _is_own(point: EntryPoint) -> bool:
    return point.dist is not None and point.dist.name == "selfcorrect-env"


def find_agent(name: str) -> AgentFactory:
    """Return the factory of an agent.

    Args:
        name: a name of the entry-point group, or ``module:attribute`` (the current folder is
            searched too). It is a class with a dataclass ``Config`` and a
            classmethod ``from_config(config)``, a class that takes no arguments, an `Agent`, or
            a function ``(conversation) -> str``.

    Raises:
        UnknownNameError: there is no such entry point.
        AgentError: it cannot be imported, or is none of these.
    """
    found = load_named(name)
    if isinstance(found, type):
        config = getattr(found, "Config", None)
        if config is None:
            return AgentFactory(name, None, lambda _: as_agent(found()))
        build = getattr(found, "from_config", None)
        if not (isinstance(config, type) and dataclasses.is_dataclass(config) and build):
            raise AgentError(
                f"Agent {name!r}: the class {found.__name__} has a Config, so Config must be a "
                "dataclass and the class must have a classmethod from_config(config)."
            )
        return AgentFactory(name, config, build)
    try:
        agent = as_agent(found)
    except TypeError as error:
        raise AgentError(f"Agent {name!r}: {error}") from error
    return AgentFactory(name, None, lambda _: agent)


def load_named(name: str) -> Any:
    """Import what an agent's name refers to: an entry point, or ``module:attribute``.

    Raises:
        UnknownNameError: there is no such entry point.
        AgentError: it cannot be imported.
    """
    try:
        return REGISTRY.load(name)
    except AgentError as error:
        own = name in installed_agents() and _is_own(installed_agents()[name])
        if own and isinstance(error.__cause__, ImportError):
            raise AgentError(
                f'{error}; it needs pip install "selfcorrect-env[agents]"'
            ) from error.__cause__
        raise
