"""`validate`: each check finds what it is there for, and sound environments pass."""

import json
from pathlib import Path

import pytest

from selfcorrect_env import Message, Problem, ProblemSet, Prompts, SelfCorrectEnv, Verdict
from selfcorrect_env.evaluation.validation import CHECKS, Validation, validate
from selfcorrect_env.types import Reason
from selfcorrect_env.verifiers.base import verify_each

DATA = Path(__file__).parents[4] / "shared" / "data"

SUMS = [
    {"id": f"{a}+{b}", "prompt": f"What is {a} + {b}?", "reference": str(a + b)}
    for a in range(2, 5)
    for b in range(2, 4)
]


def found(env: SelfCorrectEnv) -> set[str]:
    """The names of the checks that found something."""
    return {check.name for check in validate(env).checks if check.findings}


@pytest.mark.parametrize("problems", ["arithmetic", "toycode", "sums", "procedural"])
def test_the_sets_of_this_package_pass(problems: str) -> None:
    validation = validate(SelfCorrectEnv(problems), n=150)
    assert validation.findings == ()
    assert [check.name for check in validation.checks] == list(CHECKS)
    assert all(check.tried for check in validation.checks if check.name != "echo")
    assert next(c.tried for c in validation.checks if c.name == "echo") or problems != "procedural"
    assert validation.validated == 150


@pytest.mark.parametrize(
    ("problems", "file"), [("gsm8k", "gsm8k_test.jsonl"), ("hendrycks", "math500.jsonl")]
)
def test_real_data_pass(problems: str, file: str) -> None:
    if not (DATA / file).exists():
        pytest.skip(f"no {file} beside the repository")
    findings = validate(SelfCorrectEnv(problems, path=DATA / file)).findings
    statements_that_contain_the_answer = {"test/prealgebra/1834.json"} if "math" in file else set()
    assert {finding.problem_id for finding in findings} == statements_that_contain_the_answer


def test_a_statement_that_contains_the_answer_is_found() -> None:
    rows = [
        {"id": "echo", "prompt": "Simplify $\\sqrt{7}$.", "reference": "\\sqrt{7}"},
        {"id": "typed", "prompt": "Write 2^10 + 1 as a power of 2, plus 1.", "reference": "2^10+1"},
        {"id": "work", "prompt": "Simplify $\\sqrt{8}$.", "reference": "2\\sqrt{2}"},
        {"id": "number", "prompt": "If $x = 5$ and y = 4 + 3, what is $x$?", "reference": "5"},
    ]
    validation = validate(SelfCorrectEnv(rows, verifier="math"))
    assert [(f.problem_id, "scored 1" in f.what) for f in validation.findings] == [
        ("echo", True),
        ("typed", True),
    ]


def test_a_verifier_that_pays_for_the_statement_is_found() -> None:
    def lenient(problem: Problem, reply: str) -> bool:
        return eval(reply) == int(problem.reference)

    assert "echo" in found(SelfCorrectEnv(SUMS, verifier=lenient))


def test_bad_references_are_listed() -> None:
    rows = [*SUMS, {"id": "bad", "prompt": "Prove that it is so.", "reference": "  "}]
    validation = validate(SelfCorrectEnv(rows, verifier="math"))
    assert {f.problem_id for f in validation.findings} == {"bad"}
    (found,) = [check for check in validation.checks if check.name == "statement"]
    assert [finding.what for finding in found.findings] == ["its reference is blank"]


def test_a_statement_with_two_answers_is_found() -> None:
    rows = [*SUMS, {"id": "again", "prompt": SUMS[0]["prompt"], "reference": "17"}]
    assert found(SelfCorrectEnv(rows, verifier="math")) == {"statement"}


def says(problem: Problem, reply: str) -> bool:
    return problem.reference in reply.split()


def test_a_lenient_verifier_is_found() -> None:
    """It pays for naming the answer among others, and for statements that hold it."""
    rows = [*SUMS, {"id": "told", "prompt": "The 7 dwarfs are how many?", "reference": "7"}]
    assert found(SelfCorrectEnv(rows, verifier=says)) == {"hedging", "worthless"}


class Moody:
    """Judges every second reply as wrong."""

    name = "moody"

    def __init__(self) -> None:
        self.calls = 0

    def verify(self, problem: Problem, response: str) -> Verdict:
        self.calls += 1
        right = response == problem.reference and self.calls % 2
        return Verdict(float(right), Reason.CORRECT if right else Reason.WRONG)

    def verify_batch(self, problems, responses):
        return verify_each(self, problems, responses)


def test_a_verifier_that_changes_its_mind_is_found() -> None:
    assert "determinism" in found(SelfCorrectEnv(SUMS, verifier=Moody()))


def test_a_verifier_that_fails_is_found() -> None:
    def broken(problem: Problem, reply: str) -> float:
        raise RuntimeError("no server")

    validation = validate(SelfCorrectEnv(SUMS, verifier=broken))
    assert {"reference", "worthless"} <= {c.name for c in validation.checks if c.findings}
    assert "no server" in validation.findings[0].what


class Telling(Prompts):
    """Prompts that give the answer away."""

    def first(self, problem):
        return (Message(role="user", content=f"{problem.prompt} (It is {problem.reference}.)"),)


def test_prompts_that_tell_the_answer_are_found() -> None:
    env = SelfCorrectEnv(SUMS, verifier="exact", prompts=Telling("telling"))
    assert "secrecy" in found(env)


class Rememberer(Prompts):
    """Prompts that count what they were asked."""

    def first(self, problem):
        counts.append(problem.id)
        return (Message(role="user", content=f"{problem.prompt} (Question {len(counts)}.)"),)


counts: list[str] = []


def test_episodes_that_depend_on_others_are_found() -> None:
    env = SelfCorrectEnv(SUMS, verifier="exact", prompts=Rememberer("rememberer"))
    assert {"isolation", "seeds"} <= found(env)


def test_it_prints_and_writes_what_it_found(tmp_path: Path) -> None:
    rows = [*SUMS, {"id": "bad", "prompt": "Blank?", "reference": " "}]
    validation = validate(SelfCorrectEnv(ProblemSet.from_records(rows, name="sums")))
    printed = str(validation)
    for part in ("sums/all", validation.fingerprint, "bad"):
        assert part in printed
    validation.to_json(tmp_path / "v.json")
    content = json.loads((tmp_path / "v.json").read_text())
    assert content["fingerprint"] == validation.fingerprint
    assert len(content["checks"]) == len(CHECKS)
    assert isinstance(validation, Validation)
