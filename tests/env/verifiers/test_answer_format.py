"""How replies give their answers: carried by the verifier, ours or another's, by name or object."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcorrect_env import Problem, SelfCorrectEnv
from selfcorrect_env.errors import ContractError, VerifierError
from selfcorrect_env.evaluation.validation import validate
from selfcorrect_env.prompts import PROMPTS, Prompts, prompts_of
from selfcorrect_env.testing import check_problem_set, check_verifier
from selfcorrect_env.verifiers import PLAIN, VERIFIERS, AnswerFormat, answer_format

SUMS = [{"prompt": f"What is {a} + 3?", "reference": str(a + 3)} for a in range(11, 15)]
ARROW = AnswerFormat(replies=("=> {answer}",), hedge="=> {answer} => {other}")


def arrow(problem: Problem, response: str) -> bool:
    return response == f"=> {problem.reference}"


def arrow_anywhere(problem: Problem, response: str) -> bool:
    return f"=> {problem.reference}" in response


arrow.answer_format = ARROW  # type: ignore[attr-defined]
arrow_anywhere.answer_format = ARROW  # type: ignore[attr-defined]


def hedging(env: SelfCorrectEnv) -> str:
    (check,) = (check for check in validate(env).checks if check.name == "hedging")
    return check.outcome


def test_another_packages_verifier_gets_the_same_treatment_as_ours() -> None:
    env = SelfCorrectEnv(SUMS, verifier=arrow)
    assert answer_format(env.verifier) is ARROW
    assert validate(env).findings == ()
    assert hedging(env) == "ok"
    assert hedging(SelfCorrectEnv(SUMS, verifier=arrow_anywhere)) == "4"
    check_verifier(arrow, env.problems)
    check_problem_set(env.problems, arrow)


def test_a_plain_function_has_a_sensible_default() -> None:
    def exact(problem: Problem, response: str) -> bool:
        return response == problem.reference

    env = SelfCorrectEnv(SUMS, verifier=exact)
    assert answer_format(exact) is answer_format(env.verifier) is PLAIN
    assert validate(env).findings == ()
    with pytest.raises(ContractError, match="does not accept the right reply '14'"):
        check_problem_set(env.problems, arrow_only)


def arrow_only(problem: Problem, response: str) -> bool:
    return response == f"=> {problem.reference}"


def test_programs_are_not_hedged_and_the_report_says_so() -> None:
    def program(problem: Problem, response: str) -> bool:
        return response == problem.reference

    program.answer_format = answer_format("code")  # type: ignore[attr-defined]
    validation = validate(SelfCorrectEnv(SUMS, verifier=program))
    assert "not tried" in str(validation)
    assert hedging(SelfCorrectEnv(SUMS, verifier=program)) == "not tried"


@pytest.mark.parametrize("name", VERIFIERS)
def test_every_format_of_ours_reads_what_it_writes(name: str) -> None:
    this, rng = answer_format(name), np.random.default_rng(0)
    answer = "+4" if name == "toycode" else "4"
    if name != "code":  # a program is the whole reply
        assert {this.read(reply) for reply in this.examples(answer)} == {answer}
    for _ in range(20):
        assert this.read(this.another(answer, rng)) not in (None, answer)
    assert this.read("") is None


def test_a_format_is_found_without_building_the_verifier(tmp_path, monkeypatch) -> None:
    (tmp_path / "their_verifier.py").write_text(
        "from selfcorrect_env.verifiers import AnswerFormat\n"
        "class Costly:\n"
        "    answer_format = AnswerFormat(('<{answer}>',))\n"
        "    def __init__(self):\n        raise OSError('no licence')\n"
        "class Odd:\n    answer_format = '<%s>'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert answer_format("their_verifier:Costly").examples("7") == ["<7>"]
    with pytest.raises(VerifierError, match="must be an AnswerFormat, got str"):
        answer_format("their_verifier:Odd")


@given(st.text(), st.text())
def test_answers_are_inserted_as_they_are(answer: str, other: str) -> None:
    for this in (PLAIN, ARROW, answer_format("math")):
        hedged = this.hedged(answer, other) or ""
        assert all(answer in reply for reply in [*this.examples(answer), hedged])
        assert other in hedged


def test_templates_without_a_placeholder_are_refused() -> None:
    for broken in ({"replies": ("It is %s",)}, {"replies": ()}, {"hedge": "{answer} or"}):
        with pytest.raises(ValueError, match="must contain"):
            AnswerFormat(**broken)  # type: ignore[arg-type]


def test_prompts_name_a_verifier_whose_format_they_ask_for() -> None:
    for name, prompts in PROMPTS.items():
        assert (prompts.answers in VERIFIERS) is (name != "plain")
        found = prompts_of(prompts.correction)
        assert found is not None
        assert (found.correction, found.answers) == (prompts.correction, prompts.answers)
    assert prompts_of("an unknown instruction") is None
    with pytest.raises(TypeError, match=r"Prompts\.answers must be a str"):
        Prompts("p", answers=3)  # type: ignore[arg-type]
