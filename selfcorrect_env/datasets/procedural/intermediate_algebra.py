"""Templates of Intermediate Algebra."""

from __future__ import annotations

from random import Random

from sympy import I, Poly, Rational, Symbol, expand

from selfcorrect_env.datasets.procedural.draft import Draft, Solved, Template, nonzero, polynomial

X = Symbol("x")


def _expand(rng: Random, level: int) -> Draft:
    factors = [[rng.randint(1, 2 * level - 1), nonzero(rng, 9)] for _ in range(level + 1)]
    text = "".join(f"({polynomial(factor)})" for factor in factors)

    def solve() -> Solved:
        product = Poly(1, X)
        for factor in factors:
            product *= Poly(factor, X)
        return "Multiply term by term and collect the powers of $x$.", polynomial(
            [int(c) for c in product.all_coeffs()]
        )

    return Draft(f"Expand the product ${text}$.", solve)


def _complex(rng: Random, level: int) -> Draft:
    a, b, c, d = (nonzero(rng, 4 + 3 * level) for _ in range(4))

    def number(real: int, imaginary: int) -> str:
        size = "" if abs(imaginary) == 1 else str(abs(imaginary))
        return f"{real} {'+' if imaginary > 0 else '-'} {size}i"

    if level == 3:
        text = f"\\frac{{{number(a, b)}}}{{{number(c, d)}}}"
    else:
        text = f"({number(a, b)})({number(c, d)})"

    def solve() -> Solved:
        if level == 3:
            top, norm = expand((a + b * I) * (c - d * I)), c * c + d * d
            return f"Multiply by the conjugate; the denominator becomes ${norm}$.", expand(
                top / norm
            )
        return "Use $i^2 = -1$.", expand((a + b * I) * (c + d * I))

    return Draft(
        f"Compute ${text}$, where $i^2 = -1$. Write the answer in the form $a + bi$.", solve
    )


def _remainder(rng: Random, level: int) -> Draft:
    coefficients = [nonzero(rng, 5), *(rng.randint(-9, 9) for _ in range(level + 1))]
    root = nonzero(rng, 2 + level)

    def solve() -> Solved:
        value = 0
        for coefficient in coefficients:
            value = value * root + coefficient
        return f"By the remainder theorem it is the value at $x = {root}$.", value

    return Draft(
        f"Find the remainder when ${polynomial(coefficients)}$ is divided by "
        f"${polynomial([1, -root])}$.",
        solve,
    )


def _logarithm(rng: Random, level: int) -> Draft:
    base, power, shift = rng.randint(2, 7), rng.randint(2, 4), nonzero(rng, 20)
    slope = 1 if level == 2 else rng.randint(2, 9)
    return Draft(
        f"Solve $\\log_{{{base}}} ({polynomial([slope, shift])}) = {power}$ for $x$.",
        lambda: (
            f"The argument equals ${base}^{{{power}}} = {base**power}$.",
            Rational(base**power - shift, slope),
        ),
    )


def _vieta(rng: Random, level: int) -> Draft:
    # x^3 + px^2 + qx + r with roots u, v, w
    p, q, r = (nonzero(rng, 3 + 2 * level) for _ in range(3))
    asked = {3: "r^2 + s^2 + t^2", 4: "\\frac{1}{r} + \\frac{1}{s} + \\frac{1}{t}"}.get(
        level, "r^3 + s^3 + t^3"
    )

    def solve() -> Solved:
        one, two, three = -p, q, -r  # the elementary symmetric functions of the roots
        value = {
            3: Rational(one**2 - 2 * two),
            4: Rational(two, three),
        }.get(level, Rational(one**3 - 3 * one * two + 3 * three))
        return (
            f"By Vieta $r + s + t = {one}$, $rs + rt + st = {two}$ and $rst = {three}$.",
            value,
        )

    return Draft(
        f"Let $r$, $s$ and $t$ be the complex roots of ${polynomial([1, p, q, r])} = 0$, counted "
        f"with multiplicity. Compute ${asked}$.",
        solve,
    )


def _telescope(rng: Random, level: int) -> Draft:
    shift, last = rng.randint(0, 9), rng.randint(6, 60)
    gap = 1 if level == 4 else rng.randint(2, 4)

    def factor(offset: int) -> str:
        return f"(k + {offset})" if offset else "k"

    def solve() -> Solved:
        total = sum(
            (Rational(1, (k + shift) * (k + shift + gap)) for k in range(1, last + 1)), Rational(0)
        )
        return "Partial fractions make the sum telescope.", total

    return Draft(
        f"Evaluate $\\sum_{{k = 1}}^{{{last}}} "
        f"\\frac{{1}}{{{factor(shift)}{factor(shift + gap)}}}$.",
        solve,
    )


TEMPLATES = (
    Template("expanding", (1, 2), _expand),
    Template("complex numbers", (1, 2, 3), _complex),
    Template("polynomial remainder", (2, 3), _remainder),
    Template("logarithms", (2, 3), _logarithm),
    Template("Vieta", (3, 4, 5), _vieta),
    Template("telescoping sum", (4, 5), _telescope),
)
