"""Agents that take part in a comparison: how each is found, trained, kept to the budget, played."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from selfcorrect_agents.comparison.plan.config import CompareConfig, MethodConfig
from selfcorrect_agents.comparison.plan.toml_fields import (
    build,
    build_flat,
    field_types,
    require_known,
)
from selfcorrect_agents.errors import ComparisonError
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.training.config import flat_fields
from selfcorrect_agents.training.method_lookup import Budgeted, Method, learns
from selfcorrect_env import Agent
from selfcorrect_env.evaluation import find_agent, load_named


@dataclass(frozen=True)
class Contestant:
    """One method of a comparison, found by its name."""

    method: MethodConfig
    """As the comparison was asked for it."""
    found: Any
    """What its name stands for: a class, an agent or a function."""

    @classmethod
    def find(cls, method: MethodConfig) -> Contestant:
        """Import what the method's name stands for.

        Raises:
            UnknownNameError: there is no agent of that name.
            AgentError: it can't be imported or built.
            ComparisonError: it is given settings that it does not take.
        """
        contestant = cls(method, load_named(method.agent))
        if not contestant.trains:
            contestant._check_untrained()
        return contestant

    @property
    def where(self) -> str:
        """What messages call it."""
        return f"[methods.{self.method.label!r}]"

    @property
    def trains(self) -> bool:
        """Whether it learns; otherwise it only plays."""
        return learns(self.found)

    @property
    def oracle(self) -> bool:
        """Whether it sees what no model may see, and says so: ``oracle: ClassVar[bool] = True``."""
        return bool(getattr(self.found, "oracle", False))

    @property
    def summary(self) -> str:
        """One line about the agent: the first line of its docstring."""
        described = callable(self.found)  # an instance would have its class's
        text = inspect.getdoc(self.found if described else type(self.found)) or ""
        return text.strip().partition("\n")[0]

    # -- trained ----------------------------------------------------------------------------
    def learning(self, seed: int, max_new_tokens: int, episodes: int | None) -> Any:
        """Return the method's configuration for one run.

        Its ``seed`` is the cell's; its ``max_new_tokens``, if it has such a field, the
        comparison's, unless ``learning`` says otherwise.

        Args:
            seed: of the run.
            max_new_tokens: the comparison's token cap.
            episodes: the budget; None, or a configuration that is not `Budgeted`, leaves the
                number of episodes as it is.

        Raises:
            ComparisonError: ``learning`` holds a key, a type or a value that the method's
                configuration does not take, or it cannot be kept to the budget.
        """
        fields = flat_fields(self.found.Learning)
        where = f"{self.where} learning"
        given = dict(self.method.learning)
        if "seed" not in fields:
            raise ComparisonError(f"{where}: {self.found.__name__}.Learning has no field 'seed'.")
        if "seed" in given:
            raise ComparisonError(f"{where}: the seed is the comparison's; take it out.")
        if "max_new_tokens" in fields:
            given.setdefault("max_new_tokens", max_new_tokens)
        config = build_flat(self.found.Learning, {"seed": seed, **given}, where)
        if episodes is None or not isinstance(config, Budgeted):
            return config
        try:
            return config.within(episodes)
        except ValueError as error:
            raise ComparisonError(f"{where}, within {episodes} episodes: {error}") from error

    # -- playing ----------------------------------------------------------------------------
    def of_policy(self, policy: Policy, settings: Mapping[str, Any]) -> Any:
        """Return the method's agent on a policy; ``settings`` are `play_settings`."""
        known = ("max_new_tokens", "temperature", "seed")
        given = {key: settings[key] for key in (*known, *self.method.play)}
        try:
            return cast(Method, self.found)(policy, **given)
        except (TypeError, ValueError) as error:
            raise ComparisonError(f"{self.where} play: {error}") from error

    def untrained(self, settings: Mapping[str, Any]) -> Agent:
        """Return the agent of one that does not train, as ``selfcorrect eval`` builds it.

        Of ``settings`` (`play_settings`) it gets those that its ``Config`` has a field for.
        """
        factory = find_agent(self.method.agent)
        if factory.config is None:
            return factory.build(None)
        fields = field_types(factory.config)
        given = {key: value for key, value in settings.items() if key in fields}
        return factory.build(build(factory.config, given, f"{self.where} play"))

    def _check_untrained(self) -> None:
        if self.method.learning:
            raise ComparisonError(
                f"{self.where} learning: agent {self.method.agent!r} does not learn; take it out."
            )
        config = find_agent(self.method.agent).config
        fields = {} if config is None else field_types(config)
        require_known(self.method.play, fields, f"{self.where} play")


def play_settings(
    method: MethodConfig,
    *,
    model: str,
    device: str,
    max_new_tokens: int,
    temperature: float,
    seed: int,
) -> dict[str, Any]:
    """Return what an agent is told for playing; the method's own ``play`` comes last."""
    return {
        "model": model,
        "device": device,
        "max_new_tokens": max_new_tokens,
        "temperature": temperature,
        "seed": seed,
        **method.play,
    }


def budget_note(contestant: Contestant, config: CompareConfig) -> str | None:
    """Say that a method is not kept to the budget, if it is not."""
    if config.episodes is None or not contestant.trains:
        return None
    learning = contestant.learning(config.seeds[0], config.max_new_tokens, config.episodes)
    if not isinstance(learning, Budgeted):
        return (
            f"{contestant.method.label}: its configuration has no episodes and within(episodes), "
            "so the budget was not applied; it trained as it is configured."
        )
    if learning.episodes != config.episodes:
        return (
            f"{contestant.method.label}: {learning.episodes:,} episodes is the nearest that its "
            f"steps allow to the budget of {config.episodes:,}."
        )
    return None
