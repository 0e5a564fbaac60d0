"""`Rollout`: a batch of whole episodes in token ids, and `collect`, which plays them.

Axes: B episodes, K turns, T token columns of the whole episode, C the columns of them that
hold sampled tokens. A turn's sampled tokens are in the same columns in every row, so a turn is a
range of columns, given by `Rollout.turn`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from torch import Tensor

from selfcorrect_agents.lm.conversations import added
from selfcorrect_agents.lm.player import Player
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.samplers import Context, Turn
from selfcorrect_env import Attempt, Conversation, Episode, UnsupportedEnvError, Verdict
from selfcorrect_env.evaluation import turn_metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """Finished episodes in token ids, with log-probabilities of the policy that sampled them."""

    ids: Tensor
    """(B, T) int64: prompt, first reply, instruction, second reply … padded anywhere. A reply
    ends with the chat template's own end of a turn, whichever end was sampled."""
    attention_mask: Tensor
    """(B, T) bool: True on real tokens."""
    columns: Tensor
    """(C,) int64: the columns of `ids` that hold tokens that the policy sampled. A turn that
    another policy wrote has none: it is read, and not trained on."""
    sampled: Tensor
    """(B, C) int64: the tokens that were sampled in these columns."""
    turn: Tensor
    """(C,) int64 in [0, K): the turn that each of these columns belongs to."""
    mask: Tensor
    """(B, C) bool: True where a token was sampled, False on padding. Only these are trained on."""
    logps: Tensor
    """(B, C) float32: behaviour log-probabilities at `temperature`; 0 outside `mask`."""
    scores: Tensor
    """(B, K) float32: ``r(y_t, y*)`` of each turn; 0 where `judged` is False."""
    judged: Tensor
    """(B,) bool: False where the verifier failed in any turn; such an episode is not trained on."""
    samples: int
    """Episodes of one problem; rows ``i·samples …`` belong together."""
    temperature: float
    """Temperature that the replies were sampled at."""
    episodes: tuple[Episode, ...]
    """The same episodes as text, with their verdicts."""

    @property
    def turns(self) -> int:
        """K, the number of attempts in an episode."""
        return self.scores.shape[1]

    @property
    def tokens(self) -> int:
        """Number of sampled tokens."""
        return int(self.mask.sum())

    @property
    def taken(self) -> Tensor:
        """(B, K) bool: whether the policy sampled tokens in the turn.

        False where another policy wrote it, or where the episode had ended before it.
        """
        return self.turn_sum(torch.ones_like(self.logps)) > 0

    def turn_sum(self, values: Tensor) -> Tensor:
        """Sum a value per sampled token, (B, C), over each turn: (B, K). Padding is left out."""
        values = torch.where(self.mask, values, 0.0)
        sums = values.new_zeros(len(values), self.turns)
        return sums.index_add(1, self.turn, values)

    def later_in_turn(self, values: Tensor) -> Tensor:
        """Sum a value per sampled token, (B, C), over the later tokens of its turn: (B, C).

        Padding is left out.
        """
        running = torch.where(self.mask, values, 0.0).cumsum(dim=1)
        last = torch.searchsorted(self.turn, self.turn, right=True) - 1  # column of the own turn
        return running[:, last] - running

    def __len__(self) -> int:
        """B, the number of episodes."""
        return len(self.scores)

    def __getitem__(self, rows: slice) -> Rollout:
        """Return some of the episodes as a rollout with all columns."""
        return self._take(rows)

    def of_problems(self, groups: Sequence[int]) -> Rollout:
        """Return the episodes of some problems; ``groups`` are indices among the problems."""
        return self._take([g * self.samples + i for g in groups for i in range(self.samples)])

    def _take(self, rows: slice | list[int]) -> Rollout:
        indices = range(len(self))[rows] if isinstance(rows, slice) else rows
        return replace(
            self,
            ids=self.ids[rows],
            attention_mask=self.attention_mask[rows],
            sampled=self.sampled[rows],
            mask=self.mask[rows],
            logps=self.logps[rows],
            scores=self.scores[rows],
            judged=self.judged[rows],
            episodes=tuple(self.episodes[row] for row in indices) if self.episodes else (),
        )


