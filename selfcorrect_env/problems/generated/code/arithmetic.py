"""Templates about whole numbers, recursion and simulation."""

from __future__ import annotations

from random import Random

from selfcorrect_env.problems.generated.code.draft import CodeDraft, CodeTemplate, numbers


def _naturals(rng: Random, most: int, *edges: int) -> list[tuple[int]]:
    return [(n,) for n in [*(rng.randint(0, most) for _ in range(5)), *edges]]


def _piecewise(rng: Random) -> CodeDraft:
    k, a, b = rng.randint(2, 30), rng.randint(2, 9), rng.randint(1, 20)
    return CodeDraft(
        f"Write a function NAME(n) that returns {a} times an integer if it is below {k}, else the "
        f"integer plus {b}.",
        f"def NAME(n):\n    return {a} * n if n < {k} else n + {b}",
        [(n,) for n in (k - 1, k, k + 1, 0, -3, rng.randint(-50, 50), rng.randint(-50, 50))],
    )


def _digit_sum(rng: Random) -> CodeDraft:
    base = rng.randint(2, 36)
    return CodeDraft(
        f"Write a function NAME(n) that returns the sum of the digits of a natural number written "
        f"in base {base}.",
        f"def NAME(n):\n    total = 0\n    while n:\n        n, digit = divmod(n, {base})\n"
        "        total += digit\n    return total",
        _naturals(rng, 5000, 0, base - 1, base, base**3 + 1),
    )


def _in_base(rng: Random) -> CodeDraft:
    base = rng.randint(2, 9)
    width = rng.randint(2, 8)
    return CodeDraft(
        f"Write a function NAME(n) that writes a natural number in base {base} as a text of at "
        f"least {width} digits, filled with zeros from the left.",
        f"def NAME(n):\n    digits = ''\n    while n:\n        n, digit = divmod(n, {base})\n"
        f"        digits = str(digit) + digits\n    return digits.rjust({width}, '0')",
        _naturals(rng, 3000, 0, 1, base**width),
    )


def _divisors(rng: Random) -> CodeDraft:
    k = rng.randint(2, 40)
    return CodeDraft(
        f"Write a function NAME(n) that returns the sorted list of the positive divisors of n that "
        f"are at most {k}.",
        f"def NAME(n):\n    return [d for d in range(1, min(n, {k}) + 1) if n % d == 0]",
        [(n,) for n in (k, 2 * k, 60, 97, 1, rng.randint(2, 200), rng.randint(2, 200))],
    )


def _recurrence(rng: Random) -> CodeDraft:
    a, b = rng.randint(1, 4), rng.choice([-3, -2, -1, 1, 2, 3])
    first, second = rng.randint(-5, 5), rng.randint(1, 9)
    return CodeDraft(
        f"Write a function NAME(n) that returns element n of the sequence whose elements 0 and "
        f"1 are {first} and {second}, and in which every later one is {a} times the one before "
        f"it plus {b} times the one before that.",
        f"def NAME(n):\n    x, y = {first}, {second}\n    for _ in range(n):\n"
        f"        x, y = y, {a} * y + {b} * x\n    return x",
        [(n,) for n in (2, 5, 3, 0, 1, 8, 12)],
    )


def _steps(rng: Random) -> CodeDraft:
    d, m, c = rng.randint(2, 5), rng.randint(2, 5), rng.randint(1, 9)
    limit = rng.choice([20, 25, 30, 50])
    return CodeDraft(
        f"A natural number is changed step by step: if it is divisible by {d}, it is divided by "
        f"{d}, else it is multiplied by {m} and {c} is added. Write a function NAME(n) that "
        "returns after how many steps it is 1 for the first time, or -1 if it is not after "
        f"{limit} steps.",
        f"def NAME(n):\n    for step in range({limit + 1}):\n        if n == 1:\n"
        f"            return step\n        n = n // {d} if n % {d} == 0 else {m} * n + {c}\n"
        "    return -1",
        [(n,) for n in (d, d * d, 1, d**3, rng.randint(2, 40), rng.randint(2, 40), 7)],
    )


def _ways(rng: Random) -> CodeDraft:
    coins = sorted(rng.sample(range(1, 13), rng.randint(2, 4)))
    listed = ", ".join(map(str, coins))
    return CodeDraft(
        f"Write a function NAME(n) that counts the ways to pay the amount n with coins worth "
        f"{listed}, any number of each; the order of the coins does not matter.",
        f"def NAME(n):\n    ways = [1] + [0] * n\n    for coin in {coins}:\n"
        "        for amount in range(coin, n + 1):\n"
        "            ways[amount] += ways[amount - coin]\n"
        "    return ways[n]",
        [(n,) for n in (coins[0] + coins[1], 12, 20, 0, 1, 37, coins[-1])],
    )


