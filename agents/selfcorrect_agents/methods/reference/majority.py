"""`Majority`: a vote over samples of the first prompt, which a correction has to beat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from selfcorrect_agents.lm.agent import LanguageModelAgent, PlayConfig
from selfcorrect_agents.lm.conversations import by_attempt, first_prompt, last_reply
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.methods.reference.answers import AUTO, form_for
from selfcorrect_env import Conversation, Reply

K = 3
"""Samples in a vote, where nothing else is asked for."""


@dataclass(frozen=True, kw_only=True)
class MajorityConfig(PlayConfig):
    """Which model is sampled, how often, and how answers are read."""

    temperature: float = 0.7
    """Of sampling; the paper votes at 0.7 (section 6.2). At 0 all samples are alike."""
    k: int = K
    """Samples in the vote, the first attempt among them; at least 2. k = 2 costs what two attempts
    do, and outvotes no answer; k = 3 is the smallest vote that can."""
    tokens: int | None = None
    """Instead of k: the vote has as many samples as fit into so many tokens, at least 1, the first
    attempt among them. Give what the episodes of the agent that it is compared with take."""
    answers: str = AUTO
    """How a reply's answer is read: first-digit, first-operation, math, answer-tags, last-line,
    text, or module:function. auto: by the environment's instruction."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(self.k, self.tokens)


class Majority(LanguageModelAgent):
    """Reference: the second answer is a majority vote over k samples of the first prompt.

    The first attempt is one sample. At the second attempt k - 1 more are drawn, without a look at
    the first; the reply is the earliest one with the most frequent answer (self-consistency, Wang
    et al., arXiv 2203.11171). Equal counts go to the answer that came first; a reply without an
    answer has no vote. Answers are read by `selfcorrect_agents.methods.reference.answers`, which
    knows neither the reference nor the score, so this is no oracle. A third attempt votes anew over
    the reply before it and k - 1 more.

    With ``tokens`` a vote has a budget instead of a size, so that it can be compared with two
    attempts at equal tokens: samples are drawn until it is spent. The last one ends where the
    budget does; unless it was finished by then, it has no vote, though its tokens count. So an
    episode of two attempts takes ``tokens``, or its first attempt alone where that takes more.
    (The first attempt counts with the tokens of its text: special ones inside it are overlooked.)

    Known, with p_a the probability of answer a and r the right one:

    - k = 2: Δ^{c→i} = 0 exactly, and Δ = 0 where every reply has an answer;
    - k = 3: Δ^{i→c} = mean of (1 - p_r) p_r² and Δ^{c→i} = mean of p_r Σ_{a≠r} p_a².

    Args:
        policy: the model with its tokenizer.
        max_new_tokens: token cap of one sample.
        temperature: of sampling.
        seed: of sampling.
        k: as in `MajorityConfig`.
        tokens: as in `MajorityConfig`.
        answers: as in `MajorityConfig`.
    """

    Config: ClassVar[type[MajorityConfig]] = MajorityConfig

    def __init__(
        self,
        policy: Policy,
        *,
        max_new_tokens: int = 512,
        temperature: float = 0.7,
        seed: int = 0,
        k: int = K,
        tokens: int | None = None,
        answers: str = AUTO,
    ) -> None:
        _check(k, tokens)
        super().__init__(policy, max_new_tokens=max_new_tokens, temperature=temperature, seed=seed)
        self.k = k
        self.tokens = tokens
        self.answers = answers

    @property
    def decoding(self) -> str:
        """How replies are drawn, for reports."""
        if self.tokens is None:
            return f"{super().decoding} for each of {self.k} samples"
        return f"{super().decoding} for each sample, {self.tokens} for a vote"

    def act(self, conversations: Sequence[Conversation]) -> list[Reply]:
        """Sample first attempts; vote on later ones, whose `Reply.tokens` counts all new samples.

        Raises:
            AgentError: ``answers`` is ``"auto"``, and the instruction is none that is known.
        """
        return by_attempt(conversations, super().act, self._voted)

    def _voted(self, conversations: Sequence[Conversation]) -> list[Reply]:
        draw = self._k_samples if self.tokens is None else self._samples_within
        replies = []
        for conversation, (fresh, spent) in zip(conversations, draw(conversations), strict=True):
            samples = [Reply(last_reply(conversation) or ""), *fresh]
            read = form_for(self.answers, conversation).read
            winner = samples[elected([read(sample) for sample in samples])]
            replies.append(Reply(winner, tokens=spent, truncated=winner.truncated))
        return replies

    def _k_samples(self, conversations: Sequence[Conversation]) -> list[tuple[list[Reply], int]]:
        """Return k - 1 more samples for each conversation, and the tokens that they took."""
        more = self.k - 1
        prompts = [first_prompt(conversation) for conversation in conversations]
        drawn = super().act([prompt for prompt in prompts for _ in range(more)])
        groups = [drawn[place * more : (place + 1) * more] for place in range(len(prompts))]
        return [(fresh, sum(reply.tokens or 0 for reply in fresh)) for fresh in groups]

    def _samples_within(
        self, conversations: Sequence[Conversation]
    ) -> list[tuple[list[Reply], int]]:
        """Return the samples that fit into the budget, and the tokens that were spent."""
        budgets = [self._left(last_reply(conversation) or "") for conversation in conversations]
        left = list(budgets)
        fresh: list[list[Reply]] = [[] for _ in conversations]
        while going := [place for place, tokens in enumerate(left) if tokens > 0]:
            drawn = super().act([first_prompt(conversations[place]) for place in going])
            for place, reply in zip(going, drawn, strict=True):
                took = max(1, reply.tokens or 0)
                if took <= left[place]:
                    fresh[place].append(reply)
                left[place] -= min(took, left[place])
        return list(zip(fresh, budgets, strict=True))

    def _left(self, standing: str) -> int:
        """Return what the reply that stands leaves of the budget, at least 0."""
        taken = min(len(self.policy.chat.reply_ids(standing)), self.max_new_tokens)
        return max(0, (self.tokens or 0) - taken)


def elected(answers: Sequence[str | None]) -> int:
    """Return the place of the earliest most frequent answer; 0 where there is none at all.

    >>> elected(["7", "3", None, "3"]), elected(["7", "3"]), elected([None, "3"])
    (1, 0, 1)
    """
    counts = Counter(answer for answer in answers if answer is not None)
    if not counts:
        return 0
    return answers.index(max(counts, key=lambda answer: counts[answer]))


def _check(k: int, tokens: int | None) -> None:
    if k < 2:
        raise ValueError(f"k must be at least 2, the first attempt and one more sample; got {k}.")
    if tokens is not None and tokens < 1:
        raise ValueError(
            f"tokens must be at least 1, or None to vote over k samples; got {tokens}."
        )
    if tokens is not None and k != K:
        raise ValueError(
            f"A vote has a size or a budget, not both: leave out k={k} or tokens={tokens}."
        )
