r"""The math verifier: tables of verdicts, hostile replies, threads and forks."""

import asyncio
import gc
import json
import os
import pickle
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfcorrect_env import Problem, Reason
from selfcorrect_env.testing import HOSTILE_REPLIES
from selfcorrect_env.verifiers.math.verifier import MathVerifier

DATA = Path(__file__).resolve().parents[5] / "shared" / "data"

SLOW = r"\sum_{k=1}^{1000} \sum_{j=1}^{1000} \sin(kj)"

RIGHT = [
    ("5", "5"),
    ("5", "5.0"),
    ("5", "x = 5"),
    ("5", "5."),
    ("-3", "-3"),
    ("-3", "−3"),
    (r"\frac{1}{2}", "0.5"),
    (r"\frac{1}{2}", "1/2"),
    (r"\frac{1}{2}", r"\dfrac12"),
    (r"\frac{1}{2}", r"\tfrac{2}{4}"),
    (r"\frac{7}{2}", r"3\frac{1}{2}"),
    ("1,234", "1234"),
    ("1234567", r"1{,}234{,}567"),
    (r"\$18.90", "18.90"),
    ("36", r"\$36"),
    (r"50\%", "50"),
    (r"90^\circ", "90"),
    ("90", r"90^{\circ}"),
    ("12", r"12\text{ cm}"),
    ("12", "12 inches"),
    (r"12\text{ cm}^2", "12"),
    (r"\text{even}", "even"),
    (r"\text{Evelyn}", "Evelyn"),
    (r"\text{(C)}", "C"),
    ("52_8", "52"),
    ("(1,2)", "(1, 2)"),
    ("(1,2)", r"\left(1,2\right)"),
    ("1,2", "2, 1"),
    ("1,2", "1 and 2"),
    ("1,2", "2 or 1"),
    (r"\sqrt{2}", r"\sqrt2"),
    (r"2\sqrt{3}", r"\sqrt{12}"),
    (r"\frac{\sqrt{2}}{2}", r"\frac{1}{\sqrt{2}}"),
    ("x^2+2x+1", "(x+1)^2"),
    (r"\frac{3\pi}{4}", r"0.75\pi"),
    ("2^{10}", "1024"),
    ("[0,1)", "[0, 1)"),
    (r"(-\infty, 2]", r"(-\infty,2]"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}"),
    (r"3+4i", r"4i+3"),
    (r"\frac{1}{x+1}", r"(x+1)^{-1}"),
    # typed, not LaTeX
    (r"3\sqrt{5}-2", "3*sqrt(5) - 2"),
    (r"\sqrt{7}", "√7"),
    (r"\frac{3\pi}{2}", "3pi/2"),
    (r"6\pi", "6π"),
    (r"e^{4}", "exp(4)"),
    (r"x^3", "x**3"),
    (r"x^3", "x³"),
    (r"\frac{1}{2}", "½"),
    (r"(-\infty, 4)", "(-infinity, 4)"),
    (r"\sqrt{5} + 2", r"\\sqrt{5} + 2"),
    ("3.5", "3 1/2"),
    ("0.0035", "3.5e-3"),
    (r"3.5\times10^{-3}", "0.0035"),
    # a comma for the point; percent; digits enough to be meant exactly
    ("0.125", "0,125"),
    ("0.45", r"45\%"),
    (r"12.5\%", "0.125"),
    (r"\frac{1}{7}", "0.142857142857"),
    (r"\sqrt{3}", "1.7320508075688772"),
    (r"3\pi", "9.42477796077"),
    # values with names
    ("(3, 8)", "x = 3, y = 8"),
    ("a = 3, b = 8", "(3, 8)"),
    ("a = 3, b = 8", "b = 8, a = 3"),
    ("p=3,q=4;p=5,q=6", "(5,6), (3,4)"),
    ("n = 3, n = -4", "-4, 3"),
    ("f(x) = 2 and f(x) = -2", "f(n) = -2 or f(n) = 2"),
    ("7 = x", "7"),
    (r"n \equiv 2 \pmod{7}", r"n \equiv 9 \pmod 7"),
    ("3, 4, and 9", "9, 3, 4"),
    # choices and single letters
    (r"\text{(B)}", "b"),
    ("B", "b"),
    ("K", r"\mathrm{K}"),
    # references that are whole solutions
    (r"Adding, we find $\boxed{18}$.", "18"),
    (r"So they are $\boxed{3}$ and $\boxed{4}$.", "3, 4"),
    ("<answer>18</answer>", "18"),
]

