"""What the benchmark reads in replies to sums, against replies whose counts are known."""

import pytest
from sums_workings import row, value_of_working

from selfcorrect_env import SelfCorrectEnv, play

RIGHT, WRONG = "Answer: {0}\nWorking: so {0}", "Answer: 0\nWorking: … = {0}"


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ("Answer: 31\nWorking: 14 + 27 = 41, 41 - 9 = 32.", "32"),
        ("Answer: 31\n\nWorking: 5 - 9 = -4", "-4"),
        ("Answer: 31 Working: 41 - 9 = 32", "32"),
        ("Answer: 31", None),
        ("Answer: 31\nWorking: none", None),
        ("", None),
    ],
)
def test_the_last_number_after_the_first_line(reply, value):
    assert value_of_working(reply) == value


def test_the_counts_of_known_replies():
    env = SelfCorrectEnv("sums", size=4)
    right = {problem.prompt: problem.reference for problem in env.problems}
    plans = [(RIGHT, RIGHT), (RIGHT, WRONG), (WRONG, RIGHT), (WRONG, "I do not know")]
    of = dict(zip(right, plans, strict=True))

    def agent(conversation):
        question = conversation[0]["content"].partition("\n")[0]
        return of[question][len(conversation) // 2].format(right[question])

    found = row(list(play(agent, env)))
    assert found["right at t1"] == "2 of 4 (50.0%)"
    assert found["right at t2"] == "2 of 4 (50.0%)"
    assert found["fixed, of wrong at t1"] == "1 of 2 (50.0%)"
    assert found["spoiled, of right at t1"] == "1 of 2 (50.0%)"
    assert found["first working right, of wrong at t1"] == "2 of 2 (100.0%)"
    follows = found["second answer is what the first working comes to, of wrong at t1"]
    assert follows == "1 of 2 (50.0%)"
    assert found["second reply repeats the first"] == "1 of 4 (25.0%)"
    assert found["no answer line at t2"] == "1 of 4 (25.0%)"
