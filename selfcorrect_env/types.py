"""The types that all parts of the project share.

One episode: the environment shows a `Problem` as a `Conversation`; the agent answers
(an *attempt*); the environment appends a fixed *correction instruction*, the same
whether the attempt was right or not; the agent answers again. A `Verifier` gives each
answer a `Verdict`. `Attempt` is a reply with its verdict, `Episode` a problem with its
attempts, `Transition` what happened between the first attempt and the last.

Source of the setting and its symbols: Kumar et al., "Training Language Models to
Self-Correct via Reinforcement Learning" (arXiv 2409.12917), section 3.
"""

from __future__ import annotations

import operator
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any, Protocol, TypeAlias, TypedDict, runtime_checkable


class Message(TypedDict):
    """One message of a conversation, as chat templates and OpenAI-compatible servers take it."""

    role: str
    """``"system"``, ``"user"`` or ``"assistant"``."""
    content: str


Conversation: TypeAlias = tuple[Message, ...]
"""The messages so far, oldest first. Never holds a verdict, a reward or the reference."""


ACCEPTED = "accepted_answers"
"""Key of `Problem.metadata`: the list of right answers beside the reference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A problem ``x`` with its reference answer ``y*`` (paper, section 3)."""

    id: str
    """Unique within its `ProblemSet`."""
    prompt: str
    """The problem's statement, without instructions on how to answer."""
    reference: str
    """The reference answer that a verifier compares with; never shown to an agent. Further right
    answers: `accepted`."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """JSON-able values: subject, level, tests, entry point … Read-only. The key `ACCEPTED` is
    reserved for a list of further right answers."""

    @property
    def accepted(self) -> tuple[str, ...]:
        """Further right answers beside `reference`, any of which is enough; mostly none."""
        return tuple(self.metadata.get(ACCEPTED, ()))

    def __post_init__(self) -> None:
        for name in ("id", "prompt", "reference"):
            value = getattr(self, name)
            if not isinstance(value, str):
                raise TypeError(
                    f"Problem.{name} must be a str, not {type(value).__name__} ({value!r:.60})."
                )
        metadata = dict(self.metadata)
        accepted = metadata.get(ACCEPTED, ())
        if not isinstance(accepted, list | tuple) or any(not isinstance(a, str) for a in accepted):
            raise TypeError(
                f"Problem.metadata[{ACCEPTED!r}] must be a list of str, got {accepted!r:.60}."
            )
        object.__setattr__(self, "metadata", MappingProxyType(metadata))

    def __reduce__(self) -> tuple[Any, ...]:
        # a mappingproxy cannot be pickled or deep-copied
        return _problem, (self.id, self.prompt, self.reference, dict(self.metadata))

    def __hash__(self) -> int:
        return hash((self.id, self.prompt, self.reference))


def _problem(id: str, prompt: str, reference: str, metadata: dict[str, Any]) -> Problem:
    return Problem(id=id, prompt=prompt, reference=reference, metadata=metadata)


class Reason(str, Enum):
    """Why a response got its score. Each reason allows one score, except `PARTIAL`."""

    CORRECT = "correct"
    """The response is right: score 1. It is the only reason that counts in an accuracy."""
    PARTIAL = "partial credit"
    """The verifier paid part of the score, strictly between 0 and 1. The response counts as
    incorrect in every accuracy and transition; the score itself is the reward."""
    WRONG = "wrong"
    """An answer was found and it is not the reference: score 0."""
    NO_ANSWER = "no answer"
    """No answer was found in the response: score 0, since there is nothing to give credit for."""
    AMBIGUOUS = "ambiguous"
    """The response offers several different final answers: score 0, or hedging would pay."""
    TIMEOUT = "timeout"
    """Judging *this response* exceeded its time or memory limit (waiting in a queue never
    counts): score 0, or replies that are expensive to judge would pay."""
    ERROR = "error"
    """The verifier failed by itself, so the response was not judged; a failure that the response
    causes is `WRONG`. The score is 0 as a placeholder: an episode with such a verdict is counted as
    unjudged and left out of the metrics, which are also reported with it counted as wrong."""
    NO_REPLY = "no reply"
    """The agent has no reply: its request failed for good (`NoReplyError`). Nothing was judged, and
    the episode is counted as with `ERROR`. A reply that is empty is `NO_ANSWER`."""

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Verdict:
    """A verifier's judgement of one response.

    The score and the reason always agree: score 1 if and only if the reason is `Reason.CORRECT`,
    a score strictly between 0 and 1 if and only if it is `Reason.PARTIAL`, and 0 otherwise.

    >>> Verdict(0.5, Reason.PARTIAL).correct
    False
    >>> Verdict(0.5, Reason.CORRECT)
    Traceback (most recent call last):
    ValueError: A verdict with the reason 'correct' has score 1, got 0.5. ...

    Raises:
        TypeError: the score is not a number, or the answer or the detail not a str.
        ValueError: the score is outside [0, 1] or does not agree with the reason.
    """

    score: float
    """``r(y, y*)`` in [0, 1], mostly 0 or 1."""
    reason: Reason
    """Why the response got this score; the value of a `Reason` as a plain str is accepted."""
    answer: str | None = None
    """The answer that was extracted from the response, or None."""
    detail: str = ""
    """One line for people: which error, which deadline. Never empty if nothing was judged."""

    def __post_init__(self) -> None:
        score, reason = _score(self.score), _reason(self.reason)
        for name, value in (("answer", self.answer), ("detail", self.detail)):
            if not isinstance(value, str) and not (name == "answer" and value is None):
                raise TypeError(
                    f"Verdict.{name} must be a str, got {type(value).__name__} ({value!r:.60})."
                )
        if reason is Reason.PARTIAL:
            agree, expected = 0.0 < score < 1.0, "a score strictly between 0 and 1"
        else:
            expected = f"score {int(reason is Reason.CORRECT)}"
            agree = score == float(reason is Reason.CORRECT)
        if not agree:
            raise ValueError(
                f"A verdict with the reason '{reason}' has {expected}, got {score!r}. Score 1 goes "
                "with Reason.CORRECT, a score between 0 and 1 with Reason.PARTIAL, and score 0 "
                "with any other reason."
            )
        object.__setattr__(self, "score", score)
        object.__setattr__(self, "reason", reason)
        if not self.judged and not self.detail:
            object.__setattr__(self, "detail", _NO_CAUSE[reason])

    @property
    def judged(self) -> bool:
        """False if the verifier failed or there is no reply: that is not a wrong answer."""
        return self.reason not in _NO_CAUSE

    @property
    def correct(self) -> bool:
        """Whether the response counts as right: score 1, the one definition in this project."""
        return self.reason is Reason.CORRECT


_NO_CAUSE = {
    Reason.ERROR: "the verifier reported an error without a cause",
    Reason.NO_REPLY: "the agent had no reply, and gave no cause",
}
"""The reasons of what was not judged, each with its detail if there is none."""


def _score(value: Any) -> float:
    if not hasattr(value, "__float__"):  # a text such as "1" is no score
        raise TypeError(f"Verdict.score must be a number, got {value!r:.60}.")
    score = float(value)
    if not 0.0 <= score <= 1.0:  # also refuses nan
        raise ValueError(f"Verdict.score must be in [0, 1], got {value!r:.60}.")
    return abs(score)  # -0.0 is 0.0


def _reason(value: Any) -> Reason:
    try:
        return Reason(value)
    except ValueError:
        known = ", ".join(repr(reason.value) for reason in Reason)
        raise ValueError(f"Unknown Verdict.reason {value!r:.60}. Known: {known}.") from None


@runtime_checkable
class Verifier(Protocol):
    """Anything that maps (problem, response) to a `Verdict`.

    Where a Verifier is expected, a plain function ``(problem, response) -> float | bool``
    is accepted as well (see `selfcorrect_env.verifiers.as_verifier`). What a response contains
    must never make a verifier raise or hang. A verifier may also have an attribute
    ``answer_format`` (`selfcorrect_env.verifiers.AnswerFormat`): how right replies are written.
    """

    @property
    def name(self) -> str:
        """The name in ``repr(env)`` and in reports."""
        ...

    def verify(self, problem: Problem, response: str) -> Verdict:
        """Judge one response."""
        ...

    def verify_batch(self, problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
        """Judge many at once: ``result[i]`` is the verdict of ``responses[i]``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """How a served model generated a reply. Nothing of it is judged or shown to a later turn.

    `selfcorrect_env.evaluation.usage.Usage` adds these up for a report.
    """

    finish_reason: str = ""
    """The server's: ``"stop"``, ``"length"`` …; "" if it named none."""
    reasoning: str = ""
    """What the server returned beside the reply as the model's reasoning."""
    empty: str = ""
    """Why the reply has no text; "" if it has."""
    prompt_tokens: int | None = None
    """Tokens of the conversation, or None if the server did not say."""
    reasoning_tokens: int | None = None
    """Those of the reply's tokens that are reasoning, likewise."""
    cost: float | None = None
    """Price of the request, in the currency of the prices that were given; None without prices."""
    requests: int = 1
    """Requests until the reply came, ≥ 1."""
    seconds: float = 0.0
    """From the first request until the reply came, wall clock, waits included."""


