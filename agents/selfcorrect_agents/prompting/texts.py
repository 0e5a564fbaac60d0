"""What `Prompting` asks: the requests for feedback and for a rewrite, and the paper's instructions.

The paper gives no text for its Self-Refine rows, so those are our own words. The zero-shot
instructions are the paper's (appendix C), read from `selfcorrect_env.prompts`.
"""

from __future__ import annotations

from selfcorrect_env.prompts import PROMPTS

_FINAL_ANSWER = (
    'End with "Final Answer: The final answer is $answer$. I hope it is correct.", with your '
    "answer in place of answer."
)

FEEDBACK: dict[str, str] = {
    "math": (
        "Now act as a strict grader of the solution above. Go through it step by step: is the "
        "question understood as it was asked, does each step follow, is each calculation right? "
        "Name every mistake that you find and say how to mend it. If there is none, say that the "
        "solution is right. Don't write a new solution yet."
    ),
    "code": (
        "Now review the program above as a strict colleague would. Does it do what the task asks, "
        "with the right names and arguments? Follow it by hand through an ordinary case and "
        "through edge cases. Name every mistake that you find and say how to mend it. If there is "
        "none, say that the program is right. Don't write a new program yet."
    ),
    "plain": (
        "Now review the answer above. Is the question understood as it was asked, and is every "
        "part of the answer right? Name every mistake that you find and say how to mend it. If "
        "there is none, say that the answer is right. Don't answer again yet."
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
