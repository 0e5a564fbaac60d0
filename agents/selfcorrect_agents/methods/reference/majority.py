"""`Majority`: a vote over samples for the first prompt, the baseline for a correction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from selfcorrect_agents.lm.agent import LanguageModelAgent, PlayConfig
from selfcorrect_agents.lm.conversations import by_attempt, first_prompt, last_reply
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.token_caps import TOKEN_CAP
from selfcorrect_agents.methods.reference.answers import AUTO, format_for
from selfcorrect_env import Conversation, Reply

K = 3
"""Default number of samples in a vote."""


@dataclass(frozen=True, kw_only=True)
class MajorityConfig(PlayConfig):
    """The model, the size of the vote, and how to read answers."""

    temperature: float = 0.7
    """Temperature of sampling; the paper votes at 0.7 (section 6.2). At 0 all samples are equal."""
    k: int = K
    """Number of samples in the vote, including the first attempt; at least 2. k = 2 costs as much
    as two attempts and outvotes no answer; k = 3 is the smallest vote that can."""
    tokens: int | None = None
    """Replaces k: token budget of the vote, including the first attempt; at least 1. Use the mean
    tokens per episode of the agent that it is compared with."""
    answers: str = AUTO
    """How a reply's answer is read: the name of a verifier (math, exact, code …), or
    module:function. auto: as the environment's instruction asks for it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(self.k, self.tokens)


class Majority(LanguageModelAgent):
    """Reference: the second answer is a majority vote over k samples for the first prompt.

    The first attempt is one sample. The second attempt draws k - 1 more, independent of the first;
    its reply is the earliest one with the most frequent answer (self-consistency, Wang et al.,
    arXiv 2203.11171). In a tie, the answer that came first wins; a reply without an answer has no
    vote. `selfcorrect_agents.methods.reference.answers` reads the answers, without the reference
    and the score, so this is not an oracle. A third attempt votes again, over the previous reply
    and k - 1 new samples.

    With ``tokens`` a vote has a budget instead of a size, so that it can be compared with two
    attempts at equal tokens: it draws samples until the budget is spent. A sample that exceeds the
    budget has no vote, but its tokens up to the budget count. So an episode of two attempts uses
    ``tokens``, or its first attempt alone if that is longer. (The first attempt counts with the
    tokens of its text, without special tokens inside it.)

    Known, with p_a the probability of answer a and r the right one:

    - k = 2: Δ^{c→i} = 0 exactly, and Δ = 0 if every reply has an answer;
    - k = 3: Δ^{i→c} = mean of (1 - p_r) p_r² and Δ^{c→i} = mean of p_r Σ_{a≠r} p_a².

    Args:
        policy: the model with its tokenizer.
        max_new_tokens: token cap of one sample.
        temperature: temperature of sampling.
        seed: seed of sampling.
        k: see `MajorityConfig`.
        tokens: see `MajorityConfig`.
        answers: see `MajorityConfig`.
    """

    instrument: ClassVar[bool] = True
    Config: ClassVar[type[MajorityConfig]] = MajorityConfig

    def __init__(
        self,
        policy: Policy,
        *,
        max_new_tokens: int = TOKEN_CAP,
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
        """Sample first attempts; vote for later ones, whose `Reply.tokens` counts all new samples.

        Raises:
            AgentError: ``answers`` is ``"auto"``, and the instruction is not a known one.
        """
        return by_attempt(conversations, super().act, self._vote)

    def _vote(self, conversations: Sequence[Conversation]) -> list[Reply]:
        draw = self._k_samples if self.tokens is None else self._samples_within
        replies = []
        for conversation, (fresh, spent) in zip(conversations, draw(conversations), strict=True):
            samples = [Reply(last_reply(conversation) or ""), *fresh]
            read = format_for(self.answers, conversation).read
            winner = samples[elected([read(sample) for sample in samples])]
            replies.append(Reply(winner, tokens=spent, truncated=winner.truncated))
        return replies

    def _k_samples(self, conversations: Sequence[Conversation]) -> list[tuple[list[Reply], int]]:
        """Return k - 1 new samples for each conversation, and their number of tokens."""
        more = self.k - 1
        prompts = [first_prompt(conversation) for conversation in conversations]
        drawn = super().act([prompt for prompt in prompts for _ in range(more)])
        groups = [drawn[row * more : (row + 1) * more] for row in range(len(prompts))]
        return [(fresh, sum(reply.tokens or 0 for reply in fresh)) for fresh in groups]

    def _samples_within(
        self, conversations: Sequence[Conversation]
    ) -> list[tuple[list[Reply], int]]:
        """Return the samples that fit into the budget, and the tokens spent."""
        budgets = [self._left(last_reply(conversation) or "") for conversation in conversations]
        left = list(budgets)
        fresh: list[list[Reply]] = [[] for _ in conversations]
        # in rounds: one more sample for every conversation whose budget is not spent
        while active := [row for row, tokens in enumerate(left) if tokens > 0]:
            drawn = super().act([first_prompt(conversations[row]) for row in active])
            for row, reply in zip(active, drawn, strict=True):
                used = max(1, reply.tokens or 0)  # at least 1, so that the loop ends
                if used <= left[row]:
                    fresh[row].append(reply)
                left[row] -= min(used, left[row])
        return list(zip(fresh, budgets, strict=True))

    def _left(self, first: str) -> int:
        """Return the budget minus the tokens of the previous reply, at least 0."""
        taken = min(len(self.policy.chat.reply_ids(first)), self.max_new_tokens)
        return max(0, (self.tokens or 0) - taken)


def elected(answers: Sequence[str | None]) -> int:
    """Return the index of the earliest most frequent answer; 0 if there is no answer.

    >>> elected(["7", "3", None, "3"]), elected(["7", "3"]), elected([None, "3"])
    (1, 0, 1)
    """
    counts = Counter(answer for answer in answers if answer is not None)
    if not counts:
        return 0
    # Counter keeps the order of first occurrence, and max returns the first of equal counts
    return answers.index(max(counts, key=lambda answer: counts[answer]))


def _check(k: int, tokens: int | None) -> None:
    if k < 2:
        raise ValueError(f"k must be at least 2, the first attempt and one more sample; got {k}.")
    if tokens is not None and tokens < 1:
        raise ValueError(
            f"tokens must be at least 1, or None to vote over k samples; got {tokens}."
        )
    if tokens is not None and k != K:
        raise ValueError(f"A vote has a size or a budget, not both: omit k={k} or tokens={tokens}.")
