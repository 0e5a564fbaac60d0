"""What a conversation says of itself."""

from collections.abc import Sequence

import pytest

from selfcorrect_agents.lm.conversations import (
    by_attempt,
    first_prompt,
    last_reply,
    requested_answers,
)
from selfcorrect_env import Conversation, Problem, Reply
from selfcorrect_env.prompts import PROMPTS, Prompts

PROBLEM = Problem(id="1", prompt="1+1=", reference="2")


def test_the_first_prompt_and_the_latest_reply() -> None:
    prompts = Prompts("p", system="Be brief.")
    first = prompts.first(PROBLEM)
    second = prompts.correct(first, "3")
    third = prompts.correct(second, "4")
    assert [first_prompt(c) for c in (first, second, third)] == [first] * 3
    assert [last_reply(c) for c in (first, second, third)] == [None, "3", "4"]


@pytest.mark.parametrize("name", PROMPTS)
def test_the_form_of_answers_is_known_by_the_instruction(name: str) -> None:
    asked = PROMPTS[name].correct(PROMPTS[name].first(PROBLEM), "3")
    assert requested_answers(asked) == PROMPTS[name].answers
    assert requested_answers(asked[:1]) == ""


def test_each_attempt_gets_its_own_answerer_in_one_batch_and_in_order() -> None:
    def answerer(word: str) -> object:
        def answer(conversations: Sequence[Conversation]) -> list[Reply]:
            batches.append(len(conversations))
            return [Reply(f"{word} {c[0]['content']}") for c in conversations]

        return answer

    prompts = Prompts("p")
    batches: list[int] = []
    firsts = [prompts.first(Problem(id=t, prompt=t, reference="")) for t in "abcde"]
    mixed = [c if i % 2 else prompts.correct(c, "?") for i, c in enumerate(firsts)]
    replies = by_attempt(mixed, answerer("first"), answerer("later"))  # type: ignore[arg-type]
    assert replies == ["later a", "first b", "later c", "first d", "later e"]
    assert batches == [2, 3]
    assert by_attempt([], answerer("first"), answerer("later")) == []  # type: ignore[arg-type]
