"""The code verifier: what a program is, what passes, and the published problems."""

import pickle
import threading
from pathlib import Path

import pytest

from selfcorrect_env import Problem, Reason, SelfCorrectEnv, evaluate
from selfcorrect_env.problems import humaneval, mbpp
from selfcorrect_env.sandbox import missing_for_strong
from selfcorrect_env.testing import HOSTILE_REPLIES, check_verifier
from selfcorrect_env.verifiers.code import CodeVerifier

DATA = Path(__file__).parents[4].parent / "shared" / "data"

ADD = Problem(
    id="add",
    prompt="Write add(a, b).",
    reference="def add(a, b):\n    return a + b\n",
    metadata={"tests": ["assert add(1, 2) == 3", "assert add(0, 0) == 0"], "names": ["add"]},
)

needs_isolation = pytest.mark.skipif(
    bool(missing_for_strong()), reason=f"this machine cannot isolate: {missing_for_strong()}"
)


@pytest.fixture(scope="module")
def verifier():
    verifier = CodeVerifier(deadline=10.0)
    yield verifier
    verifier.close()


def data(name: str) -> Path:
    if not (DATA / name).exists():
        pytest.skip(f"no {name} beside the repository")
    return DATA / name


# -- judging -------------------------------------------------------------------------------------
@needs_isolation
def test_the_contract(verifier: CodeVerifier) -> None:
    check_verifier(verifier, [ADD], seconds=15.0)


@needs_isolation
@pytest.mark.parametrize(
    ("reply", "reason", "said"),
    [
        (ADD.reference, Reason.CORRECT, ""),
        ("def add(a, b):\n    return a - b", Reason.WRONG, "test 1: AssertionError"),
        ("def add(a, b):\n    return a + b if a else 7", Reason.WRONG, "test 2"),
        ("def add(a, b):\n    return a / 0", Reason.WRONG, "ZeroDivisionError"),
        ("def sub(a, b):\n    return 1", Reason.WRONG, "NameError"),
        ("I can't.", Reason.WRONG, "SyntaxError"),
        ("", Reason.NO_ANSWER, ""),
        ("#" * 300_000, Reason.WRONG, "characters"),
    ],
)
def test_verdicts(verifier: CodeVerifier, reply: str, reason: Reason, said: str) -> None:
    verdict = verifier.verify(ADD, reply)
    assert verdict.reason is reason
    assert said in verdict.detail
    assert verdict.score == float(reason is Reason.CORRECT)


@needs_isolation
def test_time_and_memory_are_told_from_wrong() -> None:
    verifier = CodeVerifier(deadline=0.5, memory_mb=256)
    replies = ["while True: pass", "x = 'x' * 10**9\n" + ADD.reference, ADD.reference]
    verdicts = verifier.verify_batch([ADD] * 3, replies)
    assert [v.reason for v in verdicts] == [Reason.TIMEOUT, Reason.TIMEOUT, Reason.CORRECT]
    verifier.close()


@needs_isolation
def test_hostile_replies_do_no_harm(verifier: CodeVerifier) -> None:
    verdicts = verifier.verify_batch([ADD] * len(HOSTILE_REPLIES), HOSTILE_REPLIES)
    assert not any(verdict.correct for verdict in verdicts)
    assert all(verdict.judged for verdict in verdicts)


@needs_isolation
def test_a_problem_without_tests_is_not_judged(verifier: CodeVerifier) -> None:
    verdict = verifier.verify(Problem(id="sum", prompt="1 + 1?", reference="2"), "2")
    assert verdict.reason is Reason.ERROR
    assert "'tests'" in verdict.detail


UNJUDGEABLE = {
    "an import that is not there": ["import nothing_of_this_name", "assert f(1) == 1"],
    "a test that is no Python": ["assert f(1) = 1"],
    "a name that nothing defines": ["assert f(1) == expected"],
    "something that cannot cross": ["import datetime\nassert f(datetime.tzinfo()) is None"],
    "a reference that its tests refuse": ["assert f(1) == 2"],
}


@needs_isolation
@pytest.mark.parametrize("what", UNJUDGEABLE)
def test_where_the_problem_is_at_fault_no_reply_is_wrong(verifier: CodeVerifier, what: str) -> None:
    reference = "def f(x):\n    return x\n"
    metadata = {"tests": UNJUDGEABLE[what], "names": ["f"]}
    problem = Problem(id="p", prompt="?", reference=reference, metadata=metadata)
    replies = [reference, "def f(x):\n    return 0", "def g(x):\n    return 0", "def f(x:"]
    verdicts = verifier.verify_batch([problem] * len(replies), replies)
    assert [verdict.reason for verdict in verdicts] == [Reason.ERROR] * len(replies)
    assert all("not even its reference" in verdict.detail for verdict in verdicts)


