"""Texts of `Prompting`: the requests for feedback and a rewrite, and the paper's instructions.

The paper gives no text for its Self-Refine rows, so those are our own. The zero-shot
instructions are the paper's (appendix C), read from `selfcorrect_env.prompts`.
"""

from __future__ import annotations

from selfcorrect_env import PROMPTS

_FINAL_ANSWER = (
    'End with "Final Answer: The final answer is $answer$. I hope it is correct.", with your '
    "answer in place of answer."
)

FEEDBACK: dict[str, str] = {
    "math": (
        "Give feedback on the solution above. Check step by step whether the question is "
        "understood as it was asked, whether each step follows and whether each calculation "
        "is right. Name each mistake and say how to mend it. If there is no mistake, say that the "
        "solution is right."
    ),
    "code": (
        "Give feedback on the program above. Check whether it does what the task asks, with the "
        "right names and arguments, in ordinary cases and in edge cases. Name each mistake and say "
        "how to mend it. If there is no mistake, say that the program is right."
    ),
    "plain": (
        "Give feedback on the answer above. Check whether the question is understood as it was "
        "asked and whether every part of the answer is right. Name each mistake and say how to "
        "mend it. If there is no mistake, say that the answer is right."
    ),
}
"""The request for feedback, by task."""

REWRITE: dict[str, str] = {
    "math": (
        "Rewrite the solution, using this feedback: mend what it found, and keep what is right. "
        f"Only output the final solution. {_FINAL_ANSWER}"
    ),
    "code": (
        "Rewrite the program, using this feedback: mend what it found, and keep what is right. "
        "Only output the whole final program, in one Python code block."
    ),
    "plain": (
        "Give the whole answer again, using this feedback: mend what it found, and keep what is "
        "right. Only output the answer, in the form that was asked for at first."
    ),
}
"""The request for a rewrite after the feedback, by task."""

ZERO_SHOT: dict[str, str] = {name: PROMPTS[name].correction for name in ("math", "code")}
"""The paper's correction instructions (appendix C), verbatim; it has none for other tasks."""
