"""Templates of Precalculus."""

from __future__ import annotations

from random import Random

from sympy import I, Matrix, Rational, cos, expand, pi, rad, sin, sqrt, tan

from selfcorrect_env.datasets.procedural.draft import Draft, Solved, Template, latex, nonzero, pair

FUNCTIONS = {"sin": sin, "cos": cos, "tan": tan}


def _dot(rng: Random, level: int) -> Draft:
    size = level + 1
    u, v = ([rng.randint(-9, 9) for _ in range(size)] for _ in range(2))

    def column(vector: list[int]) -> str:
        entries = " \\\\ ".join(map(str, vector))
        return f"\\begin{{pmatrix}} {entries} \\end{{pmatrix}}"

    return Draft(
        f"Compute the dot product of $\\mathbf{{u}} = {column(u)}$ and $\\mathbf{{v}} = "
        f"{column(v)}$.",
        lambda: (
            "Multiply entry by entry and add.",
            sum(a * b for a, b in zip(u, v, strict=True)),
        ),
    )


def _exact(rng: Random, level: int) -> Draft:
    name = rng.choice([*FUNCTIONS])
    turns = 360 * rng.randint(0, 2 * level)
    step = rng.choice([30, 45] if level < 3 else [15])
    degrees = (turns + step * rng.randint(1, 360 // step)) * rng.choice([-1, 1])
    if name == "tan" and degrees % 180 == 90:
        degrees += 45 if step == 45 else 30

    def solve() -> Solved:
        return f"The angle has the same terminal side as ${degrees % 360}^\\circ$.", FUNCTIONS[
            name
        ](rad(degrees % 360)).simplify()

    return Draft(f"Find the exact value of $\\{name} ({degrees}^\\circ)$.", solve)


def _determinant(rng: Random, level: int) -> Draft:
    size = 2 if level == 2 else 3
    rows = [[rng.randint(-7, 7) for _ in range(size)] for _ in range(size)]
    body = " \\\\ ".join(" & ".join(map(str, row)) for row in rows)
    return Draft(
        f"Find the determinant $\\begin{{vmatrix}} {body} \\end{{vmatrix}}$.",
        lambda: ("Expand along the first row.", Matrix(rows).det()),
    )


def _rectangular(rng: Random, level: int) -> Draft:
    radius = rng.randint(2, 24)
    angle = (
        Rational(rng.randint(1, 11), 6)
        if rng.random() < 0.5
        else Rational(rng.choice([1, 3, 5, 7]), 4)
    )

    def solve() -> Solved:
        return "Use $x = r \\cos \\theta$ and $y = r \\sin \\theta$.", pair(
            radius * cos(angle * pi), radius * sin(angle * pi)
        )

    return Draft(
        f"A point has polar coordinates $(r, \\theta) = ({radius}, {latex(angle * pi)})$. Find its "
        "rectangular coordinates $(x, y)$.",
        solve,
    )


def _power(rng: Random, level: int) -> Draft:
    a, b = nonzero(rng, 2 + level), nonzero(rng, 2 + level)
    exponent = rng.randint(3, 4) if level == 4 else rng.randint(5, 8)
    size = "" if abs(b) == 1 else str(abs(b))

    def solve() -> Solved:
        return "Square repeatedly, or use De Moivre's theorem.", expand((a + b * I) ** exponent)

    return Draft(
        f"Compute $({a} {'+' if b > 0 else '-'} {size}i)^{{{exponent}}}$, where $i^2 = -1$. Write "
        "the answer in the form $a + bi$.",
        solve,
    )


def _distance(rng: Random, level: int) -> Draft:
    a, b, c = (nonzero(rng, 6) for _ in range(3))
    d = rng.randint(-20, 20)
    point = [rng.randint(-9, 9) for _ in range(3)]
    plane = "".join(
        f"{'' if i == 0 and n > 0 else '-' if i == 0 else ' + ' if n > 0 else ' - '}"
        f"{'' if abs(n) == 1 else abs(n)}{letter}"
        for i, (n, letter) in enumerate(zip((a, b, c), "xyz", strict=True))
    )

    def solve() -> Solved:
        value = a * point[0] + b * point[1] + c * point[2] - d
        norm = a * a + b * b + c * c
        return f"The distance is $\\frac{{|{value}|}}{{\\sqrt{{{norm}}}}}$.", abs(value) / sqrt(
            norm
        )

    return Draft(
        f"Find the distance from the point ${pair(*point)}$ to the plane ${plane} = {d}$. Write "
        "the answer in simplest radical form.",
        solve,
    )


TEMPLATES = (
    Template("dot product", (1, 2), _dot),
    Template("exact values", (1, 2, 3), _exact),
    Template("determinant", (2, 3), _determinant),
    Template("polar coordinates", (3,), _rectangular),
    Template("complex powers", (4, 5), _power),
    Template("distance to a plane", (4, 5), _distance),
)
