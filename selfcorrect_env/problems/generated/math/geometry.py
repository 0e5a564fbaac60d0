"""Templates of Geometry."""

from __future__ import annotations

from random import Random

from sympy import Rational, pi, sqrt

from selfcorrect_env.problems.generated.math.draft import (
    Draft,
    Solved,
    Template,
    degrees,
    latex,
    pair,
    with_unit,
    word,
)


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


def _angles(rng: Random, level: int) -> Draft:
    if level == 1:
        first, second = rng.randint(12, 88), rng.randint(12, 88)
        return Draft(
            f"Two angles of a triangle measure ${first}^\\circ$ and ${second}^\\circ$. How large "
            "is the third one?",
            lambda: (
                f"The angles add up to $180^\\circ$, and these two to ${first + second}^\\circ$.",
                degrees(180 - first - second),
            ),
        )
    corners = rng.randint(3, 4)
    whole = 180 * (corners - 2)
    parts = [rng.randint(1, 9) for _ in range(corners)]
    while whole % sum(parts) or max(parts) * whole >= 180 * sum(parts):
        parts = [rng.randint(1, 9) for _ in range(corners)]
    which = rng.choice(["largest", "smallest"])
    ratio = " : ".join(map(str, parts))

    def solve() -> Solved:
        one = whole // sum(parts)
        return f"One part of the ratio is ${one}^\\circ$.", degrees(
            one * (max(parts) if which == "largest" else min(parts))
        )

    figure = "triangle" if corners == 3 else "quadrilateral"
    return Draft(
        f"The angles of a {figure} are in the ratio ${ratio}$. How large is the {which} of them?",
        solve,
    )


def _right(rng: Random, level: int) -> Draft:
    unit = rng.choice(["cm", "m", "km", "mm", "ft", "in"])
    small, large = sorted(rng.sample(range(2, 12 + 6 * level), 2))
    if level == 1:
        m, n = sorted(rng.sample(range(1, 7), 2))
        factor = rng.randint(1, 6)
        legs = [factor * (n * n - m * m), factor * 2 * m * n]
        return Draft(
            f"The legs of a right triangle are {legs[0]} {unit} and {legs[1]} {unit} long. How "
            f"long is its hypotenuse, in {unit}?",
            lambda: (
                "Use the theorem of Pythagoras.",
                with_unit(factor * (m * m + n * n), unit),
            ),
        )
    if level == 2:
        return Draft(
            f"The hypotenuse of a right triangle is {large} {unit} long and one leg is {small} "
            f"{unit} long. How long is the other leg, in {unit}? Write the answer in simplest "
            "radical form.",
            lambda: (
                f"The square of the leg is ${large**2} - {small**2}$.",
                with_unit(sqrt(large**2 - small**2), unit),
            ),
        )
    return Draft(
        f"The hypotenuse of a right triangle is {large} {unit} long and one leg is {small} {unit} "
        f"long. What is its area, in square {unit}? Write the answer in simplest radical form.",
        lambda: (
            f"The square of the other leg is ${large**2} - {small**2}$.",
            with_unit(Rational(small, 2) * sqrt(large**2 - small**2), unit, 2),
        ),
    )


def _kind(rng: Random, level: int) -> Draft:
    top = 13 * level
    m, n = sorted(rng.sample(range(1, 3 + level), 2))
    a, b = rng.randint(4, top), rng.randint(4, top)
    c = rng.randint(max(a, b), a + b - 1)
    if rng.random() < 0.3:
        factor = rng.randint(1, 2 * level)
        a, b, c = (factor * s for s in (n * n - m * m, 2 * m * n, n * n + m * m))
    sides = [a, b, c]
    rng.shuffle(sides)

    def solve() -> Solved:
        gap = a * a + b * b - c * c
        found = "acute" if gap > 0 else "right" if gap == 0 else "obtuse"
        return f"Compare ${c}^2 = {c * c}$ with ${a}^2 + {b}^2 = {a * a + b * b}$.", word(found)

    shown = f"${sides[0]}$, ${sides[1]}$ and ${sides[2]}$"
    return Draft(f"A triangle has sides of lengths {shown}. Is it acute, right or obtuse?", solve)


