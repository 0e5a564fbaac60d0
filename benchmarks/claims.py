"""Is every figure of README and docs in a stored result?

A region of a page names the files that its figures come from, and ends at the next such line:

    <!-- figures: benchmarks/results/served-real.md -->
    <!-- figures: none -->

Within a region, a figure is a number with decimals, a percentage, a ratio (1.6 ×), a count (17 of
20), or a cell of a table that is a whole number (29,696). Each must be in one of the files, rounded
to the page's digits; shares in a file also count as percent. A row of a table must have its figures
in a row of the files that starts with the same words, and in a column of the same head if these
rows have one. A region of ``paper`` quotes the paper, one of ``none`` is prose without results:
settings, definitions, examples. A page with figures before its first region fails, too.

What it does not see: whether a sentence names the right row of the file.

    python benchmarks/claims.py                  # every page
    python benchmarks/claims.py docs/results/arithmetic.md  # one of them

Exit status: 0 every figure is there; 1 some are not, or name no file; they are listed.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import tyro

ROOT = Path(__file__).resolve().parents[1]

REGION = re.compile(r"^<!-- figures: (.+?) -->$")
"""A line that says where the figures of the following lines come from."""

NUMBER = re.compile(
    r"(?<![\w.\-–])(?<!(?<!\d)/)[−+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w]*\d)"
)
"""A number, with separators and a true minus sign or not."""

FIGURE = re.compile(
    r"(?<![\w.-])(?<!(?<!\d)/)(?P<number>[−+]?\d[\d,]*\.\d+)(?!\d|\.\d)"
    r"|(?<![\w./-])(?P<share>[−+]?\d[\d,]*)\s?(?:%|×)"
    r"|(?<![\w./-])(?P<count>\d+(?:,\d{3})* of \d+(?:,\d{3})*)(?![\w.,]*\d)"
)
"""What counts as a figure in a sentence or a cell."""

CODE = re.compile(r"`[^`]*`|\]\([^)]*\)|arXiv [\d.]+|\b\d{4}\.\d{5}\b|<[^>]*>")
"""Parts of a line without figures: code, targets of links, markup."""

UNCHECKED = ("none", "paper")
"""Regions whose figures are in no file of results."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which pages are checked."""

    pages: tyro.conf.Positional[tuple[Path, ...]] = ()
    """Pages; by default README.md and all of docs/."""


@dataclass(frozen=True)
class Line:
    """A line of a page, and where its figures come from."""

    page: Path
    number: int
    text: str
    sources: tuple[str, ...]
    """Files of results, relative to the repository; empty before the first region."""
    heads: tuple[str, ...] = ()
    """Of the columns, if the line is a row of a table."""


