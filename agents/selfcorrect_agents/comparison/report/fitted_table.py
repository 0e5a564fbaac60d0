"""`FittedTable`: a table for the terminal that never cuts a number, however narrow the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

NARROWEST = 6
"""Characters that a column of names has at least."""


@dataclass(frozen=True, kw_only=True)
class FittedTable:
    """A table of text. Columns that do not fit beside each other continue in a further table."""

    title: str
    """The line above the table."""
    rows: Sequence[Sequence[str]]
    """The head, then the rows; all with the same number of cells."""
    names: int = 1
    """How many columns at the left are names: every part of the table starts with them."""
    bold: Set[int] = field(default_factory=frozenset)
    """Indices of rows in bold type; 0 is the first row below the head."""
    ends: Set[int] = field(default_factory=frozenset)
    """Indices of rows that are followed by a line."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(self.title)
        widths = self._widths(options.max_width)
        for columns in self._parts(widths, options.max_width):
            yield self._table(columns, widths)

    def _widths(self, available: int) -> list[int]:
        """Return the width of every column: its longest cell, or the longest word of its head.

        Names are folded if there is no room for them beside the widest column of numbers.
        """
        widths = [
            max(map(cell_len, [*head.split(), *(row[column] for row in self.rows[1:]), ""]))
            for column, head in enumerate(self.rows[0])
        ]
        names, numbers = widths[: self.names], widths[self.names :]
        borders = self.names + 2
        room = available - borders - max(numbers, default=0)
        if sum(names) > room:
            names = [max(NARROWEST, min(width, room // self.names)) for width in names]
        return [*names, *numbers]

    def _parts(self, widths: Sequence[int], available: int) -> Iterator[list[int]]:
        """Yield the columns of each part, so that it is at most ``available`` wide if possible."""
        names = list(range(self.names))
        free = available - 1 - sum(widths[column] + 1 for column in names)
        part: list[int] = []
        for column in range(self.names, len(widths)):
            if part and sum(widths[each] + 1 for each in (*part, column)) > free:
                yield [*names, *part]
                part = []
            part.append(column)
        yield [*names, *part]

    def _table(self, columns: Sequence[int], widths: Sequence[int]) -> Table:
        table = Table(padding=(0, 0))
        for column in columns:
            table.add_column(
                Text(self.rows[0][column]),
                justify="left" if column < self.names else "right",
                width=widths[column],
                overflow="fold",
            )
        for index, row in enumerate(self.rows[1:]):
            style = "bold" if index in self.bold else ""
            table.add_row(*(Text(row[column]) for column in columns), style=style)
            if index in self.ends:
                table.add_section()
        return table
