"""Templates of Counting & Probability."""

from __future__ import annotations

from math import comb, factorial, lcm, prod
from random import Random

from sympy import Poly, Rational, Symbol, pi

from selfcorrect_env.problems.generated.math.draft import (
    Draft,
    Solved,
    Template,
    latex,
    nonzero,
    polynomial,
)

LETTERS = "ABCDEFGHKLMNPRST"


def _committee(rng: Random, level: int) -> Draft:
    if level < 3:
        people = rng.randint(5, 12 + 6 * level)
        chosen = rng.randint(2, min(2 + level, people - 1))
        group = rng.choice(["club", "choir", "class", "team", "band", "crew"])
        what = rng.choice(["a committee", "a delegation", "a group"])
        return Draft(
            f"A {group} has {people} members. In how many ways can {what} of {chosen} of them be "
            "chosen?",
            lambda: (f"The number is $\\binom{{{people}}}{{{chosen}}}$.", comb(people, chosen)),
        )
    first, second = rng.randint(4, 12), rng.randint(4, 12)
    some, others = rng.randint(2, 3), rng.randint(2, 3)
    return Draft(
        f"From {first} pianists and {second} violinists, a jury of {some + others} is chosen that "
        f"has exactly {some} pianists. How many such juries are possible?",
        lambda: (
            f"Choose the pianists and the violinists apart: $\\binom{{{first}}}{{{some}}} \\cdot "
            f"\\binom{{{second}}}{{{others}}}$.",
            comb(first, some) * comb(second, others),
        ),
    )


def _letters(rng: Random, level: int) -> Draft:
    kinds = rng.sample(LETTERS, 3 if level < 4 else 4)
    counts = [rng.randint(1, level) for _ in kinds]
    tiles = [letter for letter, count in zip(kinds, counts, strict=True) for _ in range(count)]
    rng.shuffle(tiles)

    def solve() -> Solved:
        repeats = " \\cdot ".join(f"{count}!" for count in counts)
        return f"The number is $\\frac{{{len(tiles)}!}}{{{repeats}}}$.", factorial(
            len(tiles)
        ) // prod(map(factorial, counts))

    return Draft(
        f"In how many different orders can the letters of {''.join(tiles)} be written in a row, "
        "if equal letters cannot be told apart?",
        solve,
    )


def _dice(rng: Random, level: int) -> Draft:
    first, second = rng.randint(4, 12), rng.randint(4, 12)
    total = rng.randint(3, first + second - 1)
    least = level == 3

    def solve() -> Solved:
        sums = [a + b for a in range(1, first + 1) for b in range(1, second + 1)]
        good = sum(s >= total if least else s == total for s in sums)
        return f"Of ${len(sums)}$ equally likely outcomes, ${good}$ are as wanted.", Rational(
            good, len(sums)
        )

    wanted = f"at least {total}" if least else f"exactly {total}"
    return Draft(
        f"A fair die with faces 1 to {first} and a fair die with faces 1 to {second} are rolled. "
        f"What is the probability that the sum is {wanted}? Give a fraction in lowest terms.",
        solve,
    )


def _urn(rng: Random, level: int) -> Draft:
    red, blue = rng.randint(3, 10), rng.randint(3, 10)
    drawn = level - 1 if level < 5 else rng.randint(4, 5)
    hits = rng.randint(max(1, drawn - blue), min(red, drawn))
    if level == 5:
        hits = max(1, min(hits, drawn - 2))
        counts = range(max(hits, drawn - blue), min(red, drawn) + 1)
        wanted = f"at least {hits} of them {'is' if hits == 1 else 'are'} red"
    else:
        counts = range(hits, hits + 1)
        wanted = f"exactly {hits} of them {'is' if hits == 1 else 'are'} red"

    def solve() -> Solved:
        good = sum(comb(red, k) * comb(blue, drawn - k) for k in counts)
        every = comb(red + blue, drawn)
        return f"There are ${every}$ equally likely draws, of which ${good}$ count.", Rational(
            good, every
        )

    return Draft(
        f"An urn holds {red} red and {blue} blue marbles. {drawn} of them are drawn at random "
        f"without replacement. What is the probability that {wanted}? Give a fraction in lowest "
        "terms.",
        solve,
    )


