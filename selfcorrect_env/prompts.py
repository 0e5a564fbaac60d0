"""The fixed texts around a problem: its first message and the correction instruction.

The correction instruction never depends on the reply, so no information passes from the
verifier to the agent (paper, section 3: intrinsic self-correction).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from selfcorrect_env.errors import PromptsError
from selfcorrect_env.plugins import Registry
from selfcorrect_env.types import Conversation, Message, Problem

STATEMENT = "{prompt}"
"""Replaced by the problem's statement in `Prompts.attempt`."""

CORRECTION = (
    "There might be an error in the answer above. Check it, correct it if needed, "
    "and give the whole answer again."
)
"""Our own correction instruction, for problem sets that the paper did not use."""


@dataclass(frozen=True)
class Prompts:
    """The texts of an episode.

    >>> prompts = Prompts("sums", attempt="Add up: {prompt}")
    >>> prompts.first(Problem(id="1", prompt="1 + 1", reference="2"))
    ({'role': 'user', 'content': 'Add up: 1 + 1'},)

    Raises:
        ValueError: `attempt` does not contain ``{prompt}``, or `correction` is empty.
        TypeError: a text is not a str.
    """

    name: str
    """The name in reports."""
    attempt: str = STATEMENT
    """The first user message. ``{prompt}`` is replaced by the problem's statement; other braces
    are kept, so LaTeX needs no escapes."""
    correction: str = CORRECTION
    """The user message after an attempt: the same whether the attempt was right or wrong."""
    system: str | None = None
    """The system message at the start, or None for no system message."""
    answers: str = ""
    """The verifier whose format of answers these texts ask for, by name, such as ``"math"``; ""
    if it is not known. Agents that vote on answers or change them read replies with it
    (`selfcorrect_env.verifiers.AnswerFormat`)."""

    def __post_init__(self) -> None:
        for field in ("name", "attempt", "correction", "system", "answers"):
            value = getattr(self, field)
            if not isinstance(value, str) and not (field == "system" and value is None):
                raise TypeError(f"Prompts.{field} must be a str, not {type(value).__name__}.")
        if STATEMENT not in self.attempt:
            raise ValueError(
                f"Prompts.attempt must contain {STATEMENT!r}, the problem's statement; "
                f"got {self.attempt!r:.80}."
            )
        if not self.correction.strip():
            raise ValueError("Prompts.correction must not be empty: it asks for the next attempt.")

    def first(self, problem: Problem) -> Conversation:
        """Return the conversation that shows ``problem``: the observation of ``reset``.

        If the problem's metadata have a ``first_attempt`` (a program to repair), that attempt
        and the correction instruction follow the statement.
        """
        # replace, not format: LaTeX is full of braces
        user = Message(role="user", content=self.attempt.replace(STATEMENT, problem.prompt))
        shown = (user,)
        if self.system is not None:
            shown = (Message(role="system", content=self.system), user)
        given = problem.metadata.get("first_attempt")
        return shown if given is None else self.correct(shown, given)

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
    f"Problem, thinking step by step. {_FINAL_ANSWER}\n\n{STATEMENT}"
)

_MATH_CORRECTION = (
    "There might be an error in the solution above because of lack of understanding of the "
    "question. Please correct the error, if any, and rewrite the solution. Only output the "
    f"final solution! {_FINAL_ANSWER}"
)

MBPP_FRAME = f"You are an expert Python programmer, and here is your task: {STATEMENT}\n[BEGIN]"
"""The frame of a task in MBPP's few-shot prompt (Austin et al. 2021; the paper, appendix C)."""

# verbatim: arXiv 2409.12917v2, appendix C
_CODE_CORRECTION = (
    "# There might be an error in the code above because of lack of understanding of the question. "
    "Please correct the error, if any, and rewrite the solution. Only output the final correct "
    "Python program!"
)

_CODE_ATTEMPT = (
    f"{STATEMENT}\n\nReply with the whole program, imports included, in one Python code block, and "
    "nothing after it."
)


