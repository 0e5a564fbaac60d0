"""Methods by name: agents of the entry-point group, or ``module:Class``, that can learn."""

from __future__ import annotations

import dataclasses
import importlib
from typing import Any, Protocol

from selfcorrect_agents.agent import LanguageModelAgent
from selfcorrect_agents.logging import RunFolder
from selfcorrect_agents.running import Figures
from selfcorrect_env import SelfCorrectEnv
from selfcorrect_env.agent_registry import SUMMARIES, AgentError, installed_agents
from selfcorrect_env.errors import UnknownNameError


class Method(Protocol):
    """A class of agents that learn, as the command line trains them."""

    Learning: type[Any]
    """The dataclass of its configuration; every field has a default and a docstring."""

    def __call__(self, policy: Any) -> Learner:
        """Make an agent of a policy."""
        ...


class Learner(Protocol):
    """An agent that learns."""

    def learn(
        self,
        env: SelfCorrectEnv,
        config: Any = None,
        *,
        run: RunFolder | None = None,
        progress: bool = False,
    ) -> list[Figures]:
        """Train in place; return one dict of figures for each step."""
        ...


TRAINABLE = (
    "multiturn_rl",
    "rise",
    "sb3_a2c",
    "sb3_ppo",
    "score",
    "sft",
    "single_turn_rl",
    "star",
)
"""Our own methods that learn."""


def trainable() -> dict[str, str]:
    """Return the names of our own methods that learn, each with one line about it."""
    return {name: SUMMARIES[name] for name in TRAINABLE}


def find_method(name: str) -> type[LanguageModelAgent]:
    """Return the class of the method called ``name``.

    Args:
        name: a name of the entry-point group ``selfcorrect_env.agents``, or ``module:Class``.

    Raises:
        UnknownNameError: there is no agent of that name.
        AgentError: it can't be imported, or it does not learn.
    """
    points = installed_agents()
    module, colon, attribute = name.partition(":")
    if name not in points and not colon:
        raise UnknownNameError.of("method (or give module:Class)", name, points)
    try:
        found = (
            points[name].load()
            if name in points
            else getattr(importlib.import_module(module), attribute)
        )
    except (ImportError, AttributeError) as error:
        raise AgentError(f"Method {name!r} cannot be imported: {error}") from error
    learning = getattr(found, "Learning", None)
    if not (hasattr(found, "learn") and dataclasses.is_dataclass(learning)):
        raise AgentError(
            f"{name!r} does not learn: a method is a class with learn(env, config, ...) and a "
            f"dataclass Learning. Methods here: {', '.join(trainable())}."
        )
    return found
