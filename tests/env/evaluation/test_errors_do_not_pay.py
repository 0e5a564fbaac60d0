"""A player that attacks its judge in every reply to a problem that it can't solve gains nothing."""

import pytest

from selfcorrect_env import Conversation, SelfCorrectEnv, evaluate
from selfcorrect_env.problems import ProblemSet
from selfcorrect_env.problems.stdio_rows import stdio_problem

ATTACKS = {
    "long names": "import os\nwhile True:\n    os.mkdir('d' * 250)\n    os.chdir('d' * 250)",
    "nested folders": "import os\nfor _ in range(300):\n    os.mkdir('d')\n    os.chdir('d')",
    "the parent killed": "import os\nos.kill(os.getppid(), 9)",
    "all killed": "import os\nos.kill(-1, 9)",
    "descriptors closed": "import os\nos.closerange(0, 64)",
    "frames forged": "import os\nfor n in range(3, 64):\n    try: os.write(n, b'\\xff' * 64)\n"
    "    except OSError: pass",
    "memory": "x = [0]\nwhile True: x += x",
    "a crash": "import ctypes\nctypes.string_at(0)",
}


def player(solved: dict[str, str], attack: str):  # type: ignore[no-untyped-def]
    def reply(conversation: Conversation) -> str:
        shown = conversation[0]["content"]
        known = (program for statement, program in solved.items() if statement in shown)
        return f"```python\n{next(known, attack)}\n```"

    return reply


@pytest.mark.parametrize("attack", list(ATTACKS))
def test_functions(attack: str) -> None:
    env = SelfCorrectEnv("code", size=8, attempts=1)
    solved = {p.prompt: p.reference for p in env.problems[:4]}
    metrics = evaluate(player(solved, ATTACKS[attack]), env).metrics
    assert (metrics.unjudged, metrics.accuracy[0].value) == (0, 0.5)
    assert metrics.unjudged_wrong.accuracy == metrics.accuracy


@pytest.mark.parametrize("attack", list(ATTACKS))
def test_scripts(attack: str) -> None:
    problems = ProblemSet(
        (
            stdio_problem(
                id=str(n),
                prompt=f"Add {n} to a number.",
                reference=f"print({n} + int(input()))",
                inputs=["1", "2"],
                outputs=[f"{n + 1}", f"{n + 2}"],
            )
            for n in range(10, 14)
        ),
        name="sums",
    )
    env = SelfCorrectEnv(problems, verifier="stdio", prompts="code", attempts=1)
    solved = {p.prompt: p.reference for p in problems[:2]}
    metrics = evaluate(player(solved, ATTACKS[attack]), env).metrics
    assert (metrics.unjudged, metrics.accuracy[0].value) == (0, 0.5)