WRONG = [
    ("5", "6"),
    ("5", "-5"),
    ("5", "55"),
    ("5", "5.01"),
    (r"\frac{1}{2}", "0.51"),
    (r"\frac{1}{3}", "0.333"),
    (r"\frac{1}{2}", r"\frac{2}{1}"),
    ("1,234", "1.234"),
    (r"\text{even}", "odd"),
    ("(1,2)", "(2,1)"),
    ("[0,1)", "(0,1)"),
    ("1,2", "1"),
    ("1,2", "1,3"),
    (r"\sqrt{2}", "1.41"),
    (r"2\sqrt{3}", r"3\sqrt{2}"),
    ("x^2+2x+1", "(x-1)^2"),
    (r"\frac{3\pi}{4}", r"\frac{4\pi}{3}"),
    ("2^{10}", "1023"),
    ("3+4i", "3-4i"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{pmatrix}2\\1\end{pmatrix}"),
    (r"3\sqrt{5}-2", "3*sqrt(5-2)"),
    ("5.5", "5 1/2 + 1"),
    ("3 1/2", "31/2"),
    ("0.0035", "3.5e-4"),
    ("0.125", "1,125"),
    ("0,125", "0.125"),
    ("0.45", r"4.5\%"),
    (r"\frac{1}{7}", "0.142857143857"),
    (r"\frac{1}{7}", "0.142857"),
    (r"\sqrt{3}", "1.7320508085688772"),
    ("3", "3.0000000001"),
    ("(3, 8)", "x = 8, y = 3"),
    ("a = 3, b = 8", "a = 8, b = 3"),
    ("p=3,q=4;p=5,q=6", "(3,4), (6,5)"),
    ("n = 3, n = -4", "n = 3"),
    ("K", r"\mathrm{k}"),
    (r"n \equiv 2 \pmod{7}", r"n \equiv 3 \pmod{7}"),
    (r"n \equiv 2 \pmod{7}", r"n \equiv 2 \pmod{5}"),
    (r"n \equiv 2 \pmod{7}", "2"),
    (r"Adding, we find $\boxed{18}$, not 19.", "19"),
]


@pytest.fixture(scope="module")
def verifier() -> Iterator[MathVerifier]:
    made = MathVerifier()
    made.verify(of("x"), r"\boxed{y}")  # a worker is up, so that what follows waits for none
    yield made
    made.close()


def of(reference: str) -> Problem:
    return Problem(id="1", prompt="", reference=reference)


@pytest.mark.parametrize(("reference", "answer"), RIGHT)
def test_right(verifier: MathVerifier, reference: str, answer: str) -> None:
    assert (
        verifier.verify(of(reference), rf"So it is $\boxed{{{answer}}}$.").reason is Reason.CORRECT
    )


@pytest.mark.parametrize(("reference", "answer"), WRONG)
def test_wrong(verifier: MathVerifier, reference: str, answer: str) -> None:
    verdict = verifier.verify(of(reference), rf"So it is $\boxed{{{answer}}}$.")
    assert verdict.score == 0
    assert verdict.reason in (Reason.WRONG, Reason.AMBIGUOUS)


@pytest.mark.parametrize(
    "reply",
    [
        "Final Answer: The final answer is $4$. I hope it is correct.",
        "#### 4",
        "2 + 2 = 4\n#### 4",
        "The answer is 4.",
        "**Answer: 4**",
        "4",
        "$4$",
        "It is 5? No: $\\boxed{5}$.\nSo $\\boxed{4}$.",
        "There are 2 and 2, which makes 4.",
        "The final answer is \\(4\\)",
        "the answer is: $4",
        "First 2, then 4",
        "Therefore, the price falls by 4 dollars in each of its years.",
        "We add $2 + 2$. Hence there are 4 ways to do so.",
        "Adding both sides gives $2 + 2 = 4$.",
        r"The sum is \(1 + 3 = 4\).",
        r"First I thought of \boxed{5}, but it is \boxed{4}.",
        r"<think>Is it \boxed{5}?</think> It is \boxed{4}.",
        "<think>Is it \\boxed{5}?</think>\nAnswer: 4",
        "<think>All of this ends in \\boxed{4}.</think>",
        r"It may be \boxed{5}. <answer>4</answer>",
        "<answer> $4$ </answer>",
        "It costs -$3, or $7 more than that, so the final answer = 4",
    ],
)
def test_formats_of_the_answer(verifier: MathVerifier, reply: str) -> None:
    assert verifier.verify(of("4"), reply).correct


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("", Reason.NO_ANSWER),
        ("   \n", Reason.NO_ANSWER),
        (r"\boxed{}", Reason.NO_ANSWER),
        ("I do not know what to say here", Reason.NO_ANSWER),
        ("5 or 4", Reason.AMBIGUOUS),
        (r"$\boxed{5}$ or $\boxed{4}$", Reason.AMBIGUOUS),
        (r"\boxed{5}, \boxed{4}", Reason.AMBIGUOUS),
        (r"either \boxed{5} or maybe \boxed{4}", Reason.AMBIGUOUS),
        (r"The sum is \boxed{4", Reason.NO_ANSWER),
        (r"\boxed{4}, no, it is \boxed{5}", Reason.WRONG),
        ("<answer></answer>", Reason.NO_ANSWER),
        ("either 4 or 5", Reason.AMBIGUOUS),
        (r"\boxed{4, 5}", Reason.AMBIGUOUS),
        (r"\boxed{9^{9^{9^9}}}", Reason.WRONG),
        (rf"\boxed{{{SLOW}}}", Reason.TIMEOUT),
        (r"\boxed{" + "1" * 5000 + "}", Reason.WRONG),
    ],
)
def test_reasons(verifier: MathVerifier, reply: str, reason: Reason) -> None:
    verdict = verifier.verify(of("4"), reply)
    assert (verdict.reason, verdict.score) == (reason, 0.0)