@needs_isolation
def test_where_the_reference_is_judged_no_reply_earns_an_error(verifier: CodeVerifier) -> None:
    metadata = {"tests": ["assert f(2) + f(1) == 3", "assert f(5) < 9"], "names": ["f"]}
    problem = Problem(id="p", prompt="?", reference="def f(x):\n    return x\n", metadata=metadata)
    replies = [
        "def f(x):\n    return None",
        "def f(x):\n    return [x]",
        "f = 5",
        "class f:\n    pass",
        "def f(x):\n    return open",
        "def f(x):\n    raise SystemExit",
        "def f(x):\n    t = ()\n    for _ in range(999):\n        t = (t,)\n    return t",
        "import os\ndef f(x):\n    os.kill(os.getpid(), 9)",
        "def f(x, y):\n    return x",
        "def f(x):\n    raise NameError('expected')",
        "def f(x):\n    return 10 ** 5000",
    ]
    verdicts = verifier.verify_batch([problem] * len(replies), replies)
    assert [str(v.reason) for v in verdicts] == ["wrong"] * len(replies)
    assert all(verdict.detail for verdict in verdicts)


@needs_isolation
def test_a_reference_that_is_no_program_decides_nothing(verifier: CodeVerifier) -> None:
    metadata = {"tests": ["assert f(1) == 1"], "names": ["f"]}
    problem = Problem(id="p", prompt="?", reference="return x", metadata=metadata)
    assert verifier.verify(problem, "def f(x):\n    return 2").reason is Reason.WRONG


@needs_isolation
def test_threads_and_copies_agree(verifier: CodeVerifier) -> None:
    copy = pickle.loads(pickle.dumps(verifier))
    replies = [ADD.reference, "def add(a, b):\n    return 0"]
    found: list[list[bool]] = []

    def judge(judging: CodeVerifier) -> None:
        found.append([judging.verify(ADD, reply).correct for reply in replies])

    threads = [threading.Thread(target=judge, args=(v,)) for v in [verifier, copy] * 8]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[True, False]] * 16
    copy.close()


@needs_isolation
def test_it_plays(verifier: CodeVerifier) -> None:
    rows = [{"prompt": ADD.prompt, "reference": ADD.reference, **ADD.metadata}]
    env = SelfCorrectEnv(rows, verifier=verifier, prompts="code")
    replies = {1: "def add(a, b):\n    return a * b", 3: ADD.reference}
    report = evaluate(lambda conversation: replies[len(conversation)], env)
    assert report.metrics.delta_i_to_c.value == 1.0


# -- the published problems ----------------------------------------------------------------------
@needs_isolation
def test_humaneval_solutions_pass_and_empty_bodies_fail(verifier: CodeVerifier) -> None:
    problems = list(humaneval.load(path=data("HumanEval.jsonl.gz")))
    right = verifier.verify_batch(problems, [problem.reference for problem in problems])
    assert [p.id for p, verdict in zip(problems, right, strict=True) if not verdict.correct] == []
    empty = verifier.verify_batch(problems, [f"{p.prompt}    pass\n" for p in problems])
    assert [p.id for p, verdict in zip(problems, empty, strict=True) if verdict.score] == []
    assert all(verdict.reason is Reason.WRONG for verdict in empty)


@needs_isolation
@pytest.mark.parametrize("split", mbpp.SPLITS)
def test_mbpp_references_pass(split: str) -> None:
    problems = list(mbpp.load(split, path=data("mbpp.jsonl")))
    verifier = CodeVerifier(deadline=30.0)  # task 123 computes for three seconds
    verdicts = verifier.verify_batch(problems, [problem.reference for problem in problems])
    failing = [(p.id, v) for p, v in zip(problems, verdicts, strict=True) if not v.correct]
    assert failing == []
    verifier.close()


@pytest.mark.slow
@needs_isolation
def test_two_thousand_in_a_row_leave_nothing(verifier: CodeVerifier) -> None:
    """No descriptor of this process is left open, and its memory does not grow."""
    replies = [f"def add(a, b):\n    return a + b + {n % 2}  # {n}" for n in range(2000)]

    def held() -> tuple[int, int]:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return len(list(Path("/proc/self/fd").iterdir())), pages * 4096

    verifier.verify_batch([ADD] * 100, replies[:100])
    before = held()
    verdicts = verifier.verify_batch([ADD] * 2000, replies)
    after = held()
    assert sum(verdict.correct for verdict in verdicts) == 1000
    assert after[0] <= before[0]
    assert after[1] < before[1] + 32 * 2**20