def _paths(rng: Random, level: int) -> Draft:
    width, height = rng.randint(4, 9), rng.randint(4, 9)
    x, y = rng.randint(1, width - 1), rng.randint(1, height - 1)

    def solve() -> Solved:
        through = comb(x + y, x) * comb(width + height - x - y, width - x)
        every = comb(width + height, width)
        return (
            f"There are ${every}$ paths in all, and ${through}$ pass through $({x}, {y})$.",
            every - through if level == 5 else through,
        )

    how = "avoid" if level == 5 else "pass through"
    return Draft(
        f"A path from $(0, 0)$ to $({width}, {height})$ consists of steps of length $1$, each to "
        f"the right or up. How many such paths {how} the point $({x}, {y})$?",
        solve,
    )


def _expected(rng: Random, level: int) -> Draft:
    sides = rng.randint(4, 12) if level == 4 else rng.randint(4, 10)
    prize, loss = rng.randint(2, 20), rng.randint(1, 12)
    wins = rng.randint(1, sides - 1)

    def solve() -> Solved:
        chance = Rational(wins, sides)
        return f"A win has probability ${latex(chance)}$.", chance * prize - (1 - chance) * loss

    return Draft(
        f"You roll a fair die with faces 1 to {sides}. If it shows at most {wins}, you win "
        f"{prize} tokens; otherwise you lose {loss} tokens. What is your expected gain in "
        "tokens? Give an exact value.",
        solve,
    )


def _menu(rng: Random, level: int) -> Draft:
    counts = [rng.randint(2, 6 + 3 * level) for _ in range(3)]
    soups, mains, sweets = counts
    if level == 1:
        return Draft(
            f"A menu lists {soups} soups, {mains} main dishes and {sweets} desserts. How many "
            "different meals of one soup, one main dish and one dessert can be ordered?",
            lambda: ("Multiply the numbers of choices.", prod(counts)),
        )
    return Draft(
        f"A menu lists {soups} soups, {mains} main dishes and {sweets} desserts. A meal is one "
        "main dish, with or without a soup, and with or without a dessert. How many different "
        "meals are there?",
        lambda: (
            f"There are ${soups + 1}$ choices for the soup and ${sweets + 1}$ for the dessert, "
            "none included.",
            (soups + 1) * mains * (sweets + 1),
        ),
    )


def _percent_chance(rng: Random, level: int) -> Draft:
    first, second = 5 * rng.randint(1, 19), 5 * rng.randint(1, 19)
    one, two = rng.sample(["train", "bus", "ferry", "plane", "tram"], 2)
    which = rng.choice(["both are late", "neither is late"] if level == 1 else ["one"])
    if which == "one":
        which = rng.choice(["at least one of them is late", "exactly one of them is late"])

    def solve() -> Solved:
        p, q = Rational(first, 100), Rational(second, 100)
        chance = {
            "both are late": p * q,
            "neither is late": (1 - p) * (1 - q),
            "at least one of them is late": 1 - (1 - p) * (1 - q),
        }.get(which, p * (1 - q) + q * (1 - p))
        value = 100 * chance
        text = str(value) if value.q == 1 else f"{float(value):g}"
        return "Chances of independent events are multiplied.", f"{text}\\%"

    return Draft(
        f"A {one} is late with a chance of ${first}\\%$ and a {two} with a chance of "
        f"${second}\\%$, independently of each other. What is the chance, in percent, that "
        f"{which}?",
        solve,
    )


def _divisible(rng: Random, level: int) -> Draft:
    a, b = rng.sample(range(2, 10 + level), 2)
    last = rng.randint(50, 999)
    both = level == 2

    def solve() -> Solved:
        shared = last // lcm(a, b)
        either = last // a + last // b - shared
        return (
            f"There are ${last // a}$ multiples of ${a}$, ${last // b}$ of ${b}$, and ${shared}$ "
            "of both.",
            either if both else either - shared,
        )

    how = f"by ${a}$ or by ${b}$ (or by both)" if both else f"by exactly one of ${a}$ and ${b}$"
    return Draft(f"How many of the integers from $1$ to ${last}$ are divisible {how}?", solve)


