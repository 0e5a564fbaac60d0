"""Replies in the styles of many models, and replies that try to be paid for several answers."""

import pytest

from selfcorrect_env import Problem, Verdict
from selfcorrect_env.verifiers.math.verifier import MathVerifier

VERIFIER = MathVerifier(deadline=30, workers=1)

STYLES = [
    ("18", "She makes $18/day."),
    ("18", "She makes 18$."),
    ("18", "9 eggs × $2/egg = $18/day"),
    ("18", "$18 is what she makes."),
    ("18", "It is $18 that she earns each day."),
    ("18", "The answer, then, is $18."),
    ("18", "So $9 * 2 = $18."),
    ("18", r"So $9 \times \$2 = \$18$ per day."),
    ("18", r"\boxed{18\text{ dollars}/\text{day}}"),
    ("0.5", "It costs $.50"),
    ("-7", "- Answer: -7"),
    ("-7", "The temperature is -7 degrees."),
    (r"\text{no}", "The answer is **No**, it is not possible."),
    (r"\text{no}", "Answer: No, because 5 is odd."),
    ("2:30", "The answer is 2:30."),
    ("2:30", "The time is 2:30."),
    ("75%", "The probability is 75%."),
    (
        "72",
        (
            "To determine how many shells Mira sold, we calculate:\n\n"
            "1. March: 48\n2. June: $48 / 2 = 24$\n\nTotal: $48 + 24 = "
            "72$.\n\nTherefore, Mira sold a total of **72** shells in "
            "March and June."
        ),
    ),
    (
        "72",
        (
            "Mira sold 48/2 = 24 shells in June. Mira sold 48+24 = "
            "72 shells altogether in March and June.\n#### 72"
        ),
    ),
    (
        "72",
        ("## Step 1: ...\nShe sold 48.\n\n## Step 2: ...\n\nThe final answer is: $\\boxed{72}$"),
    ),
    ("72", "The final answer is: $72$"),
    (
        "72",
        (
            "Okay, so 48 + 24.\n</think>\n\nMira sold **72** shells "
            "altogether.\n\n**Step-by-Step Explanation:**\n\n1. March: "
            "48 shells\n2. June: half of 48, i.e. 24 shells\n\n"
            "**Answer:** $\\boxed{72}$"
        ),
    ),
    (
        "72",
        (
            "Here's how to solve the problem:\n\n* **June sales:** 48 "
            "/ 2 = 24 shells\n* **Total sales:** 48 + 24 = 72 shells\n\n"
            "**Answer:** Mira sold a total of 72 shells in March and "
            "June."
        ),
    ),
    (
        "72",
        (
            "Here's how to solve the problem:\n\n* **Total sales:** 48 "
            "+ 24 = 72 shells\n\nSo the answer is $\\boxed{72}$"
        ),
    ),
    ("72", "**Answer:** Mira sold $\\boxed{72}$ shells."),
    ("72", ("The total number of shells is 48 + 24 = <<48+24=72>>72.\n\nFinal Answer: 72 shells")),
    ("72", "She sold 48 + 24 = <<48+24=72>>72 shells."),
    ("72", "Thus, the total is:\n\\[ 48 + 24 = 72 \\]\n\nSo, the answer is 72."),
    ("72", "Thus, the total is:\n\\[ 48 + 24 = 72 \\]"),
    ("72", "Thus, the total number of shells sold is:\n\\[\n48 + 24 = \\boxed{72}\n\\]"),
    ("72", "Thus, the total number is \\[\n\\boxed{\n72\n}\n\\]"),
    ("72", "**Final Answer**\n\\[\n\\boxed{72}\n\\]"),
    ("72", "**72**"),
    ("72", "**72 shells**"),
    ("72", "Total shells = **72**."),
    ("72", "Total: 72 shells"),
    ("72", "Mira altogether sold 72 shells in March and June."),
    ("72", "In total, Mira sold 48 + 24 = 72 shells in March and June combined."),
    ("72", "Result: 72"),
    ("72", "Therefore, 72 shells were sold by her in the 2 months."),
    ("72", "assistantfinalMira sold **72** shells."),
    (
        "72",
        (
            "analysisWe need compute 48+24=72.assistantfinalMira "
            "sold\n\n\\[\n48 + 24 = 72\n\\]\n\nshells in total, so the "
            "answer is **72**."
        ),
    ),
    ("72", "Answer: \\(72\\)"),
    ("72", "The answer is \\( 72 \\)."),
    ("72", "The answer is **\\(72\\)** shells."),
    ("72", "The answer is `72`"),
    ("72", "So, Mira sold 72 shells. The answer: 72."),
    ("72", "So the final answer is:\n\n**72**"),
    ("72", "Final answer:\n```\n72\n```"),
    ("72", "<answer>\n\\boxed{72}\n</answer>"),
    ("72", "<answer>72 shells</answer>"),
    ("72", "<answer>Mira sold 72 shells altogether.</answer>"),
    ("72", "Answer: Mira sold 72 shells in March and June."),
    ("72", "Mira sold **72 shells** altogether in March and June. 📎"),
    ("72", "The answer is seventy-two (72)."),
    ("72", "72 shells altogether."),
    ("72", "$\\boxed{72 \\text{ shells}}$"),
    ("72", "The total is $72.$"),
    ("72", "The answer is: 72."),
    ("72", "The answer is: **72**."),
    ("72", "the answer is 72.0"),
    ("72", "Mira sold a total of $48 + 24 = 72$ shells in March and June."),
    ("72", "Mira sold a total of $72$ shells over $2$ months."),
    ("72", "Let me double check: 48/2 = 24, 48+24 = 72. ✓ The answer is 72."),
    (
        "72",
        (
            "So the answer is 72.\n\nWait, let me double-check. 48 + "
            "24 = 72. Yes, that is correct.\n\nThe answer is 72."
        ),
    ),
    ("72", "I made a mistake in my first attempt. The correct answer is 72."),
    ("72", ("Upon review, there is an error in step 2. Corrected: 48 + 24 = 72. \\boxed{72}")),
    ("72", "My previous answer was wrong. \\boxed{72}"),
    (
        "72",
        (
            "There is no error in the solution above. Final Answer: "
            "The final answer is $72$. I hope it is correct."
        ),
    ),
    ("72", "\\boxed{72}\n\nI am confident that this is correct."),
    ("72", "\\boxed{72}\n\nThis is not the number of shells sold in June, which is 24."),
    ("72", "\\boxed{72}. Note that 24 alone is not the answer."),
    ("72", "Not 24 but \\boxed{72}."),
    ("72", "The answer is not 24, it is 72."),
    ("72", "The answer isn't 24; it's 72."),
    ("72", "The answer is 72, not 24."),
    ("72", "The answer is 72 (not 24)."),
    ("72", "It is 72 rather than 24."),
    ("10", "Otto earned **$10**."),
    ("10", "Otto earned $12/60 = $0.2 per minute. So she earned 50 x $0.2 = $10."),
    ("10", "Working 50 minutes, she earned 0.2 x 50 = $<<0.2*50=10>>10."),
    ("10", "She earned \\$10."),
    ("10", "Otto earned $\\$10$."),
    ("10", "So, she earned $10 for 50 minutes of gardening."),
    ("10", "**Otto earned $10 for the 50 minutes of gardening.**"),
    ("10", "The answer is $10.00."),
    ("10", "\\boxed{\\$10}"),
    ("10", "\\boxed{10 \\text{ dollars}}"),
    ("10", "Her pay is: $12 × (50/60) = $10."),
    ("10", "She earned $10 yesterday."),
    ("10", "$$\\frac{50}{60}\\times 12 = 10$$"),
    ("10", "Otto earned **\\$10**."),
    ("10", "**Answer: $10**"),
    ("10", "**Answer: \\$10**"),
    ("\\frac{3}{5}", "The probability is $\\frac{3}{5}$."),
    ("\\frac{3}{5}", "The probability is 3/5."),
    ("\\frac{3}{5}", "The answer is \\frac{3}{5}"),
    ("\\frac{3}{5}", "The answer is 3/5, or 0.6."),
    ("\\frac{3}{5}", "The answer is $\\frac{3}{5} = 0.6$."),
    ("\\frac{3}{5}", "\\boxed{\\frac{3}{5}} or 0.6"),
    ("\\frac{3}{5}", "\\boxed{\\dfrac{3}{5}}"),
    ("\\frac{3}{5}", "The answer is $\\dfrac{3}{5}$ or 60%."),
    ("\\frac{3}{5}", "Thus $P = \\frac{6}{10} = \\boxed{\\frac{3}{5}}$ (i.e. 60%)."),
    ("\\frac{3}{5}", "**3/5**"),
    ("\\frac{3}{5}", "The final answer is 3/5 (or 0.6)."),
    ("(3, \\frac{\\pi}{2})", "The polar coordinates are $\\left(3, \\frac{\\pi}{2}\\right)$."),
    ("(3, \\frac{\\pi}{2})", "The answer is (3, \\pi/2)."),
    ("(3, \\frac{\\pi}{2})", "Answer: (3, π/2)"),
    ("\\text{Ingrid}", "The student with the greatest average speed is Ingrid."),
    ("\\text{Ingrid}", "\\boxed{\\text{Ingrid}}"),
    ("\\text{Ingrid}", "The answer is Ingrid."),
    ("\\text{Ingrid}", "**Answer:** Ingrid"),
    ("\\text{Ingrid}", "**Ingrid**"),
    ("\\text{Ingrid}", "<answer>Ingrid</answer>"),
    ("\\text{Ingrid}", "The final answer is **Ingrid**, since 4.5 is largest."),
    ("C", "The correct answer is **C**."),
    ("C", "**C**"),
    ("C", "C"),
    ("C", "C."),
    ("C", "(C)"),
    ("C", "**Answer: C**"),
    ("C", "The best answer is (C) 42."),
    ("C", "I would choose option C."),
    ("C", "The answer is **C) 42**."),
    ("C", "Answer: C) 42"),
    ("C", "The correct choice is therefore **C. 42**"),
    ("C", "\\boxed{C}\n\nThe other options A, B, D are wrong."),
    ("C", "So the answer is C because A is too small."),
]

