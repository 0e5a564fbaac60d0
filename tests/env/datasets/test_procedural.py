import os
import re
import subprocess
import sys
from collections import Counter
from random import Random

import pytest
import sympy

from selfcorrect_env.boxed import last_boxed
from selfcorrect_env.datasets import load_problems
from selfcorrect_env.datasets.procedural import templates
from selfcorrect_env.datasets.procedural.draft import latex, pair, polynomial
from selfcorrect_env.datasets.splits import is_test
from selfcorrect_env.datasets.subjects import LEVELS, SUBJECTS
from selfcorrect_env.errors import ProblemSetError

KINDS = [
    (subject, t, level) for subject, ts in templates().items() for t in ts for level in t.levels
]


@pytest.fixture(scope="module")
def tested():
    return load_problems("procedural")


@pytest.fixture(scope="module")
def trained():
    return load_problems("procedural", split="train")


def test_sizes_and_splits(tested, trained):
    assert (len(tested), len(trained), tested.name) == (500, 2_000, "procedural-MATH")
    assert all(is_test(p.prompt) for p in tested)
    assert not any(is_test(p.prompt) for p in trained)
    for problems in (tested, trained):
        assert len({p.prompt for p in problems}) == len(problems)


def test_subjects_and_levels_are_even(tested):
    counts = Counter((p.metadata["subject"], p.metadata["level"]) for p in tested)
    assert set(counts) == {(subject, level) for subject in SUBJECTS for level in LEVELS}
    assert max(counts.values()) - min(counts.values()) <= 1


def test_every_kind_comes_up(tested, trained):
    kinds = {(p.metadata["subject"], p.metadata["template"], p.metadata["level"]) for p in trained}
    assert kinds == {(subject, template.name, level) for subject, template, level in KINDS}
    assert len({template.name for _, template, _ in KINDS}) == len({k[1] for k in kinds})
    assert all(len(ts) >= 3 for ts in templates().values())


def test_solutions_end_in_the_boxed_reference(tested, trained):
    for problem in [*tested, *trained]:
        assert last_boxed(problem.metadata["solution"]) == problem.reference != ""
        for text in (problem.prompt, problem.metadata["solution"]):
            assert text.replace("\\$", "").count("$") % 2 == 0
            assert text.count("{") == text.count("}")
            assert "+ -" not in text
            assert not re.search(r"\b(nan|zoo|oo|Rational|sqrt\()", text)


