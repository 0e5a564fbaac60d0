import json

import pytest

from selfcorrect_env.errors import UnknownNameError
from selfcorrect_env.prompts import PROMPTS, Prompts, get_prompts
from selfcorrect_env.types import Problem, Reply

LATEX = Problem(id="1", prompt=r"Find $\frac{1}{2} + {prompt} \{x\}$ {0}", reference="1")


def test_the_papers_texts_are_verbatim():
    math = PROMPTS["math"]
    assert math.attempt == (
        "You are a math expert. When you respond, respond only with the Solution of the final "
        "Problem, thinking step by step. At the end of the Solution, when you give your final "
        'answer, write it in the form "Final Answer: The final answer is $answer$. I hope it is '
        'correct."\n\n{prompt}'
    )
    assert math.correction == (
        "There might be an error in the solution above because of lack of understanding of the "
        "question. Please correct the error, if any, and rewrite the solution. Only output the "
        "final solution! At the end of the Solution, when you give your final answer, write it in "
        'the form "Final Answer: The final answer is $answer$. I hope it is correct."'
    )
    assert (PROMPTS["gsm8k"].attempt, PROMPTS["gsm8k"].correction) == (
        math.attempt,
        math.correction,
    )


def test_a_statement_is_put_in_as_it_is():
    (message,) = Prompts("p", "Problem {x}: {prompt}!").first(LATEX)
    assert message == {"role": "user", "content": f"Problem {{x}}: {LATEX.prompt}!"}


def test_a_system_message_comes_first():
    first = Prompts("p", system="Be brief.").first(LATEX)
    assert [m["role"] for m in first] == ["system", "user"]
    assert first[0]["content"] == "Be brief."


@pytest.mark.parametrize("name", PROMPTS)
def test_a_correction_adds_the_reply_and_the_instruction(name):
    prompts = get_prompts(name)
    first = prompts.first(LATEX)
    second = prompts.correct(first, Reply("42", tokens=1))
    assert second[: len(first)] == first
    assert second[len(first) :] == (
        {"role": "assistant", "content": "42"},
        {"role": "user", "content": prompts.correction},
    )
    assert type(second[-2]["content"]) is str
    assert json.loads(json.dumps(second)) == list(second)
    assert prompts.name == name


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"attempt": "no place"}, ValueError, "must contain '{prompt}'"),
        ({"correction": " "}, ValueError, "must not be empty"),
        ({"attempt": None}, TypeError, "Prompts.attempt must be a str, not NoneType"),
        ({"system": 3}, TypeError, "Prompts.system"),
    ],
)
def test_wrong_texts_are_refused(wrong, error, message):
    with pytest.raises(error, match=message):
        Prompts("p", **wrong)


def test_prompts_are_found_by_name():
    own = Prompts("own")
    assert get_prompts(own) is own
    assert get_prompts("plain") is PROMPTS["plain"]
    with pytest.raises(UnknownNameError, match="Did you mean 'arithmetic'"):
        get_prompts("arithmetics")
    with pytest.raises(TypeError, match="name of prompts"):
        get_prompts(None)  # type: ignore[arg-type]