def _circle(rng: Random, level: int) -> Draft:
    x, y = rng.randint(-9, 9), rng.randint(-9, 9)
    squared = rng.randint(2, 99)
    constant = x * x + y * y - squared

    def term(n: int, letter: str) -> str:
        size = "" if abs(n) == 1 else abs(n)
        return f" {'+' if n > 0 else '-'} {size}{letter}" if n else ""

    tail = f" {'+' if constant > 0 else '-'} {abs(constant)}" if constant else ""
    equation = f"x^2 + y^2{term(-2 * x, 'x')}{term(-2 * y, 'y')}{tail} = 0"
    asked = {
        3: "Find its centre.",
        4: "Find its radius. Write the answer in simplest radical form.",
    }.get(level, "Find the distance of its centre from the origin plus its radius.")

    def solve() -> Solved:
        answer = {3: pair(x, y), 4: sqrt(squared)}.get(level)
        return f"Complete the squares: $r^2 = {squared}$.", (
            answer if answer is not None else sqrt(x * x + y * y) + sqrt(squared)
        )

    return Draft(f"A circle has the equation ${equation}$. {asked}", solve)


def _move(rng: Random, level: int) -> Draft:
    x, y = rng.randint(-12, 12), rng.randint(-12, 12)
    moves = {
        "rotated by $90^\\circ$ counterclockwise about the origin": lambda a, b: (-b, a),
        "rotated by $90^\\circ$ clockwise about the origin": lambda a, b: (b, -a),
        "reflected in the $x$-axis": lambda a, b: (a, -b),
        "reflected in the line $y = x$": lambda a, b: (b, a),
    }
    first, second = rng.sample([*moves], 2)
    dx, dy = rng.randint(-9, 9), rng.randint(-9, 9)
    end = moves[first](x, y)
    then = f"moved by ${dx}$ in the $x$-direction and by ${dy}$ in the $y$-direction"
    between = end
    if level == 3:
        then += f", and the result is {second}"
    end = (end[0] + dx, end[1] + dy)
    if level == 3:
        end = moves[second](*end)
    return Draft(
        f"The point ${pair(x, y)}$ is {first}. The image is {then}. Where does it end?",
        lambda: (f"The first image is ${pair(*between)}$.", pair(*end)),
    )


def _chord(rng: Random, level: int) -> Draft:
    radius = rng.randint(4, 30)
    distance = rng.randint(1, radius - 1)
    if level == 4:
        return Draft(
            f"A chord of a circle of radius ${radius}$ has distance ${distance}$ from the centre. "
            "How long is the chord? Write the answer in simplest radical form.",
            lambda: (
                f"Half of the chord has the square ${radius**2} - {distance**2}$.",
                2 * sqrt(radius**2 - distance**2),
            ),
        )
    far = radius + distance
    return Draft(
        f"From a point at distance ${far}$ from the centre of a circle of radius ${radius}$, both "
        "tangents are drawn. How long is the chord between the two points where they touch? Write "
        "the answer in simplest radical form.",
        lambda: (
            f"Each tangent has the length $t = {latex(sqrt(far**2 - radius**2))}$, and the chord "
            f"is $\\frac{{2rt}}{{d}}$ with $r = {radius}$ and $d = {far}$.",
            2 * radius * sqrt(far**2 - radius**2) / far,
        ),
    )


TEMPLATES = (
    Template("rectangle", (1, 2), _rectangle),
    Template("polygon angles", (1, 2), _polygon),
    Template("triangle area", (3,), _shoelace),
    Template("sector", (3, 4), _sector),
    Template("solids", (4, 5), _solid),
    Template("Heron", (4, 5), _circumradius),
    Template("angles in a ratio", (1, 2), _angles),
    Template("right triangle", (1, 2, 3), _right),
    Template("kinds of triangle", (2, 3), _kind),
    Template("equation of a circle", (3, 4, 5), _circle),
    Template("moved point", (2, 3), _move),
    Template("chord", (4, 5), _chord),
)
