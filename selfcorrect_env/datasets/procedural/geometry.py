"""Templates of Geometry."""

from __future__ import annotations

from random import Random

from sympy import Rational, pi, sqrt

from selfcorrect_env.datasets.procedural.draft import Draft, Solved, Template, latex, pair


def _rectangle(rng: Random, level: int) -> Draft:
    width, height = rng.sample(range(3, 40), 2)
    if level == 1:
        return Draft(
            f"A rectangle has perimeter ${2 * (width + height)}$ and one side of length "
            f"${width}$. What is its area?",
            lambda: (f"The other side has length ${height}$.", width * height),
        )
    return Draft(
        f"A rectangle has area ${width * height}$ and one side of length ${width}$. How long is "
        "its diagonal? Write the answer in simplest radical form.",
        lambda: (f"The other side has length ${height}$.", sqrt(width**2 + height**2)),
    )


def _polygon(rng: Random, level: int) -> Draft:
    sides = rng.randint(5, 100)
    if level == 1:
        return Draft(
            f"What is the sum of the interior angles of a convex polygon with {sides} sides, in "
            "degrees?",
            lambda: (f"It splits into ${sides - 2}$ triangles.", 180 * (sides - 2)),
        )
    which = rng.choice(["interior", "exterior"])

    def solve() -> Solved:
        outer = Rational(360, sides)
        return f"Each exterior angle has ${latex(outer)}$ degrees.", (
            outer if which == "exterior" else 180 - outer
        )

    return Draft(
        f"How many degrees has each {which} angle of a regular polygon with {sides} sides? Give "
        "an exact value.",
        solve,
    )


def _shoelace(rng: Random, level: int) -> Draft:
    def draw() -> list[tuple[int, int]]:
        return [(rng.randint(-9, 9), rng.randint(-9, 9)) for _ in range(3)]

    def doubled(points: list[tuple[int, int]]) -> int:
        (ax, ay), (bx, by), (cx, cy) = points
        return abs((bx - ax) * (cy - ay) - (cx - ax) * (by - ay))

    points = draw()
    while doubled(points) == 0:
        points = draw()
    listed = ", ".join(f"${name}{pair(*p)}$" for name, p in zip("ABC", points, strict=True))
    return Draft(
        f"Find the area of the triangle with vertices {listed}.",
        lambda: ("Use the shoelace formula.", Rational(doubled(points), 2)),
    )


def _sector(rng: Random, level: int) -> Draft:
    radius, degrees = rng.randint(2, 24), 15 * rng.randint(1, 23)
    arc = level == 3

    def solve() -> Solved:
        share = Rational(degrees, 360)
        return f"The sector is ${latex(share)}$ of the circle.", (
            share * 2 * pi * radius if arc else share * pi * radius**2
        )

    what = "length of the arc" if arc else "area"
    return Draft(
        f"A sector of a circle of radius ${radius}$ has a central angle of ${degrees}^\\circ$. "
        f"What is the {what} of the sector? Express the answer in terms of $\\pi$.",
        solve,
    )


def _solid(rng: Random, level: int) -> Draft:
    small, large = sorted(rng.sample(range(1, 16), 2))
    height = rng.randint(2, 20)
    if level == 4:
        return Draft(
            f"A right circular cone has a base of radius ${large}$ and height ${height}$. A "
            f"cylinder of radius ${small}$ has the same height. What is the sum of their volumes? "
            "Express the answer in terms of $\\pi$.",
            lambda: (
                "The volumes are $\\frac{1}{3} \\pi r^2 h$ and $\\pi r^2 h$.",
                pi * height * (Rational(large**2, 3) + small**2),
            ),
        )
    return Draft(
        f"The frustum of a right circular cone has circular faces of radii ${small}$ and "
        f"${large}$ at a distance of ${height}$. What is its volume? Express the answer in terms "
        "of $\\pi$.",
        lambda: (
            "The volume is $\\frac{1}{3} \\pi h (r^2 + rR + R^2)$.",
            Rational(height, 3) * pi * (small**2 + small * large + large**2),
        ),
    )


def _circumradius(rng: Random, level: int) -> Draft:
    a, b = rng.randint(4, 15), rng.randint(4, 15)
    c = rng.randint(abs(a - b) + 1, a + b - 1)

    def solve() -> Solved:
        squared = Rational((a + b + c) * (-a + b + c) * (a - b + c) * (a + b - c), 16)
        area = sqrt(squared)
        if level == 4:
            return "Use Heron's formula.", area
        return f"By Heron's formula the area is ${latex(area)}$, and $R = \\frac{{abc}}{{4K}}$.", (
            Rational(a * b * c, 4) / area
        )

    what = "its area" if level == 4 else "the radius of its circumscribed circle"
    return Draft(
        f"A triangle has sides of lengths ${a}$, ${b}$ and ${c}$. Find {what}. Write the answer "
        "in simplest radical form.",
        solve,
    )


TEMPLATES = (
    Template("rectangle", (1, 2), _rectangle),
    Template("polygon angles", (1, 2), _polygon),
    Template("triangle area", (3,), _shoelace),
    Template("sector", (3, 4), _sector),
    Template("solids", (4, 5), _solid),
    Template("Heron", (4, 5), _circumradius),
)
