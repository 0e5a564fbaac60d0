"""What stands in a thought is no part of the reply."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcorrect_env.verifiers.thoughts import without_thoughts


@pytest.mark.parametrize(
    ("reply", "rest"),
    [
        ("5", "5"),
        ("<think>4?</think>5", "5"),
        ("<think>\n4?\n</think>\n\n5\n", "\n\n5\n"),
        ("4?</think>5", "5"),
        ("<THINKING>4?</THINKING>5", "5"),
        ("<reasoning>4?</reasoning>5", "5"),
        ("[THINK]4?[/THINK]5", "5"),
        ("◁think▷4?◁/think▷5", "5"),
        ("<|begin_of_thought|>4?<|end_of_thought|>5", "5"),
        ("a <think>4?</think>b <think>6?</think>c", "a b c"),
        ("<think>a <think> in a thought</think>4?</think>5", "5"),
        ("<think>4? Perhaps 5", ""),
        ("So far: <think>4? Perhaps 5", "So far: "),
        ("<think></think>5", "5"),
        ("", ""),
        (
            "<|channel|>analysis<|message|>4?<|end|><|start|>assistant"
            "<|channel|>final<|message|>5<|return|>",
            "5",
        ),
        ("<|channel|>analysis<|message|>4? Perhaps 5", ""),
        ("<|channel|>commentary to=tool <|constrain|>json<|message|>{}<|call|>", ""),
        ("analysisWe add 2 and 2.assistantfinal5", "5"),
        ("analysisWe add 2 and 2", ""),
        ("<|channel>thought\n4?<channel|>5", "5"),
        ("<|channel>thought\n4? Perhaps 5", ""),
        ("analysis of the sum: 5", "analysis of the sum: 5"),
        ("Analysis: 5", "Analysis: 5"),
        ("I think 5", "I think 5"),
    ],
)
def test_only_the_reply_remains(reply: str, rest: str) -> None:
    assert without_thoughts(reply) == rest


@given(st.lists(st.sampled_from(["<think>", "</think>", "[THINK]", "x", "<|channel|>", " "])))
def test_any_text_has_a_rest_that_has_no_marks(parts: list[str]) -> None:
    rest = without_thoughts("".join(parts))
    assert "think>" not in rest
    assert without_thoughts(rest) == rest
