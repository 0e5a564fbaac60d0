"""A position in a sequence of tokens, and what a reader of them takes from there."""

from __future__ import annotations

from collections.abc import Sequence

from selfcorrect_env.verifiers.math.tokens import Token, TokenKind, spelled


class Unreadable(Exception):  # noqa: N818  no error: the text is compared as a text
    """The tokens are not an expression that this package reads."""


class TokenReader:
    """Tokens, of which those before an index are taken."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        if not tokens:
            raise Unreadable
        self.tokens = list(tokens)
        self.at = 0

    @property
    def token(self) -> Token | None:
        """The next token, or None at the end."""
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    @property
    def next(self) -> str:
        """The text of the next token, or "" at the end."""
        return self.tokens[self.at].text if self.at < len(self.tokens) else ""

    def take(self, wanted: str = "") -> Token:
        """Take the next token; raise Unreadable at the end, or if its text is not ``wanted``."""
        token = self.token
        if token is None or (wanted and token.text != wanted):
            raise Unreadable
        self.at += 1
        return token

    def put_back(self, token: Token, used: int) -> None:
        """Put the text of the last token after ``used`` characters back."""
        if len(token.text) > used:
            self.at -= 1
            self.tokens[self.at] = token._replace(text=token.text[used:])

    def follows(self, *texts: str) -> bool:
        """Return whether the next tokens have these texts."""
        return tuple(token.text for token in self.tokens[self.at : self.at + len(texts)]) == texts

    def index(self) -> str:
        """Take an index: a group, or one letter or digit; return its text without spaces."""
        if self.next != "{":
            token = self.take()
            if token.kind is TokenKind.NUMBER and len(token.text) > 1:
                self.put_back(token, 1)
                return token.text[0]
            if not token.text.isalnum():
                raise Unreadable
            return token.text
        start = self.at + 1
        depth = 0
        while (token := self.token) is not None:
            self.at += 1
            depth += (token.text == "{") - (token.text == "}")
            if depth == 0:
                break
        if depth or self.at - 1 == start:
            raise Unreadable
        return spelled(tuple(self.tokens[start : self.at - 1])).replace(" ", "")
