"""Pairs of a reference and an answer in a text file, as parameters of a test.

A line ``+ reference @ answer`` is a right answer, ``- reference @ answer`` a wrong one, and
``# kind`` names the kind of the lines after it.
"""

from pathlib import Path

import pytest


def labelled_pairs(file: Path, sign: str) -> list:
    """Return the pairs of the lines that begin with ``sign``."""
    kind, found = "", []
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            kind = line[2:]
        elif line.startswith(sign):
            reference, _, answer = line[2:].partition(" @ ")
            found.append(pytest.param(reference, answer, id=f"{kind}: {line[2:]}"))
    return found
