"""Templates of Algebra."""

from __future__ import annotations

from random import Random

from sympy import Poly, Rational, Symbol, oo, sqrt

from selfcorrect_env.problems.generated.math.draft import (
    Draft,
    Solved,
    Template,
    interval,
    latex,
    listed,
    money,
    nonzero,
    number_set,
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


def _roots(rng: Random, level: int) -> Draft:
    a, b = (rng.randint(1, 2 * level - 1) for _ in range(2))
    p, q = nonzero(rng, 9), nonzero(rng, 9)
    if a * q == b * p:
        q = -q
    coefficients = [a * b, a * q + b * p, p * q]  # (ax + p)(bx + q)

    def solve() -> Solved:
        roots = sorted([Rational(-p, a), Rational(-q, b)])
        return (
            f"The left side factors as $({polynomial([a, p])})({polynomial([b, q])})$.",
            listed(roots) if level == 2 else number_set(roots),
        )

    how = "separated by commas" if level == 2 else "as a set"
    return Draft(
        f"Find all solutions of ${polynomial(coefficients)} = 0$. Write them {how}.", solve
    )


def _line(rng: Random, level: int) -> Draft:
    x, y = rng.randint(-9, 9), rng.randint(-9, 9)
    across, up = nonzero(rng, 6 + level), nonzero(rng, 6 + level)
    slope = Rational(up, across)
    points = f"${pair(x, y)}$ and ${pair(x + across, y + up)}$"
    rise = f"The slope is $\\frac{{{up}}}{{{across}}} = {latex(slope)}$."
    if level == 1:
        return Draft(
            f"What is the slope of the line that passes through {points}?",
            lambda: (rise.replace(f" = {latex(slope)}", ""), slope),
        )
    if level == 2:
        return Draft(
            f"Find the equation of the line through {points}. Write it in the form $y = mx + b$.",
            lambda: (rise, f"y = {polynomial([slope, y - slope * x])}"),
        )
    return Draft(
        f"Line $k$ passes through {points}. Find the equation of the line through the origin that "
        "is perpendicular to $k$, in the form $y = mx$.",
        lambda: (rise, f"y = {polynomial([-1 / slope, 0])}"),
    )


def _interest(rng: Random, level: int) -> Draft:
    start = 100 * rng.randint(2, 60)
    rate = rng.choice([2, 3, 4, 5, 6, 8, 10])
    years = rng.randint(2, 3) if level == 3 else rng.randint(4, 9)

    def solve() -> Solved:
        cents = 100 * start * Rational(100 + rate, 100) ** years
        return (
            f"The balance is multiplied by ${latex(Rational(100 + rate, 100))}$ each year.",
            money(int(cents + Rational(1, 2))),
        )

    return Draft(
        f"An account starts with $\\${start}$ and earns ${rate}\\%$ interest a year, compounded "
        f"yearly. How many dollars does it hold after {years} years? Round to the nearest cent.",
        solve,
    )


def _domain(rng: Random, level: int) -> Draft:
    start, hole = rng.randint(-9, 9), rng.randint(-9, 12)
    slope = 1 if level == 3 else rng.randint(2, 5)
    if hole * slope <= start:
        hole = start // slope + rng.randint(1, 6)
    low = Rational(start, slope)

    def solve() -> Solved:
        parts = interval(low, hole, "[)"), interval(hole, oo)
        return f"The root needs $x \\ge {latex(low)}$, and $x = {hole}$ is excluded.", (
            " \\cup ".join(parts)
        )

    return Draft(
        "What is the domain of the real function $f(x) = "
        f"\\frac{{\\sqrt{{{polynomial([slope, -start])}}}}}{{{polynomial([1, -hole])}}}$? Give the "
        "answer in interval notation.",
        solve,
    )


def _arithmetic(rng: Random, level: int) -> Draft:
    first, step = rng.randint(-20, 40), nonzero(rng, 12)
    place = rng.randint(10, 60)
    last = first + (place - 1) * step
    shown = ", ".join(str(first + i * step) for i in range(3))
    if level == 1:
        return Draft(
            f"What is the ${place}$th term of the arithmetic sequence ${shown}, \\ldots$?"
            if place % 10 not in (1, 2, 3)
            else f"Find the term number ${place}$ of the arithmetic sequence ${shown}, \\ldots$.",
            lambda: (f"Each term is the one before plus ${step}$.", last),
        )
    return Draft(
        f"Find the sum of the first ${place}$ terms of the arithmetic sequence ${shown}, \\ldots$.",
        lambda: (
            f"The last of these terms is ${last}$.",
            Rational(place * (first + last), 2),
        ),
    )


def _radical(rng: Random, level: int) -> Draft:
    x = Symbol("x")
    root, shift = rng.randint(-4, 9), nonzero(rng, 6)
    slope = rng.randint(1, 5) if level == 4 else rng.choice([-5, -4, -3, -2, 6, 7, 8])
    constant = (root - shift) ** 2 - slope * root  # so that `root` solves the squared equation

    def solve() -> Solved:
        squared = (x - shift) ** 2 - slope * x - constant
        found = [r for r in Poly(squared, x).ground_roots() if r >= shift]
        answer = number_set(sorted(found)) if found else "\\emptyset"
        return "Square both sides, and test what is found in the equation itself.", answer

    return Draft(
        f"Find the set of all real solutions of $\\sqrt{{{polynomial([slope, constant])}}} = "
        f"{polynomial([1, -shift])}$.",
        solve,
    )


def _inverse(rng: Random, level: int) -> Draft:
    a, b, c, d = (nonzero(rng, 3 + level) for _ in range(4))
    if a * d == b * c:
        d += 1 if d != -1 else 2
    value = nonzero(rng, 9)
    if value * c == a:
        value += 1 if value != -1 else 2

    def solve() -> Solved:
        return f"Solve ${polynomial([a, b])} = {value}({polynomial([c, d])})$ for $x$.", Rational(
            value * d - b, a - value * c
        )

    return Draft(
        f"Let $f(x) = \\frac{{{polynomial([a, b])}}}{{{polynomial([c, d])}}}$. Find "
        f"$f^{{-1}}({value})$.",
        solve,
    )


TEMPLATES = (
    Template("linear equation", (1, 2), _linear),
    Template("linear system", (2, 3, 4), _system),
    Template("composition", (2, 3, 4), _composition),
    Template("quadratic", (4, 5), _quadratic),
    Template("geometric series", (3, 5), _geometric),
    Template("absolute value", (4, 5), _absolute),
    Template("roots", (2, 3), _roots),
    Template("lines", (1, 2, 3), _line),
    Template("interest", (3, 4), _interest),
    Template("domain", (3, 4), _domain),
    Template("arithmetic sequence", (1, 2), _arithmetic),
    Template("radical equation", (4, 5), _radical),
    Template("inverse function", (4, 5), _inverse),
)
