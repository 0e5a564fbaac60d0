r"""Any text is read, whatever it holds and however long it is."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfcorrect_env.verifiers.math.extraction import read_reply
from selfcorrect_env.verifiers.math.verifier import read_answer

FRAGMENTS = [
    *("\\boxed{", "}", "\\boxed{4}", "$", "$$", "\\[", "\\]", "\\(", "\\)", "**", "\n", "- ", "|"),
    *("<think>", "</think>", "<answer>", "</answer>", "<|channel|>", "<|message|>", "analysis"),
    *("assistantfinal", "<|channel|>final<|message|>", "answer", "final answer", "is", "####"),
    *(
        "4",
        "5",
        "4!",
        "or",
        "and",
        "not",
        "wrong",
        "maybe",
        "B",
        "(B)",
        ".",
        ",",
        ":",
        "=",
        "(",
        ")",
    ),
    *(
        '"answer":',
        "[4]",
        "答案",
        "是",
        "。",
        "，",
        "或",
        "４",
        "because",
        "apples",
        "\\text{",
        "\\pm",
    ),
]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(FRAGMENTS)).map(" ".join) | st.text())
def test_any_text_is_read(reply: str) -> None:
    found = read_reply(reply)
    assert len(found.answer) <= 2 * len(reply) + 20


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """Raise TimeoutError after so many seconds, within a regular expression, too."""

    def expire(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, expire)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(
    "part",
    [
        "$",
        "$$",
        "(",
        "\\(",
        "\\[",
        "\\boxed{",
        "\\boxed",
        "\\boxed{}",
        "\\boxed{4}",
        "\\boxed{4} or ",
        "{",
        "}",
        "<think>",
        "</think>",
        "<answer>",
        "<answer>4</answer>",
        " ",
        "\n",
        "\t",
        "4 ",
        "4, ",
        "4 or ",
        "4.",
        "$4",
        "$4 ",
        "$4$ ",
        "answer is ",
        "answer is 4 ",
        "final answer ",
        "final answer is not ",
        "not ",
        "#### ",
        "**",
        "**4",
        "answer: ",
        '"answer": ',
        '"answer": [',
        "wrong ",
        "is the answer ",
        ". is ",
        "x is our answer",
        "\n# Answer\n",
        "\nProblem: ",
        "\n- 4",
        "\\text{",
        "\\text{is}",
        "\\phantom{",
        "a",
        "A. ",
        "(A) ",
        "：",
        "或",
        "<|channel|>",
        "<|channel|>final",
        "analysis",
        "assistantfinal",
        "I hope it is ",
        "=",
        "-",
        "\\",
        "4!",
        "e",
        "0",
        ",4",
        "4/",
        "4,444,",
        "1e",
        "\u0130",
        "which is wrong ",
    ],
)
def test_a_long_reply_is_read_in_bounded_time(part: str) -> None:
    long = part * (200_000 // len(part))
    for reply in (
        long,
        f"The answer is {part * 5_000}5",
        rf"\boxed{{5}} {long}",
        f"{part * 3_000} is 5",
    ):
        with time_limit(30):
            read_reply(reply)


def test_huge_numbers_are_read() -> None:
    assert read_answer(r"It is $\boxed{10^{6000}}$.") != read_answer(r"It is $\boxed{10^{6001}}$.")