def worked_example(statement: str, answer: str) -> str:
    """Return one shot of a few-shot prompt in MBPP's frame: a task, then its program."""
    return f"{MBPP_FRAME.replace(STATEMENT, statement)}\n{answer.strip()}\n[DONE]"


_CODE_SHOTS = (
    (
        "Write a function to find the second smallest of the different numbers in a list. Your "
        "code should pass these tests:\n\nassert second_smallest([4, 1, 3]) == 3\n"
        "assert second_smallest([2, 2, 5]) == 5\nassert second_smallest([7]) is None",
        "def second_smallest(numbers):\n    different = sorted(set(numbers))\n"
        "    return different[1] if len(different) > 1 else None",
    ),
    (
        "Write a function to count the words of a sentence that start with a vowel. Your code "
        "should pass these tests:\n\nassert vowel_words('an old house') == 2\n"
        "assert vowel_words('Ida met Tom') == 1\nassert vowel_words('') == 0",
        "def vowel_words(sentence):\n"
        "    return sum(word[0].lower() in 'aeiou' for word in sentence.split())",
    ),
    (
        "Write a function to tell whether brackets are balanced in a text. Your code should pass "
        "these tests:\n\nassert balanced('(a[b])') == True\nassert balanced('(]') == False\n"
        "assert balanced('((') == False",
        "def balanced(text):\n    pairs = {')': '(', ']': '[', '}': '{'}\n    opened = []\n"
        "    for character in text:\n        if character in pairs.values():\n"
        "            opened.append(character)\n        elif character in pairs:\n"
        "            if not opened or opened.pop() != pairs[character]:\n"
        "                return False\n    return not opened",
    ),
)

_MATH_SHOTS = (
    (
        "A rectangle is $3$ units longer than it is wide, and its area is $40$ square units. "
        "What is its perimeter?",
        "Let the width be $w$. Then $w(w + 3) = 40$, so $w^2 + 3w - 40 = (w + 8)(w - 5) = 0$ and "
        "$w = 5$. The sides are $5$ and $8$, and the perimeter is $2(5 + 8) = 26$.\n"
        "Final Answer: The final answer is $26$. I hope it is correct.",
    ),
    (
        "Two fair dice are rolled. What is the probability that the sum is at least $10$?",
        "A sum of $10$ comes in $3$ ways, of $11$ in $2$ ways and of $12$ in $1$ way: $6$ ways of "
        "$36$. The probability is $\\frac{6}{36} = \\frac{1}{6}$.\n"
        "Final Answer: The final answer is $\\frac{1}{6}$. I hope it is correct.",
    ),
)

_MATH_FEW_SHOT = "\n\n".join(
    [
        _MATH_ATTEMPT.removesuffix(f"\n\n{STATEMENT}"),
        *(f"Problem: {problem}\nSolution: {solution}" for problem, solution in _MATH_SHOTS),
        f"Problem: {STATEMENT}\nSolution:",
    ]
)

_CODE_FEW_SHOT = "\n\n".join([*(worked_example(*shot) for shot in _CODE_SHOTS), MBPP_FRAME])

