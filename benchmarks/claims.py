"""Is every figure of README and docs in a stored result?

A region of a page names the files that its figures come from, and ends at the next such line:

    <!-- figures: benchmarks/results/served-real.md -->
    <!-- figures: none -->

Within a region, a figure is a number with decimals, a percentage or a ratio (1.6 ×). Each must be
in one of the files, rounded to the page's digits; shares in a file also count as percent. A row of
a table must have its figures in a row of the files that starts with the same words. A region of
``paper`` quotes the paper, one of ``none`` is prose without results: settings, definitions,
examples. A page that has figures and names no file at all is listed, and fails with --strict.

    python benchmarks/claims.py                  # every page
    python benchmarks/claims.py docs/results/arithmetic.md  # one of them

Exit status: 0 every figure is there; 1 some are not, listed with page and line.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import tyro

ROOT = Path(__file__).resolve().parents[1]

REGION = re.compile(r"^<!-- figures: (.+?) -->$")
"""A line that says where the figures of the following lines come from."""

NUMBER = re.compile(r"(?<![\w.\-–/])[−+-]?\d[\d,]*(?:\.\d+)?(?![\w]*\d)")
"""A number, with separators and a true minus sign or not."""

FIGURE = re.compile(
    r"(?<![\w./-])(?P<number>[−+]?\d[\d,]*\.\d+)(?![\d.])"
    r"|(?<![\w./-])(?P<share>[−+]?\d[\d,]*)\s?(?:%|×)"
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
    strict: bool = False
    """Also fail for pages that have figures and name no file."""


@dataclass(frozen=True)
class Line:
    """A line of a page, and where its figures come from."""

    page: Path
    number: int
    text: str
    sources: tuple[str, ...]
    """Files of results, relative to the repository; empty before the first region."""


def main() -> int:
    options = tyro.cli(Options, description=__doc__)
    pages = options.pages or (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    wrong, unnamed, checked = [], [], 0
    for page in pages:
        read = list(lines(page.resolve()))
        if not any(line.sources for line in read):
            if any(figures(line.text) for line in read):
                unnamed.append(page)
            continue
        for line in read:
            found = list(missing(line))
            checked += len(figures(line.text))
            wrong += [f"{line.page.relative_to(ROOT)}:{line.number}: {one}" for one in found]
    for one in wrong:
        print(one)
    for page in unnamed:
        print(f"{page.resolve().relative_to(ROOT)}: names no file of results")
    print(f"{checked} figures checked, {len(wrong)} not found; {len(unnamed)} pages without files")
    return 1 if wrong or (options.strict and unnamed) else 0


def lines(page: Path) -> Iterator[Line]:
    """Yield the lines of a page outside blocks of code."""
    sources: tuple[str, ...] = ()
    fenced = False
    for number, text in enumerate(page.read_text("utf-8").splitlines(), start=1):
        if text.lstrip().startswith("```"):
            fenced = not fenced
        elif region := REGION.match(text):
            sources = tuple(region[1].split())
        elif not fenced and not text.startswith("    "):
            yield Line(page, number, text, sources)


def figures(text: str) -> list[str]:
    """Return the figures of a line.

    >>> figures("SCoRe has 98.7 [97.1, 99.4], 12% more: 1.6 × in `0.5` (p = 0.02)")
    ['98.7', '97.1', '99.4', '12', '1.6', '0.02']
    """
    plain = CODE.sub(" ", text)
    return [m["number"] or m["share"] for m in FIGURE.finditer(plain)]


def missing(line: Line) -> Iterator[str]:
    """Yield a message for each figure of a line that its files do not have."""
    if not line.sources or line.sources[0] in UNCHECKED:
        return
    texts = [content(name) for name in line.sources]
    if line.text.startswith("|"):
        label = cells(line.text)[0]
        rows = [row for text in texts for row in rows_of(text, label)]
        known = [number for row in rows for number in numbers(row)]
        where = f"no row {label!r} in" if not rows else f"not in the rows {label!r} of"
    else:
        known = [number for text in texts for number in numbers(text)]
        where = "not found in"
    for figure in figures(line.text):
        if not any(agrees(figure, number) for number in known):
            yield f"{figure}: {where} {', '.join(line.sources)}"


@lru_cache
def content(name: str) -> str:
    """Return the text of a file of results."""
    return (ROOT / name).read_text("utf-8")


@lru_cache
def numbers(text: str) -> tuple[float, ...]:
    """Return all numbers of a text."""
    return tuple(value(found) for found in NUMBER.findall(text))


def rows_of(text: str, label: str) -> list[str]:
    """Return the rows of a Markdown or CSV file whose first cell is ``label``."""
    found = []
    for row in text.splitlines():
        first = cells(row)[0] if row.startswith("|") else row.partition(",")[0].strip('"')
        if plain(first) == plain(label):
            found.append(row)
    return found


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