def test_hostile_replies_are_judged_in_time_and_harm_no_other(verifier: MathVerifier) -> None:
    hostile = [
        *HOSTILE_REPLIES,
        r"\boxed{10^{10^{10}}!}",
        r"\boxed{" + "{" * 100_000 + "}" * 100_000 + "}",
        "x" * 10**6,
        "$" * 10**6,
        "answer is " * 10**5,
        "1," * 500_000,
        r"\boxed{" * 1000,
        "\0" * 1000,
        r"\boxed{" + r"\frac{1}{" * 150 + "2" + "}" * 151,
    ]
    for reply in hostile:
        start = time.monotonic()
        verdicts = verifier.verify_batch([of("4")] * 3, [r"\boxed{4}", reply, r"\boxed{5}"])
        assert time.monotonic() - start < 10, reply[:40]
        assert [v.reason for v in verdicts[::2]] == [Reason.CORRECT, Reason.WRONG]
        assert verdicts[1].score == 0
        assert verdicts[1].judged


@settings(max_examples=150)
@given(st.text(max_size=60))
def test_any_text_gets_a_verdict(reply: str) -> None:
    verdict = SHARED.verify(of("4"), reply)
    assert 0 <= verdict.score <= 1
    assert verdict.judged


SHARED = MathVerifier()


@given(st.integers(-(10**9), 10**9))
def test_numbers_are_recognised_however_they_are_written(number: int) -> None:
    for written in (str(number), f"{number:,}", f"{number}.0", rf"\${number}", f"{number}/1"):
        assert SHARED.verify(of(str(number)), rf"\boxed{{{written}}}").correct, written
    assert not SHARED.verify(of(str(number)), rf"\boxed{{{number + 1}}}").correct


