"""Templates of Precalculus."""

from __future__ import annotations

from random import Random

from sympy import I, Matrix, Rational, cos, expand, pi, rad, sin, sqrt, tan

from selfcorrect_env.problems.generated.math.draft import (
    Draft,
    Solved,
    Template,
    column,
    degrees,
    latex,
    listed,
    matrix,
    nonzero,
    number_set,
    pair,
)

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


def _product(rng: Random, level: int) -> Draft:
    left = [[rng.randint(-6, 6) for _ in range(2)] for _ in range(2)]
    right = [[rng.randint(-6, 6) for _ in range(level)] for _ in range(2)]
    return Draft(
        f"Compute the product ${matrix(left)} {matrix(right)}$.",
        lambda: (
            "Multiply the rows of the first factor with the columns of the second.",
            matrix((Matrix(left) * Matrix(right)).tolist()),
        ),
    )


def _inverse(rng: Random, level: int) -> Draft:
    a, b, c, d = (nonzero(rng, 4 + level) for _ in range(4))
    if a * d == b * c:
        d = -d
    det = a * d - b * c
    rows = [[a, b], [c, d]]
    if level == 2:
        return Draft(
            f"Find the inverse of the matrix ${matrix(rows)}$.",
            lambda: (f"Its determinant is ${det}$.", matrix(Matrix(rows).inv().tolist())),
        )
    right = [nonzero(rng, 9), nonzero(rng, 9)]
    return Draft(
        f"Find the vector $\\mathbf{{v}}$ with ${matrix(rows)} \\mathbf{{v}} = {column(right)}$.",
        lambda: (
            f"The matrix has determinant ${det}$, so it has an inverse.",
            column(Matrix(rows).inv() * Matrix(right)),
        ),
    )


def _cross(rng: Random, level: int) -> Draft:
    u, v = ([rng.randint(-6, 6) for _ in range(3)] for _ in range(2))
    if Matrix(u).cross(Matrix(v)).is_zero_matrix:
        u, v = [1, u[1], 0], [0, v[1], 1]  # not parallel
    vectors = f"$\\mathbf{{u}} = {column(u)}$ and $\\mathbf{{v}} = {column(v)}$"
    if level == 2:
        return Draft(
            f"Compute the cross product $\\mathbf{{u}} \\times \\mathbf{{v}}$ of {vectors}.",
            lambda: (
                "Work out the three entries one by one.",
                column(Matrix(u).cross(Matrix(v))),
            ),
        )
    return Draft(
        f"What is the area of the parallelogram spanned by {vectors}? Write the answer in simplest "
        "radical form.",
        lambda: (
            f"The cross product is ${column(Matrix(u).cross(Matrix(v)))}$.",
            Matrix(u).cross(Matrix(v)).norm(),
        ),
    )


def _trigonometric(rng: Random, level: int) -> Draft:
    name = rng.choice(["sin", "cos"])
    angle = rng.choice([30, 45, 60])
    negative = rng.random() < 0.5
    times = {3: 1, 4: 2}.get(level, 3)
    scale, shift = rng.randint(1, 9), rng.randint(-9, 9)
    limit = 2 if level == 3 else 1  # multiples of π
    argument = "x" if times == 1 else f"{times}x"
    target = FUNCTIONS[name](rad(angle)) * (-1 if negative else 1)

    def solve() -> Solved:
        found = [
            Rational(n, 12 * times) * pi
            for n in range(12 * limit * times)
            if FUNCTIONS[name](Rational(n, 12) * pi) == target
        ]
        return f"The equation says $\\{name} {argument} = {latex(target)}$.", number_set(found)

    left = f"{'' if scale == 1 else scale}\\{name} {argument}"
    tail = f" {'+' if shift > 0 else '-'} {abs(shift)}" if shift else ""
    end = "2\\pi" if limit == 2 else "\\pi"
    return Draft(
        f"Find the set of all $x$ in the interval $[0, {end})$ with "
        f"${left}{tail} = {latex(scale * target + shift)}$.",
        solve,
    )


def _period(rng: Random, level: int) -> Draft:
    size, times = nonzero(rng, 9), rng.randint(2, 12)
    divisor = 1 if level == 1 else rng.randint(2, 9)
    shift, lift = rng.randint(1, 9), nonzero(rng, 9)
    name = rng.choice(["sin", "cos"] if level == 1 else ["sin", "cos", "tan"])
    rate = Rational(times, divisor)
    inside = f"{'' if rate == 1 else latex(rate)}x {rng.choice('+-')} {shift}"
    front = "" if size == 1 else "-" if size == -1 else str(size)

    def solve() -> Solved:
        whole = pi if name == "tan" else 2 * pi
        return (
            f"The function repeats when the argument has grown by ${latex(whole)}$.",
            whole / rate,
        )

    return Draft(
        f"What is the smallest positive period of $f(x) = {front}\\{name}({inside}) "
        f"{'+' if lift > 0 else '-'} {abs(lift)}$?",
        solve,
    )


