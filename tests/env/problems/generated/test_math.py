import hashlib
import json
import os
import re
import subprocess
import sys
from collections import Counter
from itertools import pairwise, permutations
from pathlib import Path
from random import Random

import pytest
import sympy

from selfcorrect_env.errors import ProblemSetError
from selfcorrect_env.problems.generated.math import templates
from selfcorrect_env.problems.generated.math.draft import latex, pair, polynomial
from selfcorrect_env.problems.sources import load_problems
from selfcorrect_env.problems.splits import is_test
from selfcorrect_env.problems.subjects import LEVELS, SUBJECTS
from selfcorrect_env.types import Verdict
from selfcorrect_env.verifiers.math.boxed import last_boxed
from selfcorrect_env.verifiers.math.verifier import MathVerifier, quick_verdict

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
    assert sum(len(ts) for ts in templates().values()) >= 64
    for ts in templates().values():
        assert len(ts) >= 11
        assert all(sum(level in t.levels for t in ts) >= 3 for level in LEVELS)


def test_thousands_of_distinct_problems():
    for split in ("train", "test"):
        problems = load_problems("procedural", split=split, size=6_000)
        assert len({p.prompt for p in problems}) == 6_000
        assert all(is_test(p.prompt) == (split == "test") for p in problems)


def test_many_kinds_of_answers(trained):
    kinds = {
        "fraction": r"-? ?\\frac\{\d+\}\{\d+\}",
        "surd": r"\d* ?\\sqrt\{\d+\}",
        "pi": r".*\\pi.*",
        "interval": r"[\[(][^()]*, [^()]*[\])]( \\cup .*)?",
        "set": r"\\\{.*\\\}",
        "pair": r"\([^()]*, [^()]*\)",
        "matrix": r"\\begin\{pmatrix\}.*",
        "polynomial": r".*x\^\d.*",
        "complex number": r"-?\d+ [+-] \d* ?i",
        "degrees": r"\d+\^\\circ",
        "percent": r"[\d.]+\\%",
        "money": r"\\\$\d+(\.\d\d)?",
        "unit": r".*\\text\{ (cm|hours)\}(\^2)?",
        "word": r"\\text\{[a-zA-Z]+\}",
        "numeral": r"\d+_\{\d\}",
        "equation": r"y = .*",
        "list": r"-?[^(,]+, -?[^,)]+",
    }
    for kind, pattern in kinds.items():
        assert sum(bool(re.fullmatch(pattern, p.reference)) for p in trained) >= 5, kind


def test_kinds_do_not_depend_on_each_other(trained):
    alone = load_problems("procedural", split="train", size=400, subject="Geometry")
    for template in templates()["Geometry"]:
        for level in template.levels:
            here, there = (
                [p for p in ps if (p.metadata["template"], p.metadata["level"]) == (name, level)]
                for ps in (alone, trained)
                for name in [template.name]
            )
            shared = min(len(here), len(there))
            assert shared >= 3
            assert here[:shared] == there[:shared]


@pytest.mark.parametrize("subject", SUBJECTS)
def test_the_same_for_ever(subject):
    """Whoever adds a kind adds its line to the file; the other lines never change."""
    file = Path(__file__).parent / "math_fingerprints.json"
    known = json.loads(file.read_text(encoding="utf-8"))[subject]
    assert {template.name: fingerprint(template) for template in templates()[subject]} == known


def fingerprint(template):
    drawn = []
    for level in template.levels:
        rng = Random(level)
        drafts = [template.make(rng, level) for _ in range(10)]
        drawn += [(draft.statement, latex(draft.solve()[1])) for draft in drafts]
    return hashlib.sha256(repr(drawn).encode()).hexdigest()[:16]


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
        "from selfcorrect_env.problems.sources import load_problems\n"
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


@pytest.mark.parametrize(
    ("subject", "template", "level"), KINDS, ids=[f"{t.name}-{n}" for _, t, n in KINDS]
)
def test_the_verifier_tells_the_answers_of_a_kind_apart(subject, template, level):
    rng = Random(level)
    references = {latex(template.make(rng, level).solve()[1]) for _ in range(12)}
    for reference in references:
        for answer in references:
            verdict = quick_verdict(reference, f"So it is $\\boxed{{{answer}}}$.")
            right = isinstance(verdict, Verdict) and verdict.correct
            assert right == (without_unit(answer) == without_unit(reference))


def without_unit(answer):
    return re.sub(r"\\text\{ \w+\}", "", answer)


