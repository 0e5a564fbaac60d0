"""Templates of Prealgebra."""

from __future__ import annotations

from random import Random

from sympy import Rational

from selfcorrect_env.problems.generated.math.draft import (
    Draft,
    Solved,
    Template,
    latex,
    money,
    with_unit,
    word,
)

NAMES = ("Amara", "Ben", "Chloe", "Dmitri", "Elena", "Farid", "Grace", "Hiro", "Ines", "Jonas")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


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


def _unit_price(rng: Random, level: int) -> Draft:
    cents = 5 * rng.randint(3, 60)
    bought, wanted = rng.sample(range(2, 8 + 4 * level), 2)
    thing = rng.choice(["notebooks", "apples", "stamps", "candles", "pens"])
    shown = f"{bought} {thing} cost ${money(cents * bought)}$"
    if level == 1:
        return Draft(
            f"If {shown}, what do {wanted} {thing} cost at the same price each? Give the answer "
            "in dollars.",
            lambda: (f"One of them costs ${money(cents)}$.", money(cents * wanted)),
        )
    paid = 500 * (cents * wanted // 500 + rng.randint(1, 3))
    return Draft(
        f"In a shop {shown}. {rng.choice(NAMES)} buys {wanted} {thing} at the same price each and "
        f"pays with ${money(paid)}$. How much change is due, in dollars?",
        lambda: (
            f"The {wanted} {thing} cost ${money(cents * wanted)}$.",
            money(paid - cents * wanted),
        ),
    )


def _percent_change(rng: Random, level: int) -> Draft:
    change = rng.choice([4, 5, 8, 10, 12, 15, 16, 20, 24, 25, 30, 36, 40, 45, 60, 75])
    unit = rng.randint(1, 24) * (10 if level == 2 else 25)
    up = rng.random() < 0.5
    before = Rational(100 * unit, 5)
    after = before * (100 + change if up else 100 - change) / 100
    verb = "increase" if up else "decrease"

    def solve() -> Solved:
        return (
            f"The difference is ${abs(after - before)}$, out of ${before}$.",
            f"{abs(after - before) / before * 100}\\%",
        )

    if level == 2:
        return Draft(
            f"The number of visitors of a museum went from {before} in May to {latex(after)} in "
            f"June. By what percent did it {verb}?",
            solve,
        )
    other = "larger" if up else "smaller"
    return Draft(
        f"One field has an area of ${before}$ square metres, and another one ${latex(after)}$ "
        f"square metres. By what percent is the second field {other} than the first?",
        solve,
    )


def _weekday(rng: Random, level: int) -> Draft:
    start, days = rng.randrange(7), rng.randint(8 * level, 40 * level**2)
    ago = level > 1 and rng.random() < 0.5
    end = (start - days if ago else start + days) % 7

    def solve() -> Solved:
        return f"The days of the week repeat, and ${days}$ leaves remainder ${days % 7}$.", word(
            DAYS[end]
        )

    if ago:
        asked = f"Which day of the week was it {days} days ago?"
    else:
        asked = f"Which day of the week will it be in {days} days?"
    return Draft(f"Today is {DAYS[start]}. {asked}", solve)


def _mean(rng: Random, level: int) -> Draft:
    values = [rng.randint(2, 60) for _ in range(rng.randint(4, 6))]
    mean = Rational(sum(values), len(values))
    if level == 3:
        shown = ", ".join(f"${value}$" for value in values[:-1])
        return Draft(
            f"The mean of {len(values)} numbers is ${latex(mean)}$. All but one of them are "
            f"{shown}. What is the missing number?",
            lambda: (f"The numbers add up to ${sum(values)}$.", values[-1]),
        )
    count, extra = rng.randint(6, 30), rng.randint(2, 8)
    first, second = rng.sample(range(50, 100), 2)

    def solve() -> Solved:
        total = count * first + extra * second
        return f"All points together are ${total}$.", Rational(total, count + extra)

    return Draft(
        f"In a test, {count} pupils have a mean of ${first}$ points, and {extra} others have a "
        f"mean of ${second}$ points. What is the mean of all of them? Give an exact value.",
        solve,
    )


def _recurring(rng: Random, level: int) -> Draft:
    length = rng.randint(1, 2) if level == 4 else rng.randint(2, 3)
    block = "".join(str(rng.randint(0, 9)) for _ in range(length))
    lead = str(rng.randint(0, 9)) if level == 5 else ""
    whole = rng.randint(0, 9)
    if len(set(block)) == 1 and (length > 1 or block in "09"):
        block = "127"[:length]  # the other would have a shorter block, or be no recurring decimal

    def solve() -> Solved:
        nines = 10 ** len(block) - 1
        part = Rational(int(block), nines) + int(lead or 0)
        return f"The repeating block is worth ${block}$ over ${nines}$, shifted to its place.", (
            whole + part / 10 ** len(lead)
        )

    return Draft(
        f"Write the recurring decimal ${whole}.{lead}\\overline{{{block}}}$ as a fraction in "
        "lowest terms.",
        solve,
    )


def _together(rng: Random, level: int) -> Draft:
    times = rng.sample(range(2, 16), 2 if level == 4 else 3)
    drain = level == 5
    rate = sum((Rational(1, time) for time in times[:2]), Rational(0))
    if drain:
        times[2] = max(times[:2]) + rng.randint(1, 9)
        rate -= Rational(1, times[2])
    third = f"An open drain empties the full tank in {times[2]} hours. " if drain else ""
    return Draft(
        f"One pipe fills a tank in {times[0]} hours, and a second one in {times[1]} hours. "
        f"{third}How many hours does it take to fill the empty tank with "
        f"{'all three' if drain else 'both pipes'} open? Give an exact value.",
        lambda: (
            f"In one hour the part ${latex(rate)}$ of the tank is filled.",
            with_unit(1 / rate, "hours"),
        ),
    )


TEMPLATES = (
    Template("fractions", (1, 2, 3), _fractions, "evaluated"),
    Template("order of operations", (1, 2), _operations, "evaluated"),
    Template("percentages", (2, 3), _percent),
    Template("ratio", (2, 3), _ratio),
    Template("average speed", (4, 5), _speed),
    Template("unit price", (1, 2), _unit_price),
    Template("percent change", (2, 3), _percent_change),
    Template("day of the week", (1, 2, 3), _weekday),
    Template("mean", (3, 4), _mean),
    Template("recurring decimal", (4, 5), _recurring),
    Template("working together", (4, 5), _together),
)
