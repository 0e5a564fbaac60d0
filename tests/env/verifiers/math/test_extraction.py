r"""What is read as the answer of a reply: sentences, thoughts, choices, boxes, hedges."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfcorrect_env import Problem, Reason, Verdict
from selfcorrect_env.verifiers.math.extraction import final_answer
from selfcorrect_env.verifiers.math.verifier import MathVerifier

VERIFIER = MathVerifier(deadline=30, workers=1)


def judged(reference: str, reply: str) -> Verdict:
    return VERIFIER.verify(Problem(id="1", prompt="", reference=reference), reply)


MONEY = [
    ("18", "She earns $18 a day."),
    ("18", "She earns $18 per day by selling 9 eggs.\nSo the profit is $18."),
    ("18", "so Janet makes $18 every day at the farmers' market"),
    ("18", "9 * 2 = $18"),
    ("18", "Janet makes 9 * $2 = $18 per day."),
    ("18", "= $18"),
    ("18", "**$18**"),
    ("18", "Thus she makes **$18** every day at the market."),
    ("18", "The answer is $18."),
    ("18", "The answer is $18 per day, since 9 * $2 = $18."),
    ("18", "Answer: $18.00"),
    ("18", "Eggs cost $2 each. She sells 9 of them, so she makes $18."),
    ("18", "She pays $5 and $13. In total, that is $18!"),
    ("1234.5", "The total is $1,234.50."),
    ("1234.5", "The total cost is **$1,234.50**."),
    ("70000", "The house is worth $150,000 and he spent $80,000, so he made $70,000."),
    ("70000", "His profit was $150,000 - $80,000 = $70,000 in the first year."),
    ("70000", "He made a profit of $70,000 dollars."),
    ("2.50", "Each pen costs $2.50 (that is $25 for 10 of them, or $25/10). Hence $2.50"),
    ("18", r"She earns \$18 a day."),
    ("18", r"The total is $\$18$."),
    ("18", "He has 18 dollars left."),
    ("18", "It costs €18 in all."),
    ("18", "In total: £18"),
    ("-3", "He has -$3 left."),
    ("18", "They spend $4 on apples, $5 on pears, and $9 on plums. Total: $18"),
    ("18", "#### $18"),
    ("18", "<answer>$18 a day</answer>"),
    ("18", "Let $x$ be the price. Then $x = 9 \\cdot 2$, so it costs $18."),
    ("18", "The price of $x$ apples is $2x$. For $x = 9$, she pays $18 in all."),
]

TRAILING = [
    ("5", r"$\boxed{5}$. The final answer is boxed above."),
    ("5", r"$\boxed{5}$. This answer is correct."),
    ("5", r"$\boxed{5}$. The final answer is correct."),
    ("5", r"$\boxed{5}$. The final answer is shown above."),
    ("5", r"$\boxed{5}$. The final answer is indeed 5."),
    ("5", r"$\boxed{5}$. The final answer is given in simplest form."),
    ("5", r"$\boxed{5}$. The final answer is in simplest form."),
    ("5", r"$\boxed{5}$. My final answer is unchanged."),
    ("5", r"$\boxed{5}$. So the final answer is the number of apples."),
    ("5", r"$\boxed{5}$, which is the final answer."),
    ("5", r"$\boxed{5}$. I hope it is correct."),
    ("5", r"$\boxed{5}$. Let me know if you need help with 2 or 3 more problems!"),
    ("5", r"$\boxed{5}$. Check: the answer is consistent, for 2 + 3 = 5."),
    ("5", r"$\boxed{5}$. It is not 6, since 6 is even."),
    ("5", r"$\boxed{5}$. It is wrong to add 1 here."),
    ("5", r"$\boxed{5}$. To check the answer: 3 apples and 2 pears."),
    ("42", "The answer is 42!"),
    ("42", "The answer is 42 because 6 times 7 is 42."),
    ("42", "The answer is 42, because there are 6 rows of 7."),
    ("42", "The answer is 42, which is the number of 6 rows of 7."),
    ("42", "The answer is 42 since 6*7=42"),
    ("5", "The answer is 5, since 2+3=5."),
    ("5", "The answer is simply 5."),
    ("5", "The answer is **5** apples."),
    ("5", "The answer is therefore $5$ apples."),
    ("5", "The answer is 5 — the sum of 2 and 3."),
    ("5", "The answer is 5 (the sum of 2 and 3)."),
    ("5", "The answer is 5: we add 2 and 3."),
    ("5", "The answer is 5; we add 2 and 3."),
    ("5", "The answer is\n5"),
    ("5", "The answer is:\n\n$$5$$"),
    ("5", "The answer is:\n\n\\[\n5\n\\]\n\nI hope it helps."),
    ("5", "The answer is: \\(5\\)."),
    ("5", "The answer to the problem is 5."),
    ("5", "The answer would be 5."),
    ("5", "So my answer = 5"),
    ("5", "Answer = 5"),
    ("5", "ans: 5"),
    ("5", "**Answer**: 5"),
    ("5", "**Answer:** 5 apples"),
    ("5", "### Answer\n5"),
    ("5", "## Final Answer:\n\n$5$"),
    ("5", "**Final Answer**\n\nThe sum is $5$."),
    ("5", "Final answer: **5**"),
    ("5", "Final Answer → 5"),
    ("5", "5 is the answer."),
    ("5", "So $5$ is our final answer."),
    ("5", '{"answer": 5}'),
    ("5", '```json\n{"steps": ["2 + 3"], "final_answer": "5"}\n```'),
    ("5", "{'answer': 5}"),
    ("1/2", '{"answer": "\\\\frac{1}{2}", "confidence": 0.9}'),
    ("2, 3", '{"answer": [2, 3]}'),
    ("12", "There are **12** ways to order the 5 letters."),
    ("12", "So there are 12 ways.\n\n| step | value |\n| --- | --- |\n| total | **12** |"),
    ("12", "| apples | 7 |\n| pears | 5 |\n| total | 12 |"),
    ("12", "The answer is 12 ways to choose 3 of them."),
    ("12", "La réponse finale est 12."),
    ("12", "La respuesta correcta es 12 manzanas."),
    ("12", "Die Lösung lautet 12."),
    ("12", "A resposta é 12."),
    ("12", "La risposta è 12."),
    ("x^2 + 1", "The answer is x^2 + 1, because of the sum."),
    ("x^2 + 1", "The answer is $x^2 + 1$ for all $x$."),
    (r"\text{Tuesday}", "The answer is Tuesday, since 10 days have passed."),
    ("even", "So the answer is even. I hope it is correct."),
    ("120", r"\boxed{5!}"),
    ("5!", "The answer is 5!"),
    ("1.5 \\times 10^3", "It weighs 1.5 × 10^3 grams."),
]

THOUGHTS = [
    ("4", "<think>\\boxed{3}</think>\\boxed{4}"),
    ("4", "\\boxed{3}, or so it seems</think>It is \\boxed{4}"),
    ("4", "<thinking>3?</thinking>4"),
    ("4", "<thought>3?</thought>The answer is 4."),
    ("4", "<reasoning>\nThe answer is 3\n</reasoning>\n<answer>\n4\n</answer>"),
    ("4", "<reasoning>3</reasoning><answer>The answer is 4.</answer>"),
    ("4", "<think>3</think>\n<Answer>4</Answer>"),
    ("4", "<think>3</think><answer>We get $\\boxed{4}$.</answer>"),
    ("4", "<think>3</think><answer>So there are 4 apples.</answer>"),
    ("4", "[THINK]3[/THINK]4"),
    ("4", "◁think▷3◁/think▷**4**"),
    ("4", "<|begin_of_thought|>3<|end_of_thought|>\n<|begin_of_solution|>So \\boxed{4}."),
    ("4", "<|START_THINKING|>3<|END_THINKING|>The answer is 4"),
    ("4", "<think>3</think> <|begin_of_box|>4<|end_of_box|>"),
    (
        "4",
        "<|channel|>analysis<|message|>\\boxed{3}<|end|><|start|>assistant"
        "<|channel|>final<|message|>\\boxed{4}<|return|>",
    ),
    (
        "4",
        "<|channel|>analysis<|message|>3<|end|><|start|>assistant<|channel|>final"
        ' <|constrain|>json<|message|>{"answer": 4}',
    ),
    ("4", "analysisWe need 3.assistantfinal**4**"),
    ("4", "analysisMaybe \\boxed{3}.assistantfinalThe answer is 4."),
    ("4", "assistantanalysis3?assistantcommentarynoneassistantfinal$4$"),
    ("4", "The answer is 4.<|im_end|>\n<|im_start|>user\nThe answer is 5."),
    ("4", "The answer is 4<end_of_turn>"),
    ("4", "The answer is 4.</s>"),
    ("4", "<think>All in all it is \\boxed{4}.</think>"),
    ("4", "\\boxed{4} <think> is it?"),
]

UNENDED = [
    "<think>2 + 2 = 4, so \\boxed{4}",
    "<thinking>The answer is 4.",
    "<reasoning>4",
    "[THINK]4",
    "◁think▷4",
    "<think>3</think><think>4",
    "<|channel|>analysis<|message|>The answer is 4",
    "analysisThe answer is \\boxed{4}",
    "<|begin_of_thought|>4",
    "So it is \\boxed{4",
    "So it is \\boxed{\\frac{8}{2}",
    "The sum is 4. So the answer is $$4",
    "The answer is \\[4",
    "It is 2 + 2 =",
    "We know that $$x = 4",
    "\\boxed{4} or rather \\boxed{4",
    "\\boxed{}",
    "<answer></answer>",
    "<answer> </answer>",
]

CHOICES = [
    ("B", r"\boxed{B}"),
    ("B", r"\boxed{(B)}"),
    ("B", r"\boxed{\text{(B)}}"),
    ("B", r"\boxed{\textbf{(B)}}"),
    ("B", r"\boxed{\textbf{(B) }12}"),
    ("B", r"\boxed{\text{(B) } 12}"),
    ("B", r"\boxed{\mathrm{B}}"),
    ("B", r"\boxed{B) 12}"),
    ("B", r"\boxed{B: the mean}"),
    ("B", r"\boxed{\text{B. the mean of the 3 values}}"),
    ("B", r"\boxed{\text{Option B}}"),
    (r"\text{(B)}", r"\boxed{\text{B}}"),
    (r"\textbf{(B)}\ 12", "The answer is (B)."),
    (r"\textbf{(B)}\ 12", r"\boxed{12}"),
    (r"\textbf{(B)}\ 12", r"\boxed{\textbf{(B)}\ 12}"),
    ("B", "The answer is B."),
    ("B", "The answer is (B) 12."),
    ("B", "The correct option is (B)."),
    ("B", "The correct answer is option B: 12 metres."),
    ("B", "The correct choice is **B**."),
    ("B", "Answer: B"),
    ("B", "Answer: B. 12"),
    ("B", "Answer: **(B) 12**"),
    ("B", "**B) 12**"),
    ("B", "Therefore, option B is correct."),
    ("B", "So (B) is the correct answer."),
    ("A", "The answer is A."),
    ("A", "The answer is A: 12"),
    ("C", "<answer>C</answer>"),
    ("C", "<answer>(C) 7</answer>"),
    ("C", "答案：C"),
    ("D", '{"answer": "D"}'),
]

CHINESE = [
    ("5", "答案是 5"),
    ("5", "答案是5。"),
    ("5", "答案：5"),
    ("5", "答案为：5"),
    ("5", "最终答案是 $5$。"),
    ("5", "最终答案：\\boxed{5}"),
    ("5", "所以答案应该是5。"),
    ("5", "答案是５。"),
    ("5", "答案是5，因为2+3=5。"),
    ("5", "答案是5个苹果。"),
    ("5", "**答案：** 5"),
    ("5", "因此，一共有5个苹果。"),
    ("5", "第一步：1+2=3。第二步：3+2=5。所以是5。"),
    ("5", "综上所述，$x = 5$。"),
    ("2, 3", "答案是2和3。"),
    ("2, 3", "\\boxed{2或3}"),
    ("2, 3", "\\boxed{2 和 3}"),
    ("2, 3", "\\boxed{2、3}"),
    ("2, 3", "\\boxed{2，3}"),
    ("(1, 2)", "\\boxed{（1，2）}"),
    ("1000", "答案是1,000。"),
    ("5", "答えは 5 です。"),
    ("5", "정답은 5"),
    ("5", "Ответ: 5"),
]

BOXES = [
    ("2, 3", r"\boxed{2} and \boxed{3}"),
    ("2, 3", "\\boxed{2}\n\\boxed{3}"),
    ("2, 3", "$\\boxed{2}$\n\n$\\boxed{3}$"),
    ("2, 3", "- $x = \\boxed{2}$\n- $x = \\boxed{3}$"),
    ("2, 3", "1. $\\boxed{2}$\n2. $\\boxed{3}$"),
    ("2, 3", "\\[\\boxed{2}\\]\nand\n\\[\\boxed{3}\\]"),
    ("2, 3", "$$\n\\boxed{2}\n$$\n$$\n\\boxed{3}\n$$"),
    ("2, 3", "The larger one is $\\boxed{3}$ and the smaller one is $\\boxed{2}$."),
    ("2, 3", r"\boxed{x = 2} \quad \text{or} \quad \boxed{x = 3}"),
    ("2, 3", r"First \boxed{2}. In the end, \boxed{2, 3}."),
    (r"\{2, 3\}", r"\boxed{2}, \boxed{3}"),
    (r"\pm 2", r"\boxed{2} and \boxed{-2}"),
    (r"\pm 2", "\\boxed{2}\n\\boxed{-2}"),
    (r"\pm 2", r"\boxed{2, -2}"),
    (r"\pm 2", "The answer is 2 or -2."),
    (r"1 \pm \sqrt{19}", r"\boxed{1 + \sqrt{19}, 1 - \sqrt{19}}"),
    ("2, 3", "The answers are 2 and 3."),
    ("2, 3", "The answers are $2$ and $3$."),
    ("2, 3", "The answers are:\n- $2$\n- $3$"),
    ("2, 3", "Answers:\n1. 2\n2. 3"),
    ("2, 3, 5", "So the primes are 2, 3, and 5."),
    ("2, 3", "So the roots are $x = 2$ and $x = 3$."),
    ("3", r"The answer is \boxed{2}. Wait, actually \boxed{3}."),
    ("3", "Step 1: \\boxed{2}\nStep 2: \\boxed{3}"),
    ("3", r"\boxed{\boxed{3}}"),
    ("3", r"\boxed{3} = \boxed{3.0}"),
    (r"\frac{1}{2}", r"\boxed{\frac{1}{2}} or, equivalently, \boxed{0.5}"),
    ("4", r"The answer is \boxed{4}, not \boxed{5}."),
    ("5", r"\boxed{\textcolor{blue}{5}}"),
    ("5", r"\boxed{\color{red} 5}"),
    ("5", r"\boxed{\text{The sum is } 5}"),
    ("5", r"\boxed{\text{Answer: } 5}"),
    ("5", r"\boxed{\text{Total} = 5}"),
    (
        "5",
        "Final Answer: The final answer is $5$. I hope it is correct.\n\nProblem:\nFind y.\n\n"
        "Solution: Final Answer: The final answer is $9$. I hope it is correct.",
    ),
    ("5", "#### 5\n\nQuestion: What is 1+1?\n#### 2"),
]

HEDGES = [
    ("5", "4 or 5"),
    ("5", "5 or 4"),
    ("5", "The answer is 5 or 6."),
    ("5", "The answer is 5, or maybe 6."),
    ("5", "The answer is 5 (or 6)."),
    ("5", "The answer is 5 or so, or 6."),
    ("5", "The answer is $5$ or maybe $6$."),
    ("5", "The answer is $6$ or $5$."),
    ("5", "The answer is either 4 or 5."),
    ("5", "Maybe it is 4 or maybe 5."),
    ("5", "It could be $4$ or $5$."),
    ("5", "So there are 4 or 5 ways."),
    ("5", "The answer is not 5."),
    ("5", "The answer isn't 5."),
    ("5", "5 is wrong."),
    ("5", "5 is not the answer."),
    ("5", "The answer is maybe 5."),
    ("5", "Perhaps 5."),
    ("5", "It is not 5"),
    ("5", "The answer is 5, which is wrong."),
    ("5", "The answer is 5. No, that is wrong, the answer is 6."),
    ("5", "The final answer is 5. Wait, the answer is 6."),
    ("5", r"\boxed{5}. Wait, that is wrong."),
    ("5", r"\boxed{5} is incorrect."),
    ("5", r"\boxed{5}, but that isn't right."),
    ("5", r"Many would say \boxed{5}, which is wrong. I do not know."),
    ("5", r"\boxed{5}? I don't know."),
    ("5", r"The answer is not \boxed{5}."),
    ("5", r"It cannot be $\boxed{5}$."),
    ("5", r"$x \neq \boxed{5}$"),
    ("5", r"\boxed{5}. Actually, the answer is 6."),
    ("5", r"\boxed{5}. The final answer is 6."),
    ("5", r"Either \boxed{4} or, if the other reading is meant, \boxed{5}."),
    ("5", r"\boxed{4} or else \boxed{5}"),
    ("5", r"\boxed{4}, alternatively \boxed{5}"),
    ("5", r"\boxed{1} \boxed{2} \boxed{3} \boxed{4} \boxed{5}"),
    ("5", "\\boxed{4}\n\\boxed{5}"),
    ("5", "- \\boxed{4}\n- \\boxed{5}"),
    ("5", r"$\boxed{4}$; $\boxed{5}$"),
    ("5", r"\boxed{4}/\boxed{5}"),
    ("5", r"\boxed{5 \text{ (or maybe 6)}}"),
    ("5", r"\boxed{5 \text{ perhaps}}"),
    ("5", r"\boxed{\text{not } 5}"),
    ("5", r"\boxed{5\text{ is wrong}}"),
    ("5", r"\boxed{4, 5}"),
    ("5", r"\boxed{\phantom{5}}"),
    ("5", r"\boxed{\cancel{5}}"),
    ("5", r"\boxed{\sout{5} 6}"),
    ("5", "#### 4 or 5"),
    ("5", "<answer>4, 5</answer>"),
    ("5", "<answer>5</answer><answer>6</answer>"),
    ("5", '{"answer": [4, 5]}'),
    ("5", '{"answer": "4 or 5"}'),
    ("B", r"\boxed{A, B, C, D}"),
    ("B", r"\boxed{A \text{ or } B}"),
    ("B", "The answer is (A) or (B)."),
    ("B", r"\boxed{(B) or (C)}"),
    ("B", r"\boxed{B. 12, C. 13}"),
    ("B", "The answer is B, or C."),
    ("B", "The answer is not B."),
    ("B", "(B) is incorrect."),
    ("5", "答案是4或5。"),
    ("5", "答案不是5。"),
    ("5", r"\boxed{4 或 5}"),
    ("120", "The answer is 5!"),
    ("12", "The answer is 12 or 13 apples."),
    ("2, 3", r"\boxed{2}. Wait, actually \boxed{3}"),
    ("2, 3", r"\boxed{2} \boxed{3} \boxed{4}"),
    (r"\pm 2", r"\boxed{2}"),
    (r"\pm 2", r"\boxed{2} and \boxed{3}"),
]


@pytest.mark.parametrize(
    ("reference", "reply"), [*MONEY, *TRAILING, *THOUGHTS, *CHOICES, *CHINESE, *BOXES]
)
def test_right_answers_are_read(reference: str, reply: str) -> None:
    verdict = judged(reference, reply)
    assert verdict.correct, verdict


@pytest.mark.parametrize(
    ("reference", "reply"), [*MONEY, *TRAILING, *THOUGHTS, *CHOICES, *CHINESE, *BOXES]
)
def test_another_answer_is_none(reference: str, reply: str) -> None:
    other = {"A": "E", "B": "E", "C": "E", "D": "E"}.get(reference, "977")
    assert not judged(other, reply).correct


@pytest.mark.parametrize(("reference", "reply"), HEDGES)
def test_hedges_never_pay(reference: str, reply: str) -> None:
    verdict = judged(reference, reply)
    assert verdict.score == 0, verdict


SENTENCES = [
    "So we get $\\boxed{{{}}}$.",
    "<think>First 977.</think>\n\n\\boxed{{{}}}",
    "Final Answer: The final answer is ${}$. I hope it is correct.",
    "The answer is ${}$, because 977 is too large.",
    "The answer is:\n\n$${}$$\n",
    "**Answer:** ${}$",
    "### Final Answer\n\n\\[ {} \\]",
    "<answer>{}</answer>",
    "<answer>It is ${}$.</answer>",
    "#### {}",
    "答案是 ${}$。",
    "Step 1: 977 - 977 = 0.\nTherefore, the result is **${}$**.",
    "analysisMaybe 977.assistantfinalThe answer is ${}$.",
    "Adding up, we finally obtain $x = {}$.",
]
ANSWERS = {
    "integers": st.integers(-(10**6), 10**6).map(str),
    "decimals": st.integers(-(10**5), 10**5).map(lambda n: f"{n / 100:.2f}"),
    "fractions": st.tuples(st.integers(1, 99), st.integers(2, 99)).map(
        lambda n: rf"\frac{{{n[0]}}}{{{n[1]}}}"
    ),
    "roots": st.tuples(st.integers(2, 9), st.integers(2, 9)).map(
        lambda n: rf"{n[0]}\sqrt{{{n[1]}}}"
    ),
    "polynomials": st.integers(2, 99).map(lambda n: f"x^2 + {n}x - 1"),
    "pairs": st.tuples(st.integers(-9, 9), st.integers(-9, 9)).map(lambda n: f"({n[0]}, {n[1]})"),
    "angles": st.integers(1, 360).map(lambda n: rf"{n}^\circ"),
}


@pytest.mark.parametrize("sentence", SENTENCES)
@settings(max_examples=60, deadline=None)
@given(answer=st.one_of(*ANSWERS.values()))
def test_every_sentence_gives_every_kind_of_answer(sentence: str, answer: str) -> None:
    if answer.startswith("(") and "x = {" in sentence:
        return  # no number equals a pair
    reply = sentence.format(answer)
    found = final_answer(reply)
    assert found is not None
    verdict = judged(answer, reply)
    assert verdict.correct, (reply, verdict)
    assert not judged("977977", reply).correct


@pytest.mark.parametrize("reply", UNENDED)
def test_a_reply_that_was_cut_off_has_no_answer_and_says_so(reply: str) -> None:
    verdict = judged("4", reply)
    assert verdict.reason is Reason.NO_ANSWER, verdict
    assert verdict.detail


@pytest.mark.parametrize(
    ("digit", "reply"), [("2", "AZYUK2A"), ("2", "It is made of H2O."), ("7", "The code is QX7B.")]
)
def test_a_digit_within_a_word_is_no_number(digit: str, reply: str) -> None:
    assert not judged(digit, reply).correct
