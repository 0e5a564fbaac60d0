"""Templates of Number Theory."""

from __future__ import annotations

from math import gcd, lcm
from random import Random

from sympy import divisor_count, divisor_sigma, factorint

from selfcorrect_env.datasets.procedural.draft import Draft, Solved, Template


def _common(rng: Random, level: int) -> Draft:
    shared = rng.randint(2, 12 * level)
    a, b = (shared * factor for factor in rng.sample(range(2, 10 + 5 * level), 2))
    if level == 1 or rng.random() < 0.5:
        which, function = "greatest common divisor", gcd
    else:
        which, function = "least common multiple", lcm

    def solve() -> Solved:
        return f"Compare the prime factors: ${_factors(a)}$ and ${_factors(b)}$.", function(a, b)

    return Draft(f"Find the {which} of ${a}$ and ${b}$.", solve)


def _base(rng: Random, level: int) -> Draft:
    base = rng.randint(3, 9)
    digits = [rng.randint(1, base - 1), *(rng.randrange(base) for _ in range(level))]
    value = int("".join(map(str, digits)), base)
    numeral = "".join(map(str, digits))
    if level < 4:
        statement = f"Write the base-${base}$ numeral ${numeral}_{{{base}}}$ in base $10$."
        working = "Add up the digits times the powers of the base."
        answer = value
    else:
        statement = (
            f"What is the sum of the digits of ${value}$ when it is written in base ${base}$?"
        )
        working = f"In base ${base}$ it is written ${numeral}_{{{base}}}$."
        answer = sum(digits)
    return Draft(statement, lambda: (working, answer))


def _divisors(rng: Random, level: int) -> Draft:
    primes = rng.sample((2, 3, 5, 7, 11, 13), min(level, 3))
    number = 1
    for prime in primes:
        number *= prime ** rng.randint(1, 4 if prime < 5 else 2)
    number *= rng.randint(2, 20)
    total = level == 5

    def solve() -> Solved:
        function = divisor_sigma if total else divisor_count
        return f"The number factors as ${_factors(number)}$.", function(number)

    what = "What is the sum of the" if total else "How many"
    return Draft(
        f"{what} positive divisors {'of' if total else 'does'} ${number}$"
        f"{'?' if total else ' have?'}",
        solve,
    )


def _power(rng: Random, level: int) -> Draft:
    base = rng.randint(2, 30)
    exponent = rng.randint(10 ** (level - 2), 10 ** (level - 1))
    modulus = 10 if level == 3 else rng.randint(7, 10 * level)

    def solve() -> Solved:
        return f"The powers of ${base}$ repeat modulo ${modulus}$.", pow(base, exponent, modulus)

    if level == 3:
        return Draft(f"What is the units digit of ${base}^{{{exponent}}}$?", solve)
    return Draft(
        f"Find the remainder when ${base}^{{{exponent}}}$ is divided by ${modulus}$.", solve
    )


def _remainders(rng: Random, level: int) -> Draft:
    moduli = rng.sample((3, 4, 5, 7, 11, 13), 2 if level == 4 else 3)
    rests = [rng.randrange(1, modulus) for modulus in moduli]
    parts = [
        f"${rest}$ when divided by ${modulus}$" for modulus, rest in zip(moduli, rests, strict=True)
    ]

    def solve() -> Solved:
        whole = lcm(*moduli)
        found = next(
            n
            for n in range(1, whole + 1)
            if all(n % m == rest for m, rest in zip(moduli, rests, strict=True))
        )
        return f"By the Chinese remainder theorem there is one such number up to ${whole}$.", found

    return Draft(
        "Find the smallest positive integer that leaves remainder "
        f"{', '.join(parts[:-1])} and {parts[-1]}.",
        solve,
    )


def _factors(number: int) -> str:
    return " \\cdot ".join(
        str(prime) if power == 1 else f"{prime}^{{{power}}}"
        for prime, power in factorint(number).items()
    )


TEMPLATES = (
    Template("common divisors", (1, 2), _common),
    Template("number bases", (2, 3, 4), _base),
    Template("divisors", (2, 3, 5), _divisors),
    Template("powers", (3, 4, 5), _power),
    Template("remainders", (4, 5), _remainders),
)
