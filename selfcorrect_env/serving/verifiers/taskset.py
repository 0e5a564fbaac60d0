"""A problem set as a taskset of verifiers: prompts, and the scores of finished conversations."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Iterator
from typing import Any, cast

import gymnasium as gym
import verifiers.v1 as vf
from pydantic import Field, field_validator

from selfcorrect_env.env import SelfCorrectEnv
from selfcorrect_env.errors import EpisodeError, UnsupportedEnvError, VerifierError
from selfcorrect_env.registration import make, require_registered
from selfcorrect_env.training_env import training_env
from selfcorrect_env.types import Conversation, Problem, Transition, Verdict
from selfcorrect_env.vector_env import SelfCorrectVectorEnv
from selfcorrect_env.verifiers import judge


class SelfCorrectTaskConfig(vf.TaskConfig):
    """Which environment is played, and what the reward of an episode is.

    The fields are options of the command line under ``--env.taskset.task.``.
    """

    env: str = "SelfCorrect-Arithmetic-v0"
    """The id of the environment."""
    split: str | None = None
    """The split of its problem set; None for the environment's default."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Further arguments of ``gymnasium.make``, such as ``path`` or ``attempts``."""
    alpha: float = 0.0
    """α of SCoRe's bonus α·(r(y_K) − r(y_1)) in the reward (paper, equation 5)."""

    @field_validator("env")
    @classmethod
    def _registered(cls, env: str) -> str:
        require_registered(env)
        return env


class SelfCorrectTaskData(vf.TaskData):
    """One problem as it is shown: nothing of its reference."""

    problem_set: dict[str, Any] = Field(default_factory=dict)
    """Name, split, size and fingerprint of the problem set."""


class SelfCorrectTask(vf.Task[SelfCorrectTaskData, vf.State, SelfCorrectTaskConfig]):
    """One problem: it scores every attempt of a finished conversation."""

    @property
    def key(self) -> str:
        """The problem's id in the problem set of this fingerprint."""
        return f"{self.data.problem_set.get('fingerprint')}/{self.data.id}"

    @property
    def settings(self) -> SelfCorrectTaskConfig:
        """The task's configuration."""
        return cast(SelfCorrectTaskConfig, self.config)

    @property
    def env(self) -> SelfCorrectEnv:
        """The environment that the configuration describes."""
        return _environment(self.settings)

    @property
    def problem(self) -> Problem:
        """The problem, with its reference."""
        return self.env.problems.by_id(self.data.id or "")

    @vf.reward
    async def attempts(self, trace: vf.Trace) -> dict[str, float]:
        """Judge all attempts; the parts of the reward are ``last_attempt`` and the bonus.

        ``trace.info["turn_rewards"]`` becomes the list of the scores r(y_1) … r(y_K), in [0, 1],
        and ``trace.info["verdicts"]`` the reasons, answers and details behind them.

        Raises:
            EpisodeError: the conversation ended before the last attempt.
            VerifierError: the verifier failed at an attempt. The trace then has an error and no
                reward.
        """
        replies = [message.content or "" for message in trace.assistant_messages]
        if len(replies) != self.env.attempts:
            raise EpisodeError(
                f"The conversation ended after {len(replies)} of {self.env.attempts} attempts "
                f"({trace.stop_condition}), so it has no score; raise the limit that ended it."
            )
        # a verifier may take seconds, and other episodes go on meanwhile
        verdicts = await asyncio.to_thread(
            judge, self.env.verifier, [self.problem] * len(replies), replies
        )
        for number, verdict in enumerate(verdicts, 1):
            if not verdict.judged:
                raise VerifierError(f"Attempt {number} was not judged: {verdict.detail}")
        scores = [float(verdict.score) for verdict in verdicts]
        trace.info["turn_rewards"] = scores
        trace.info["verdicts"] = [_described(verdict) for verdict in verdicts]
        trace.record_metrics(_metrics(trace, verdicts))
        parts = {"last_attempt": scores[-1]}
        if alpha := self.settings.alpha:
            parts["progress_bonus"] = alpha * (scores[-1] - scores[0])
        return parts


class SelfCorrectTasksetConfig(vf.TasksetConfig):
    """The options of the taskset."""

    task: SelfCorrectTaskConfig = SelfCorrectTaskConfig()  # pyright: ignore[reportIncompatibleVariableOverride]  # verifiers' way
    """The environment and the reward."""


class SelfCorrectTaskset(
    vf.Taskset[SelfCorrectTask, SelfCorrectTasksetConfig]  # pyright: ignore[reportInvalidTypeArguments]  # invariant there
):
    """The problems of an environment, in their order."""

    def load(self) -> Iterator[SelfCorrectTask]:
        """Yield a task for each problem."""
        config = self.config.task
        env = _environment(config)
        summary = env.problems.summary()
        for problem in env.problems:
            system, shown = _shown(env.prompts.first(problem))
            row = {"id": problem.id, "system_prompt": system, "prompt": shown}
            data = SelfCorrectTaskData.model_validate({**row, "problem_set": summary})
            yield SelfCorrectTask(data, config)


def _shown(conversation: Conversation) -> tuple[str | None, str | list[Any]]:
    """Return the system message, if there is one, and the messages after it."""
    system = conversation[0]["content"] if conversation[0]["role"] == "system" else None
    rest = conversation[system is not None :]
    if len(rest) == 1:
        return system, rest[0]["content"]
    return system, [dict(message) for message in rest]


def _described(verdict: Verdict) -> dict[str, Any]:
    return {
        "score": verdict.score,
        "reason": str(verdict.reason),
        "answer": verdict.answer,
        "detail": verdict.detail,
    }


def _metrics(trace: vf.Trace, verdicts: list[Verdict]) -> dict[str, float]:
    """Return what ``vf-eval`` averages into Acc@t1 …, Δ i→c, Δ c→i and the share cut off."""
    metrics = {f"correct_t{n}": float(v.correct) for n, v in enumerate(verdicts, 1)}
    transition = Transition.of(*verdicts)
    metrics["i_to_c"] = float(transition is Transition.INCORRECT_TO_CORRECT)
    metrics["c_to_i"] = float(transition is Transition.CORRECT_TO_INCORRECT)
    answered = [call for call in trace.calls if call.error is None]
    for number, call in enumerate(answered, 1):
        metrics[f"cut_off_t{number}"] = float(call.finish_reason == "length")
    return metrics


def _environment(config: SelfCorrectTaskConfig) -> SelfCorrectEnv:
    return _loaded(config.env, config.split, json.dumps(config.options, sort_keys=True))


@functools.lru_cache(maxsize=8)  # one problem set for all tasks
def _loaded(id: str, split: str | None, options: str) -> SelfCorrectEnv:
    given = {} if split is None else {"split": split}
    made: gym.Env[Any, Any] = make(id, **given, **json.loads(options))
    env = training_env(made)
    if not isinstance(env, SelfCorrectEnv) or not isinstance(
        env.vectorised(1), SelfCorrectVectorEnv
    ):
        raise UnsupportedEnvError(
            f"{id!r} has methods of an episode of its own, and verifiers plays the episodes itself:"
            " only SelfCorrectEnv with its problems, prompts and verifier can be used."
        )
    return env
