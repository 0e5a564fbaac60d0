"""Agents by name: the entry-point group ``selfcorrect_env.agents``, or ``module:attribute``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from selfcorrect_env.errors import SelfCorrectError, UnknownNameError
from selfcorrect_env.evaluation.agents import as_agent
from selfcorrect_env.plugins import at_place
from selfcorrect_env.types import Agent

GROUP = "selfcorrect_env.agents"

SUMMARIES = {
    "always_flip": "Reference: the second answer is never the first.",
    "base": "A language model as it is, without training.",
    "copy": "Reference: the second reply is the first again; Δ = 0.",
    "gold": "Reference, an oracle: the right answer at both attempts.",
    "majority": "Reference: the second answer is a vote over k samples, no correction.",
    "multiturn_rl": "Plain multi-turn RL: both attempts rewarded, no shaping (paper, eq. 1/2).",
    "rise": "RISE-style rounds of imitating one's own best second attempts (arXiv 2407.18219).",
    "sb3_a2c": "A2C of stable-baselines3, token by token, with a learned critic.",
    "sb3_ppo": "PPO of stable-baselines3, token by token, with a learned critic.",
    "null": "Reference: empty replies, which score 0.",
    "oracle_gated": "Reference, an oracle: a right first answer is kept; no c→i.",
    "prompting": "No training: the model criticises its answer, then rewrites it (Self-Refine).",
    "resample": "Reference: the second reply is a fresh sample of the first prompt.",
    "score": "SCoRe: two stages and a shaped second reward (paper, section 5).",
    "sft": "Pair-SFT: imitation of made-up pairs of a wrong and a right reply (paper, section 4).",
    "single_turn_rl": "RL on the first attempt alone (paper, table 4).",
    "star": "Multi-turn STaR: imitation of one's own successful corrections (paper, section 4).",
}
"""What our own agents are, said without importing them: the one place for `summary`."""


class AgentError(SelfCorrectError, ValueError):
    """An agent that a name stands for cannot be found, loaded or built."""


@dataclasses.dataclass(frozen=True)
class AgentFactory:
    """How to build the agent that a name stands for."""

    name: str
    """As the user wrote it."""
    config: type | None
    """The dataclass of the agent's options, or None where it takes none."""
    build: Callable[[Any], Agent]
    """Takes a ``config`` object (None where it takes none) and returns the agent."""


def installed_agents() -> dict[str, EntryPoint]:
    """Return the agents of the entry-point group, by name; none of them is imported."""
    return {point.name: point for point in entry_points(group=GROUP)}


def summary(name: str) -> str:
    """Return one line about an installed agent, without importing it.

    Our own are described in `SUMMARIES`; another package's agent by where it is from.
    """
    if name in SUMMARIES:
        return SUMMARIES[name]
    point = installed_agents()[name]
    return f"{point.value}, from {point.dist.name}." if point.dist else point.value


def find_agent(name: str) -> AgentFactory:
    """Return the factory of an agent.

    Args:
        name: a name of the entry-point group, or ``module:attribute`` (the current folder is
            searched too). What stands there is a class with a dataclass ``Config`` and a
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
    """Import what an agent's name stands for: an entry point, or ``module:attribute``.

    Raises:
        UnknownNameError: there is no such entry point.
        AgentError: it cannot be imported.
    """
    points = installed_agents()
    if name in points:
        try:
            return points[name].load()
        except ImportError as error:
            ours = name in SUMMARIES
            hint = '; it needs pip install "selfcorrect-env[agents]"' if ours else ""
            raise AgentError(f"Agent {name!r} cannot be imported: {error}{hint}") from error
    if ":" not in name:
        raise UnknownNameError.of("agent (or give module:attribute)", name, points)
    try:
        return at_place(name)
    except ImportError as error:
        raise AgentError(f"Agent {name!r} cannot be imported: {error}") from error
