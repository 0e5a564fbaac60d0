"""Programs judged by what they print for each input."""

import pickle
import threading

import pytest

from selfcorrect_env import Problem, Reason
from selfcorrect_env.verifiers import get_verifier
from selfcorrect_env.verifiers.stdio import StdioVerifier, script_of

SUM = Problem(
    id="sum",
    prompt="Print the sum of the numbers of each line.",
    reference="",
    metadata={"inputs": ["1 2\n", "5\n7 1\n", "0\n"], "outputs": ["3\n", "5\n8\n", "0"]},
)
ECHO = Problem(
    id="echo", prompt="Print the input.", reference="", metadata={"inputs": ["7"], "outputs": ["7"]}
)
EMPTY = Problem(
    id="empty", prompt="Print nothing.", reference="", metadata={"inputs": [""], "outputs": [""]}
)


@pytest.fixture(scope="module")
def verifier() -> StdioVerifier:
    return StdioVerifier(deadline=2.0, memory_mb=256)


def fenced(program: str) -> str:
    return f"Here it is.\n```python\n{program}\n```\nIt reads line by line."


RIGHT = {
    "stdin as lines": "import sys\nfor line in sys.stdin:\n    print(sum(map(int, line.split())))",
    "read": "import sys\nfor l in sys.stdin.read().splitlines(): print(sum(map(int, l.split())))",
    "bytes": (
        "import sys\nfor l in sys.stdin.buffer.read().split(b'\\n'):\n"
        "    if l: print(sum(map(int, l.split())))"
    ),
    "open(0)": "for l in open(0):\n    print(sum(map(int, l.split())))",
    "os.read": (
        "import os\nfor l in os.read(0, 10**6).decode().splitlines():\n"
        "    print(sum(map(int, l.split())))"
    ),
    "input": (
        "while True:\n    try:\n        l = input()\n    except EOFError:\n        break\n"
        "    print(sum(map(int, l.split())))"
    ),
    "main": (
        "import sys\ndef main():\n    for l in sys.stdin:\n"
        "        print(sum(map(int, l.split())))\n\nif __name__ == '__main__':\n    main()"
    ),
    "exit": "import sys\nfor l in sys.stdin: print(sum(map(int, l.split())))\nexit()",
    "sys.exit(0)": "import sys\nfor l in sys.stdin: print(sum(map(int, l.split())))\nsys.exit(0)",
    "os._exit(0)": (
        "import os, sys\nfor l in sys.stdin: print(sum(map(int, l.split())), flush=True)\n"
        "os._exit(0)"
    ),
    "stderr": (
        "import sys\nfor l in sys.stdin:\n    print('debug', l, file=sys.stderr)\n"
        "    print(sum(map(int, l.split())))"
    ),
    "one write": (
        "import sys\nout = [str(sum(map(int, l.split()))) for l in sys.stdin]\n"
        "sys.stdout.write('\\n'.join(out))"
    ),
    "thread with a deep stack": (
        "import sys, threading\nsys.setrecursionlimit(10**6)\nthreading.stack_size(2**26)\n"
        "def down(n):\n    return 0 if n == 0 else down(n - 1)\n"
        "def main():\n    down(20000)\n    for l in sys.stdin: print(sum(map(int, l.split())))\n"
        "threading.Thread(target=main).start()"
    ),
    "exit function": (
        "import atexit, io, os, sys\nout = io.StringIO()\nsys.stdout = out\n"
        "atexit.register(lambda: os.write(1, out.getvalue().encode()))\n"
        "for l in sys.stdin: print(sum(map(int, l.split())))"
    ),
    "stdin replaced": (
        "import io, sys\nsys.stdin = io.StringIO(sys.stdin.read())\n"
        "for l in sys.stdin: print(sum(map(int, l.split())))"
    ),
    "float": "import sys\nfor l in sys.stdin: print(float(sum(map(int, l.split()))))",
    "trailing white space": (
        "import sys\nfor l in sys.stdin: print(sum(map(int, l.split())), end=' \\n')\nprint()"
    ),
    "input as a name": (
        "import sys\ninput = sys.stdin.readline\n"
        "while l := input(): print(sum(map(int, l.split())))"
    ),
    "stdin seeked": (
        "import sys\nn = len(sys.stdin.read())\nsys.stdin.seek(0)\n"
        "for l in sys.stdin: print(sum(map(int, l.split())))"
    ),
    "imports": (
        "import sys, math, collections, itertools, functools, heapq, bisect\n"
        "for l in sys.stdin: print(functools.reduce(lambda a, b: a + b, map(int, l.split())))"
    ),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_programs(verifier: StdioVerifier, name: str) -> None:
    verdict = verifier.verify(SUM, fenced(RIGHT[name]))
    assert verdict.reason is Reason.CORRECT, verdict.detail
    assert verdict.answer == f"{RIGHT[name]}\n"


WRONG = {
    "first line only": ("print(sum(map(int, input().split())))", "test 2 of 3: it printed 1 line"),
    "nothing": ("pass", "test 1 of 3: line 1 is '', expected '3'"),
    "the first output": ("print(3)", "test 2 of 3"),
    "a prompt": ("print(sum(map(int, input('numbers? ').split())))", "numbers? 3"),
    "crash after the output": ("print(3)\n1 / 0", "test 1 of 3: ZeroDivisionError"),
    "exit status": ("import sys\nprint(3)\nsys.exit(1)", "test 1 of 3: SystemExit: 1"),
    "os._exit": ("import os\nprint(3, flush=True)\nos._exit(5)", "exit status 5"),
    "killed by itself": ("import os\nos.abort()", "signal"),
    "not valid": ("print(3", "SyntaxError"),
    "input exhausted": ("print(3)\ninput()\ninput()\ninput()", "EOFError"),
    "recursion": ("def f(): return f()\nf()", "RecursionError"),
    "no such module": ("import numpyy", "ModuleNotFoundError"),
    "binary": ("import os\nos.write(1, bytes(range(256)))", "line 1 is"),
    "standard error only": ("import sys\nprint(3, file=sys.stderr)", "expected '3'"),
    "stdout closed": ("import sys\nsys.stdout.close()", "expected '3'"),
    "a flood": ("while True: print('3' * 1000)", "it printed more than 16,777,216 bytes"),
    "a name": ("print(__name__ == 'solution' and 3)", "'False'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_programs(verifier: StdioVerifier, name: str) -> None:
    program, detail = WRONG[name]
    verdict = verifier.verify(SUM, fenced(program))
    assert verdict.reason is Reason.WRONG, verdict.detail
    assert detail in verdict.detail


ATTACKS = {
    "write to the judge's descriptors": (
        "import os\nfor n in range(3, 64):\n"
        "    for text in (b'7', b'{\"failed\": \"\"}', b'\\0' * 8):\n"
        "        try: os.write(n, text)\n        except OSError: pass\nprint(8)"
    ),
    "read what is expected": (
        "import os\nfound = b''\nfor n in range(3, 64):\n    try:\n"
        "        os.set_blocking(n, False)\n        found += os.read(n, 99)\n"
        "    except OSError: pass\nprint(found.decode() or 8)"
    ),
    "look for it in memory": (
        "import gc, sys\nfor o in gc.get_objects():\n"
        "    if isinstance(o, dict) and 'outputs' in o: print(o['outputs'][0])\nprint(8)"
    ),
    "look for it in the frames": (
        "import sys\nf = sys._getframe()\nnames = []\nwhile f:\n"
        "    names += [str(v) for k, v in f.f_locals.items() if k in ('expected', 'outputs')]\n"
        "    f = f.f_back\nprint(names or 8)"
    ),
    "claim to have ended well": (
        'import os, json\nprint(8, flush=True)\nos.write(3, b\'{"failed": ""}\')\nos._exit(0)'
    ),
    "fork": "import os\nos.fork()\nprint(8)",
    "kill the parent": "import os\nos.kill(os.getppid(), 9)\nprint(8)",
    "kill all": "import os\nos.kill(-1, 9)\nprint(8)",
    "read the environment": "import os\nprint(os.environ.get('EXPECTED', 8))",
    "read files": "print(open('/proc/self/../1/environ').read())",
    "list descriptors": "import os\nprint(os.listdir('/proc/self/fd'))",
    "close everything": "import os\nos.closerange(0, 64)",
    "write to the input": (
        "import os\ntry: os.write(0, b'8')\nexcept OSError: pass\nos.lseek(0, 0, 0)\n"
        "print(os.read(0, 9).decode() + '8')"
    ),
    "replace the comparison": (
        "import sys, builtins\nbuiltins.str = type('S', (str,), {'__eq__': lambda a, b: True})\n"
        "print(str(8))"
    ),
    "every answer": "for n in range(100): print(n)",
    "every answer on a line": "print(*range(100))",
    "threads that print on": (
        "import os, threading\ndef go():\n    while True: os.write(1, b'7')\n"
        "threading.Thread(target=go, daemon=True).start()"
    ),
    "an exit that does not": "import os\nos._exit = lambda n: None\nprint(8)",
    "a report that is none": "import json\njson.dumps = lambda *a, **k: 'x'\nprint(8)",
    "a report of another kind": "import os\nos.write(3, b'{\"failed\": 1}')\nprint(8)",
    "a deep report": "import os\nos.write(3, b'[' * 3000)\nprint(8)",
    "a crash of the interpreter": "import ctypes\nprint(7, flush=True)\nctypes.string_at(0)",
    "the shell": "import os\nos.execv('/bin/sh', ['sh', '-c', 'echo 7'])",
    "a program of the system": "import subprocess\nsubprocess.run(['echo', '7'])",
    "a descriptor sent": (
        "import socket\ns = socket.socket(fileno=1)\nsocket.send_fds(s, [b'7'], [0])"
    ),
    "writing its input": "import os\nos.write(0, b'7')\nprint(7)",
    "a huge exponent": "print('7e999999999')",
    "a long number": "print('9' * 10**6)",
    "ten million lines": "print('\\n' * 10**7 + '8')",
    "a carriage return": "print('8\\r7')",
    "control characters": "print('8\\b7')",
    "NUL": "print('7\\0')",
    "a lone surrogate": "print('7\\udcff')",
}


@pytest.mark.parametrize("name", ATTACKS)
def test_attacks_are_wrong_and_the_next_program_is_judged(
    verifier: StdioVerifier, name: str
) -> None:
    verdict = verifier.verify(ECHO, fenced(ATTACKS[name]))
    assert verdict.reason is Reason.WRONG, verdict
    assert verifier.verify(ECHO, fenced("print(input())")).correct


@pytest.mark.parametrize(
    "program",
    [
        "while True: pass",
        "import time\ntime.sleep(60)",
        "import os\nos.close(1)\nwhile True: pass",
        "import os\nos.read(3, 1)",
        "import time\nfor _ in range(800):\n    print(flush=True)\n    time.sleep(0.01)\nprint(7)",
        "import atexit\natexit.register(lambda: any(iter(int, 1)))\nprint(7)",
        "import os\nos.write(3, b'x' * 10**7)\nprint(7)",
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()",
        "x = 'a' * 10**10",
        "x = [0]\nwhile True: x += x",
    ],
)
def test_time_and_memory_are_limited_for_each_input(verifier: StdioVerifier, program: str) -> None:
    verdict = verifier.verify(ECHO, fenced(program))
    assert verdict.score == 0.0
    assert verdict.reason is Reason.TIMEOUT, verdict


def test_each_input_has_a_process_of_its_own(verifier: StdioVerifier) -> None:
    program = "import os, sys\nx = int(input().split()[0])\nopen('seen', 'a').write('.')\n"
    program += "print({1: 3}.get(x, 0) if len(open('seen').read()) == 1 else 'again')"
    problem = Problem(
        id="1", prompt="", reference="", metadata={"inputs": ["1", "1"], "outputs": ["3", "3"]}
    )
    assert verifier.verify(problem, fenced(program)).correct


def test_large_inputs_and_outputs_cross(verifier: StdioVerifier) -> None:
    text = "0123456789" * 400_000
    problem = Problem(
        id="1", prompt="", reference="", metadata={"inputs": [text], "outputs": [text]}
    )
    assert verifier.verify(problem, fenced("print(input())")).correct
    assert verifier.verify(problem, fenced("print(input()[:-1])")).reason is Reason.WRONG


def test_no_output_can_be_right(verifier: StdioVerifier) -> None:
    assert verifier.verify(EMPTY, fenced("pass")).correct
    assert not verifier.verify(EMPTY, fenced("print(1)")).correct
    assert not verifier.verify(EMPTY, fenced("raise ValueError")).correct


def test_a_batch_is_judged_in_order_with_functions_among_it(verifier: StdioVerifier) -> None:
    function = Problem(
        id="f",
        prompt="",
        reference="",
        metadata={"tests": ["assert f(2) == 4"], "names": ["f"]},
    )
    replies = [fenced("print(input())"), fenced("def f(x):\n    return 2 * x"), fenced("print(1)")]
    problems = [ECHO, function, ECHO]
    verdicts = verifier.verify_batch(problems * 4, replies * 4)
    assert [v.correct for v in verdicts] == [True, True, False] * 4
    assert verifier.verify_batch([], []) == []


def test_a_problem_without_tests_is_an_error(verifier: StdioVerifier) -> None:
    for metadata in ({}, {"inputs": [], "outputs": []}, {"inputs": ["1"], "outputs": []}):
        problem = Problem(id="1", prompt="x", reference="", metadata=metadata)
        verdict = verifier.verify(problem, fenced("print(1)"))
        assert verdict.reason is Reason.ERROR
        assert "as many 'outputs' as 'inputs'" in verdict.detail


def test_no_program_is_no_answer(verifier: StdioVerifier) -> None:
    for reply in ("", "   \n", "```python\n```", "<think>\n```python\nprint(7)\n```\n</think>\n"):
        assert verifier.verify(ECHO, reply).reason is Reason.NO_ANSWER, reply
    assert verifier.verify(ECHO, "I don't know.").reason is Reason.WRONG
    assert verifier.verify(ECHO, "x = 1\n" * 50_000).detail.startswith("a program of")


def test_tolerance_is_an_option() -> None:
    problem = Problem(
        id="1", prompt="", reference="", metadata={"inputs": [""], "outputs": ["0.3333"]}
    )
    for tolerance, right in ((0.0, False), (1e-3, True)):
        verifier = StdioVerifier(tolerance=tolerance, workers=1)
        assert verifier.verify(problem, fenced("print(1 / 3)")).correct is right
        copy = pickle.loads(pickle.dumps(verifier))
        assert repr(copy) == repr(verifier)
        verifier.close()
    with pytest.raises(ValueError, match="tolerance must be at least 0"):
        StdioVerifier(tolerance=-1.0)
    with pytest.raises(ValueError, match="tolerance"):
        StdioVerifier(tolerance=float("nan"))


def test_several_threads_use_one_verifier(verifier: StdioVerifier) -> None:
    found: dict[int, bool] = {}

    def judge(number: int) -> None:
        problem = Problem(
            id=str(number),
            prompt="",
            reference="",
            metadata={"inputs": [str(number)], "outputs": [str(number)]},
        )
        found[number] = verifier.verify(problem, fenced("print(input())")).correct

    threads = [threading.Thread(target=judge, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == dict.fromkeys(range(12), True)


def test_it_is_found_by_its_name() -> None:
    assert get_verifier("stdio").name == "stdio"


@pytest.mark.parametrize(
    ("reply", "program"),
    [
        ("print(1)", "print(1)"),
        ("```python\nprint(1)\n```", "print(1)\n"),
        ("```\nprint(1)\n```", "print(1)\n"),
        ("~~~py\nprint(1)\n~~~", "print(1)\n"),
        ("```python\nprint(1)\n```\nSample output:\n```\n1\n```", "print(1)\n"),
        ("```python\nprint(1)\n```\n```\nYES\n```", "print(1)\n"),
        ("```python\nprint(1)\n```\n```\n1 2\n3\n```", "print(1)\n"),
        ("```python\nprint(1)\n```\nBetter:\n```python\nprint(2)\n```", "print(2)\n"),
        ("```python\nprint(1)\n```\nRun it:\n```bash\n$ python a.py < b\n```", "print(1)\n"),
        ("```python\nprint(1)", "print(1)\n"),
        ("1. First:\n   ```python\n   print(1)\n   ```", "print(1)\n"),
        ("```python\r\nprint(1)\r\n```", "print(1)\n"),
        ("<think>```python\nprint(0)\n```</think>\n```python\nprint(1)\n```", "print(1)\n"),
        ("```python\nprint(1\n```", "print(1\n"),
        ("```\n3\n```", "3\n"),
        ("```python\n```", None),
        ("", None),
    ],
)
def test_the_program_of_a_reply(reply: str, program: str | None) -> None:
    assert script_of(reply) == program
