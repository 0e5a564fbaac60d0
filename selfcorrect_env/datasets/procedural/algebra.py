"""Templates of Algebra."""

from __future__ import annotations

from random import Random

from sympy import Rational, oo, sqrt

from selfcorrect_env.datasets.procedural.draft import (
    Draft,
    Solved,
    Template,
    latex,
    nonzero,
    pair,
    polynomial,
)


def _linear(rng: Random, level: int) -> Draft:
    a, b, d = nonzero(rng, 12), nonzero(rng, 20), nonzero(rng, 20)
    c = 0 if level == 1 else nonzero(rng, 12)
    if a == c:
        c -= 1
    if level == 1:
        d = a * nonzero(rng, 9) + b  # an integer solution

    def solve() -> Solved:
        return (
            f"Collecting the terms in $x$ gives ${polynomial([a - c, 0])} = {d - b}$.",
            Rational(d - b, a - c),
        )

    left, right = polynomial([a, b]), polynomial([c, d])
    return Draft(f"Solve the equation ${left} = {right}$ for $x$.", solve)


def _system(rng: Random, level: int) -> Draft:
    a, b, c, d = (nonzero(rng, 3 * level) for _ in range(4))
    if a * d == b * c:
        d += 1 if d != -1 else 2
    x, y = nonzero(rng, 9), nonzero(rng, 9)
    if level == 4:
        p, q = nonzero(rng, 9), nonzero(rng, 9)
    else:
        p, q = a * x + b * y, c * x + d * y

    def line(m: int, n: int) -> str:
        return f"{polynomial([m, 0])} {'+' if n > 0 else '-'} {polynomial([abs(n), 0], 'y')}"

    def solve() -> Solved:
        det = a * d - b * c
        found = Rational(p * d - b * q, det), Rational(a * q - p * c, det)
        return f"The determinant of the system is ${det}$; use Cramer's rule.", pair(*found)

    return Draft(
        f"Find the ordered pair $(x, y)$ with ${line(a, b)} = {p}$ and ${line(c, d)} = {q}$.", solve
    )


def _composition(rng: Random, level: int) -> Draft:
    a, b, c, d = (nonzero(rng, 3 + 2 * level) for _ in range(4))
    point = nonzero(rng, 2 + level)

    def f(x: int) -> int:
        return a * x + b

    def g(x: int) -> int:
        return x * x + c * x + d

    asked = f"f(g({point}))" if level < 4 else f"f(g({point})) - g(f({point}))"

    def solve() -> Solved:
        return f"First $g({point}) = {g(point)}$ and $f({point}) = {f(point)}$.", (
            f(g(point)) if level < 4 else f(g(point)) - g(f(point))
        )

    return Draft(
        f"Let $f(x) = {polynomial([a, b])}$ and $g(x) = {polynomial([1, c, d])}$. "
        f"Compute ${asked}$.",
        solve,
    )


def _quadratic(rng: Random, level: int) -> Draft:
    middle, radicand = nonzero(rng, 9), rng.randint(2, 40)
    scale = rng.randint(2, 5) if level == 5 else 1
    b, c = -2 * middle, middle**2 - radicand  # roots (middle ± √radicand) / scale

    def solve() -> Solved:
        return "Complete the square, or use the quadratic formula.", (
            (middle + sqrt(radicand)) / scale
        )

    return Draft(
        f"What is the larger of the two solutions of ${polynomial([scale**2, scale * b, c])} = 0$? "
        "Write it in simplest radical form.",
        solve,
    )


def _geometric(rng: Random, level: int) -> Draft:
    first = rng.randint(1, 30)
    bottom = rng.randint(3, 9 + level)
    top = rng.randint(1, bottom - 1) * (rng.choice([-1, 1]) if level == 5 else 1)
    ratio = Rational(top, bottom)

    def solve() -> Solved:
        return f"The sum is $\\frac{{a}}{{1 - r}}$ with $a = {first}$, $r = {latex(ratio)}$.", (
            first / (1 - ratio)
        )

    return Draft(
        f"An infinite geometric series has first term ${first}$ and common ratio "
        f"${latex(ratio)}$. Find its sum.",
        solve,
    )


def _absolute(rng: Random, level: int) -> Draft:
    a, b, c = rng.randint(1, 9), nonzero(rng, 20), rng.randint(1, 30)
    strict = rng.random() < 0.5
    outside = level == 5
    sign = (">" if outside else "<") if strict else ("\\ge" if outside else "\\le")

    def solve() -> Solved:
        low, high = Rational(-c - b, a), Rational(c - b, a)
        opens, closes = ("(", ")") if strict else ("[", "]")
        working = f"Equality holds at $x = {latex(low)}$ and $x = {latex(high)}$."
        if outside:
            left = f"(-{latex(oo)}, {latex(low)}{closes}"
            return working, f"{left} \\cup {opens}{latex(high)}, {latex(oo)})"
        return working, f"{opens}{latex(low)}, {latex(high)}{closes}"

    return Draft(
        f"Find all real $x$ with $|{polynomial([a, b])}| {sign} {c}$. "
        "Give the answer in interval notation.",
        solve,
    )


TEMPLATES = (
    Template("linear equation", (1, 2), _linear),
    Template("linear system", (2, 3, 4), _system),
    Template("composition", (2, 3, 4), _composition),
    Template("quadratic", (4, 5), _quadratic),
    Template("geometric series", (3, 5), _geometric),
    Template("absolute value", (4, 5), _absolute),
)
