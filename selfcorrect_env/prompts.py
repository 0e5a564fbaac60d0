"""The fixed texts around a problem: how it is shown, and how a correction is asked for.

The correction instruction never depends on the reply, so nothing crosses from the verifier
to the agent (paper, section 3: intrinsic self-correction).
"""

from __future__ import annotations

from dataclasses import dataclass

from selfcorrect_env.errors import UnknownNameError
from selfcorrect_env.types import Conversation, Problem

PLACE = "{prompt}"
"""What stands for the problem's statement in `Prompts.attempt`."""

CORRECTION = (
    "There might be an error in the answer above. Check it, correct it if needed, "
    "and give the whole answer again."
)
"""The correction instruction of our own, for problem sets that the paper did not use."""


@dataclass(frozen=True)
class Prompts:
    """The texts of an episode.

    >>> prompts = Prompts("sums", attempt="Add up: {prompt}")
    >>> prompts.first(Problem(id="1", prompt="1 + 1", reference="2"))
    ({'role': 'user', 'content': 'Add up: 1 + 1'},)

    Raises:
        ValueError: `attempt` has no place for the problem, or `correction` is empty.
        TypeError: a text is not a str.
    """

    name: str
    """The name that stands in reports."""
    attempt: str = PLACE
    """The first user message. ``{prompt}`` stands for the problem's statement; other braces
    mean nothing, so LaTeX may stand there as it is."""
    correction: str = CORRECTION
    """The user message after an attempt: the same whether the attempt was right or wrong."""
    system: str | None = None
    """A system message before everything, or None for no such message."""

    def __post_init__(self) -> None:
        for field in ("name", "attempt", "correction", "system"):
            value = getattr(self, field)
            if not isinstance(value, str) and not (field == "system" and value is None):
                raise TypeError(f"Prompts.{field} must be a str, not {type(value).__name__}.")
        if PLACE not in self.attempt:
            raise ValueError(
                f"Prompts.attempt must contain {PLACE!r}, which stands for the problem; "
                f"got {self.attempt!r:.80}."
            )
        if not self.correction.strip():
            raise ValueError("Prompts.correction must not be empty: it asks for the next attempt.")

    def first(self, problem: Problem) -> Conversation:
        """Return the conversation that shows ``problem``: the observation of ``reset``."""
        # replace, not format: LaTeX is full of braces
        user = {"role": "user", "content": self.attempt.replace(PLACE, problem.prompt)}
        if self.system is None:
            return (user,)  # type: ignore[return-value]
        return ({"role": "system", "content": self.system}, user)  # type: ignore[return-value]

    def correct(self, conversation: Conversation, reply: str) -> Conversation:
        """Return ``conversation``, then ``reply``, then the correction instruction."""
        return (
            *conversation,
            {"role": "assistant", "content": str(reply)},
            {"role": "user", "content": self.correction},
        )


_FINAL_ANSWER = (
    "At the end of the Solution, when you give your final answer, write it in the form "
    '"Final Answer: The final answer is $answer$. I hope it is correct."'
)

_MATH_ATTEMPT = (
    "You are a math expert. When you respond, respond only with the Solution of the final "
    f"Problem, thinking step by step. {_FINAL_ANSWER}\n\n{PLACE}"
)

_MATH_CORRECTION = (
    "There might be an error in the solution above because of lack of understanding of the "
    "question. Please correct the error, if any, and rewrite the solution. Only output the "
    f"final solution! {_FINAL_ANSWER}"
)

PROMPTS: dict[str, Prompts] = {
    prompts.name: prompts
    for prompts in (
        # verbatim: arXiv 2409.12917v2, appendix C; the problem follows after an empty line
        Prompts("math", _MATH_ATTEMPT, _MATH_CORRECTION),
        Prompts("gsm8k", _MATH_ATTEMPT, _MATH_CORRECTION),
        Prompts(
            "arithmetic",
            "Work from left to right and keep only the last digit of every result. Reply with "
            "the last digit of the final result, then the digits of all results in order, "
            f"without spaces.\n{PLACE}",
            "There might be an error in the answer above. Check it, correct it if needed, and "
            "reply in the same form.",
        ),
        Prompts("plain"),
    )
}
"""The known prompts by name. ``"math"`` and ``"gsm8k"`` are the paper's zero-shot texts."""


def get_prompts(prompts: str | Prompts) -> Prompts:
    """Return the prompts called ``prompts``; a `Prompts` object passes through.

    Raises:
        UnknownNameError: there are none of that name.
        TypeError: it is neither a name nor a `Prompts`.
    """
    if isinstance(prompts, Prompts):
        return prompts
    if not isinstance(prompts, str):
        raise TypeError(f"Expected the name of prompts or a Prompts, got {type(prompts).__name__}.")
    if prompts not in PROMPTS:
        raise UnknownNameError.of("prompts", prompts, PROMPTS)
    return PROMPTS[prompts]