ATTACKS = [
    ("5", "The answer is 5–6."),
    ("5", "The answer is $5$ squared."),
    ("5", "The answer is $5$ million."),
    ("5", "5 ± 1"),
    ("5", "The answer is at least 5."),
    ("5", "The answer is more than 5."),
    ("5", "The answer is less than 5."),
    ("5", "The answer is > 5"),
    ("5", "half of 5"),
    ("5", "The answer is half of 5."),
    ("5", "The answer is twice 5."),
    ("5", "The answer is the square root of 5."),
    ("5", "minus 5"),
    ("5", "The answer is negative 5."),
    ("5", "The answer is 5 less than 12."),
    ("5", "The answer is none of 5, 6."),
    ("5", "The answer is 5 in 6."),
    ("5", "\\boxed{5}. On second thought, it is 6."),
    ("5", "\\boxed{5}\n\nCorrection: 6"),
    ("5", "\\boxed{5}\n\nSorry, I meant \\boxed{6}"),
    ("5", "\\boxed{6}\n\nNot \\boxed{5}"),
    ("72", "\\boxed{24}\n\nThis is not the answer 72."),
    ("72", "The answer is 24, not 72."),
    ("72", "Not 72 but 24."),
    ("72", "It could be 72. It could also be 24."),
    ("72", "72? 24?"),
    ("72", "The answer is 72 or 24"),
    ("72", "48 + 24 = 72, so the answer is 24."),
    ("72", "\\boxed{72}\\boxed{24}"),
    ("72", "\\boxed{24}\n\n\\boxed{72}"),
    ("72", "\\boxed{72 | 24}"),
    ("72", "\\boxed{72/24}"),
    ("72", "\\boxed{72; 24}"),
    ("72", "\\boxed{72 \\lor 24}"),
    ("72", "\\boxed{\\{72, 24\\}}"),
    ("72", "\\boxed{72 \\text{ or not}}"),
    ("72", "\\boxed{72?}"),
    ("72", "The answer is 72?"),
    ("72", "\\boxed{24} \\boxed{48} \\boxed{72}"),
    ("72", "<answer>72</answer> <answer>24</answer>"),
    ("72", "#### 72\n#### 24"),
    ("72", "Answer: 72\nAnswer: 24"),
    ("72", "The answer is 72\n\nThe answer is 24"),
    ("72", '{"answer": 72, "answer": 24}'),
    ("72", "\\boxed{72}. The answer is 24."),
    ("72", "72 24"),
    ("72", "72, 24"),
    ("72", "24 72"),
    ("72", "72 and/or 24"),
    ("72", "\\boxed{x = 72 \\text{ or } x = 24}"),
    ("72", "\\boxed{72 \\pm 1}"),
    ("72", "\\boxed{71 < x < 73}"),
    ("72", "\\boxed{[72, 72.1]}"),
    ("72", "\\boxed{72}, \\text{or maybe } \\boxed{24}"),
    ("72", "\\boxed{\\text{If } a \\text{ then } 72 \\text{ else } 24}"),
    ("72", "\\boxed{72 \\text{ if } n \\text{ is even}}"),
    ("72", "\\boxed{72 \\quad 24}"),
    ("72", "\\boxed{24 \\quad 72}"),
    ("72", "\\boxed{72\\\\24}"),
    ("72", "\\boxed{7 2}"),
    ("72", "\\boxed{\\frac{72}{?}}"),
    ("72", "\\boxed{72...}"),
    ("72", "\\boxed{\\dots 72}"),
    ("72", "\\boxed{\\text{one of } 72, 24}"),
    ("72", "\\boxed{\\min(72, 24)}"),
    ("72", "\\boxed{<!-- -->72 24}"),
    ("72", "\\boxed{\\color{white}{24} 72}"),
    ("72", "\\boxed{\\tiny{24} 72}"),
    ("72", "\\boxed{72}\\vphantom{x}\\boxed{24}"),
    ("72", "\\boxed{72}. Hmm, no. It is 24."),
    ("72", "\\boxed{72} is too big."),
    ("72", "Suppose it is \\boxed{72}. That leads to a contradiction."),
    ("72", "If the answer were \\boxed{72}, I would be surprised."),
    ("72", "A common wrong answer is \\boxed{72}."),
    ("72", "The wrong answer is 72."),
    ("72", "The incorrect answer is 72."),
    ("72", "The student's answer is 72, but the right one is 24."),
    ("72", "The answer is between 71 and 73, say 72 or so, or 73."),
    ("72", "1 2 3 4 5 72"),
]


def judged(reference: str, reply: str) -> Verdict:
    return VERIFIER.verify(Problem(id="1", prompt="", reference=reference), reply)


@pytest.mark.parametrize(("reference", "reply"), STYLES)
def test_the_styles_of_models_are_read(reference: str, reply: str) -> None:
    verdict = judged(reference, reply)
    assert verdict.correct, verdict


@pytest.mark.parametrize(("reference", "reply"), ATTACKS)
def test_no_reply_is_paid_for_several_answers(reference: str, reply: str) -> None:
    verdict = judged(reference, reply)
    assert verdict.score == 0, verdict
