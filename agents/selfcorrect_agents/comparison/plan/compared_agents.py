"""The agents of a comparison: how each is found, trained within the budget, and made to play."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from selfcorrect_agents.comparison.plan.base_model import MODEL_FIELDS
from selfcorrect_agents.comparison.plan.config import CompareConfig, MethodConfig
from selfcorrect_agents.comparison.plan.typed_values import (
    build_flat,
    require_known,
)
from selfcorrect_agents.errors import ComparisonError, LearningError
from selfcorrect_agents.lm.agent import LanguageModelAgent
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.training.config import flat_fields
from selfcorrect_agents.training.method_lookup import Budgeted, Method, learns
from selfcorrect_agents.training.presets import default_preset, presets_of
from selfcorrect_agents.training.trained_agent import TrainedAgent
from selfcorrect_env import Agent, UnknownNameError
from selfcorrect_env.evaluation import code_of, find_agent, load_named


@dataclass(frozen=True)
class ComparedAgent:
    """The agent of one method of a comparison."""

    method: MethodConfig
    """The method's configuration."""
    found: Any
    """What the agent's name refers to: a class, an agent or a function."""

    @classmethod
    def find(cls, method: MethodConfig) -> ComparedAgent:
        """Import what the agent's name refers to.

        Raises:
            UnknownNameError: there is no agent of that name.
            AgentError: it can't be imported or built.
            ComparisonError: the method has settings that the agent does not take.
        """
        agent = cls(method, load_named(method.agent))
        if not agent.own_model:
            method.refuse("model")
        elif "model" not in method.play:
            raise ComparisonError(
                f"{agent.where}: agent {method.agent!r} plays a model of its own: name it, with "
                'play = {model = "…"}.'
            )
        if not agent.trains:
            agent._check_untrained()
        return agent

    @property
    def where(self) -> str:
        """Its table of compare.toml, for messages."""
        return f"[methods.{self.method.label!r}]"

    @property
    def trains(self) -> bool:
        """Whether it learns; otherwise it only plays."""
        return learns(self.found)

    @property
    def own_model(self) -> bool:
        """Whether it plays a model of its own, not the base: ``own_model: ClassVar[bool] = True``.

        The model of such an agent, and what is set for it, is in the method's ``play``.
        """
        return bool(getattr(self.found, "own_model", False))

    @property
    def attempt_turns(self) -> tuple[int, ...]:
        """The turns of its training log that are attempts; empty if all of them are."""
        return tuple(getattr(self.found, "attempt_turns", ()))

    @property
    def loads_base(self) -> bool:
        """Whether it trains or plays the base model; a plain function does not."""
        if self.trains or self.own_model:
            return self.trains
        config = find_agent(self.method.agent).config
        return config is not None and "model" in flat_fields(config)

    @property
    def oracle(self) -> bool:
        """Whether it sees what no model may see: ``oracle: ClassVar[bool] = True``."""
        return bool(getattr(self.found, "oracle", False))

    @property
    def instrument(self) -> bool:
        """Whether it is a reference agent with known results, not a method.

        Such a class has ``instrument: ClassVar[bool] = True``.
        """
        return bool(getattr(self.found, "instrument", False))

    def code(self) -> dict[str, dict[str, str]]:
        """Return what identifies the code of an agent of another package, under the key ``code``.

        A comparison does not continue with other code. Nothing is returned for an agent of this
        project, which its version identifies.
        """
        module = getattr(self.found, "__module__", None) or type(self.found).__module__
        own = module.partition(".")[0] in ("selfcorrect_agents", "selfcorrect_env")
        return {} if own else {"code": code_of(self.found)}

    @property
    def summary(self) -> str:
        """One line about the agent: the first line of its docstring."""
        described = callable(self.found)  # an instance would have its class's
        text = inspect.getdoc(self.found if described else type(self.found)) or ""
        return text.strip().partition("\n")[0]

    # -- trained ----------------------------------------------------------------------------
    def preset(self, given: str | None, model: str) -> str:
        """Return the preset of its training: the one given, else the model's default.

        Raises:
            ComparisonError: the method has no such preset.
        """
        learning = self.found.Learning
        try:
            name = default_preset(learning, model) if given is None else given
        except ValueError as error:
            raise ComparisonError(f"{self.where}: {error}") from error
        known = presets_of(learning)
        if name not in known:
            unknown = UnknownNameError.of(f"preset of {self.method.agent!r}", name, known)
            raise ComparisonError(f"{self.where} preset: {unknown}")
        return name

    def learning(self, seed: int, max_new_tokens: int, episodes: int | None, *, preset: str) -> Any:
        """Return the method's configuration for one run.

        Its ``seed`` is the run's. Its ``max_new_tokens``, if it has such a field, is the
        comparison's unless ``learning`` has another one.

        Args:
            seed: of the run.
            max_new_tokens: the comparison's token cap.
            episodes: the budget. The number of episodes is left as it is if this is None or the
                configuration is not `Budgeted`.
            preset: the preset that it starts from (`preset`); ``learning`` wins over it.

        Raises:
            ComparisonError: ``learning`` has a key, a type or a value that the method's
                configuration does not take, or the budget is too small for it.
        """
        fields = flat_fields(self.found.Learning)
        where = f"{self.where} learning"
        given = {**presets_of(self.found.Learning)[preset], **self._cap(fields, max_new_tokens)}
        given |= self.method.learning
        if "seed" not in fields:
            raise ComparisonError(f"{where}: {self.found.__name__}.Learning has no field 'seed'.")
        if "seed" in self.method.learning:
            raise ComparisonError(f"{where}: the seed is set by the comparison; remove it.")
        config = build_flat(self.found.Learning, {**given, "seed": seed}, where)
        if episodes is None or not isinstance(config, Budgeted):
            return config
        try:
            return config.within(episodes)
        except ValueError as error:
            raise ComparisonError(f"{where}, within {episodes} episodes: {error}") from error

    def check_attempts(self, attempts: int) -> None:
        """Refuse a number of attempts that the method says it is not defined for.

        Raises:
            ComparisonError: the message says which number to take.
        """
        if not issubclass(self.found, TrainedAgent):
            return  # of a third party: its learn checks
        try:
            self.found.check_attempts(attempts)
        except LearningError as error:
            raise ComparisonError(f"{self.where}: {error}") from error

    def _cap(self, fields: Mapping[str, Any], max_new_tokens: int) -> dict[str, Any]:
        return {"max_new_tokens": max_new_tokens} if "max_new_tokens" in fields else {}

    # -- playing ----------------------------------------------------------------------------
    def of_policy(self, policy: Policy, settings: Mapping[str, Any]) -> Any:
        """Return the method's agent on a policy; ``settings`` are `play_settings`."""
        known = ("max_new_tokens", "temperature", "seed")
        given = {key: settings[key] for key in (*known, *self.method.play)}
        of_agent = isinstance(self.found, type) and issubclass(self.found, LanguageModelAgent)
        top_p = given.pop("top_p", None) if of_agent else None  # an attribute, no argument
        try:
            agent = cast(Method, self.found)(policy, **given)
            if top_p is not None:
                cast(LanguageModelAgent, agent).top_p = top_p
        except (TypeError, ValueError) as error:
            raise ComparisonError(f"{self.where} play: {error}") from error
        return agent

    def check_play(self, settings: Mapping[str, Any]) -> None:
        """Refuse what the agent does not take as it plays; ``settings`` are `play_settings`.

        A method that trains without a ``Config`` is not checked.

        Raises:
            ComparisonError: a key is unknown, or a value is invalid.
        """
        if not self.trains:
            self.play_config(settings)
            return
        config, where = getattr(self.found, "Config", None), f"{self.where} play"
        if config is None:
            return
        own = {key: hint for key, hint in flat_fields(config).items() if key not in MODEL_FIELDS}
        taken = inspect.signature(self.found).parameters
        if all(it.kind is not it.VAR_KEYWORD for it in taken.values()):
            require_known(self.method.play, {**dict(list(taken.items())[1:]), **own}, where)
        build_flat(config, {key: settings[key] for key in settings if key in own}, where)

    def untrained(self, settings: Mapping[str, Any]) -> Agent:
        """Return an agent that does not train, built as ``selfcorrect eval`` builds it."""
        return find_agent(self.method.agent).build(self.play_config(settings))

    def play_config(self, settings: Mapping[str, Any]) -> Any:
        """Return the ``Config`` of an agent that does not train; None if it has none.

        It gets those ``settings`` (`play_settings`) that it has a field for.

        Raises:
            ComparisonError: a value is invalid, or the agent loads the base model but has no field
                for a setting of it.
        """
        config = find_agent(self.method.agent).config
        if config is None:
            return None
        fields = flat_fields(config)
        if self.own_model:
            own = {k: v for k, v in settings.items() if k not in MODEL_FIELDS}
            settings = {**own, **self.method.play}
        for name in MODEL_FIELDS.keys() - {"model", "device"}:
            if "model" in fields and name in settings and name not in fields:
                raise ComparisonError(
                    f"{self.where}: agent {self.method.agent!r} loads the base model, but its "
                    f"Config has no field {name!r}, which the comparison sets to "
                    f"{settings[name]!r}: add the field, or leave the key out."
                )
        given = {key: value for key, value in settings.items() if key in fields}
        return build_flat(config, given, f"{self.where} play")

    def _check_untrained(self) -> None:
        if self.method.preset is not None:
            raise ComparisonError(
                f"{self.where} preset: agent {self.method.agent!r} does not learn; remove it."
            )
        if self.method.learning:
            raise ComparisonError(
                f"{self.where} learning: agent {self.method.agent!r} does not learn; remove it."
            )
        if self.method.episodes is not None:
            raise ComparisonError(
                f"{self.where} episodes: agent {self.method.agent!r} does not learn; remove it."
            )
        config = find_agent(self.method.agent).config
        fields = {} if config is None else flat_fields(config)
        require_known(self.method.play, fields, f"{self.where} play")


