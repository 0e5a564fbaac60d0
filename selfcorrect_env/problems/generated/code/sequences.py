"""Templates about lists of numbers."""

from __future__ import annotations

from random import Random

from selfcorrect_env.problems.generated.code.draft import CodeDraft, CodeTemplate, lists, numbers


def _sum_multiples(rng: Random) -> CodeDraft:
    k = rng.randint(2, 60)
    return CodeDraft(
        f"Write a function NAME(values) that adds up those integers of a list that are divisible "
        f"by {k}.",
        f"def NAME(values):\n    return sum(v for v in values if v % {k} == 0)",
        [*lists(rng, -3 * k, 3 * k), ([k, 2 * k + 1, -3 * k],)],
    )


def _count_above(rng: Random) -> CodeDraft:
    k = rng.randint(-40, 40)
    return CodeDraft(
        f"Write a function NAME(values) that counts the integers of a list that are above {k}.",
        f"def NAME(values):\n    return sum(v > {k} for v in values)",
        lists(rng, k - 10, k + 10),
    )


def _every_nth(rng: Random) -> CodeDraft:
    n, start = rng.randint(2, 9), rng.randint(0, 4)
    return CodeDraft(
        f"Write a function NAME(values) that returns every {n}. element of a list, beginning with "
        f"the one at index {start}.",
        f"def NAME(values):\n    return values[{start}::{n}]",
        [(numbers(rng, size),) for size in (12, 9, 15, n + start + 1, start + 1, start, 1, 0)],
    )


def _clip(rng: Random) -> CodeDraft:
    low = rng.randint(-30, 10)
    high = low + rng.randint(2, 25)
    return CodeDraft(
        f"Write a function NAME(values) that returns a list in which every integer below {low} is "
        f"replaced by {low} and every integer above {high} by {high}.",
        f"def NAME(values):\n    return [min(max(v, {low}), {high}) for v in values]",
        lists(rng, low - 12, high + 12),
    )


def _rotate(rng: Random) -> CodeDraft:
    k = rng.randint(1, 40)
    way = rng.choice(["left", "right"])
    sign = "" if way == "left" else "-"
    return CodeDraft(
        f"Write a function NAME(values) that returns a list rotated by {k} places to the {way}. An "
        "empty list stays empty.",
        "def NAME(values):\n    if not values:\n        return []\n"
        f"    k = {sign}{k} % len(values)\n    return values[k:] + values[:k]",
        lists(rng),
    )


def _running(rng: Random) -> CodeDraft:
    start = rng.randint(-50, 50)
    return CodeDraft(
        f"Write a function NAME(values) that returns the running totals of a list, the counting of "
        f"which begins at {start}: the first total is {start} plus the first element.",
        f"def NAME(values):\n    totals, total = [], {start}\n    for v in values:\n"
        "        total += v\n        totals.append(total)\n    return totals",
        lists(rng),
    )


def _pairs_with_sum(rng: Random) -> CodeDraft:
    total = rng.randint(-30, 30)
    return CodeDraft(
        f"Write a function NAME(values) that counts the pairs of places i < j in a list whose "
        f"elements add up to {total}.",
        "def NAME(values):\n    return sum(\n        values[i] + values[j] == "
        f"{total}\n        for j in range(len(values))\n        for i in range(j)\n    )",
        [*lists(rng, total // 2 - 4, total // 2 + 4), ([total, 0, total, 0],)],
    )


def _longest_run(rng: Random) -> CodeDraft:
    d = rng.choice([n for n in range(-25, 26) if n])
    return CodeDraft(
        "Write a function NAME(values) that returns the length of the longest stretch of a list "
        f"in which every element is the one before it plus {d}. Of an empty list it returns 0.",
        "def NAME(values):\n    best = length = 0\n    for i, v in enumerate(values):\n"
        f"        length = length + 1 if i and v == values[i - 1] + {d} else 1\n"
        "        best = max(best, length)\n    return best",
        [
            ([0, d, 2 * d, 7, 7 + d],),
            ([5, 5, 5],),
            ([1, 1 + d, 3, 3 + d, 3 + 2 * d, 3 + 3 * d],),
            (numbers(rng, 6),),
            ([d, 2 * d, 3 * d, 4 * d, 5 * d],),
            ([9],),
            ([],),
        ],
    )


def _kth_largest(rng: Random) -> CodeDraft:
    k, kind = rng.randint(2, 12), rng.choice(["largest", "smallest"])
    order = ", reverse=True" if kind == "largest" else ""
    return CodeDraft(
        f"Write a function NAME(values) that returns the {k}. {kind} of the different integers in "
        f"a list, or None if there are fewer than {k} different ones.",
        f"def NAME(values):\n    found = sorted(set(values){order})\n"
        f"    return found[{k - 1}] if len(found) >= {k} else None",
        [
            *((numbers(rng, rng.randint(k, 16), -9, 9),) for _ in range(5)),
            (rng.sample(range(-20, 20), k + 2),),
            ([3, 3, 3],),
            ([],),
        ],
    )


def _chunks(rng: Random) -> CodeDraft:
    n, how = rng.randint(2, 12), rng.choice(["sum", "max", "min"])
    what = {"sum": "sum", "max": "largest element", "min": "smallest element"}[how]
    return CodeDraft(
        f"Write a function NAME(values) that cuts a list into pieces of {n} elements (the last "
        f"one may be shorter) and returns the list of each piece's {what}.",
        f"def NAME(values):\n    return [{how}(values[i : i + {n}]) "
        f"for i in range(0, len(values), {n})]",
        [(numbers(rng, size),) for size in (2 * n, 2 * n + 1, n + 1, n, n - 1, 1, 0)],
    )


def _alternate(rng: Random) -> CodeDraft:
    a, b = rng.sample(range(2, 12), 2)
    return CodeDraft(
        f"Write a function NAME(values) that returns a list in which the elements at even indices "
        f"are multiplied by {a} and those at odd indices by {b}.",
        "def NAME(values):\n"
        f"    return [v * ({b} if i % 2 else {a}) for i, v in enumerate(values)]",
        lists(rng),
    )


def _until(rng: Random) -> CodeDraft:
    stop = rng.randint(-30, 30)
    return CodeDraft(
        f"Write a function NAME(values) that returns the elements of a list before the first "
        f"{stop}, or all of them if there is no {stop}.",
        f"def NAME(values):\n    return values[: values.index({stop})] if {stop} in values "
        "else list(values)",
        [
            ([1, 2, stop, 3],),
            ([4, 5, 6 + abs(stop)],),
            ([stop, 8],),
            ([7, stop, 8, stop, 9],),
            (numbers(rng, 7, stop - 2, stop + 2),),
            ([stop],),
            ([],),
        ],
    )


TEMPLATES = (
    CodeTemplate("sum_multiples", "lists", 1, _sum_multiples),
    CodeTemplate("count_above", "lists", 1, _count_above),
    CodeTemplate("every_nth", "lists", 1, _every_nth),
    CodeTemplate("alternate", "lists", 2, _alternate),
    CodeTemplate("clip_values", "lists", 2, _clip),
    CodeTemplate("elements_until", "lists", 2, _until),
    CodeTemplate("rotated", "lists", 3, _rotate),
    CodeTemplate("running_totals", "lists", 2, _running),
    CodeTemplate("kth_of_values", "lists", 3, _kth_largest),
    CodeTemplate("pieces", "lists", 3, _chunks),
    CodeTemplate("pairs_with_sum", "lists", 4, _pairs_with_sum),
    CodeTemplate("longest_run", "lists", 5, _longest_run),
)
