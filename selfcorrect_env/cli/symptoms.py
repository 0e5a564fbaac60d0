"""The results of ``selfcorrect doctor``'s checks, and the table of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rich.table import Table
from rich.text import Text

State: TypeAlias = Literal["ok", "missing", "broken"]
STYLES = {"ok": "green", "missing": "yellow", "broken": "bold red"}


@dataclass(frozen=True)
class Symptom:
    """The result of one check."""

    topic: str
    what: str
    state: State
    """Missing is what may be absent; broken is what is there and does not work."""
    detail: str
    """What was found."""
    advice: str = ""
    """What to do about it; "" if nothing needs to be done."""


def symptom_table(symptoms: Sequence[Symptom]) -> Table:
    """Return a table with a line for each check, with its advice.

    Ids and commands are not broken inside of a word at 80 columns.
    """
    table = Table(show_header=False, box=None)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    topic = ""
    for symptom in symptoms:
        if symptom.topic != topic:
            table.add_row(Text(symptom.topic, style="bold"))
            topic = symptom.topic
        table.add_row(
            Text(f" {symptom.what}"),
            Text(symptom.state, style=STYLES[symptom.state]),
            Text(" → ".join(filter(None, (symptom.detail, symptom.advice)))),
        )
    return table
