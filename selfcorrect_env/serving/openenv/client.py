"""`SelfCorrectClient`: a session on a server, typed, sync and async as OpenEnv's clients are."""

# pyright: reportMissingImports=false
from __future__ import annotations

from typing import Any

from openenv.core.client_types import StepResult
from openenv.core.env_client import EnvClient

from selfcorrect_env.serving.openenv.models import (
    SelfCorrectAction,
    SelfCorrectObservation,
    SelfCorrectState,
)


class SelfCorrectClient(
    EnvClient[SelfCorrectAction | str, SelfCorrectObservation, SelfCorrectState]
):
    """Plays episodes on a server; one client is one session.

    ``async with SelfCorrectClient(base_url=url) as client`` has awaitable calls,
    ``with SelfCorrectClient(base_url=url).sync() as client`` plain ones:

    - ``client.reset(seed=…, split=…, index=…, id=…)`` starts an episode;
    - ``client.step(reply)`` takes a str or a `SelfCorrectAction`;
    - ``client.state()`` returns the `SelfCorrectState`.

    The first two return OpenEnv's ``StepResult`` with ``observation`` (a `SelfCorrectObservation`,
    whose ``messages`` are for the model), ``reward``, ``done`` and ``metadata``. A request that the
    server refuses raises a ``RuntimeError`` with the server's reason.
    """

    def _step_payload(self, action: SelfCorrectAction | str) -> dict[str, Any]:
        if isinstance(action, str):
            action = SelfCorrectAction(reply=action)
        return action.model_dump(exclude_defaults=True)

    def _parse_result(self, payload: dict[str, Any]) -> StepResult[SelfCorrectObservation]:
        reward, done = payload["reward"], payload["done"]
        observation = SelfCorrectObservation(**payload["observation"], reward=reward, done=done)
        return StepResult(observation, reward, done, observation.metadata)

    def _parse_state(self, payload: dict[str, Any]) -> SelfCorrectState:
        return SelfCorrectState(**payload)