def _climb(rng: Random) -> CodeDraft:
    steps = sorted(rng.sample(range(1, 8), rng.randint(2, 3)))
    listed = " or ".join(map(str, steps))
    return CodeDraft(
        f"Write a function NAME(n) that counts the ways to climb n stairs when every stride takes "
        f"{listed} of them; the order of the strides matters, and there is one way to climb none.",
        "import functools\n\n@functools.cache\ndef NAME(n):\n    if n == 0:\n        return 1\n"
        f"    return sum(NAME(n - s) for s in {steps} if s <= n)",
        [(n,) for n in (steps[0], sum(steps), 10, 0, 1, 14, steps[-1])],
    )


def _robot(rng: Random) -> CodeDraft:
    size = rng.randint(3, 12)
    edge = rng.choice(["stays where it is", "comes in again on the other side"])
    move = f"min(max(place, 0), {size - 1})" if edge.startswith("stays") else f"place % {size}"
    start = rng.randrange(size)
    return CodeDraft(
        f"A robot stands at place {start} of a row of {size} places, numbered from 0. 'L' moves it "
        f"one place down and 'R' one place up; where it would leave the row it {edge}. Write a "
        "function NAME(moves) that returns its place after a text of moves.",
        f"def NAME(moves):\n    place = {start}\n    for m in moves:\n"
        f"        place += {{'L': -1, 'R': 1}}[m]\n        place = {move}\n    return place",
        [
            ("RRL",),
            ("L" * (size + 1),),
            ("R" * (size + 2),),
            ("".join(rng.choice("LR") for _ in range(20)),),
            ("".join(rng.choice("LR") for _ in range(9)),),
            ("R",),
            ("",),
        ],
    )


def _account(rng: Random) -> CodeDraft:
    fee, limit = rng.randint(1, 9), rng.randint(0, 60)
    return CodeDraft(
        f"An account starts at 0. A positive amount is paid in. A negative amount is paid out and "
        f"costs a fee of {fee} besides, unless amount and fee would take the account below "
        f"{-limit}: then nothing happens. Write a function NAME(amounts) that returns what is in "
        "the account at the end.",
        f"def NAME(amounts):\n    held = 0\n    for amount in amounts:\n        if amount >= 0:\n"
        f"            held += amount\n        elif held + amount - {fee} >= {-limit}:\n"
        f"            held += amount - {fee}\n    return held",
        [
            ([50, -20],),
            ([-limit - 1],),
            ([-(limit - fee)],),
            (numbers(rng, 8, -40, 40),),
            (numbers(rng, 6, -40, 40),),
            ([10, -10, -10, 5],),
            ([],),
        ],
    )


def _depth(rng: Random) -> CodeDraft:
    k = rng.randint(2, 60)
    return CodeDraft(
        f"Write a function NAME(tree) for lists of integers and of such lists. It adds up all "
        f"integers, each multiplied by {k} as often as it is deep: in the outer list not at all, "
        "in a list inside it once, and so on.",
        "def NAME(tree, depth=0):\n    return sum(\n"
        f"        NAME(part, depth + 1) if isinstance(part, list) else part * {k}**depth\n"
        "        for part in tree\n    )",
        [
            ([1, [2, 3]],),
            ([[[5]]],),
            ([4, [1, [2], 3], -6],),
            ([numbers(rng, 3), numbers(rng, 2), 7],),
            ([[], 2],),
            ([9],),
            ([],),
        ],
    )


TEMPLATES = (
    CodeTemplate("piecewise", "numbers", 1, _piecewise),
    CodeTemplate("digit_sum", "numbers", 2, _digit_sum),
    CodeTemplate("small_divisors", "numbers", 2, _divisors),
    CodeTemplate("in_base", "numbers", 3, _in_base),
    CodeTemplate("element", "recursion", 3, _recurrence),
    CodeTemplate("robot_place", "simulation", 3, _robot),
    CodeTemplate("account", "simulation", 4, _account),
    CodeTemplate("steps_to_one", "simulation", 4, _steps),
    CodeTemplate("nested_sum", "recursion", 4, _depth),
    CodeTemplate("strides", "recursion", 5, _climb),
    CodeTemplate("coin_ways", "recursion", 5, _ways),
)
