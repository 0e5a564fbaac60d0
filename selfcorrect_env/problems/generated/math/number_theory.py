"""Templates of Number Theory."""

from __future__ import annotations

from math import gcd, lcm
from random import Random

from sympy import divisor_count, divisor_sigma, factorint, multiplicity, totient

from selfcorrect_env.problems.generated.math.draft import (
    Draft,
    Solved,
    Template,
    number_set,
    word,
)


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


def _parity(rng: Random, level: int) -> Draft:
    a, b, c = (rng.randint(11, 999) for _ in range(3))
    power = rng.randint(2, 9) if level == 1 else rng.randint(20, 200)
    divisor = 2 if level == 1 else 3
    value = a * b + c**power

    def solve() -> Solved:
        if level == 1:
            return "Only the parity of each number matters.", word("odd" if value % 2 else "even")
        rests = ("zero", "one", "two")
        return "Replace each number by its remainder.", word(rests[value % 3])

    shown = f"${a} \\cdot {b} + {c}^{{{power}}}$"
    if level == 1:
        return Draft(f"Is {shown} odd or even?", solve)
    return Draft(
        f"Which remainder does {shown} leave when divided by ${divisor}$: zero, one or two? "
        "Answer with the word.",
        solve,
    )


def _missing_digit(rng: Random, level: int) -> Draft:
    divisor = rng.choice([3, 4, 6, 9] if level == 2 else [7, 8, 11, 12])
    while True:
        digits = [str(rng.randint(1, 9)), *(str(rng.randint(0, 9)) for _ in range(level + 2))]
        place = rng.randint(1, len(digits) - 1)
        fits = [
            d
            for d in range(10)
            if int("".join([*digits[:place], str(d), *digits[place + 1 :]])) % divisor == 0
        ]
        if fits and len(fits) < 10:
            break
    shown = "".join([*digits[:place], "d", *digits[place + 1 :]])
    return Draft(
        f"In the number $\\overline{{{shown}}}$ the letter $d$ stands for a digit. Find the set of "
        f"all digits $d$ for which the number is divisible by ${divisor}$.",
        lambda: (f"Write down the test for divisibility by ${divisor}$.", number_set(fits)),
    )


def _modular_inverse(rng: Random, level: int) -> Draft:
    modulus = rng.randint(11, 60) if level == 4 else rng.randint(61, 300)
    number = rng.randint(2, modulus - 2)
    while gcd(number, modulus) != 1:
        number = rng.randint(2, modulus - 2)
    right = 1 if level == 4 else rng.randint(2, modulus - 1)
    inverse = pow(number, -1, modulus)

    def solve() -> Solved:
        return f"Euclid's algorithm gives the inverse ${inverse}$ of ${number}$.", (
            inverse * right % modulus
        )

    return Draft(
        f"Find the integer $n$ with $0 \\le n < {modulus}$ and ${number}n \\equiv {right} "
        f"\\pmod{{{modulus}}}$.",
        solve,
    )


def _zeros(rng: Random, level: int) -> Draft:
    number = rng.randint(20, 300) if level < 5 else rng.randint(50, 600)
    base = {3: 10, 4: rng.choice([3, 5, 6, 7, 10, 11, 14])}.get(level, rng.choice([8, 9, 12, 16]))

    def exponent(prime: int) -> int:
        return sum(multiplicity(prime, n) for n in range(prime, number + 1, prime))

    def solve() -> Solved:
        primes = factorint(base)
        count = min(exponent(prime) // power for prime, power in primes.items())
        return f"Count the prime factors of ${number}!$ that make up ${_factors(base)}$.", count

    where = "" if level == 3 else f" when it is written in base ${base}$"
    return Draft(f"How many zeros are at the end of ${number}!${where}?", solve)


def _totient(rng: Random, level: int) -> Draft:
    number = rng.randint(20, 120) if level == 3 else 2 * rng.randint(60, 900)

    def solve() -> Solved:
        return f"The number factors as ${_factors(number)}$.", totient(number)

    return Draft(
        f"How many of the integers from $1$ to ${number}$ have no common divisor with ${number}$ "
        "except $1$?",
        solve,
    )


def _to_base(rng: Random, level: int) -> Draft:
    base = rng.randint(2, 9)
    number = rng.randint(base, 40 * 5**level)
    digits = _numeral(number, base)
    if level < 3:
        return Draft(
            f"Write the number ${number}$ in base ${base}$. Give the base as a subscript.",
            lambda: (f"Divide by ${base}$ again and again.", f"{digits}_{{{base}}}"),
        )
    other = rng.randint(base, 40 * 5**level)
    return Draft(
        f"Add ${digits}_{{{base}}} + {_numeral(other, base)}_{{{base}}}$. Write the sum in base "
        f"${base}$, with the base as a subscript.",
        lambda: (
            f"In base $10$ the sum is ${number} + {other} = {number + other}$.",
            f"{_numeral(number + other, base)}_{{{base}}}",
        ),
    )


def _numeral(number: int, base: int) -> str:
    text = ""
    while number:
        number, digit = divmod(number, base)
        text = str(digit) + text
    return text


TEMPLATES = (
    Template("common divisors", (1, 2), _common),
    Template("number bases", (2, 3, 4), _base),
    Template("divisors", (2, 3, 5), _divisors),
    Template("powers", (3, 4, 5), _power),
    Template("remainders", (4, 5), _remainders),
    Template("parity and remainders", (1, 2), _parity),
    Template("missing digit", (2, 3), _missing_digit),
    Template("linear congruence", (4, 5), _modular_inverse),
    Template("zeros of factorials", (3, 4, 5), _zeros),
    Template("relatively prime", (3, 4), _totient),
    Template("to another base", (1, 2, 3), _to_base),
)