def _radians(rng: Random, level: int) -> Draft:
    step = rng.choice([2, 3, 4, 5, 6, 9, 10, 12, 15, 18, 20])
    turns = rng.randint(1, 4 * step)
    if level == 1:
        return Draft(
            f"An angle measures ${latex(Rational(turns, step) * pi)}$ radians. How large is it in "
            "degrees?",
            lambda: ("A straight angle has $\\pi$ radians.", degrees(180 * turns // step)),
        )
    negative = turns * (180 // step) + 360 * rng.randint(1, 3)
    return Draft(
        "Which angle, at least $0^\\circ$ and less than $360^\\circ$, has the same terminal side "
        f"as the angle of ${latex(-Rational(negative, 180) * pi)}$ radians? Answer in degrees.",
        lambda: (
            f"The angle has ${-negative}^\\circ$; add full turns.",
            degrees(-negative % 360),
        ),
    )


def _projection(rng: Random, level: int) -> Draft:
    size = 2 if level == 4 else 3
    u, v = ([nonzero(rng, 7) for _ in range(size)] for _ in range(2))
    product = sum(a * b for a, b in zip(u, v, strict=True))
    norm = sum(b * b for b in v)
    return Draft(
        f"Find the orthogonal projection of $\\mathbf{{u}} = {column(u)}$ onto the line through "
        f"the origin with the direction $\\mathbf{{v}} = {column(v)}$.",
        lambda: (
            f"Here $\\mathbf{{u}} \\cdot \\mathbf{{v}} = {product}$ and "
            f"$|\\mathbf{{v}}|^2 = {norm}$.",
            column(Rational(product, norm) * b for b in v),
        ),
    )


def _nth_roots(rng: Random, level: int) -> Draft:
    real, imaginary = rng.randint(-7, 7), nonzero(rng, 7)
    number = expand((real + imaginary * I) ** 2)
    center_real, center_imaginary = rng.randint(-5, 5), rng.randint(-5, 5)
    center = center_real + center_imaginary * I
    left = "z^2" if center == 0 else f"(z - ({latex(center)}))^2"

    def solve() -> Solved:
        roots = [latex(expand(center + s * (real + imaginary * I))) for s in (1, -1)]
        return f"The square roots of ${latex(number)}$ come in a pair with opposite signs.", listed(
            roots
        )

    return Draft(
        f"Find both complex solutions $z$ of ${left} = {latex(number)}$, in the form $a + bi$, "
        "separated by a comma.",
        solve,
    )


def _cylindrical(rng: Random, level: int) -> Draft:
    radius, z = rng.randint(1, 30), rng.randint(-9, 9)
    angle = Rational(rng.choice([1, 2, 3, 4, 5, 7, 8, 9, 10, 11]), 6) * pi
    x, y = radius * cos(angle), radius * sin(angle)
    return Draft(
        f"Convert the point ${pair(x, y, z)}$ from rectangular to cylindrical coordinates "
        "$(r, \\theta, z)$ with $r > 0$ and $0 \\le \\theta < 2\\pi$.",
        lambda: ("Use $r^2 = x^2 + y^2$ and the quadrant of $(x, y)$.", pair(radius, angle, z)),
    )


TEMPLATES = (
    Template("dot product", (1, 2), _dot),
    Template("exact values", (1, 2, 3), _exact),
    Template("determinant", (2, 3), _determinant),
    Template("polar coordinates", (3,), _rectangular),
    Template("complex powers", (4, 5), _power, "evaluated"),
    Template("distance to a plane", (4, 5), _distance),
    Template("matrix product", (1, 2), _product, "evaluated"),
    Template("inverse matrix", (2, 3), _inverse),
    Template("cross product", (2, 3), _cross),
    Template("trigonometric equation", (3, 4, 5), _trigonometric),
    Template("period", (1, 2), _period),
    Template("radians and degrees", (1, 2), _radians),
    Template("projection", (4, 5), _projection),
    Template("complex square roots", (5,), _nth_roots),
    Template("cylindrical coordinates", (4,), _cylindrical),
)