def test_other_answers_are_wrong(tested):
    verifier = MathVerifier()
    pairs = {}
    for problem in tested:
        pairs.setdefault(problem.metadata["template"], []).append(problem)
    asked, replies = [], []
    for problems in pairs.values():
        for one, other in pairwise(problems):
            if without_unit(one.reference) != without_unit(other.reference):
                asked += [one, one]
                replies += [f"$\\boxed{{{p.reference}}}$" for p in (one, other)]
    verdicts = verifier.verify_batch(asked, replies)
    verifier.close()
    assert len(asked) > 500
    assert [v.correct for v in verdicts] == [True, False] * (len(asked) // 2)


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


def drawn(name, count=30):
    """Problems of a kind, more than the sets hold, as (statement, answer in LaTeX)."""
    ((template),) = [t for ts in templates().values() for t in ts if t.name == name]
    rng = Random(name)
    for level in template.levels:
        for _ in range(count):
            draft = template.make(rng, level)
            yield draft.statement, latex(draft.solve()[1])


def test_roots_by_putting_them_in():
    for statement, answer in drawn("roots"):
        left = re.search(r"of \$(.*) = 0\$", statement)[1]
        roots = [number(r) for r in answer.replace("\\{", "").replace("\\}", "").split(", ")]
        assert set(roots) == set(sympy.solve(expression(left)))


def test_radical_equations_by_putting_in():
    for statement, answer in drawn("radical equation"):
        inner, right = re.search(r"sqrt\{(.*)\} = (.*)\$", statement).groups()
        found = sympy.solve(sympy.sqrt(expression(inner)) - expression(right))
        assert set(map(int, re.findall(r"-?\d+", answer))) == set(found)


def test_rational_inequalities_at_many_points():
    for statement, answer in drawn("rational inequality"):
        top, bottom, sign = re.search(r"frac\{(.*)\}\{(.*)\} (\S+) 0", statement).groups()
        function = sympy.lambdify("x", expression(top)), sympy.lambdify("x", expression(bottom))
        holds = {">": "__gt__", "<": "__lt__", "\\ge": "__ge__", "\\le": "__le__"}[sign]
        parts = [
            (a, *(float(e.replace("\\infty", "inf")) for e in (low, high)), b)
            for a, low, high, b in re.findall(r"([\[(])(.*?), (.*?)([\])])", answer)
        ]
        for double in range(-30, 31):
            x = double / 2
            inside = any(
                (low < x or (a == "[" and low == x)) and (x < high or (b == "]" and high == x))
                for a, low, high, b in parts
            )
            below = function[1](x)
            assert inside == bool(below and getattr(float(function[0](x) / below), holds)(0.0))


def test_partial_fractions_against_sympy():
    for statement, answer in drawn("partial fractions"):
        top, bottom = re.search(r"frac\{(.*?)\}\{(.*?)\} = ", statement).groups()
        a, b = (number(part) for part in answer.strip("()").split(", "))
        p, q = map(int, re.search(r"than \$(.*)\$ and \$(.*)\$", statement).groups())
        x = sympy.Symbol("x")
        rest = expression(top) / expression(bottom) - a / (x - p) - b / (x - q)
        assert sympy.simplify(rest) == 0


def test_congruences_by_trying():
    for statement, answer in drawn("linear congruence"):
        _, modulus, factor, right, _ = numbers(statement.replace("n", " "))
        fits = [n for n in range(modulus) if (factor * n - right) % modulus == 0]
        assert fits == [int(answer)]


def test_zeros_by_writing_the_number():
    for statement, answer in drawn("zeros of factorials", 10):
        n, *base = numbers(statement)
        value, zeros = sympy.factorial(n), 0
        while value % (base or [10])[0] == 0:
            value, zeros = value // (base or [10])[0], zeros + 1
        assert int(answer) == zeros


def test_seats_by_listing_all():
    for statement, answer in drawn("seats"):
        people = int(statement.split()[0])
        if people > 7:
            continue
        ring = "round" in statement
        orders = [p for p in permutations(range(people)) if not ring or p[0] == 0]
        good = 0
        for order in orders:
            apart = abs(order.index(0) - order.index(1))
            near = apart == 1 or (ring and apart == people - 1)
            good += near != ("do not sit" in statement)
        assert int(answer) == good


def test_conjugate_roots_by_putting_in():
    for statement, answer in drawn("conjugate roots"):
        text = re.search(r"roots? \$(.*?)\$", statement)[1].replace("{", "(").replace("}", ")")
        text = re.sub(r"(?<=\d) i", "*i", text.replace("\\", ""))
        root = sympy.sympify(text, {"i": sympy.I})
        assert sympy.expand(expression(answer).subs("x", root)) == 0


def test_inverse_matrices_by_multiplying():
    for statement, answer in drawn("inverse matrix"):
        given, result = (
            sympy.Matrix([[number(e) for e in row.split("&")] for row in body.split(r"\\")])
            for body in (
                re.search(r"\{pmatrix\} (.*?) \\end", text)[1] for text in (statement, answer)
            )
        )
        if "inverse of" in statement:
            assert given * result == sympy.eye(2)
        else:
            right = re.findall(r"\{pmatrix\} (\S+) \\\\ (\S+) \\end", statement)[-1]
            assert given * result == sympy.Matrix([int(n) for n in right])


def test_every_reference_verifies_against_itself(tested):
    math_verify = pytest.importorskip("math_verify")
    for problem in tested:
        gold = math_verify.parse(rf"\boxed{{{problem.reference}}}")
        reply = f"Final Answer: The final answer is ${problem.reference}$. I hope it is correct."
        assert gold
        assert math_verify.verify(gold, math_verify.parse(reply)), problem
