"""`SelfCorrectTextEnv`: an episode as SkyRL-gym's generator plays it, with a reward each turn."""

from __future__ import annotations

from typing import Any

from skyrl_gym.envs import registration
from skyrl_gym.envs.base_text_env import BaseTextEnv, BaseTextEnvStepOutput

from selfcorrect_env.errors import EpisodeError, RequestError, VerifierError
from selfcorrect_env.serving.skyrl.table import NAME, extra_info, shared_env
from selfcorrect_env.types import Verdict
from selfcorrect_env.wrappers import progress_bonus


class SelfCorrectTextEnv(BaseTextEnv):
    """One episode of the problem that a row names; ``skyrl_gym.make`` makes one for each rollout.

    The problem set and the verifier are shared by all episodes of a process. The reward of a turn
    is the verifier's score, plus α times the progress since the turn before.

    Args:
        env_config: not used; SkyRL passes its configuration.
        extras: the row without its prompt, as `rows` made it.

    Raises:
        RequestError: the row was not made by `rows`.
        IndexError: the row's index is outside the problem set.
    """

    def __init__(self, env_config: Any = None, extras: dict[str, Any] | None = None) -> None:
        super().__init__()
        info = extra_info(extras or {})
        shared = shared_env(info["env"], info["options"])
        self.max_turns = shared.attempts
        self._env = shared.copy()
        self._index = info["index"]
        self._alpha = float(info["alpha"])
        self._verdicts: list[Verdict] = []
        self._begun = False

    def init(self, prompt: list[Any]) -> tuple[list[Any], dict[str, Any]]:
        """Start the episode.

        Args:
            prompt: the row's prompt.

        Returns:
            The first messages, and ``problem_id``.

        Raises:
            RequestError: the prompt is not the one of the problem that the row names.
        """
        conversation, info = self._env.reset(options={"index": self._index})
        first = [_plain(message) for message in conversation]
        if [_plain(message) for message in prompt] != first:
            raise RequestError(
                f"The row's prompt is not that of problem {info['problem_id']!r}: the data set was "
                "made with other options or another version. Make it again with "
                "selfcorrect_env.serving.skyrl.rows."
            )
        self._verdicts, self.turns, self._begun = [], 0, True
        return [*first], {"problem_id": info["problem_id"]}

    def step(self, action: str) -> BaseTextEnvStepOutput:
        """Judge a reply.

        Returns:
            The correction instruction (nothing after the last turn), the turn's reward, whether the
            episode is over, and ``metadata`` with ``problem_id``, ``verdict`` (its reason) and, at
            the end, ``transition``.

        Raises:
            EpisodeError: before ``init`` or after the last turn.
            VerifierError: the reply could not be judged. SkyRL has no reward for that, and 0
                would train it as a wrong one.
        """
        if not self._begun:
            raise EpisodeError("step() was called before init().")
        conversation, _, done, _, info = self._env.step(action)
        verdict: Verdict = info["verdict"]
        if not verdict.judged:
            raise VerifierError(
                f"A reply to problem {info['problem_id']!r} could not be judged: {verdict.detail}"
            )
        before = self._verdicts[-1] if self._verdicts else None
        self._verdicts.append(verdict)
        self.turns = info["attempt"]
        metadata = {"problem_id": info["problem_id"], "verdict": verdict.reason.value}
        if done:
            metadata["transition"] = info["transition"].value
        return BaseTextEnvStepOutput(
            observations=[] if done else [_plain(conversation[-1])],
            reward=verdict.score + progress_bonus(before, verdict, self._alpha),
            done=bool(done),
            metadata=metadata,
            postprocessed_action=None,
        )

    def get_metrics(self) -> dict[str, Any]:
        """Return whether each turn's reply was right: ``accuracy_t1``, ``accuracy_t2`` …

        SkyRL averages them over episodes; episodes that were cut off lack the turns not made.
        """
        correct = {f"accuracy_t{t}": float(v.correct) for t, v in enumerate(self._verdicts, 1)}
        if len(self._verdicts) < 2 or len(self._verdicts) < self.max_turns:
            return correct
        first, last = self._verdicts[0].correct, self._verdicts[-1].correct
        changes = {"i_to_c": float(last and not first), "c_to_i": float(first and not last)}
        return {**correct, **changes}


def register(name: str = NAME) -> None:
    """Register `SelfCorrectTextEnv` with skyrl_gym; a second call changes nothing.

    Each process needs it: with SkyRL's trainer, call it inside the Ray entry point.
    """
    if name not in registration.registry:
        registration.register(name, f"{__name__}:{SelfCorrectTextEnv.__name__}")


def _plain(message: Any) -> dict[str, str]:
    return {"role": message["role"], "content": message["content"]}
