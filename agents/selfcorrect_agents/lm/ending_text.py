"""`EndingText`: a text that ends a reply, such as the start of the next turn in plain words.

A base model was trained to go on after its reply, with the next question and the answer to it. The
text is found while the reply is sampled: a table says how much of it a reply ends with after each
token, so that nothing is decoded.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class EndingText:
    """A text that ends a reply once it is written.

    The state of a reply is the number of characters of the text that it ends with, from 0 to
    `whole`, where it ends.

    Args:
        text: its first character is not in it again after another one.
        pieces: the text of each token id, V of them.
    """

    def __init__(self, text: str, pieces: Sequence[str]) -> None:
        self.text = text
        """The text."""
        self.whole = len(text)
        """The state of a reply that ends with the whole text."""
        table = torch.zeros(self.whole + 1, len(pieces), dtype=torch.uint8)
        for token, piece in enumerate(pieces):
            if not piece or text[0] in piece or piece[0] in text:
                states = [self._read(state, piece) for state in range(self.whole)]
                table[: self.whole, token] = torch.tensor(states, dtype=torch.uint8)
        self._tables = {table.device: table}

    def table(self, device: torch.device) -> Tensor:
        """(whole + 1, V) uint8: the state after each token, by the state before it."""
        if device not in self._tables:
            self._tables[device] = next(iter(self._tables.values())).to(device)
        return self._tables[device]

    def length(self, ids: Sequence[int]) -> int | None:
        """Return how many of the ids make a reply that the text ends; None if it is not in it."""
        table, state = self.table(torch.device("cpu")), 0
        for index, token in enumerate(ids):
            state = int(table[state, token])
            if state == self.whole:
                return index + 1
        return None

    def _read(self, state: int, piece: str) -> int:
        """Return the state after a piece of text; the whole text in it ends the reply."""
        for character in piece:
            seen = self.text[:state] + character
            state = next(n for n in range(len(seen), -1, -1) if seen.endswith(self.text[:n]))
            if state == self.whole:
                break
        return state
