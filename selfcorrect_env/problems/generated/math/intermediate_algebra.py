"""Templates of Intermediate Algebra."""

from __future__ import annotations

from random import Random

from sympy import I, Poly, Rational, Symbol, expand, oo, sqrt

from selfcorrect_env.problems.generated.math.draft import (
    Draft,
    Solved,
    Template,
    interval,
    latex,
    listed,
    nonzero,
    number_set,
    pair,
    polynomial,
    word,
)

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


def _complex_roots(rng: Random, level: int) -> Draft:
    real, radicand = rng.randint(-9, 9), rng.randint(1, 30)
    if level == 3:
        radicand = rng.randint(1, 9) ** 2
    scale = 1 if level == 3 else rng.randint(1, 4)
    coefficients = [scale**2, -2 * real * scale, real**2 + radicand]

    def solve() -> Solved:
        roots = [(real + sign * I * sqrt(radicand)) / scale for sign in (1, -1)]
        values = [latex(expand(root)) for root in roots]
        return f"The discriminant is ${-4 * scale**2 * radicand}$.", (
            number_set(values) if level == 3 else listed(values)
        )

    how = (
        "Write the set of its two solutions."
        if level == 3
        else "Write its two solutions, separated by a comma."
    )
    return Draft(
        f"The equation ${polynomial(coefficients, 'z')} = 0$ has no real solution. {how}", solve
    )


def _rational(rng: Random, level: int) -> Draft:
    low, middle, high = sorted(rng.sample(range(-12, 13), 3))
    strict, above = rng.random() < 0.5, rng.random() < 0.5
    sign = (">" if above else "<") if strict else ("\\ge" if above else "\\le")
    hole = low if level == 4 else rng.choice([low, middle, high])

    def factor(root: int) -> str:
        return f"({polynomial([1, -root])})"

    def solve() -> Solved:
        def opened(root: int) -> str:
            return "(" if strict or root == hole else "["

        def closed(root: int) -> str:
            return ")" if strict or root == hole else "]"

        if above:
            parts = (
                interval(low, middle, opened(low) + closed(middle)),
                interval(high, oo, opened(high) + ")"),
            )
        else:
            parts = (
                interval(-oo, low, "(" + closed(low)),
                interval(middle, high, opened(middle) + closed(high)),
            )
        return f"The sign changes at ${low}$, ${middle}$ and ${high}$.", " \\cup ".join(parts)

    top = "".join(factor(root) for root in (low, middle, high) if root != hole)
    return Draft(
        f"Solve $\\frac{{{top}}}{{{polynomial([1, -hole])}}} {sign} 0$. Give the answer in "
        "interval notation.",
        solve,
    )


def _fractions(rng: Random, level: int) -> Draft:
    p, q = rng.sample([n for n in range(-8, 9) if n], 2)
    tops = nonzero(rng, 9), nonzero(rng, 9)
    common = 1 if level == 3 else rng.choice([2, 3, 4, 6])
    a, b = (Rational(n, common) for n in tops)
    top = [sum(tops), -tops[0] * q - tops[1] * p]  # of A/(x - p) + B/(x - q), times `common`
    bottom = f"({polynomial([1, -p])})({polynomial([1, -q])})"
    if common != 1:
        bottom = f"{common}{bottom}"
    left = f"\\frac{{{polynomial(top)}}}{{{bottom}}}"
    right = " + ".join(
        f"\\frac{{{letter}}}{{{polynomial([1, -root])}}}" for letter, root in (("A", p), ("B", q))
    )
    return Draft(
        f"Find the ordered pair $(A, B)$ of constants such that ${left} = {right}$ for all $x$ "
        f"other than ${p}$ and ${q}$.",
        lambda: (f"Multiply by the denominators and put in $x = {p}$ and $x = {q}$.", pair(a, b)),
    )


def _quotient(rng: Random, level: int) -> Draft:
    top = [nonzero(rng, 4), *(rng.randint(-9, 9) for _ in range(level + 1))]
    bottom = [1, nonzero(rng, 6)] if level == 2 else [1, rng.randint(-4, 4), nonzero(rng, 5)]

    def solve() -> Solved:
        quotient, remainder = Poly(top, X).div(Poly(bottom, X))
        rest = polynomial([int(c) for c in remainder.all_coeffs()])
        return f"Long division leaves the remainder ${rest}$.", polynomial(
            [int(c) for c in quotient.all_coeffs()]
        )

    return Draft(
        f"Find the quotient, without the remainder, when ${polynomial(top)}$ is divided by "
        f"${polynomial(bottom)}$.",
        solve,
    )