def _table(rng: Random, level: int) -> Draft:
    people = rng.randint(5, 11)
    names = rng.sample(["Ada", "Boris", "Carla", "Deniz", "Emil", "Fiona", "Goran", "Hana"], 2)
    together = rng.random() < 0.5
    round_table = level == 4

    def solve() -> Solved:
        every = factorial(people - 1) if round_table else factorial(people)
        side = 2 * (factorial(people - 2) if round_table else factorial(people - 1))
        return f"There are ${every}$ arrangements, and in ${side}$ of them the two are together.", (
            side if together else every - side
        )

    where = (
        "around a round table, where arrangements that differ by a rotation count as one"
        if round_table
        else "in a row"
    )
    how = "sit" if together else "do not sit"
    return Draft(
        f"{people} people, {names[0]} and {names[1]} among them, take seats {where}. In how many "
        f"ways can they do so if {names[0]} and {names[1]} {how} next to each other?",
        solve,
    )


def _coin(rng: Random, level: int) -> Draft:
    bottom = rng.randint(3, 9)
    chance = Rational(rng.randint(1, bottom - 1), bottom)
    throws = rng.randint(3, 6) if level == 4 else rng.randint(4, 7)
    heads = rng.randint(1, throws - 1)
    counts = range(heads, heads + 1) if level == 4 else range(heads, throws + 1)

    def solve() -> Solved:
        return "Add up the terms of the binomial distribution.", sum(
            (comb(throws, k) * chance**k * (1 - chance) ** (throws - k) for k in counts),
            Rational(0),
        )

    wanted = f"exactly {heads}" if level == 4 else f"at least {heads}"
    return Draft(
        f"A bent coin shows heads with probability ${latex(chance)}$. It is tossed {throws} times. "
        f"What is the probability of {wanted} head{'s' if heads > 1 else ''}? Give a fraction in "
        "lowest terms.",
        solve,
    )


def _target(rng: Random, level: int) -> Draft:
    side = rng.randint(4, 30)
    radius = rng.randint(1, side // 2)
    if level == 4:
        return Draft(
            f"A point is chosen at random in a square of side ${side}$. What is the probability "
            f"that its distance from the centre of the square is at most ${radius}$?",
            lambda: (
                "Compare the area of the disc with that of the square.",
                pi * radius**2 / side**2,
            ),
        )
    other = side + rng.randint(0, 12)
    return Draft(
        f"A point is chosen at random in a rectangle of sides ${side}$ and ${other}$. What is the "
        f"probability that it is farther than ${radius}$ from every corner of the rectangle?",
        lambda: (
            "Quarters of four discs, which do not overlap, are cut off: one whole disc.",
            1 - pi * radius**2 / (side * other),
        ),
    )


def _coefficient(rng: Random, level: int) -> Draft:
    x = Symbol("x")
    a, b = rng.randint(1, level), nonzero(rng, level)
    exponent = rng.randint(4, 5 + level)
    power = rng.randint(1, exponent - 1)
    extra = [nonzero(rng, 4), nonzero(rng, 4)] if level == 5 else [1]

    def solve() -> Solved:
        product = Poly([a, b], x) ** exponent * Poly(extra, x)
        return "Use the binomial theorem.", product.coeff_monomial(x**power)

    factor = f"({polynomial(extra)})" if level == 5 else ""
    term = "x" if power == 1 else f"x^{power}"
    return Draft(
        f"What is the coefficient of ${term}$ in the expansion of "
        f"${factor}({polynomial([a, b])})^{{{exponent}}}$?",
        solve,
    )


TEMPLATES = (
    Template("committees", (1, 2, 3), _committee),
    Template("letters", (3, 4), _letters),
    Template("dice", (2, 3), _dice),
    Template("urn", (3, 4, 5), _urn),
    Template("lattice paths", (4, 5), _paths),
    Template("expected value", (3, 4), _expected),
    Template("menu", (1, 2), _menu),
    Template("chances in percent", (1, 2), _percent_chance),
    Template("divisible by either", (2, 3), _divisible),
    Template("seats", (3, 4), _table),
    Template("bent coin", (4, 5), _coin),
    Template("random point", (4, 5), _target),
    Template("binomial coefficient", (3, 4, 5), _coefficient),
)
