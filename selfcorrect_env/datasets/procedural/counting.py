"""Templates of Counting & Probability."""

from __future__ import annotations

from math import comb, factorial, prod
from random import Random

from sympy import Rational

from selfcorrect_env.datasets.procedural.draft import Draft, Solved, Template, latex

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


TEMPLATES = (
    Template("committees", (1, 2, 3), _committee),
    Template("letters", (3, 4), _letters),
    Template("dice", (2, 3), _dice),
    Template("urn", (3, 4, 5), _urn),
    Template("lattice paths", (4, 5), _paths),
    Template("expected value", (3, 4), _expected),
)