def play_settings(
    method: MethodConfig,
    *,
    model: Mapping[str, Any],
    max_new_tokens: int,
    temperature: float,
    seed: int,
) -> dict[str, Any]:
    """Return the settings of an agent that plays; the method's own ``play`` takes precedence.

    ``model`` are fields of `ModelConfig` (`base_model.settings_of`).
    """
    return {
        **model,
        "max_new_tokens": max_new_tokens,
        "temperature": temperature,
        "seed": seed,
        **method.play,
    }


def budget_note(agent: ComparedAgent, config: CompareConfig) -> str | None:
    """Return a sentence about a method that does not train for exactly the budget, else None."""
    budget = config.episodes_of(agent.method)
    if budget is None or not agent.trains:
        return None
    seed = config.seeds[0]
    model = config.base_model(agent.method, seed).model
    preset = agent.preset(config.preset_of(agent.method), model)
    learning = agent.learning(seed, config.token_cap, budget, preset=preset)
    if not isinstance(learning, Budgeted):
        return (
            f"{agent.method.label}: its configuration has no episodes and within(episodes), "
            "so the budget was not applied: it trained as it is configured."
        )
    own = "" if agent.method.episodes is None else ", a budget of its own"
    if learning.episodes != budget:
        return (
            f"{agent.method.label}: {learning.episodes:,} episodes, because its steps do not "
            f"divide the budget of {budget:,}{own}."
        )
    return f"{agent.method.label}: {budget:,} episodes{own}." if own else None
