"""Templates of Prealgebra."""

from __future__ import annotations

from random import Random

from sympy import Rational

from selfcorrect_env.datasets.procedural.draft import Draft, Solved, Template, latex

NAMES = ("Amara", "Ben", "Chloe", "Dmitri", "Elena", "Farid", "Grace", "Hiro", "Ines", "Jonas")


def _fractions(rng: Random, level: int) -> Draft:
    terms = [
        (
            rng.choice([-1, 1]) if level > 1 and i else 1,
            rng.randint(1, 9),
            rng.randint(2, 6 + level),
        )
        for i in range(2 if level < 3 else 3)
    ]
    text = "".join(
        f"{'' if i == 0 else ' + ' if sign > 0 else ' - '}\\frac{{{top}}}{{{bottom}}}"
        for i, (sign, top, bottom) in enumerate(terms)
    )

    def solve() -> Solved:
        total = sum((sign * Rational(top, bottom) for sign, top, bottom in terms), Rational(0))
        return "Bring the fractions to a common denominator, add, and reduce.", total

    return Draft(f"Compute ${text}$. Give the result in lowest terms.", solve)


def _operations(rng: Random, level: int) -> Draft:
    a, b, c, d = (rng.randint(2, 9 + 3 * level) for _ in range(4))
    square = "^2" if level > 1 else ""

    def solve() -> Solved:
        inner = (c - d) ** (2 if level > 1 else 1)
        return f"The bracket with its exponent gives ${inner}$, then ${b} \\cdot {inner}$.", (
            a + b * inner
        )

    return Draft(f"What is the value of ${a} + {b} \\cdot ({c} - {d}){square}$?", solve)


def _percent(rng: Random, level: int) -> Draft:
    price = 100 * rng.randint(2, 40)
    up, down = 10 * rng.randint(1, 8), 10 * rng.randint(1, 8)
    thing = rng.choice(["bicycle", "sofa", "telescope", "guitar", "carpet"])
    if level == 2:
        statement = (
            f"A {thing} costs {price} dollars. Its price is raised by ${up}\\%$. "
            "What is the new price, in dollars?"
        )
        down = 0
    else:
        statement = (
            f"A {thing} costs {price} dollars. Its price is first raised by ${up}\\%$, and the new "
            f"price is then lowered by ${down}\\%$. What does it cost in the end, in dollars?"
        )

    def solve() -> Solved:
        result = price * Rational(100 + up, 100) * Rational(100 - down, 100)
        factors = f"\\frac{{{100 + up}}}{{100}}"
        if down:
            factors += f" \\cdot \\frac{{{100 - down}}}{{100}}"
        return f"The new price is ${price} \\cdot {factors}$.", result

    return Draft(statement, solve)


def _ratio(rng: Random, level: int) -> Draft:
    parts = rng.sample(range(1, 6 + 2 * level), 2 if level < 3 else 3)
    unit = rng.randint(2, 12)
    names = rng.sample(NAMES, len(parts))
    most, least = (names[parts.index(end(parts))] for end in (max, min))
    people = ", ".join(names[:-1]) + f" and {names[-1]}"
    ratio = " : ".join(map(str, parts))

    def solve() -> Solved:
        return (
            f"One part of the ratio is ${unit * sum(parts)} / {sum(parts)} = {unit}$ stamps.",
            unit * (max(parts) - min(parts)),
        )

    return Draft(
        f"{people} share {unit * sum(parts)} stamps in the ratio ${ratio}$, in this order. "
        f"How many more stamps does {most} get than {least}?",
        solve,
    )


def _speed(rng: Random, level: int) -> Draft:
    out, back = rng.sample(range(6, 40), 2)
    rider = rng.choice(NAMES)
    legs = [(1, out), (1, back)] if level == 4 else [(1, out), (2, back)]
    trip = "the same way back" if level == 4 else "then twice that distance"

    def solve() -> Solved:
        time = sum((Rational(length, speed) for length, speed in legs), Rational(0))
        return (
            f"For each kilometre of the first leg, the ride takes ${latex(time)}$ hours.",
            sum(length for length, _ in legs) / time,
        )

    return Draft(
        f"{rider} cycles some distance at {out} kilometres per hour and {trip} at {back} "
        "kilometres per hour. What is the average speed of the whole ride, in kilometres per "
        "hour? Give an exact value.",
        solve,
    )


TEMPLATES = (
    Template("fractions", (1, 2, 3), _fractions),
    Template("order of operations", (1, 2), _operations),
    Template("percentages", (2, 3), _percent),
    Template("ratio", (2, 3), _ratio),
    Template("average speed", (4, 5), _speed),
)