def pairs() -> tuple[list[Problem], list[str]]:
    both = [*RIGHT, *WRONG] * 2
    return [of(r) for r, _ in both], [rf"\boxed{{{a}}}" for _, a in both]


def test_threads_and_asyncio_say_what_serial_says(verifier: MathVerifier) -> None:
    problems, replies = pairs()
    serial = [MathVerifier.verify(verifier, p, r) for p, r in zip(problems, replies, strict=True)]
    fresh = MathVerifier()  # knows nothing yet
    with ThreadPoolExecutor(64) as threads:
        assert list(threads.map(fresh.verify, problems, replies)) == serial

    async def all_at_once() -> list[object]:
        calls = [
            asyncio.to_thread(fresh.verify, p, r) for p, r in zip(problems, replies, strict=True)
        ]
        return list(await asyncio.gather(*calls))

    assert asyncio.run(all_at_once()) == serial
    fresh.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_judges_by_itself(verifier: MathVerifier) -> None:
    child = os.fork()
    if child == 0:
        right = verifier.verify(of(r"2\sqrt{5}"), r"\boxed{\sqrt{20}}").correct
        os._exit(0 if right else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert verifier.verify(of(r"2\sqrt{7}"), r"\boxed{\sqrt{28}}").correct


def test_a_verifier_that_is_dropped_leaves_no_process_behind() -> None:
    """Also before its workers are ready: one for each reply, in a loop, would fill the machine."""
    gc.disable()
    try:
        dropped = MathVerifier()
        pids = dropped._pool.pids()
        del dropped
    finally:
        gc.enable()
    assert pids
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_killed_worker_is_replaced() -> None:
    verifier = MathVerifier(workers=1)
    assert verifier.verify(of(r"2\sqrt{5}"), rf"\boxed{{{SLOW}}}").reason is Reason.TIMEOUT
    assert verifier.verify(of(r"2\sqrt{5}"), r"\boxed{\sqrt{20}}").correct
    verifier.close()


def test_copies_work() -> None:
    copy = pickle.loads(pickle.dumps(SHARED))
    assert copy.verify(of("1/2"), r"\boxed{0.5}").correct
    copy.close()


@pytest.mark.parametrize("form", [r"So $\boxed{{{}}}$.", "The final answer is ${}$. I hope it is."])
def test_every_answer_of_math500_is_itself(verifier: MathVerifier, form: str) -> None:
    path = DATA / "math500.jsonl"
    if not path.exists():
        pytest.skip(f"no {path}")
    answers = [json.loads(line)["answer"] for line in path.read_text("utf-8").splitlines()]
    replies = [form.replace("{{{}}}", "{" + a + "}").replace("{}", a) for a in answers]
    verdicts = verifier.verify_batch([of(a) for a in answers], replies)
    assert [a for a, v in zip(answers, verdicts, strict=True) if not v.correct] == []


def test_parts_in_boxes_of_their_own(verifier: MathVerifier) -> None:
    reply = r"We need $\boxed{3}$ pens and $\boxed{4}$ books."
    assert verifier.verify(of("3, 4"), reply).correct
    assert not verifier.verify(of("3, 5"), reply).correct
    assert verifier.verify(of("3, 4"), r"With $\boxed{9}$ left, $\boxed{4, 3}$.").correct


def test_typed_functions_are_read() -> None:
    patient = MathVerifier(deadline=30, workers=1)  # a worker decides here
    assert patient.verify(of(r"2\sin(3x)"), "Answer: 2*sin(3*x)").correct
    assert not patient.verify(of(r"2\sin(3x)"), "Answer: 2*sin(2*x)").correct
    patient.close()


def test_a_reference_in_words_is_answered_by_its_words(verifier: MathVerifier) -> None:
    words = r"all primes $p$ with $p \equiv 1 \pmod 4$"
    assert verifier.verify(of(words), words).correct
    assert not verifier.verify(of(words), words.replace("1", "3")).correct
