"""`TrainedAgent`, the base class of every trained method."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

from selfcorrect_agents.errors import LearningError
from selfcorrect_agents.lm.agent import LanguageModelAgent
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.training.failures import explained
from selfcorrect_agents.training.garbage import without_older_objects
from selfcorrect_agents.training.held_out import held_out_env
from selfcorrect_agents.training.hub import push, upload_of
from selfcorrect_agents.training.method_lookup import name_of
from selfcorrect_agents.training.progress import MetricsRow
from selfcorrect_agents.training.run_folder import RunFolder, open_run
from selfcorrect_agents.training.trainer import Trainer
from selfcorrect_env import AnyEnv, ProblemSetWarning, TrainingEnv, training_env


class TrainedAgent(LanguageModelAgent):
    """A policy that learns in an environment: the base of every method that trains.

    A method sets `Learning`, its configuration, and implements `train`, its steps.
    """

    Learning: ClassVar[type[Any]]
    """The frozen dataclass of its configuration; every field has a default and a docstring."""
    attempts: ClassVar[int | None] = 2
    """The number of attempts that the method is defined for; None takes any."""
    attempt_turns: ClassVar[tuple[int, ...]] = ()
    """The turns of its log, from 1, that are the attempts, if it plays others between them."""
    least_attempts: ClassVar[int] = 1
    """The least number of attempts, if `attempts` is None."""

    def learn(
        self,
        env: str | AnyEnv | TrainingEnv,
        config: Any = None,
        *,
        run: RunFolder | str | Path | None = None,
        progress: bool = False,
        held_out: str | AnyEnv | TrainingEnv | None = None,
    ) -> list[MetricsRow]:
        """Train the policy in place; returns one dict of metrics for each step.

        Args:
            env: an environment's id (its training split is played), an environment that
                ``gym.make`` returned, a `SelfCorrectEnv` or a subclass of it. Problems come from
                its problem set, rewards from its verdicts. An environment of the split ``test``
                gives a `ProblemSetWarning`.
            config: a `Learning`; by default one with default values.
            run: a folder to log to and to save to. A path that holds a run of the same settings
                is resumed.
            progress: whether to show a progress bar.
            held_out: the environment of evaluations in the course of training, or its id, which
                is made with the split ``eval_split``. By default ``env``, if that is an id.

        Raises:
            UnsupportedEnvError: the environment has a wrapper that training would not use, such
                as one that changes rewards.
            LearningError: the environment has another number of attempts than the method's.
            CheckpointError: ``run`` holds another run.
            CreditError: a reward does not reach the turns that it should; no step was taken.
            UnjudgedError: the verifier failed at most episodes of several steps in a row.
            DivergenceError: a number is not finite, or the KL above ``max_kl``; the message names
                the newest checkpoint from before.
            DiskError: a file of the run can't be written; the newest checkpoint is whole.
            KeyboardInterrupt: Ctrl-C, after a checkpoint was written.
        """
        config = self.Learning() if config is None else config
        if held_out is None and isinstance(env, str):
            held_out = env
        apart = held_out_env(held_out, config.evaluation)
        env = training_env(env)
        self.check_attempts(env.attempts)
        self.forget()
        if env.problems.split == "test":
            warnings.warn(
                f"{type(self).__name__} trains on the split 'test' of {env.problems.name}, so a "
                "score on that split will say nothing. Make the environment with split='train'.",
                ProblemSetWarning,
                stacklevel=2,
            )
        if not isinstance(run, str | Path):
            with without_older_objects():
                return self._train(env, config, run, progress, apart)
        self.policy.prepare_training()
        name, weights = name_of(type(self)), self.policy.fingerprint()
        problems = apart and apart.problems.fingerprint
        further = {**_read_by(self.policy), "held_out_problems": problems, **self.recorded()}
        opened = open_run(run, name, env, config, weights, self.policy.precision, further)
        with closing(opened) as folder, without_older_objects():
            return self._train(env, config, folder, progress, apart)

    def push_to_hub(
        self,
        repo: str,
        *,
        run: str | Path,
        reports: Sequence[str | Path] = (),
        private: bool = False,
    ) -> str:
        """Upload the trained model of a run with its model card to the Hugging Face hub.

        Args:
            repo: ``owner/name``; it is made if it does not exist.
            run: the folder that `learn` wrote to.
            reports: folders of evaluations of the model, ``evaluate(..., out=...)``.
            private: whether a new repository is private.

        Returns:
            The address of the repository.

        Raises:
            LearningError: the run has no model yet, or the hub refuses the upload.
            CheckpointError: a folder holds no run, or no report.
        """
        return push(upload_of(run, repo, reports=reports), private=private)

    def _train(
        self,
        env: TrainingEnv,
        config: Any,
        run: RunFolder | None,
        progress: bool,
        held_out: TrainingEnv | None,
    ) -> list[MetricsRow]:
        trainer = Trainer(
            self.policy,
            self.episodes_of(env),
            config,
            run,
            progress,
            held_out=held_out and self.held_out_episodes_of(held_out),
            evaluated=self.held_out_episodes_of(env),
        )
        checkpoints, best = run and run.checkpoints, trainer.best_checkpoint
        explaining = explained(lambda: len(trainer.history), checkpoints, best)
        with closing(trainer), explaining:
            self.train(trainer, config)
        return trainer.history

    def recorded(self) -> dict[str, Any]:
        """Return JSON-able settings of the agent itself that change its training.

        A run that is started from Python records them, and is resumed with the same ones only.
        """
        return {}

    def episodes_of(self, env: TrainingEnv) -> TrainingEnv:
        """Return what training plays; by default ``env`` itself."""
        return env

    def held_out_episodes_of(self, env: TrainingEnv) -> TrainingEnv:
        """Return what evaluations in the course of training play; by default as in training.

        They are to measure what `act` does.
        """
        return self.episodes_of(env)

    @classmethod
    def check_attempts(cls, attempts: int) -> None:
        """Refuse a number of attempts that the method is not defined for.

        Raises:
            LearningError: the message says which number to take.
        """
        name = cls.__name__
        if cls.attempts is not None and attempts != cls.attempts:
            raise LearningError(
                f"{name} is defined for {cls.attempts} attempts, and the environment has "
                f"{attempts}. Make it with attempts={cls.attempts}."
            )
        if attempts < cls.least_attempts:
            raise LearningError(
                f"{name} needs at least {cls.least_attempts} attempts, and the environment has "
                f"{attempts}. Make it with attempts={cls.least_attempts}."
            )

    def train(self, trainer: Trainer, config: Any) -> None:
        """Take every step of a run: ``for step in trainer.steps(total)``."""
        raise NotImplementedError


def _read_by(policy: Policy) -> dict[str, Any]:
    """Return what changes a policy's replies beside its weights: its template, and adapters."""
    adapters: dict[str, Any] = getattr(policy.model, "peft_config", {})
    scales = ("r", "lora_alpha", "use_rslora")
    return {
        "template": dataclasses.asdict(policy.chat.template),
        "chat": policy.chat.fingerprint(),
        "adapters": {
            name: {key: getattr(adapter, key, None) for key in scales}
            for name, adapter in adapters.items()
        },
    }