def test_seeds_and_selection():
    same = load_problems("procedural", size=60, seed=5)
    assert same == load_problems("procedural", size=60, seed=5)
    assert same != load_problems("procedural", size=60, seed=6)
    some = load_problems("procedural", size=40, subject="geometry", level=[3, 5])
    assert {(p.metadata["subject"], p.metadata["level"]) for p in some} == {
        ("Geometry", 3),
        ("Geometry", 5),
    }


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_the_same_in_every_process(tested, hash_seed):
    code = (
        "from selfcorrect_env.datasets import load_problems\n"
        "print(load_problems('procedural').fingerprint)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == tested.fingerprint


def test_wrong_sizes():
    with pytest.raises(ProblemSetError, match="size must be at least 1"):
        load_problems("procedural", size=0)
    with pytest.raises(ProblemSetError, match=r"Only [\d,]+ distinct problems of the 'test' split"):
        load_problems("procedural", size=5_000, subject="Geometry", level=1)


@pytest.mark.parametrize(
    ("subject", "template", "level"), KINDS, ids=[f"{t.name}-{n}" for _, t, n in KINDS]
)
def test_every_kind_can_be_solved_and_has_many_problems(subject, template, level):
    rng = Random(f"{template.name}/{level}")
    drafts = [template.make(rng, level) for _ in range(150)]
    assert len({draft.statement for draft in drafts}) >= 60
    for draft in drafts[:40]:
        working, answer = draft.solve()
        assert working.endswith(".")
        assert latex(answer)
        assert draft.solve() == (working, answer)  # nothing is drawn while solving


def test_polynomials_are_written_as_people_do():
    assert polynomial([1, -1, 0, 2]) == "x^3 - x^2 + 2"
    assert polynomial([-1, 1]) == "-x + 1"
    assert polynomial([0, 0]) == "0"
    assert polynomial([-3], "y") == "-3"
    assert pair(sympy.Rational(1, 2), -3) == r"(\frac{1}{2}, -3)"


# -- references against a second way of working them out ---------------------------------------
def problems_of(template, trained, level=None):
    found = [p for p in trained if p.metadata["template"] == template]
    return [p for p in found if level is None or p.metadata["level"] == level]


def numbers(text):
    return [int(n) for n in re.findall(r"-?\d+", text)]


def number(latex_text):
    text = re.sub(r"\\frac\{(\d+)\}\{(\d+)\}", r"(\1/\2)", latex_text).replace(" ", "")
    return sympy.Rational(str(sympy.sympify(text, rational=True)))


def expression(text):
    """Read a polynomial as the statements write it."""
    text = re.sub(r"(\d)([xy(])", r"\1*\2", text).replace("^", "**").replace(")(", ")*(")
    return sympy.sympify(text)


def test_linear_equations_against_sympy(trained):
    for problem in problems_of("linear equation", trained):
        left, right = re.search(r"\$(.*) = (.*)\$ for", problem.prompt).groups()
        (solution,) = sympy.solve(sympy.Eq(expression(left), expression(right)))
        assert number(problem.reference) == solution


def test_linear_systems_against_sympy(trained):
    x, y = sympy.symbols("x y")
    for problem in problems_of("linear system", trained):
        lines = re.findall(r"\$([^$]*) = (-?\d+)\$", problem.prompt)
        found = sympy.solve([expression(left) - int(right) for left, right in lines], [x, y])
        assert [number(n) for n in problem.reference.strip("()").split(",")] == [found[x], found[y]]


def test_powers_against_python(trained):
    for problem in problems_of("powers", trained):
        found = numbers(problem.prompt.replace("{", "").replace("}", ""))
        base, exponent, modulus = found if len(found) == 3 else [*found, 10]
        assert int(problem.reference) == base**exponent % modulus


def test_divisors_by_trial(trained):
    for problem in problems_of("divisors", trained):
        (n,) = numbers(problem.prompt)
        divisors = [d for d in range(1, n + 1) if n % d == 0]
        wanted = sum(divisors) if "sum" in problem.prompt else len(divisors)
        assert int(problem.reference) == wanted


def test_remainders_satisfy_their_conditions(trained):
    for problem in problems_of("remainders", trained):
        pairs = list(zip(*[iter(numbers(problem.prompt))] * 2, strict=True))
        n = int(problem.reference)
        assert all(n % modulus == rest for rest, modulus in pairs)
        assert 0 < n <= sympy.prod(modulus for _, modulus in pairs)


def test_vieta_against_numerical_roots(trained):
    for problem in problems_of("Vieta", trained):
        polynomial_text = re.search(r"roots of \$(.*) = 0\$", problem.prompt)[1]
        roots = sympy.Poly(expression(polynomial_text)).nroots(n=30)
        level = problem.metadata["level"]
        value = sum({3: r**2, 4: 1 / r}.get(level, r**3) for r in roots)
        assert abs(value - number(problem.reference)) < 1e-12


def test_expanding_against_sympy(trained):
    for problem in problems_of("expanding", trained):
        product = re.search(r"\$(.*)\$", problem.prompt)[1]
        assert sympy.expand(expression(product)) == expression(problem.reference)


def test_remainders_of_polynomials_against_sympy(trained):
    for problem in problems_of("polynomial remainder", trained):
        top, bottom = re.search(r"when \$(.*)\$ is divided by \$(.*)\$", problem.prompt).groups()
        assert sympy.rem(expression(top), expression(bottom)) == int(problem.reference)


def test_lattice_paths_by_counting(trained):
    for problem in problems_of("lattice paths", trained):
        _, _, width, height, *_, x, y = numbers(problem.prompt)
        avoid = "avoid" in problem.prompt
        counts = {}
        for i in range(width + 1):
            for j in range(height + 1):
                blocked = avoid and (i, j) == (x, y)
                ways = 1 if i == j == 0 else counts.get((i - 1, j), 0) + counts.get((i, j - 1), 0)
                counts[i, j] = 0 if blocked else ways
        through = counts[width, height]
        if not avoid:
            through = counts[x, y] * sympy.binomial(width + height - x - y, width - x)
        assert int(problem.reference) == through


def test_urns_by_listing_every_draw(trained):
    from itertools import combinations

    for problem in problems_of("urn", trained)[:40]:
        red, blue, drawn, hits = numbers(problem.prompt)
        draws = [sum(i < red for i in draw) for draw in combinations(range(red + blue), drawn)]
        least = "at least" in problem.prompt
        good = sum(n >= hits if least else n == hits for n in draws)
        assert number(problem.reference) == sympy.Rational(good, len(draws))


def test_absolute_values_at_their_ends(trained):
    for problem in problems_of("absolute value", trained):
        inner, sign, bound = re.search(r"\|(.*)\| (\S+) (\d+)\$", problem.prompt).groups()
        ends = [
            number(e)
            for e in re.findall(r"- \\frac{\d+}{\d+}|\\frac{\d+}{\d+}|-?\d+", problem.reference)
        ]
        assert len(ends) == 2
        assert ends[0] < ends[1]
        for end in ends:
            assert abs(expression(inner).subs("x", end)) == int(bound)
        assert ("[" in problem.reference) == (sign in ("\\le", "\\ge"))
        assert ("infty" in problem.reference) == (sign in (">", "\\ge"))


def test_every_reference_verifies_against_itself(tested):
    math_verify = pytest.importorskip("math_verify")
    for problem in tested:
        gold = math_verify.parse(rf"\boxed{{{problem.reference}}}")
        reply = f"Final Answer: The final answer is ${problem.reference}$. I hope it is correct."
        assert gold
        assert math_verify.verify(gold, math_verify.parse(reply)), problem