class Reply(str):
    """A reply with metadata of its generation.

    A plain ``str`` is always accepted instead; all fields are then unknown.

    Raises:
        TypeError: ``tokens`` is no integer. One of numpy or torch becomes an int.
    """

    tokens: int | None
    """Number of sampled tokens, or None if unknown."""
    truncated: bool | None
    """Whether the token cap cut the reply off, or None if unknown."""
    generation: Generation | None
    """How a server generated it, or None if unknown."""

    def __new__(
        cls,
        text: str,
        *,
        tokens: int | None = None,
        truncated: bool | None = None,
        generation: Generation | None = None,
    ) -> Reply:
        """Make a reply of ``text``."""
        reply = super().__new__(cls, text)
        try:
            reply.tokens = None if tokens is None else operator.index(tokens)
        except TypeError:
            raise TypeError(
                f"Reply.tokens must be an int or None, got {type(tokens).__name__} "
                f"({tokens!r:.60})."
            ) from None
        reply.truncated = None if truncated is None else bool(truncated)
        reply.generation = generation
        return reply

    def __reduce__(self) -> tuple[Any, ...]:
        return _reply, (str(self), self.tokens, self.truncated, self.generation)


def _reply(
    text: str, tokens: int | None, truncated: bool | None, generation: Generation | None = None
) -> Reply:
    return Reply(text, tokens=tokens, truncated=truncated, generation=generation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A reply ``y_t`` with its verdict."""

    reply: str
    verdict: Verdict
    tokens: int | None = None
    """Number of sampled tokens, or None if the agent did not report it."""
    truncated: bool | None = None
    """Whether a token cap cut the reply off, or None if the agent did not report it."""
    verification: bool = False
    """Whether the reply is no answer to the problem: it says whether the attempt before it is
    right, and its score is 1 if the verdict on that attempt agrees."""

    @property
    def answered(self) -> bool:
        """Whether the agent replied, if only with an empty text."""
        return self.verdict.reason is not Reason.NO_REPLY


class Transition(str, Enum):
    """What happened between the first attempt and the last (paper, section 3)."""

    CORRECT_TO_CORRECT = "c->c"
    INCORRECT_TO_CORRECT = "i->c"
    CORRECT_TO_INCORRECT = "c->i"
    INCORRECT_TO_INCORRECT = "i->i"

    @classmethod
    def of(cls, *verdicts: Verdict) -> Transition | None:
        """Name the transition of an episode's verdicts, in order, or None if one of its replies
        could not be judged: such an episode is in no metric of the judged ones."""
        if not all(verdict.judged for verdict in verdicts):
            return None
        letters = {True: "c", False: "i"}
        return cls(f"{letters[verdicts[0].correct]}->{letters[verdicts[-1].correct]}")

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """A problem with the attempts made at it, in order: a finished episode, as text."""

    problem: Problem
    attempts: tuple[Attempt, ...]
    conversation: Conversation
    """Every message, from the first prompt to the last reply."""

    @property
    def judged(self) -> bool:
        """Whether every attempt could be judged."""
        return all(attempt.verdict.judged for attempt in self.attempts)

    @property
    def transition(self) -> Transition | None:
        """From the first attempt to the last; None unless every attempt could be judged."""
        return Transition.of(*(attempt.verdict for attempt in self.attempts))


@runtime_checkable
class Agent(Protocol):
    """Anything that answers conversations: a model, a client of a server, a rule, a person.

    A plain function ``(conversation) -> str`` is accepted as well (see
    `selfcorrect_env.evaluation.evaluator.as_agent`).
    """

    def act(self, conversations: Sequence[Conversation]) -> Sequence[str]:
        """Answer each conversation: ``result[i]`` is the reply to ``conversations[i]``.

        A reply may be a `Reply`, which also holds its number of tokens.
        """
        ...


ReplyFunction: TypeAlias = Callable[[Conversation], "str | Awaitable[str]"]
"""A function or an ``async def`` function that answers one conversation."""
ScoreFunction: TypeAlias = Callable[[Problem, str], "float | bool"]
