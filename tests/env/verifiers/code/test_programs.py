"""The program in a reply is found in the forms in which models and servers write it."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reply_forms import BODY, WHOLE

from selfcorrect_env import Problem
from selfcorrect_env.problems import humaneval
from selfcorrect_env.problems.generated import code
from selfcorrect_env.verifiers.code import program_of
from selfcorrect_env.verifiers.code.programs import LONGEST

DATA = Path(__file__).parents[4].parent / "shared" / "data" / "HumanEval.jsonl.gz"

STUB = 'from typing import List\n\n\ndef total(xs: List[int]) -> int:\n    """Sum up."""\n'


@functools.lru_cache(1024)
def statements(source: str | None) -> tuple[str, ...]:
    """Return the statements of a program, without docstrings, which a form may indent."""
    assert source is not None
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.body = [statement for statement in node.body if not is_text(statement)]
    return tuple(ast.dump(node) for node in tree.body)


def is_text(statement: ast.stmt) -> bool:
    """Return whether a statement is a docstring."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


@functools.cache
def our_own() -> list[Problem]:
    """Return two problems of each kind of our own."""
    return list(code.load("test", size=66))


@functools.cache
def published() -> list[Problem]:
    """Return HumanEval."""
    if not DATA.exists():
        pytest.skip("no HumanEval.jsonl.gz beside the repository")
    return list(humaneval.load(path=DATA))


def contains(source: str | None, program: str) -> bool:
    """Return whether a program has the statements of another one, as they are there."""
    found = statements(source)
    return all(statement in found for statement in statements(program))


# -- every form, for our own problems and for HumanEval's --------------------------------------
@pytest.mark.parametrize("form", WHOLE)
def test_our_own_references_are_found(form: str) -> None:
    for problem in our_own():
        name, program = problem.metadata["names"][0], problem.reference
        assert contains(program_of(WHOLE[form](program, name), name), program), problem.id


@pytest.mark.parametrize("form", BODY)
def test_bodies_of_our_own_references_are_found(form: str) -> None:
    for problem in our_own():
        name, program = problem.metadata["names"][0], problem.reference
        start = program.index("\n", program.index(f"def {name}(")) + 1
        stub, body = f'{program[:start]}    """Do it."""\n', program[start:]
        found = program_of(BODY[form](stub, body), name, stub)
        assert contains(found, stub + body), (problem.id, found)


@pytest.mark.parametrize("form", [*WHOLE, *BODY])
def test_humaneval_references_are_found(form: str) -> None:
    for problem in published():
        name, stub = problem.metadata["names"][0], problem.metadata["stub"]
        body = problem.reference.removeprefix(stub)
        reply = WHOLE[form](problem.reference, name) if form in WHOLE else BODY[form](stub, body)
        found = statements(program_of(reply, name, stub))
        functions = [one for one in statements(problem.reference) if f"name='{name}'" in one[:80]]
        assert functions[-1] in found, problem.id


# -- several blocks, stubs with helpers, other ways to define ----------------------------------
@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("```python\nimport math\n```\n```python\ndef f(x):\n    return math.sqrt(x)\n```", 2),
        ("```python\ndef g(x):\n    return x\n```\n```python\ndef f(x):\n    return g(x)\n```", 2),
        ("```python\ndef f(x):\n    return g(x)\n```\n```python\ndef g(x):\n    return x\n```", 2),
        ("```python\nK = 3\nprint(K)\n```\n```python\ndef f(x):\n    return K * x\n```", 2),
        ("```python\nf(0)\n```\n```python\ndef f(x):\n    return x\n```", 1),
        ("```python\nf = lambda x: x\n```\n```python\nprint(f(1))\n```", 1),
        ("```python\nfrom operator import add as f\n```\nUse:\n```python\nf(1, 2)\n```", 1),
        ("```python\ndef g(x):\n    return x\n\nf = g\n```\n```python\nf(1)\n```", 2),
        ("```python\ntry:\n    from math import f\nexcept ImportError:\n    f = abs\n```", 1),
        ("```python\nif True:\n    def f(x):\n        return x\n```\n```python\nf(1)\n```", 1),
        ("```python\nasync def f(x):\n    return x\n```\n```\n3\n```", 1),
        ("```python\nclass f:\n    pass\n```\n```\n3\n```", 1),
        ("```python\n@cache\ndef f(x):\n    return x\n```\n`f` is cached.", 1),
        ("The function is `f = lambda x: x`.", 1),
        ("```python f = lambda x: x```", 1),
    ],
)
def test_the_definition_and_what_it_needs(reply: str, expected: int) -> None:
    found = ast.parse(program_of(reply, "f") or "").body
    assert len(found) == expected


def test_the_function_alone_is_joined_with_what_the_stub_defines_beside_it() -> None:
    stub = f"import math\n\n\ndef helper(x):\n    return -x\n\n\n{STUB}"
    found = program_of("def total(xs):\n    return math.fsum(map(helper, xs))", "total", stub)
    assert statements(found) == statements(
        "import math\ndef helper(x):\n    return -x\ndef total(xs):\n"
        "    return math.fsum(map(helper, xs))"
    )


def test_what_the_reply_defines_itself_is_not_replaced_by_the_stub() -> None:
    stub = f"def helper(x):\n    return -x\n\n\n{STUB}"
    reply = "def helper(x):\n    return x\n\ndef total(xs):\n    return helper(sum(xs))"
    assert program_of(reply, "total", stub) == reply


def test_each_name_that_the_tests_use_may_have_a_block_of_its_own() -> None:
    reply = "```python\ndef f(x):\n    return x\n```\n```python\nclass G:\n    pass\n```"
    for name, further in (("f", ["G"]), ("G", ["f"])):
        found = program_of(reply, name, further=further)
        assert sorted(statements(found)) == sorted(statements("def f(x): return x\nclass G: pass"))