PROMPTS: dict[str, Prompts] = {
    prompts.name: prompts
    for prompts in (
        # verbatim: arXiv 2409.12917v2, appendix C; the problem follows after an empty line
        Prompts("math", _MATH_ATTEMPT, _MATH_CORRECTION, answers="math"),
        Prompts("gsm8k", _MATH_ATTEMPT, _MATH_CORRECTION, answers="math"),
        Prompts("math-few-shot", _MATH_FEW_SHOT, _MATH_CORRECTION, answers="math"),
        Prompts("code", _CODE_ATTEMPT, _CODE_CORRECTION, answers="code"),
        Prompts(
            "humaneval",
            f"Complete this function.\n\n{_CODE_ATTEMPT}",
            _CODE_CORRECTION,
            answers="code",
        ),
        Prompts("mbpp", _CODE_ATTEMPT, _CODE_CORRECTION, answers="code"),
        Prompts("code-few-shot", _CODE_FEW_SHOT, _CODE_CORRECTION, answers="code"),
        Prompts(
            "arithmetic",
            "Work from left to right and keep only the last digit of every result. Reply with "
            "the last digit of the final result, then the digits of all results in order, "
            f"without spaces.\n{STATEMENT}",
            "There might be an error in the answer above. Check it, correct it if needed, and "
            "reply in the same form.",
            answers="first-digit",
        ),
        Prompts(
            "toycode",
            "A program works on one digit: each of its operations adds, subtracts or multiplies, "
            "and only the last digit of the result is kept. Its last operation, marked ?, is "
            "missing. After it stands a test: the digit to start from, then the digit to come to. "
            "Reply with the missing operation, then with the log of a run: each operation and the "
            f"digit that it comes to, without spaces.\n{STATEMENT}",
            "The program above may fail its test. Compare the last digit of the run with the one "
            "to come to, change the missing operation if needed, and reply in the same form.",
            answers="toycode",
        ),
        Prompts(
            "sums",
            f'{STATEMENT}\n\nFirst line: write "Answer:" and only the final number, as a guess. '
            'Second line: write "Working:" and then compute step by step from left to right, one '
            "operation at a time, ending with the final number.",
            "There might be an error in the answer above. Check it, correct it if needed, and "
            "reply in the same two lines.",
            answers="answer-line",
        ),
        Prompts(
            "answer-tags",
            f"{STATEMENT}\n\nThink step by step, then give the answer alone between <answer> and "
            "</answer>.",
            "There might be an error in the answer above. Check it, correct it if needed, and "
            "give the answer alone between <answer> and </answer> again.",
            answers="reasoning-gym",
        ),
        Prompts("plain"),
    )
}
"""The known prompts by name.

``"math"`` and ``"gsm8k"`` are the paper's zero-shot texts. The instruction after an attempt is the
paper's in all prompts for mathematics and for code. The paper gives no zero-shot text for code, and
the worked examples of ``"math-few-shot"`` and ``"code-few-shot"`` are our own. The paper's
three-shot prompt for MBPP holds tasks of MBPP, so it is read from the data:
`selfcorrect_env.problems.mbpp.three_shot`.
"""


REGISTRY = Registry("prompts", "selfcorrect_env.prompts", PROMPTS, PromptsError)
"""The prompts by name, of this package and of others."""


def get_prompts(prompts: str | Prompts) -> Prompts:
    """Return the prompts called ``prompts``; a `Prompts` object passes through.

    A name is one of `PROMPTS`, of an entry point in the group ``selfcorrect_env.prompts``, or
    ``"module:attribute"``.

    Raises:
        UnknownNameError: there are none of that name.
        PromptsError: they cannot be imported, or the name refers to something else.
        TypeError: ``prompts`` is neither a name nor a `Prompts`.
    """
    if isinstance(prompts, Prompts):
        return prompts
    if not isinstance(prompts, str):
        raise TypeError(f"Expected the name of prompts or a Prompts, got {type(prompts).__name__}.")
    found = REGISTRY.load(prompts)
    if not isinstance(found, Prompts):
        raise PromptsError(f"Prompts {prompts!r} must be a Prompts, got {type(found).__name__}.")
    return found


@functools.cache
def prompts_of(instruction: str) -> Prompts | None:
    """Return the named prompts whose correction instruction this is; None if none has it.

    An agent sees the conversation alone, so this is how it learns what the texts ask for. Ours are
    searched first, then those of other packages. Several prompts may share an instruction: the
    first of them is returned.

    Raises:
        PromptsError: prompts of another package cannot be imported.
    """
    for name in (*PROMPTS, *REGISTRY.installed()):
        if get_prompts(name).correction == instruction:
            return get_prompts(name)
    return None
