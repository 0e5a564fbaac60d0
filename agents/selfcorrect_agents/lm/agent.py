"""`LanguageModelAgent`: a causal language model as an agent; base class of all trained agents."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, ClassVar

import torch
import tyro
from typing_extensions import Self

from selfcorrect_agents.flat_config import from_flat
from selfcorrect_agents.lm.conversations import added
from selfcorrect_agents.lm.loading import load_policy
from selfcorrect_agents.lm.model_config import ModelConfig
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.rows_in_memory import rows_in_memory
from selfcorrect_agents.lm.samplers import CachedSampler, Context
from selfcorrect_agents.lm.token_caps import TOKEN_CAP, token_cap
from selfcorrect_env import Conversation, Reply
from selfcorrect_env.problems import TrainedOn, read_trained_on


@dataclass(frozen=True, kw_only=True)
class PlayConfig:
    """The model of an agent, and how it samples."""

    model: Annotated[ModelConfig, tyro.conf.arg(name="")] = ModelConfig()
    """Which model is loaded, and how."""
    max_new_tokens: int | None = None
    """Token cap of one reply, the same in every turn, ≥ 1. By default the cap that the model was
    trained with, if the model is in its run folder; else 16 for tiny models and 512 for others."""
    temperature: float = 0.0
    """0 takes the most likely token (the paper's tables); 1 samples from the model."""
    top_p: float = 1.0
    """Nucleus sampling, in (0, 1]: below 1, tokens are drawn from the most likely ones that have at
    least this probability together."""
    seed: int = 0
    """Seed of sampling."""

    def __post_init__(self) -> None:
        if self.max_new_tokens is not None:
            _check_cap(self.max_new_tokens)
        _check_temperature(self.temperature)
        _check_top_p(self.top_p)


class LanguageModelAgent:
    """A causal language model as an agent: it answers conversations.

    If the conversations of a call continue those of the previous call, or some of them in the same
    order, the agent appends to their token ids instead of tokenising them again.

    Args:
        policy: the model with its tokenizer.
        max_new_tokens: token cap of one reply.
        temperature: 0 takes the most likely token, 1 samples from the model.
        seed: of sampling.

    Raises:
        ValueError: the cap or the temperature is out of its range; so is `top_p`, where it is set.
    """

    Config: ClassVar[type[Any]] = PlayConfig

    def __init__(
        self,
        policy: Policy,
        *,
        max_new_tokens: int = TOKEN_CAP,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> None:
        _check_cap(max_new_tokens)
        _check_temperature(temperature)
        self.policy = policy
        self.max_new_tokens = max_new_tokens
        self.temperature = temperature
        self.seed = seed
        self._top_p = 1.0
        self.cap_origin = ""
        """Where the token cap comes from, for reports; empty if it was given."""
        self.trained_on: TrainedOn | None = None
        """What the model was trained on, from its run folder; `evaluate` reads it."""
        self._generator = torch.Generator(policy.device).manual_seed(seed)
        self._context: Context | None = None
        self._expected: tuple[Conversation, ...] = ()

    @property
    def top_p(self) -> float:
        """Nucleus sampling, in (0, 1]; 1 draws from all tokens."""
        return self._top_p

    @top_p.setter
    def top_p(self, value: float) -> None:
        _check_top_p(value)
        self._top_p = value

    @property
    def decoding(self) -> str:
        """How replies are drawn, for reports."""
        how = "greedy" if self.temperature == 0 else f"T = {self.temperature:g}"
        if self.temperature > 0 and self.top_p < 1:
            how = f"{how}, top-p = {self.top_p:g}"
        origin = f" ({self.cap_origin})" if self.cap_origin else ""
        template = f", {self.policy.chat}" if str(self.policy.chat) else ""
        return f"{how}, at most {self.max_new_tokens} tokens{origin}{template}"

    def fingerprint(self) -> str:
        """Return a hash of the weights, the chat template and the tokens: `evaluate` resumes a
        stored run only with equal ones."""
        parts = f"{self.policy.fingerprint()} {self.policy.chat.fingerprint()}"
        return hashlib.sha256(parts.encode()).hexdigest()[:16]

    @classmethod
    def from_config(cls, config: PlayConfig) -> Self:
        """Load the model that ``config`` names and return an agent that plays with it.

        ``top_p`` is an attribute of the agent; every further field of ``config`` is an argument of
        the class, under its own name.
        """
        options = {field.name: getattr(config, field.name) for field in fields(config)}
        model: ModelConfig = options.pop("model")
        top_p: float = options.pop("top_p")
        origin = ""
        if config.max_new_tokens is None:
            options["max_new_tokens"], origin = token_cap(model.model)
        agent = cls(load_policy(model), **options)
        agent.cap_origin = origin
        agent.top_p = top_p
        agent.trained_on = read_trained_on(model.model)
        return agent

    def forget(self) -> None:
        """Free the keys and values of the latest conversations, which only save time."""
        self._context, self._expected = None, ()

    def act(self, conversations: Sequence[Conversation]) -> list[Reply]:
        """Sample a reply to each conversation, in one batch."""
        if not conversations:
            return []
        context = self._continued(conversations) or self._started(conversations)
        turn = context.sample(
            self.max_new_tokens, self.temperature, self._generator, top_p=self.top_p
        )
        replies = self.policy.replies(turn)
        self._context = context
        self._expected = tuple(
            (*conversation, {"role": "assistant", "content": reply})
            for conversation, reply in zip(conversations, replies, strict=True)
        )
        return replies

    def _started(self, conversations: Sequence[Conversation]) -> Context:
        """Start a context, with as many rows in memory as fit through a second attempt."""
        sampler = self.policy.sampler
        if isinstance(sampler, CachedSampler):
            longest = max(conversations, key=lambda turns: sum(len(t["content"]) for t in turns))
            turn = len(self.policy.chat.prompt_ids(longest)) + self.max_new_tokens
            sampler.rows_at_once = rows_in_memory(self.policy, len(conversations), 2 * turn)
        return self.policy.start(conversations)

    def _continued(self, conversations: Sequence[Conversation]) -> Context | None:
        """Return a context of the rows of the last call that the conversations continue.

        None if one of them continues no row.
        """
        rows = self._rows_of(conversations)
        context, self._context = self._context, None  # a failed call leaves no partial state
        if rows is None or context is None or self.policy.chat.template.thoughts == "drop":
            return None
        messages = added([self._expected[row][:-1] for row in rows], conversations)
        if len(rows) < len(self._expected):
            return self.policy.branch(context, rows, messages)
        self.policy.extend(context, messages)
        return context

    def _rows_of(self, conversations: Sequence[Conversation]) -> list[int] | None:
        """Return the rows of the last call that the conversations continue, in its order."""
        waiting, rows = iter(enumerate(self._expected)), list[int]()
        for new in conversations:
            found = (r for r, old in waiting if len(new) > len(old) and new[: len(old)] == old)
            row = next(found, None)
            if row is None:
                return None
            rows.append(row)
        return rows

    def save(self, path: str | Path) -> None:
        """Write the policy to a folder, as ``save_pretrained`` does."""
        self.policy.save_pretrained(path)

    @classmethod
    def load(cls, path: str | Path, **play: Any) -> Self:
        """Read an agent that `save` wrote; ``play`` are fields of `PlayConfig` by flat name."""
        return cls.from_config(from_flat(cls.Config, {"model": str(path), **play}))


def _check_cap(max_new_tokens: int) -> None:
    if max_new_tokens < 1:
        raise ValueError(f"max_new_tokens must be at least 1, got {max_new_tokens}.")


def _check_temperature(temperature: float) -> None:
    if not 0 <= temperature < math.inf:
        raise ValueError(f"temperature must be 0 or above and finite, got {temperature}.")


def _check_top_p(top_p: float) -> None:
    if not 0 < top_p <= 1:
        raise ValueError(f"top_p must be in (0, 1], got {top_p}.")