def test_imports_from_the_future_stay_first() -> None:
    reply = "from __future__ import annotations\ndef total(xs: List[int]):\n    return sum(xs)"
    found = program_of(reply, "total", STUB)
    assert found is not None
    compile(found, "found", "exec")
    assert found.startswith("from __future__")


@pytest.mark.parametrize(
    ("reply", "last"),
    [
        ("     return sum(xs)\n", "    return sum(xs)"),
        ("\treturn sum(xs)", "\treturn sum(xs)"),
        ("return sum(xs)", "    return sum(xs)"),
        ("t = 0\n    for x in xs:\n        t += x\n    return t", "    return t"),
        ("t = 0\nfor x in xs:\n    t += x\nreturn t", "    return t"),
        ("  t = 0\n  for x in xs:\n    t += x\n  return t", "    return t"),
        ("    return sum(xs)\n\ndef test():\n    assert total([1]) == ", "    return sum(xs)"),
        ("```\nThe sum.\n```\n    return sum(xs)", "    return sum(xs)"),
        ("So:\n\n        return sum(xs)\n", "        return sum(xs)"),
    ],
)
def test_a_body_gets_its_indentation_back(reply: str, last: str) -> None:
    found = program_of(reply, "total", STUB)
    assert found is not None
    assert found.rstrip().split("\n")[-1].strip() in (last.strip(), "def test():")
    function = ast.parse(found).body[1]
    assert isinstance(function, ast.FunctionDef)
    assert any(isinstance(node, ast.Return) for node in function.body)


# -- what is not looked at ---------------------------------------------------------------------
@pytest.mark.parametrize(
    "reply",
    [
        "<think>\n```python\ndef f(x):\n    return x\n```\n</think>\nI don't know.",
        "<think>\n```python\ndef f(x):\n    return x\n```\nWait,",
        "def f(x):\n    return x\n</think>\nI don't know.",
        "<|channel|>analysis<|message|>def f(x):\n    return x<|end|>",
    ],
)
def test_code_in_a_thought_is_never_the_program(reply: str) -> None:
    assert "def f" not in (program_of(reply, "f") or "")


def test_a_method_of_that_name_is_not_the_function() -> None:
    reply = "```python\nclass Solution:\n    def f(self, x):\n        return x\n```"
    assert program_of(reply, "f") == "class Solution:\n    def f(self, x):\n        return x\n"


def test_a_fence_in_a_text_of_the_program_does_not_end_it() -> None:
    reply = (
        "```python\ns = '''```python\ndef f(x):\n    return x\n```'''\ndef f(x):\n    return 0\n```"
    )
    assert (program_of(reply, "f") or "").rstrip().endswith("return 0")
    inside = '```python\ndef f(x):\n    """\n    ```\n    f(1)\n    ```\n    """\n    return x\n```'
    assert (program_of(inside, "f") or "").rstrip().endswith("return x")


@pytest.mark.parametrize("reply", ["", "  \n\t", "```python\n```", "[BEGIN]\n[DONE]", "<think>x"])
def test_no_program_is_no_answer(reply: str) -> None:
    assert program_of(reply, "f") is None


# -- any text at all ---------------------------------------------------------------------------
FRAGMENTS = [
    *("```", "~~~", "python", "\n", "    ", "\t", "def f(x):", "return x", "class f:", "@", "f = "),
    *("<think>", "</think>", "<answer>", "</answer>", "[BEGIN]", "[DONE]", ">>> ", "... ", '"""'),
    *("import math", "from f import *", "`", "> ", "- ", "1. ", "&lt;", "\u00a0", "\x00", "\r\n"),
    *("\ud800", "(", ")", "[", "lambda", ":", "=", "for x in y", "if", "else", "\\", "#", "é"),
]


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=60), st.sampled_from(["", STUB, "def f("]))
@settings(max_examples=300, deadline=None)
def test_no_text_makes_it_raise(fragments: list[str], stub: str) -> None:
    found = program_of("".join(fragments), "total" if stub == STUB else "f", stub)
    assert found is None or found.strip()


HOSTILE = """
import sys
from selfcorrect_env.verifiers.code import program_of
texts = [
    "(" * 190_000, "[" * 190_000, "-" * 190_000 + "1", "f" + ".x" * 90_000, "1" + "+1" * 90_000,
    "not " * 45_000 + "x", "lambda:" * 25_000 + "x", "x = " * 45_000 + "1", "f(" * 90_000,
    "```\\n" * 45_000, "```python\\nx=(\\n```\\n" * 9_000, "def f(\\n" * 25_000,
    "x = 1\\n" * 30_000, "x =\\n" * 45_000, ">>> x\\n" * 30_000, "<a>\\n" * 45_000,
    "</a>\\n" * 40_000, "`" * 190_000, "``` " + " " * 190_000,
    "x" + " " * 190_000 + "```", "if x:\\n" * 28_000, "[N]\\n" * 45_000,
    "".join(" " * n + "if x:\\n" for n in range(600)), '\"\"\"\\n' * 45_000, "for it, " * 20_000,
    "~~~\\n" + "x = (\\n~~~\\n" * 15_000, "    return (\\n" * 14_000, "@" * 190_000, "{" * 190_000,
]
for text in texts:
    for stub in ("", "def f(x):\\n"):
        program_of(text, "f", stub)
"""


@pytest.mark.slow
def test_hostile_texts_take_bounded_time_and_end_no_process() -> None:
    command = [sys.executable, "-c", HOSTILE]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr[-500:]


def test_a_text_that_is_too_long_is_left_to_the_verdict() -> None:
    assert program_of("x" * (LONGEST + 1), "f") == "x" * (LONGEST + 1)
