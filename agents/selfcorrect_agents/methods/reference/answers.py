"""`FORMS`: how to read the answer in a reply, and write another one, without a verifier.

`Majority` votes on answers and `AlwaysFlip` changes them. Neither may use the reference or the
score, so they read replies with these functions, whose only input is the reply's text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from selfcorrect_agents.lm.conversations import task_of
from selfcorrect_env import AgentError, Conversation, UnknownNameError, import_attribute
from selfcorrect_env.verifiers import exact, reasoning_gym
from selfcorrect_env.verifiers.math import final_answer, normal_form, quickly_equal

AUTO = "auto"
_DIGITS = "0123456789"
_OPERATION = re.compile("[-+*][0-9]")
_STATEMENT = re.compile("(?:[-+*][0-9])*[?][0-9]>[0-9](?:;[0-9]>[0-9])*=")
"""A statement of `selfcorrect_env.problems.generated.toycode`; repeating it is not an answer."""


@dataclass(frozen=True)
class Form:
    """One way to read and write answers."""

    read: Callable[[str], str | None]
    """Returns a reply's answer, with equal text for equal answers, or None if it has none."""
    another: Callable[[str | None, np.random.Generator], str]
    """Returns a reply with a different answer."""


def form_for(name: str, conversation: Conversation) -> Form:
    """Return the form of answers called ``name``.

    Args:
        name: a name in `FORMS`, ``"module:function"`` (a function from a reply to its answer or
            None), or ``"auto"``: determined by the environment's instruction in ``conversation``.
        conversation: a conversation that ends with a correction instruction.

    Raises:
        UnknownNameError: there is no such form.
        AgentError: ``name`` is ``"auto"`` and the instruction is not a known one, or the function
            cannot be imported.
    """
    if name == AUTO:
        known = _FORM_OF_TASK.get(task_of(conversation) or "")
        if known is None:
            raise AgentError(
                "The instruction does not determine how to read answers: "
                f"{conversation[-1]['content']!r:.80}. Set answers= (--answers) to one of "
                f"{', '.join(FORMS)}, or to module:function."
            )
        return FORMS[known]
    if name in FORMS:
        return FORMS[name]
    if ":" not in name:
        raise UnknownNameError.of("form of answers (or give module:function)", name, FORMS)
    try:
        return Form(import_attribute(name), _word)
    except ImportError as error:
        raise AgentError(f"The form of answers {name!r} can't be imported: {error}") from error


def _first_digit(reply: str) -> str | None:
    found = re.search("[0-9]", reply)
    return found.group() if found else None


def _other_digit(answer: str | None, rng: np.random.Generator) -> str:
    return str(rng.choice([digit for digit in _DIGITS if digit != answer]))


def _operation(reply: str) -> str | None:
    """Return the first operation outside of statements; a difference as the equivalent sum."""
    found = _OPERATION.search(_STATEMENT.sub("\n", reply))
    if found is None:
        return None
    sign, digit = found.group()
    return f"+{-int(digit) % 10}" if sign == "-" else f"{sign}{digit}"


def _other_sum(answer: str | None, rng: np.random.Generator) -> str:
    return str(rng.choice([f"+{digit}" for digit in _DIGITS if f"+{digit}" != answer]))


def _math(reply: str) -> str | None:
    found = final_answer(reply)
    return normal_form(found.answer) if found and found.answer.strip() else None


def _other_number(answer: str | None, rng: np.random.Generator) -> str:
    digits = [d for d in _DIGITS if answer is None or quickly_equal(d, answer) is False]
    number = rng.choice(digits) if digits else rng.integers(10**8, 10**9)
    return f"Final Answer: The final answer is ${number}$. I hope it is correct."


def _last_line(reply: str) -> str | None:
    lines = [line for line in reply.splitlines() if line.strip()]
    return exact.normalised(lines[-1]) or None if lines else None


def _text(reply: str) -> str | None:
    return " ".join(reply.split()) or None


def _word(answer: str | None, rng: np.random.Generator) -> str:
    return f"x{rng.integers(16**12):012x}"


def _tagged_word(answer: str | None, rng: np.random.Generator) -> str:
    return f"<answer>{_word(answer, rng)}</answer>"


FORMS: dict[str, Form] = {
    "first-digit": Form(_first_digit, _other_digit),
    "first-operation": Form(_operation, _other_sum),
    "math": Form(_math, _other_number),
    "answer-tags": Form(reasoning_gym.answer_of, _tagged_word),
    "last-line": Form(_last_line, _word),
    "text": Form(_text, _word),
}
"""All forms by name. A different answer is another digit, another sum, another one-digit number, or
a random word that is never right. ``"text"`` uses the whole reply, for programs.

``"first-operation"`` is for ToyCode: -9 and +1 have the same effect on every digit, so they are one
answer; if the first answer is wrong, another sum is right in 1 of 9 cases. A product is a separate
answer, although it may have the effect of a sum."""

_FORM_OF_TASK = {
    "arithmetic": "first-digit",
    "toycode": "first-operation",
    "math": "math",
    "answer-tags": "answer-tags",
    "code": "text",
}
