"""What crosses between tests and a program, and what a program cannot forge.

``crossing.jsonl`` has a test, a program, and whether the program is right, by kind; a program that
several rows use has a row and a name of its own.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from selfcorrect_env.errors import SandboxError
from selfcorrect_env.sandbox import Job, Sandbox, missing_for_strong

ROWS = [
    json.loads(line) for line in Path(__file__).with_name("crossing.jsonl").read_text().splitlines()
]
PROGRAMS = {f"@{row['name']}": row["program"] for row in ROWS if "name" in row}
CASES = [row for row in ROWS if "kind" in row]
KINDS = list(dict.fromkeys(case["kind"] for case in CASES))


@pytest.fixture(scope="module")
def sandbox():
    isolation = "basic" if missing_for_strong() else "strong"
    sandbox = Sandbox(deadline=20, workers=2, isolation=isolation)
    yield sandbox
    sandbox.close()


def job(case: dict) -> Job:
    names = tuple(case["names"])
    classes = tuple(name for name in names if name[0].isupper())
    program = PROGRAMS.get(case["program"], case["program"])
    return Job(program, (case["test"],), names, classes=classes)


@pytest.mark.parametrize("kind", KINDS)
def test_right_programs_pass_and_forged_ones_fail(sandbox: Sandbox, kind: str) -> None:
    cases = [case for case in CASES if case["kind"] == kind]
    assert len(cases) >= 12
    outcomes = sandbox.run_all([job(case) for case in cases])
    assert [o.broken for o in outcomes] == [""] * len(cases)
    wrong = [
        (case["test"], case["program"], outcome.failed)
        for case, outcome in zip(cases, outcomes, strict=True)
        if outcome.right != case["right"]
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("setup", "test", "program", "cause"),
    [
        ("import nothing_of_this_name", "assert f(1) == 1", "def f(x):\n    return x", "problem"),
        ("", "import nothing_here\nassert f(1) == 1", "def f(x):\n    return x", "problem"),
        ("", "assert f(1) = 1", "def f(x):\n    return x", "problem"),
        ("", "assert lacking(1)", "def f(x):\n    return x", "problem"),
        ("", "assert f(1) == lacking", "def f(x):\n    return x", "tests"),
        ("", "assert f(1) + 'a'", "def f(x):\n    return x", "tests"),
        ("", "assert f(1) == 2", "def f(x):\n    return x", "assertion"),
        ("", "assert f(1) == 2", "def f(x):\n    return 1 / 0", "program"),
        ("", "assert f(1) == 2", "def f(x):\n    raise AssertionError", "program"),
        ("", "assert f(1) == 2", "def g(x):\n    return x", "program"),
        ("", "assert f(1) == 2", "x = ", "program"),
        ("", "assert f(1) == 2", "import os\nos._exit(0)", "program"),
        ("", "assert f(1) == 1", "def f(x):\n    return x", ""),
    ],
)
def test_whose_failure_it_is(
    sandbox: Sandbox, setup: str, test: str, program: str, cause: str
) -> None:
    assert sandbox.run(Job(program, (test,), ("f",), setup)).cause == cause


# -- the top level of a program ----------------------------------------------------------------
@pytest.mark.parametrize(
    ("program", "right"),
    [
        ("def f(x):\n    return x\nf()", True),
        ("def f(x):\n    return x\nprint(f(input()))", True),
        ("def f(x):\n    return x\nassert f(1) == 2", True),
        ("def f(x):\n    return x\nprint(g(1))", True),
        ("def f(x):\n    return x\nraise SystemExit", True),
        ("def f(x):\n    return x\nimport sys\nsys.exit(main())", True),
        ("def f(x):\n    return x\nreturn f(1)", True),
        ("def f(x):\n    return x\nawait f(1)", True),
        ("def f(x):\n    return g(x)\nf(1)\ndef g(x):\n    return x", True),
        ("def f(x):\n    return K * x\nf(1)\nK = 1", True),
        ("from __future__ import annotations\ndef f(x: Y):\n    return x\nreturn f(1)", True),
        ("def f(x):\n    return x\nwith open('nothing') as file:\n    f(file)", True),
        ("def f(x):\n    return x\nf(1)\nf(2)[0]\nf = None", False),
        ("f(1)\ndef f(x):\n    return x", False),
        ("raise SystemExit\ndef f(x):\n    return x", False),
        ("import os\nopen('/dev/tty')\ndef f(x):\n    return x", False),
        ("def f(x):\n    return x\nimport os\nos._exit(0)", False),
    ],
)
def test_what_fails_after_the_function_is_defined_does_not_matter(
    sandbox: Sandbox, program: str, right: bool
) -> None:
    assert sandbox.run(Job(program, ("assert f(1) == 1",), ("f",))).right is right


# -- what the result is compared with ----------------------------------------------------------
@pytest.mark.parametrize(
    "test",
    [
        "assert f(items) == sorted(items)",
        "assert f(items) == items",
        "assert items == f(items)",
        "assert f(items) == items[:]",
        "assert f(items) == [x for x in items]",
        "assert f(items=items) == list(reversed(items))",
        "assert sorted(f(items)) == sorted(items)",
        "assert not f(items) != items",
        "check(self=None)",
        "assert f(items) == items.copy()",
        "assert f(items) == ref(items)",
        "assert len(f(items)) == math.fsum(items) - 1",
        "assert f(*[items]) == ref(*[items])",
        "rows = [items]\nassert [f(row) for row in rows] == [ref(row) for row in rows]",
        "T.assertEqual(items, f(items))",
        "T.assertEqual(second=f(items), first=items)",
        "T.assertEqual(first=f(items), second=ref(items))",
        "assert_same(f(items), ref(items))",
    ],
)
def test_a_program_does_not_change_what_its_result_is_compared_with(
    sandbox: Sandbox, test: str
) -> None:
    setup = (
        "import unittest\nT = unittest.TestCase()\nitems = [1, 2]\ndef check(self):\n"
        "    unittest.TestCase().assertEqual(f(items), sorted(items))\n"
        "def ref(items):\n    items.sort()\n    return items\n"
        "def assert_same(one, other):\n    assert one == other\n"
    )
    emptying = "def f(items):\n    items.clear()\n    return []"
    assert sandbox.run(Job(emptying, (test,), ("f",), setup)).cause == "assertion"
    honest = f"def f(items):\n    return {'items[::-1]' if 'reversed' in test else 'items'}"
    assert sandbox.run(Job(honest, (test,), ("f",), setup)).right


@pytest.mark.parametrize(
    ("changing", "test"),
    [
        ("items.append(7)\n    return 7", "assert f(items) in items"),
        ("items.clear()\n    return 1", "assert f(items) not in items"),
        ("items[:] = [0]\n    return 0", "assert f(items) >= max(items)"),
    ],
)
def test_nor_what_it_is_sought_in_or_ordered_with(sandbox: Sandbox, changing, test) -> None:
    program = f"def f(items):\n    {changing}"
    outcome = sandbox.run(Job(program, (test,), ("f",), "items = [1, 2]"))
    assert outcome.cause == "assertion"


POINT = "class Point:\n    def __init__(self, x):\n        self.x = x\n"


@pytest.mark.parametrize(
    ("program", "setup"), [(POINT, ""), ("", POINT)], ids=["its own", "the tests'"]
)
@pytest.mark.parametrize(
    "test",
    [
        "assert f([b, a]) == [a, b]",
        "points = [b, a]\nassert f(points) == [points[1], points[0]]",
        "points = {'b': b, 'a': a}\nassert f(points.values()) == list(points.values())[::-1]",
        "assert f([b, a])[0] in [a]",
        "assert f(iter([b, a])) == [a, b]",
        "points = [b, a]\nassert f(points) == points[::-1]\nassert points == [b, a]",
    ],
)
def test_objects_without_an_equality_are_compared_as_they_are(
    sandbox: Sandbox, program, setup, test
) -> None:
    """What a result is compared with is computed first, and a copy of an object is another one."""
    program = f"{program}def f(points):\n    return sorted(points, key=lambda point: point.x)\n"
    names = ("f", "Point") if POINT in program else ("f",)
    test = f"a, b = Point(1), Point(2)\n{test}"
    outcome = sandbox.run(Job(program, (test,), names, setup, classes=names[1:]))
    assert outcome.right, outcome


@pytest.mark.parametrize(
    "test",
    [
        "assert f(items) == items.pop()",
        "left = iter(items)\nassert f([next(left)]) == next(left) - 1",
        "assert f(items) == bump(items) == 2",
    ],
)
def test_what_changes_something_is_computed_where_it_stands(sandbox: Sandbox, test) -> None:
    setup = "items = [1, 2]\ndef bump(items):\n    items.append(0)\n    return items[-2]"
    program = "def f(items):\n    return items[-1]"
    outcome = sandbox.run(Job(program, (test, "assert len(items) in (1, 2, 3)"), ("f",), setup))
    assert outcome.right, outcome


def test_a_standard_module_that_a_test_does_not_import_is_there(sandbox: Sandbox) -> None:
    test = "assert math.isclose(f(2), 2 ** 0.5)"
    right = "import math\ndef f(x):\n    return math.sqrt(x)"
    assert sandbox.run(Job(right, (test,), ("f",))).right
    forged = "class math:\n    isclose = lambda *x: True\ndef f(x):\n    return 7"
    assert not sandbox.run(Job(forged, (test,), ("f",))).right


# -- numpy -------------------------------------------------------------------------------------
NUMPY = "import numpy as np\ndef f(n):\n    return np.arange(n) * 2.0\n"


@pytest.mark.parametrize(
    "test",
    [
        "import numpy as np\nassert np.allclose(f(3), [0, 2, 4]) and f(3).shape == (3,)",
        "import numpy as np\nassert isinstance(f(2), np.ndarray) and f(2).dtype == float",
        "assert f(3).tolist() == [0.0, 2.0, 4.0] and list(f(2)) == [0, 2]",
        "import numpy as np\nassert (f(np.int64(2)) == np.array([0, 2])).all()",
        "assert f(3)[1] == 2 and f(3).sum() == 6",
    ],
)
def test_programs_use_numpy_where_it_is_asked_for(numpy_sandbox: Sandbox, test: str) -> None:
    outcome = numpy_sandbox.run(Job(NUMPY, (test,), ("f",)))
    assert outcome.right, outcome.failed
    wrong = NUMPY.replace("2.0", "3.0")
    assert not numpy_sandbox.run(Job(wrong, (test,), ("f",))).right or "dtype" in test


@pytest.fixture(scope="module")
def numpy_sandbox():
    isolation = "basic" if missing_for_strong() else "strong"
    sandbox = Sandbox(deadline=20, workers=1, isolation=isolation, packages=("numpy",))
    yield sandbox
    sandbox.close()


def test_tests_use_numpy_and_programs_only_where_it_is_asked_for(
    sandbox: Sandbox, numpy_sandbox: Sandbox
) -> None:
    test = "import numpy as np\nassert np.allclose(f(2.0), 2 ** 0.5) and not np.isnan(f(1))"
    assert sandbox.run(Job("def f(x):\n    return x ** 0.5", (test,), ("f",))).right
    assert "numpy" in sandbox.run(Job(NUMPY, (test,), ("f",))).failed
    array = "import numpy as np\nassert f(np.array([1, 2])) == 3"
    program = "def f(a):\n    return int(sum(a))"
    assert numpy_sandbox.run(Job(program, (array,), ("f",))).right
    assert "array" in sandbox.run(Job(program, (array,), ("f",))).failed


def test_a_package_that_is_not_installed_is_refused() -> None:
    with pytest.raises(SandboxError, match="pip install nothing_of_this_name"):
        Sandbox(packages=("nothing_of_this_name",))


# -- a program that speaks to the tests' side by itself ----------------------------------------
REACHING = """
import gc, sys
from selfcorrect_env.sandbox.proxies import Proxy, ProxyClass, new_proxy
gc.unfreeze()
def f(*given):
    server = next(o for o in gc.get_objects() if type(o).__name__ == "Server")
    kind = ProxyClass("reference", (Proxy,), {"_bridge": server, "_number": -1, "__slots__": ()})
    lies = {"__eq__": lambda *x: True, "__hash__": lambda *x: 0, "x": 7}
    found = []
    for handle in range(12):
        target = new_proxy(kind, handle)
        for request in (
            ("call", target, ("Lie", (object,), lies), {}),
            ("call", target, (), {}),
            ("call", target, (lies["__eq__"], 1), {}),
            ("getattr", target, "__globals__"),
            ("getattr", target, "gi_frame"),
            ("getattr", target, "__class__"),
            ("getattr", target, "__init__"),
            ("setattr", target, "__class__", 1),
            ("special", target, "__getattribute__", "__globals__"),
            ("special", target, "__reduce__"),
            ("special", target, "__init_subclass__"),
            ("setattr", target, "__eq__", lies["__eq__"]),
            ("dir", target),
            ("derive", "Lie", (object,), lies),
            ("copy", target),
            ("send", target, 1),
            ("readline",),
            ("nothing", target),
        ):
            try:
                found.append(server.request(*request))
            except Exception:
                continue
    made = []
    for thing in found:
        try:
            made.append(thing())
        except Exception:
            continue
    for thing in [*made, *found]:
        if isinstance(type(thing), ProxyClass):
            return thing
    return 4
"""


@pytest.mark.parametrize(
    "given",
    [
        "lambda: 1",
        "A()",
        "A",
        "len",
        "iter([1])",
        "(x for x in [1])",
        "[A()]",
        "functools.partial(A)",
    ],
)
def test_a_program_reaches_nothing_that_it_was_not_given(sandbox: Sandbox, given: str) -> None:
    setup = "import functools\nclass A:\n    pass\nX = 3\n"
    tests = (f"assert f({given}) == X", "assert X == 3 and not A() == 3")
    outcome = sandbox.run(Job(REACHING, tests, ("f",), setup))
    assert not outcome.right
    assert outcome.cause == "assertion", outcome.failed