def collect(
    policy: Player,
    env: VectorEnv[Any, Any, Any],
    problems: Sequence[int],
    *,
    samples: int,
    max_new_tokens: int,
    temperature: float = 1.0,
    generator: torch.Generator | None = None,
    first: Player | Turn | None = None,
    seed: int = 0,
) -> Rollout:
    """Play ``samples`` episodes of each problem with ``policy``, all at once.

    Args:
        policy: samples the replies.
        env: a vector environment of ``len(problems) * samples`` sub-environments without
            autoreset, as ``TrainingEnv.vectorised`` returns it.
        problems: indices into the environment's problem set.
        samples: episodes of each problem.
        max_new_tokens: token cap of one reply, the same in every turn.
        temperature: of sampling; above 0.
        generator: the source of randomness, on the policy's device.
        first: samples the first attempt instead of ``policy``, which then reads it and
            continues (the paper's offline prompts, section 5.3); or the first attempts themselves,
            one row for each episode (`written`). Their tokens are in no column.
        seed: of the environment's own randomness, if it has any; the same for all samples of a
            problem.

    A row whose episode is over before that of other rows goes on being sampled with them. The
    environment says so, ``infos["dropped"]``, and the turn is none of the row's: its tokens, and
    those of the request before it, are padding in the rollout.

    Returns:
        The rollout, with `Rollout.logps` as they were when the tokens were drawn.

    Raises:
        UnsupportedEnvError: the environment's reward for a judged reply is not the verdict's score.
    """
    conversations, _ = cast(Any, env).reset(
        seed=[seed + row // samples for row in range(len(problems) * samples)],
        options={"index": np.repeat(problems, samples)},
    )
    context = _started(policy, conversations, samples)
    turns, starts, verdicts = [], [], []
    over: list[tuple[int, Tensor]] = []  # from which column on which rows' episodes are over
    end = 0  # columns up to the end of the last turn
    other = _started(first, conversations, samples) if isinstance(first, Player) else None
    while True:
        starts.append(context.ids.shape[1])
        if first is not None and not turns:
            sampled = other and other.sample(max_new_tokens, temperature, generator)
            turns.append(sampled or cast(Turn, first))
            other = None  # its keys and values are not needed any more
            context.take(turns[0])
        else:
            turns.append(context.sample(max_new_tokens, temperature, generator))
        replies = policy.replies(turns[-1])
        before = conversations
        conversations, rewards, done, _, infos = env.step(replies)
        verdicts.append(infos["verdict"])
        if (dropped := infos.get("dropped")) is not None:
            rows = torch.as_tensor(dropped, device=context.ids.device)
            turns[-1] = _without(turns[-1], rows)
            over.append((end, rows))
        end = context.ids.shape[1]
        _check_rewards(env, rewards, verdicts[-1])
        if done.all():
            break
        policy.extend(context, added(before, conversations))
    own = slice(0 if first is None else 1, None)
    return _rollout(
        context, turns, starts, over, verdicts, list(infos["finished"]), samples, temperature, own
    )


def written(policy: Policy, attempts: Sequence[Attempt]) -> Turn:
    """Return attempts that were made before as a turn, in the ids that their text is read in.

    Its log-probabilities are 0: nothing of it was sampled.
    """
    ended = [not attempt.truncated for attempt in attempts]
    rows = [
        policy.chat.reply_ids(str(attempt.reply), ended=end)
        for attempt, end in zip(attempts, ended, strict=True)
    ]
    width = max(1, *map(len, rows))
    ids = torch.full((len(rows), width), policy.chat.pad_id)
    mask = torch.zeros((len(rows), width), dtype=torch.bool)
    for row, tokens in enumerate(rows):
        ids[row, : len(tokens)] = torch.tensor(tokens, dtype=torch.long)
        mask[row, : len(tokens)] = True
    device = policy.device
    return Turn(
        ids=ids.to(device),
        mask=mask.to(device),
        logps=torch.zeros(mask.shape, device=device),
        ended=torch.tensor(ended, device=device),
    )


def _without(turn: Turn, dropped: Tensor) -> Turn:
    """Return a turn that has no tokens in the rows that ``dropped``, (B,) bool, names."""
    kept = ~dropped[:, None]
    return replace(turn, mask=turn.mask & kept, logps=torch.where(kept, turn.logps, 0.0))


def _check_rewards(env: object, rewards: Any, verdicts: Sequence[Verdict]) -> None:
    """Refuse an environment whose rewards are not the verdicts' scores, which are trained on."""
    for reward, verdict in zip(rewards, verdicts, strict=True):
        if verdict.judged and not math.isclose(reward, verdict.score, rel_tol=1e-6, abs_tol=1e-6):
            raise UnsupportedEnvError(
                f"{env!r} gives the reward {float(reward):g} for a reply whose verdict has the "
                f"score {verdict.score:g}. Training does not use such rewards: each method "
                "computes its own from the verdicts. Let step return the verdict's score and set "
                "the method's own options (SCoRe's bonus is alpha), or write a verifier that "
                "returns the score you want."
            )


def _started(policy: Player, conversations: Sequence[Conversation], samples: int) -> Context:
    """Read each problem's conversation once if it is the same in all samples of the problem."""
    same = all(c == conversations[row - row % samples] for row, c in enumerate(conversations))
    return policy.start(conversations[::samples], samples) if same else policy.start(conversations)


def _rollout(
    context: Context,
    turns: Sequence[Turn],
    starts: Sequence[int],
    over: Sequence[tuple[int, Tensor]],
    verdicts: Sequence[Sequence[Verdict]],
    episodes: Sequence[Episode],
    samples: int,
    temperature: float,
    own: slice,
) -> Rollout:
    device = context.ids.device
    widths = [turn.ids.shape[1] for turn in turns]
    columns = [
        torch.arange(start, start + width) for start, width in zip(starts, widths, strict=True)
    ][own]
    numbers = torch.arange(len(turns))[own]
    scores = [[verdict.score for verdict in column] for column in verdicts]
    judged = [[verdict.judged for verdict in column] for column in verdicts]
    real = context.mask.clone()
    for end, rows in over:
        real[rows, end:] = False
    return Rollout(
        ids=context.ids,
        attention_mask=real,
        columns=torch.cat(columns).to(device),
        turn=torch.repeat_interleave(numbers, torch.tensor(widths[own])).to(device),
        sampled=torch.cat([turn.ids for turn in turns[own]], dim=1),
        mask=torch.cat([turn.mask for turn in turns[own]], dim=1),
        logps=torch.cat([turn.logps for turn in turns[own]], dim=1),
        scores=torch.tensor(scores, dtype=torch.float32, device=device).T,
        judged=torch.tensor(judged, device=device).all(dim=0),
        samples=samples,
        temperature=temperature,
        episodes=tuple(episodes),
    )


def rollout_metrics(rollout: Rollout) -> dict[str, float]:
    """Return the metrics of a rollout's episodes: ``t{t}/accuracy``, ``unchanged`` … .

    Each key is explained in `selfcorrect_agents.rl.update.LOGGED`. Episodes that could not be
    judged are left out.
    """
    judged = [episode for episode in rollout.episodes if episode.judged]
    if not judged:
        return {"train/unjudged": float(len(rollout.episodes)), "train/skipped": 1.0}
    return turn_metrics(judged)
