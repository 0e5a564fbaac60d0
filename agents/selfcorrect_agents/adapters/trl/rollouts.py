"""`EpisodeRollouts`: a ``rollout_func`` of TRL that plays whole episodes, token for token.

A later turn continues the ids that were sampled: nothing is tokenised twice. The completion of an
episode is everything after its prompt, and ``env_mask`` is 1 on sampled tokens alone.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from datasets import Dataset
from gymnasium.vector import VectorEnv

from selfcorrect_agents.adapters.trl.sampling import player_of
from selfcorrect_agents.lm.player import Player
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.rl.rollout import Rollout, collect
from selfcorrect_agents.training.checkpoint import step_seed
from selfcorrect_agents.training.unjudged import UnjudgedWatch
from selfcorrect_env import AnyEnv, ProblemSetError, TrainingEnv, training_env

_DATASET_ROWS = 1024
"""Problems whose prompts are asked for at once."""


class EpisodeRollouts:
    """Plays the problems of an environment with the model that a TRL trainer trains.

    Args:
        env: the environment: an id or any form that `training_env` takes. If it has randomness of
            its own, the samples of a problem must be in one process.
        split: the split that an id is made with.
        player: samples the replies; by default `player_of` the trainer.

    Raises:
        ProblemSetError: two problems have one prompt and different reference answers.
        UnsupportedEnvError: as `training_env`.
    """

    def __init__(
        self,
        env: str | AnyEnv | TrainingEnv,
        *,
        split: str = "train",
        player: Player | None = None,
    ) -> None:
        self.env = training_env(env, split=split)
        self._unjudged = UnjudgedWatch()
        self._vector_env: VectorEnv[Any, Any, Any] | None = None
        self._player = player
        self._prompts, self._index = _prompts(self.env)

    def dataset(self) -> Dataset:
        """Return the problems' prompts as a data set of TRL, with nothing else of the problems."""
        return Dataset.from_list([{"prompt": prompt} for prompt in self._prompts])

    def __call__(self, prompts: Sequence[Any], trainer: Any) -> dict[str, list[Any]]:
        """Play one episode of each prompt.

        Args:
            prompts: rows of `dataset`, repeated as TRL repeats them.
            trainer: the ``GRPOTrainer``. ``max_completion_length`` is the token cap of one reply.

        Returns:
            For each episode ``prompt_ids``, ``completion_ids``, ``logprobs`` (0 outside sampled
            tokens) and ``env_mask`` as TRL reads them; ``turn``, the turn of each completion token
            or -1 where nothing was sampled; ``scores``, ``r(y_t, y*)`` of each turn; ``judged``.
            ``env_mask`` is 0 in an episode that could not be judged.
        """
        rows = [self._index[_key(prompt)] for prompt in prompts]
        samples = math.gcd(*(len(list(same)) for _, same in itertools.groupby(rows)))
        if self._vector_env is None or self._vector_env.num_envs != len(rows):
            self._vector_env = self.env.vectorised(len(rows))
        player = self._player = self._player or player_of(trainer)
        seed = step_seed(trainer.args.seed, trainer.state.global_step, "episodes")
        with _evaluating(player):
            rollout = collect(
                player,
                self._vector_env,
                rows[::samples],
                samples=samples,
                max_new_tokens=trainer.max_completion_length,
                temperature=trainer.temperature,
                seed=seed % (1 << 31),
            )
        self._unjudged.add(rollout.episodes)
        return columns_of(rollout)

    def finish_step(self, step: int, total: int) -> None:
        """End an optimizer step, ``step`` of ``total`` from 0: warn of what was not judged.

        Raises:
            UnjudgedError: the verifier failed at most episodes of this process in several steps in
                a row.
        """
        self._unjudged.finish_step(step)
        if failure := self._unjudged.failure(total):
            raise failure


def last_score(scores: Sequence[Sequence[float]], judged: Sequence[bool], **_: Any) -> list[Any]:
    """Return each episode's last score, None where it was not judged: a reward function of TRL."""
    return [of[-1] if known else None for of, known in zip(scores, judged, strict=True)]


def columns_of(rollout: Rollout) -> dict[str, list[Any]]:
    """Return a rollout as TRL takes it; see `EpisodeRollouts.__call__`.

    TRL scores the ids of a completion themselves. Where an earlier turn was ended by another token
    than the template's, later turns read the template's, and the token is not trained on.
    """
    ids, width = rollout.ids.clone(), rollout.ids.shape[1]
    device = ids.device
    last = rollout.turn == rollout.turns - 1
    end = rollout.columns[last]
    ids[:, end] = torch.where(rollout.mask[:, last], rollout.sampled[:, last], ids[:, end])
    same = ids[:, rollout.columns] == rollout.sampled
    trained = torch.zeros((len(rollout), width), dtype=torch.bool, device=device)
    trained[:, rollout.columns] = rollout.mask & same & rollout.judged[:, None]
    turn = torch.full((len(rollout), width), -1, device=device)
    turn[:, rollout.columns] = torch.where(rollout.mask & same, rollout.turn, -1)
    logps = torch.zeros((len(rollout), width), device=device)
    logps[:, rollout.columns] = rollout.logps
    first = int(rollout.columns[0])
    real = rollout.attention_mask
    before, after = real[:, :first], real[:, first:]

    def rows(values: torch.Tensor) -> list[Any]:
        return [row[kept].tolist() for row, kept in zip(values[:, first:], after, strict=True)]

    return {
        "prompt_ids": [
            row[kept].tolist() for row, kept in zip(ids[:, :first], before, strict=True)
        ],
        "completion_ids": rows(ids),
        "logprobs": rows(logps),
        "env_mask": rows(trained.long()),
        "turn": rows(turn),
        "scores": rollout.scores.tolist(),
        "judged": rollout.judged.tolist(),
    }


@contextmanager
def _evaluating(player: Player) -> Iterator[None]:
    """Sample in evaluation mode: in training mode, activation checkpointing keeps no cache."""
    if not isinstance(player, Policy):
        yield
        return
    mode = player.model.training
    player.model.eval()
    try:
        yield
    finally:
        player.model.train(mode)


def _prompts(env: TrainingEnv) -> tuple[list[list[Mapping[str, str]]], dict[str, int]]:
    """Return every problem's prompt, and the problem's index by its prompt."""
    prompts: list[list[Mapping[str, str]]] = []
    index: dict[str, int] = {}
    total = len(env.problems)
    for start in range(0, total, _DATASET_ROWS):
        chosen = list(range(start, min(start + _DATASET_ROWS, total)))
        shown, _ = env.vectorised(len(chosen)).reset(seed=0, options={"index": chosen})
        for i, conversation in zip(chosen, shown, strict=True):
            known = index.setdefault(_key(conversation), i)
            if env.problems[known].reference != env.problems[i].reference:
                raise ProblemSetError(
                    f"Problems {env.problems[known].id!r} and {env.problems[i].id!r} have one "
                    "prompt and different reference answers, and TRL's rollout functions get the "
                    "prompt alone. Leave one of them out."
                )
            if known == i:
                prompts.append([dict(message) for message in conversation])
    return prompts, index


def _key(conversation: Any) -> str:
    return json.dumps([[message["role"], message["content"]] for message in conversation])
