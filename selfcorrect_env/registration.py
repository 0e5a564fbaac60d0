"""The table of environment ids, which are registered when `selfcorrect_env` is imported."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec

from selfcorrect_env.errors import UnknownNameError

ENVIRONMENTS: dict[str, str] = {
    "SelfCorrect-Arithmetic-v0": "arithmetic",
    "SelfCorrect-ToyCode-v0": "toycode",
    "SelfCorrect-Sums-v0": "sums",
    "SelfCorrect-GSM8K-v0": "gsm8k",
    "SelfCorrect-MATH-v0": "math",
    "SelfCorrect-MATH500-v0": "math500",
    "SelfCorrect-Code-v0": "code",
    "SelfCorrect-HumanEval-v0": "humaneval",
    "SelfCorrect-MBPP-v0": "mbpp",
    "SelfCorrect-MBPP-R-v0": "mbpp-r",
    "SelfCorrect-HumanEvalPlus-v0": "humaneval-plus",
    "SelfCorrect-MBPPSanitized-v0": "mbpp-sanitized",
    "SelfCorrect-MBPPPlus-v0": "mbpp-plus",
    "SelfCorrect-APPS-v0": "apps",
    "SelfCorrect-LiveCodeBench-v0": "livecodebench",
    "SelfCorrect-ReasoningGym-v0": "reasoning-gym",
}
"""Each id with the name of its problem set (`selfcorrect_env.problems.sources.SOURCES`).

The set's verifier and prompts are also the defaults of other problems:
``gym.make(id, problems="mine.jsonl")``.
"""


ATTEMPTS = {"SelfCorrect-MBPP-R-v0": 1}
"""The ids whose episodes don't have two attempts: repair starts with a given first attempt."""


def register_envs() -> None:
    """Register every id of `ENVIRONMENTS` that is not registered yet."""
    for id, problems in ENVIRONMENTS.items():
        if id not in gym.registry:
            gym.register(
                id,
                entry_point="selfcorrect_env.env:SelfCorrectEnv",
                vector_entry_point="selfcorrect_env.vector_env:SelfCorrectVectorEnv",
                kwargs={
                    "problems": problems,
                    "defaults": problems,
                    "attempts": ATTEMPTS.get(id, 2),
                },
            )


def make(id: str, **options: Any) -> gym.Env[Any, Any]:
    """Return ``gym.make(id, **options)``, with our ids in the message if the id is unknown.

    Raises:
        UnknownNameError: no environment is registered under this id.
    """
    try:
        return gym.make(id, **options)
    except gym.error.UnregisteredEnv as error:
        raise _unknown(id) from error


def require_registered(id: str) -> None:
    """Return if `make` knows the id ("module:id" imports the module); nothing is loaded.

    Raises:
        UnknownNameError: no environment is registered under this id.
        ModuleNotFoundError: there is no such module.
    """
    try:
        _spec(id)
    except gym.error.UnregisteredEnv as error:
        raise _unknown(id) from error
    except gym.error.Error:  # an id without its version, which `make` completes
        pass


def _spec(id: str) -> EnvSpec:
    """Return the specification of ``id``; `gymnasium.spec` does not know "module:id"."""
    module, colon, name = id.partition(":")
    if colon:
        import_module(module)
    return gym.spec(name if colon else id)


def _unknown(id: str) -> UnknownNameError:
    hint = "module:id imports a module first."
    return UnknownNameError.of("environment", id, self_correction_ids(), hint)


def registered_options(id: str) -> dict[str, Any]:
    """Return the options that ``id`` is registered with; none if no environment has this id."""
    try:
        return dict(_spec(id).kwargs)
    except (gym.error.Error, ImportError):
        return {}


def self_correction_ids() -> list[str]:
    """Return the registered ids without those of gymnasium itself, sorted."""
    return sorted(id for id, spec in gym.registry.items() if not _is_of_gymnasium(spec))


def _is_of_gymnasium(spec: EnvSpec) -> bool:
    entry = spec.entry_point
    module = entry if isinstance(entry, str) else getattr(entry, "__module__", "")
    return module.startswith(("gymnasium.", "shimmy."))
