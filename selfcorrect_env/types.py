"""The words of this project: the few types that everything speaks in.

One episode: the environment shows a `Problem` as a `Conversation`; the agent answers
(an *attempt*); the environment appends a fixed *correction instruction*, the same
whether the attempt was right or not; the agent answers again. A `Verifier` gives each
answer a `Verdict`. `Attempt` is a reply with its verdict, `Episode` a problem with its
attempts, `Transition` what happened between the first attempt and the last.

Source of the setting and its symbols: Kumar et al., "Training Language Models to
Self-Correct via Reinforcement Learning" (arXiv 2409.12917), section 3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A problem ``x`` with its reference answer ``y*`` (paper, section 3)."""

    id: str
    """Unique within its `ProblemSet`."""
    prompt: str
    """The problem's statement, without instructions on how to answer."""
    reference: str
    """The reference answer that a verifier compares with; never shown to an agent."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """JSON-able facts: subject, level, tests, entry point … Read-only."""

    def __post_init__(self) -> None:
        for name in ("id", "prompt", "reference"):
            value = getattr(self, name)
            if not isinstance(value, str):
                raise TypeError(
                    f"Problem.{name} must be a str, not {type(value).__name__} ({value!r:.60})."
                )
        object.__setattr__(self, "metadata", MappingProxyType(dict(self.metadata)))

    def __reduce__(self) -> tuple[Any, ...]:
        # a mappingproxy cannot be pickled or deep-copied
        return _problem, (self.id, self.prompt, self.reference, dict(self.metadata))

    def __hash__(self) -> int:
        return hash((self.id, self.prompt, self.reference))


def _problem(id: str, prompt: str, reference: str, metadata: dict[str, Any]) -> Problem:
    return Problem(id=id, prompt=prompt, reference=reference, metadata=metadata)


class Reason(str, Enum):
    """Why a verdict is what it is."""

    CORRECT = "correct"
    """The answer equals the reference."""
    WRONG = "wrong"
    """An answer was found and it is not the reference."""
    NO_ANSWER = "no answer"
    """No answer could be found in the response."""
    AMBIGUOUS = "ambiguous"
    """The response offers several different final answers; hedging earns nothing."""
    TIMEOUT = "timeout"
    """Judging *this response* took longer than its deadline (waiting in a queue never counts)."""
    ERROR = "error"
    """The verifier failed. This says nothing about the response: it was not judged."""

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verifier says of one response."""

    score: float
    """``r(y, y*)`` in [0, 1], mostly 0 or 1. Always 0 where `reason` is `Reason.ERROR`."""
    reason: Reason
    answer: str | None = None
    """The answer that was extracted from the response, or None."""
    detail: str = ""
    """One line for people: which error, which deadline."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.score <= 1.0:  # also refuses nan
            raise ValueError(f"Verdict.score must lie in [0, 1], got {self.score!r}.")
        if self.reason is Reason.ERROR and self.score != 0.0:
            raise ValueError(f"A verdict of reason 'error' has score 0, got {self.score!r}.")

    @property
    def judged(self) -> bool:
        """False where the verifier failed: such a verdict must not count as a wrong answer."""
        return self.reason is not Reason.ERROR

    @property
    def correct(self) -> bool:
        """Whether the response counts as right."""
        return self.reason is Reason.CORRECT


@runtime_checkable
class Verifier(Protocol):
    """Anything that maps (problem, response) to a `Verdict`.

    Where a Verifier is expected, a plain function ``(problem, response) -> float | bool``
    does as well (see `selfcorrect_env.verifiers.as_verifier`). What a response contains
    must never make a verifier raise or hang.
    """

    @property
    def name(self) -> str:
        """The name that stands in ``repr(env)`` and in reports."""
        ...

    def verify(self, problem: Problem, response: str) -> Verdict:
        """Judge one response."""
        ...

    def verify_batch(self, problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
        """Judge many at once: ``result[i]`` is the verdict of ``responses[i]``."""
        ...


class Reply(str):
    """A reply that also carries what its agent knows of how it was made.

    A plain ``str`` is always accepted in its place; the two facts are then unknown.
    """

    tokens: int | None
    """Number of sampled tokens, or None where unknown."""
    truncated: bool | None
    """Whether the token cap cut the reply off, or None where unknown."""

    def __new__(
        cls, text: str, *, tokens: int | None = None, truncated: bool | None = None
    ) -> Reply:
        """Make a reply of ``text``."""
        reply = super().__new__(cls, text)
        reply.tokens = tokens
        reply.truncated = truncated
        return reply

    def __reduce__(self) -> tuple[Any, ...]:
        return _reply, (str(self), self.tokens, self.truncated)


def _reply(text: str, tokens: int | None, truncated: bool | None) -> Reply:
    return Reply(text, tokens=tokens, truncated=truncated)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A reply ``y_t`` with its verdict."""

    reply: str
    verdict: Verdict
    tokens: int | None = None
    """Number of sampled tokens, where the agent said so."""
    truncated: bool | None = None
    """Whether a token cap cut the reply off, where the agent said so."""


class Transition(str, Enum):
    """What happened between the first attempt and the last (paper, section 3)."""

    CORRECT_TO_CORRECT = "c->c"
    INCORRECT_TO_CORRECT = "i->c"
    CORRECT_TO_INCORRECT = "c->i"
    INCORRECT_TO_INCORRECT = "i->i"

    @classmethod
    def of(cls, first: Verdict, last: Verdict) -> Transition | None:
        """Name the transition, or None if either verdict says that it could not be judged."""
        if not (first.judged and last.judged):
            return None
        letters = {True: "c", False: "i"}
        return cls(f"{letters[first.correct]}->{letters[last.correct]}")

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
        """From the first attempt to the last; None where either could not be judged."""
        return Transition.of(self.attempts[0].verdict, self.attempts[-1].verdict)


@runtime_checkable
class Agent(Protocol):
    """Anything that answers conversations: a model, a client of a server, a rule, a person.

    A plain function ``(conversation) -> str`` does as well (see
    `selfcorrect_env.evaluation.evaluator.as_agent`).
    """

    def act(self, conversations: Sequence[Conversation]) -> Sequence[str]:
        """Answer each conversation: ``result[i]`` is the reply to ``conversations[i]``.

        A reply may be a `Reply`, which also says how many tokens it took.
        """
        ...


ReplyFunction: TypeAlias = Callable[[Conversation], str]
ScoreFunction: TypeAlias = Callable[[Problem, str], "float | bool"]
