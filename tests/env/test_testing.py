"""The shipped contracts: good parts pass, and each kind of bad part is named."""

import signal
import time

import pytest

from selfcorrect_env.errors import ContractError
from selfcorrect_env.problems import ProblemSet
from selfcorrect_env.problems.sources import load_problems
from selfcorrect_env.testing import check_agent, check_problem_set, check_verifier
from selfcorrect_env.types import Problem, Reason, Verdict
from selfcorrect_env.verifiers.base import verify_each

SUMS = ProblemSet.from_records(
    [{"prompt": f"{i} + {i}", "reference": f"={2 * i}"} for i in range(1, 5)], name="sums"
)


def exact(problem, response):
    return response.strip() == problem.reference


class Exact:
    """A verifier to break: each test overrides one method."""

    name = "mine"

    def verify(self, problem: Problem, response: str) -> Verdict:
        right = exact(problem, response)
        return Verdict(float(right), Reason.CORRECT if right else Reason.WRONG)

    def verify_batch(self, problems, responses):
        return verify_each(self, problems, responses)


def test_good_parts_pass():
    check_problem_set(SUMS, exact)
    check_verifier(exact, SUMS)
    check_verifier(Exact(), SUMS)
    check_verifier(
        lambda p, r: r == f"<{p.reference}>", SUMS, right_reply=lambda p: f"<{p.reference}>"
    )
    check_agent(lambda conversation: conversation[-1]["content"])


@pytest.mark.parametrize("name", ["exact", "first-digit"])
def test_our_own_verifiers_and_problem_sets_pass(name):
    problems = load_problems("arithmetic").head(20)
    check_verifier(name, problems)
    check_problem_set(problems, name)


def test_a_reference_that_the_verifier_rejects_is_named():
    odd = [*SUMS, Problem(id="odd", prompt="1 + 1", reference=" =2")]
    with pytest.raises(
        ContractError, match=r"does not accept the right reply ' =2' to problem 'odd'"
    ):
        check_problem_set(odd, exact)


def test_a_blank_prompt_is_named():
    with pytest.raises(ContractError, match="'p' has a blank prompt"):
        check_problem_set([Problem(id="p", prompt=" ", reference="1")], exact)


def broken(**methods):
    return type("Broken", (Exact,), methods)()


def fails_on_surrogates(self, problem, response):
    response.encode("utf-8")
    return Exact.verify(self, problem, response)


def hangs_on_huge_replies(self, problem, response):
    if len(response) > 100_000:
        time.sleep(3)
    return Exact.verify(self, problem, response)


def needs_the_main_thread(self, problem, response):
    signal.signal(signal.SIGALRM, signal.getsignal(signal.SIGALRM))
    return Exact.verify(self, problem, response)


def pays_for_nothing(self, problem, response):
    return Verdict(1.0, Reason.CORRECT) if not response else Exact.verify(self, problem, response)


def pays_for_nesting(self, problem, response):
    right = "{{{" in response or exact(problem, response)
    return Verdict(float(right), Reason.CORRECT if right else Reason.WRONG)


def reversed_batch(self, problems, responses):
    return verify_each(self, problems, responses)[::-1]


def short_batch(self, problems, responses):
    return [v for v in verify_each(self, problems, responses) if v.correct]


@pytest.mark.parametrize(
    ("methods", "symptom"),
    [
        ({"verify": fails_on_surrogates}, "raised UnicodeEncodeError"),
        ({"verify": hangs_on_huge_replies}, "took longer than 0.5 s"),
        ({"verify": needs_the_main_thread}, "main thread"),
        ({"verify": pays_for_nothing}, "to an empty reply"),
        ({"verify": pays_for_nesting}, "accepts the hostile reply"),
        (
            {"verify": lambda self, p, r: exact(p, r), "verify_batch": Exact.verify_batch},
            "returned a bool",
        ),
        ({"verify_batch": reversed_batch}, "in a batch"),
        ({"verify_batch": short_batch}, "4 verdicts for 12 replies"),
    ],
)
def test_each_broken_verifier_is_named(methods, symptom):
    checked = broken(**methods)
    with pytest.raises(ContractError, match=symptom):
        check_verifier(checked, [SUMS[0]] if "reversed" in str(methods) else SUMS, seconds=0.5)


class Talker:
    """An agent to break."""

    def __init__(self, act):
        self._act = act

    def act(self, conversations):
        return self._act(conversations)


def appends_in_place(conversations):
    for conversation in conversations:
        conversation[0]["content"] += " Think."
    return ["y"] * len(conversations)


@pytest.mark.parametrize(
    ("act", "symptom"),
    [
        (lambda cs: "y", "returned a value of type str"),
        (lambda cs: ("y" for _ in cs), "returned a value of type generator"),
        (lambda cs: None, "returned a value of type NoneType"),
        (lambda cs: ["y"], r"act of 3 conversation\(s\) did not return as many replies, but 1"),
        (lambda cs: ["y", b"y", "y"][: len(cs)], "reply 1 is of type bytes"),
        (appends_in_place, "changed the conversations"),
    ],
)
def test_each_broken_agent_is_named(act, symptom):
    with pytest.raises(ContractError, match=symptom):
        check_agent(Talker(act))


def test_what_is_no_agent_is_refused():
    with pytest.raises(TypeError, match="the class Talker"):
        check_agent(Talker)
    with pytest.raises(TypeError, match="got int"):
        check_agent(3)


def test_a_contract_error_is_an_assertion_error():
    assert issubclass(ContractError, AssertionError)