def _symmetry(rng: Random, level: int) -> Draft:
    wanted = rng.choice(["even", "odd", "neither"])
    powers = rng.sample({"even": [0, 2, 4, 6, 8], "odd": [1, 3, 5, 7, 9]}.get(wanted, [1, 3, 5]), 3)
    if wanted == "neither":
        powers[0] = rng.choice([0, 2, 4, 6])
    coefficients = [0] * (max(powers) + 1)
    for power in powers:
        coefficients[-power - 1] = nonzero(rng, 9)
    if level == 1:
        return Draft(
            f"Is the function $f(x) = {polynomial(coefficients)}$ even, odd, or neither?",
            lambda: ("Compare $f(-x)$ with $f(x)$.", word(wanted)),
        )
    factor = rng.choice(["x", "x^2", "|x|"])
    flipped = {"even": "odd", "odd": "even"}.get(wanted, wanted) if factor == "x" else wanted
    return Draft(
        f"Is the function $g(x) = {factor} \\cdot ({polynomial(coefficients)})$ even, odd, or "
        "neither?",
        lambda: (
            f"The bracket is {'neither even nor odd' if wanted == 'neither' else wanted}.",
            word(flipped),
        ),
    )


def _exponents(rng: Random, level: int) -> Draft:
    base = rng.choice([2, 3, 5])
    p, q = rng.sample(range(1, 5), 2)
    a, b, c = nonzero(rng, 2 + level), rng.randint(-9, 9), rng.randint(-9, 9)
    d = nonzero(rng, 5) if level == 2 else 0
    if p * a == q * d:
        d += 1 if d != -1 else 2
    if p * a == q * d:
        d += 1

    def solve() -> Solved:
        return (
            f"Write both sides as powers of ${base}$.",
            Rational(q * c - p * b, p * a - q * d),
        )

    left, right = f"{base**p}^{{{polynomial([a, b])}}}", f"{base**q}^{{{polynomial([d, c])}}}"
    return Draft(f"Solve ${left} = {right}$ for $x$.", solve)


def _conjugates(rng: Random, level: int) -> Draft:
    real, radicand = rng.randint(-5, 5), rng.choice([2, 3, 5, 6, 7, 10, 11])
    imaginary = rng.random() < 0.5
    square = -(rng.randint(1, 6) ** 2) if imaginary else radicand
    other = nonzero(rng, 6)
    root = real + sqrt(square)
    more = f" and ${other}$" if level == 5 else ""
    degree = "three" if level == 5 else "two"

    def solve() -> Solved:
        product = Poly([1, -2 * real, real**2 - square], X)
        if level == 5:
            product *= Poly([1, -other], X)
        return f"The conjugate of ${latex(root)}$ is a root as well.", polynomial(
            [int(c) for c in product.all_coeffs()]
        )

    return Draft(
        f"A polynomial of degree {degree} with rational coefficients and leading coefficient $1$ "
        f"has the root{'s' if more else ''} ${latex(root)}${more}. Write it in expanded form, with "
        "the variable $x$.",
        solve,
    )


TEMPLATES = (
    Template("expanding", (1, 2), _expand, "expanded"),
    Template("complex numbers", (1, 2, 3), _complex, "evaluated"),
    Template("polynomial remainder", (2, 3), _remainder),
    Template("logarithms", (2, 3), _logarithm),
    Template("Vieta", (3, 4, 5), _vieta),
    Template("telescoping sum", (4, 5), _telescope, "evaluated"),
    Template("complex roots", (3, 4), _complex_roots),
    Template("rational inequality", (4, 5), _rational),
    Template("partial fractions", (3, 4), _fractions),
    Template("quotient", (2, 3), _quotient),
    Template("even or odd function", (1, 2), _symmetry),
    Template("exponential equation", (1, 2), _exponents),
    Template("conjugate roots", (4, 5), _conjugates),
)