def main() -> int:
    options = tyro.cli(Options, description=__doc__)
    pages = options.pages or (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    read = [line for page in pages for line in lines(page.resolve())]
    wrong = [
        f"{line.page.relative_to(ROOT)}:{line.number}: {one}"
        for line in read
        for one in missing(line)
    ]
    for one in wrong:
        print(one)
    checked = sum(len(figures_of(line)) for line in read if not unchecked(line))
    print(f"{checked} figures checked, {len(wrong)} not found")
    return 1 if wrong else 0


def lines(page: Path) -> Iterator[Line]:
    """Yield the lines of a page outside blocks of code."""
    sources: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()
    fenced = False
    for number, text in enumerate(page.read_text("utf-8").splitlines(), start=1):
        if text.lstrip().startswith("```"):
            fenced = not fenced
        elif region := REGION.match(text):
            sources = tuple(region[1].split())
            for name in sources:
                if name not in UNCHECKED and not (ROOT / name).is_file():
                    raise SystemExit(f"{page}:{number} names {name}, which is not there")
        elif not fenced and not text.startswith("    "):
            row = tuple(cells(text)) if text.startswith("|") else ()
            heads = (heads or row) if row else ()
            yield Line(page, number, text, sources, heads)


def figures_of(line: Line) -> list[str]:
    """Return the figures of a line, those of a table's row cell by cell."""
    if not line.text.startswith("|"):
        return figures(line.text)
    label, *row = cells(line.text)
    return [*figures(label), *(figure for cell in row for figure in figures(cell) or whole(cell))]


def figures(text: str) -> list[str]:
    """Return the figures of a line.

    >>> figures("SCoRe has 98.7 [97.1, 99.4], 12% more: 1.6 × in `0.5` (p = 0.02), 17 of 20.")
    ['98.7', '97.1', '99.4', '12', '1.6', '0.02', '17 of 20']
    >>> figures("40.2/98.7, but not x/1.5")
    ['40.2', '98.7']
    """
    plain = CODE.sub(" ", text)
    return [m["number"] or m["share"] or m["count"] for m in FIGURE.finditer(plain)]


def whole(cell: str) -> list[str]:
    """Return the whole numbers that a cell is: one, or several with → or / between them.

    >>> whole("29,696"), whole("**16**"), whole("42 → 97"), whole("16 seeds")
    (['29,696'], ['16'], ['42', '97'], [])
    """
    number = r"[−+]?\d[\d,]*"
    found = re.fullmatch(rf"[*`]*({number}(?:(?: → |/){number})*)[*`]*", cell)
    return re.split(r" → |/", found[1]) if found else []


def unchecked(line: Line) -> bool:
    """Whether a line is in a region whose figures are in no file."""
    return bool(line.sources) and line.sources[0] in UNCHECKED


def missing(line: Line) -> Iterator[str]:
    """Yield a message for each figure of a line that its files do not have, or that has none."""
    if not line.sources:
        yield from (f"{figure}: before the page's first region" for figure in figures(line.text))
        return
    if unchecked(line):
        return
    names = ", ".join(line.sources)
    texts = [content(name) for name in line.sources]
    if not line.text.startswith("|"):
        for figure in figures(line.text):
            if not any(holds(text, figure) for text in texts):
                yield f"{figure}: not found in {names}"
        return
    label, *row = cells(line.text)
    found = [one for text in texts for one in rows_of(text, label)]
    for figure in figures(label):
        if not any(holds(text, figure) for text in texts):
            yield f"{figure}: not found in {names}"
    for head, cell in zip(line.heads[1:], row, strict=False):
        same = [one[plain(head)] for one in found if plain(head) in one]
        where = f"{label!r}, {head!r}" if same else f"{label!r}"
        known = same or [text for one in found for text in one.values()]
        for figure in figures(cell) or whole(cell):
            if not found:
                yield f"{figure}: no row {label!r} in {names}"
            elif not any(holds(text, figure) for text in known):
                yield f"{figure}: not in the rows {where} of {names}"


def holds(text: str, figure: str) -> bool:
    """Whether a text has a figure, rounded to the figure's digits, or a count."""
    if " of " in figure:
        return re.search(rf"(?<![\d,.]){re.escape(figure)}(?![\d,]*\d)", text) is not None
    return any(agrees(figure, number) for number in numbers(text))


@lru_cache
def content(name: str) -> str:
    """Return the text of a file of results; a CSV file as a Markdown table."""
    path = ROOT / name
    if path.suffix != ".csv":
        return path.read_text("utf-8")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    return "\n".join(
        "| " + " | ".join(each.replace("|", "\\|") for each in row) + " |" for row in rows
    )


@lru_cache
def numbers(text: str) -> tuple[float, ...]:
    """Return all numbers of a text."""
    return tuple(value(found) for found in NUMBER.findall(text))


@lru_cache
def rows_of(text: str, label: str) -> tuple[Mapping[str, str], ...]:
    """Return the rows of a file's tables whose first cell is ``label``: head of a column -> cell.

    Heads are as `plain` returns them; cells of columns with the same head are joined.
    """
    found: list[Mapping[str, str]] = []
    heads: Sequence[str] = ()
    for line in text.splitlines():
        row = cells(line) if line.startswith("|") else ()
        heads = (heads or row) if row else ()
        if row and plain(row[0]) == plain(label):
            joined: dict[str, str] = {}
            for head, cell in zip(heads[1:], row[1:], strict=False):
                joined[plain(head)] = f"{joined.get(plain(head), '')} {cell}"
            found.append(joined)
    return tuple(found)


def cells(row: str) -> Sequence[str]:
    """Return the cells of a row of a Markdown table."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]]


def plain(label: str) -> str:
    """Return a label without emphasis, code and marks."""
    return re.sub(r"[*`†]", "", label).strip().casefold()


def agrees(figure: str, number: float) -> bool:
    """Whether a figure of a page is a number, rounded to the figure's digits.

    >>> agrees("98.7", 0.98684), agrees("−0.4", -0.41), agrees("0.41", 0.42)
    (True, True, False)
    """
    digits = len(figure.partition(".")[2])
    half = 0.5 * 10**-digits * (1 + 1e-6)
    wanted = value(figure)
    return any(abs(wanted - number * scale) <= half for scale in (1, 100))


def value(text: str) -> float:
    """Return the number that a text is."""
    return float(text.replace(",", "").replace("−", "-"))


if __name__ == "__main__":
    sys.exit(main())
