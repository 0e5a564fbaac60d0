"""`rows`: the data set of SkyRL's trainer, and the environments that its rows name."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

from selfcorrect_env.env import SelfCorrectEnv
from selfcorrect_env.errors import RequestError
from selfcorrect_env.serving.plain import plain_env

NAME = "selfcorrect"
"""The name under which the environment is registered, and ``env_class`` of every row."""


def rows(
    env: str, *, alpha: float = 0.0, n: int | None = None, **options: Any
) -> list[dict[str, Any]]:
    """Return a row for each problem, for ``datasets.Dataset.from_list`` or a file of JSON Lines.

    Args:
        env: the environment's id.
        alpha: of the bonus α (r_t − r_{t−1}) on the reward of each attempt after the first (paper,
            equation 5). SkyRL's own estimators need 0: see docs/trainers/skyrl.md.
        n: only the first ``n`` problems.
        options: of ``gym.make``: ``split="train"``, ``path=…`` … JSON-able.

    Returns:
        Dicts of ``prompt`` (the first messages), ``env_class``, ``data_source``, ``reward_spec``
        and ``extra_info`` (which environment, which problem, which α). No row has a reference.

    Raises:
        UnknownNameError: no environment has this id.
        TypeError: an option is not JSON-able.
    """
    text = json.dumps(options, sort_keys=True)
    shared = shared_env(env, text)
    problems = shared.problems if n is None else shared.problems.head(n)
    return [
        {
            "data_source": env,
            "prompt": [dict(message) for message in shared.prompts.first(problem)],
            "env_class": NAME,
            "reward_spec": {"method": "rule"},
            "extra_info": {"env": env, "options": text, "index": index, "alpha": float(alpha)},
        }
        for index, problem in enumerate(problems)
    ]


@functools.lru_cache(maxsize=16)
def shared_env(env: str, options: str) -> SelfCorrectEnv:
    """Return the one environment of this process for an id and its options.

    Its problem set and its verifier are shared by all episodes; it is not played itself.

    Args:
        env: the environment's id.
        options: of ``gym.make``, as JSON.
    """
    return plain_env(env, **json.loads(options))


def extra_info(extras: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the part of a row that says which problem it is.

    Raises:
        RequestError: the row was not made by `rows`.
    """
    info = extras.get("extra_info")
    missing = [
        name
        for name in ("env", "options", "index", "alpha")
        if not isinstance(info, Mapping) or name not in info
    ]
    if missing or not isinstance(info, Mapping):
        raise RequestError(
            f"A row of the data set has no extra_info[{missing[0]!r}]. Make the data set with "
            "selfcorrect_env.serving.skyrl.rows."
        )
    return info
