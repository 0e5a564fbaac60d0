r"""Tokens of an answer in LaTeX: numbers, letters, words, commands, signs.

Layout (spaces, ``\left``, ``\displaystyle``, colours) is dropped here, and nowhere else: whatever
comes out of `tokenize` has a meaning, and a reader has to account for all of it.
"""

from __future__ import annotations

import re
from decimal import Decimal
from enum import Enum
from typing import NamedTuple

from selfcorrect_env.verifiers.math.units import is_symbol

LONGEST = 2000
"""Maximum length of a text in characters."""


class TokenKind(Enum):
    """The kind of a token."""

    NUMBER = "number"
    """Digits, perhaps with a point: ``1234``, ``.5``. Thousands are not separated."""
    LETTERS = "letters"
    """One to three letters, which may be a product: ``x``, ``ab``."""
    WORD = "word"
    r"""Text: ``\text{even}``, ``\operatorname{lcm}``, or four letters and more: ``apples``."""
    COMMAND = "command"
    r"""A command that is not layout: ``\frac``."""
    SIGN = "sign"
    r"""One character, or ``\{``, ``\}``, ``\|``, ``\\``."""


class Token(NamedTuple):
    """One token of an answer."""

    kind: TokenKind
    text: str
    spaced: bool = False
    """Whether white space precedes it."""


_SPACE = r"(?:\s|~|\\[ ,;:!>]|\\q?quad|\\(?:thinspace|enspace|hfill)(?![A-Za-z]))"
_LAYOUT = (
    r"\\(?:left|right)\s*\.|\\(?:left|right|middle|displaystyle|textstyle|scriptstyle|limits|nolimits"
    r"|[bB]igg?[lrm]?|mathstrut|checkmark|underline|small|large|Large|huge|Huge|hline|centering|bf|rm|it)(?![A-Za-z])"
    r"|\\(?:color|hspace|vspace|phantom|vphantom|hphantom|label|tag)\s*\{[^{}]*\}"
    r"|\\textcolor\s*\{[^{}]*\}"
)
_GROUPED = r"[1-9]\d{0,2}(?:(?:%s)\d{3})+(?![\d])(?:\.\d+)?"
_SPACED = _GROUPED % r"\{,\}|[ ~]|\\[ ,]|,\\!\s?"
_THOUSANDS = _GROUPED % r"[,']|\{,\}|[ ~]|\\[ ,]|,\\!\s?"
_REST = (
    r"(?P<row>\\\\\*?\s*\[\s*-?[\d.]+\s*(?:pt|em|ex|mm|cm|in|mu|pc|bp|\\[a-z]+)\s*\]|\\\\\*)"
    r"|(?P<scientific>(?:\d+\.\d+|1)[eE][+-]?\d+|\d+(?:e\+?|E[+-]?)\d+)(?![\w.])"
    r"|(?P<number>\d+\.(?=\s*\\(?:overline|bar|dot)\b)|\d+(?:\.\d+)?|\.\d+)"
    r"|(?P<text>\\(?:text(?:bf|it|rm|sf|tt|normal)?|mbox|hbox|mathrm|mathit|mathsf|operatorname\*?)\s*(?=\{))"
    r"|(?P<dots>\.\.\.|…)"
    r"|(?P<degree>(?<=\d)\^\s*(?:\{\s*)?(?:o|\\(?:text|mathrm|rm)\s*\{?\s*o\s*\}?)(?:\s*\})?(?![A-Za-z])"
    r"|\^\s*\{?\s*°\s*\}?|\\textdegree(?![A-Za-z])|\^\s*\{\s*\\circ\s*\}|\^\s*\\circ(?![A-Za-z])|°|\\degree(?![A-Za-z])|º)"
    r"|(?P<command>\\[A-Za-z]+)"
    r"|(?P<escaped>\\[{}|%$&#_\\])"
    r"|(?P<letters>[A-Za-z]+)"
    r"|(?P<words>[^\W\d_A-Za-z][^\W\d_]*)"
    r"|(?P<sign>[-+*/^_(){}\[\],;:=<>|!'.&%$?€£¥₹])"
)
_START = rf"(?P<space>{_SPACE}+)|(?P<layout>{_LAYOUT})|(?P<grouped>(?<![\d.,])(?:@grouped))|{_REST}"
_OUTSIDE = re.compile(_START.replace("@grouped", _THOUSANDS))
_INSIDE = re.compile(_START.replace("@grouped", _SPACED))
_LAYOUT_IN_TEXT = re.compile(r"\\(?:left|right)(?![A-Za-z])|\\[ ,;:!]|[~$]|\\q?quad(?![A-Za-z])")
_SAME = {
    r"\dfrac": r"\frac",
    r"\tfrac": r"\frac",
    r"\cfrac": r"\frac",
    r"\leq": r"\le",
    r"\leqslant": r"\le",
    r"\geq": r"\ge",
    r"\geqslant": r"\ge",
    r"\neq": r"\ne",
    r"\lt": "<",
    r"\gt": ">",
    r"\lbrace": r"\{",
    r"\rbrace": r"\}",
    r"\lvert": "|",
    r"\rvert": "|",
    r"\vert": "|",
    r"\Vert": r"\|",
    r"\lVert": r"\|",
    r"\rVert": r"\|",
    r"\cdot": "*",
    r"\times": "*",
    r"\ast": "*",
    r"\div": "/",
    r"\dots": r"\ldots",
    r"\cdots": r"\ldots",
    r"\varnothing": r"\emptyset",
    r"\land": r"\wedge",
    r"\lor": r"\vee",
    r"\colon": ":",
    r"\ln": r"\ln",
    r"\tbinom": r"\binom",
    r"\dbinom": r"\binom",
    r"\backslash": r"\setminus",
    r"\smallsetminus": r"\setminus",
    r"\langle": "⟨",
    r"\rangle": "⟩",
    r"\lparen": "(",
    r"\rparen": ")",
    r"\lbrack": "[",
    r"\rbrack": "]",
    r"\prime": "'",
    r"\newline": r"\\",
    r"\tabularnewline": r"\\",
    r"\cr": r"\\",
    r"\pounds": "£",
    r"\textsterling": "£",
    r"\euro": "€",
    r"\texteuro": "€",
    r"\yen": "¥",
    r"\textyen": "¥",
    r"\textdollar": "$",
}
_CURRENCY_SIGNS = tuple("$€£¥₹")
_VECTOR = re.compile(r"\\(?:vec|overrightarrow|mathbf|boldsymbol|bm|hat|widehat)(?![A-Za-z])")
_UNSIGNED = {"\\$": "$", "\\%": "%"}


def tokenize(text: str) -> tuple[Token, ...] | None:
    r"""Return the tokens of ``text``, or None if a part of it is none.

    >>> [token.text for token in tokenize(r"\dfrac{1{,}200}{x} \text{ apples}")]
    ['\\frac', '{', '1200', '}', '{', 'x', '}', 'apples']
    """
    if len(text) > LONGEST:
        return None
    ordered = bool(_VECTOR.search(text)) if r"\times" in text else False
    tokens: list[Token] = []
    at, depth, spaced = 0, 0, False
    while at < len(text):
        found = (_INSIDE if depth > 0 else _OUTSIDE).match(text, at)
        if found is None:
            return None
        at, kind = found.end(), found.lastgroup
        if kind in ("space", "layout"):
            spaced = spaced or kind == "space"
            continue
        if kind == "text":
            inside, at = _braced(text, at)
            token = _text(inside)
            if token is None:
                continue
            if token.kind is TokenKind.LETTERS and tokens and _may_be_unit(tokens[-1], token.text):
                token = Token(TokenKind.WORD, token.text)
        else:
            token = _token(kind or "", found.group())
            if ordered and found.group() == r"\times":
                token = Token(TokenKind.COMMAND, r"\times")
        depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
        tokens.append(token._replace(spaced=spaced))
        spaced = False
    return tuple(tokens)


def _may_be_unit(before: Token, letter: str) -> bool:
    r"""Return whether a letter in a text command is a unit: ``5\text{ m}``."""
    return is_symbol(letter) and (
        before.kind is TokenKind.NUMBER or before.text in ("{", "}", ")", "°")
    )


def spelled(tokens: tuple[Token, ...]) -> str:
    """Return the text of tokens, with one space between any two."""
    return " ".join(token.text for token in tokens)


def _token(kind: str, text: str) -> Token:
    if kind == "row":
        return Token(TokenKind.SIGN, "\\\\")
    if kind == "scientific":
        return Token(TokenKind.NUMBER, _decimal(text))
    if kind in ("number", "grouped"):
        return Token(TokenKind.NUMBER, re.sub(r"[^\d.]", "", text))
    if kind == "dots":
        return Token(TokenKind.COMMAND, r"\ldots")
    if kind == "degree":
        return Token(TokenKind.SIGN, "°")
    if kind == "letters":
        return Token(TokenKind.LETTERS if len(text) <= 3 else TokenKind.WORD, text)
    if kind == "words":
        return Token(TokenKind.WORD, text)
    same = _SAME.get(text, _UNSIGNED.get(text, text))
    return Token(TokenKind.COMMAND if re.match(r"\\[A-Za-z]", same) else TokenKind.SIGN, same)


def _decimal(scientific: str) -> str:
    """Return ``1.5e3`` as ``1500``; a number with a huge exponent as it is."""
    exponent = int(re.split("[eE]", scientific)[1])
    return scientific if abs(exponent) > 400 else format(Decimal(scientific), "f")


def _text(inside: str) -> Token | None:
    """Return the token of a text command's content; None if it is blank."""
    if (sign := inside.strip().removeprefix("\\")) in _CURRENCY_SIGNS:
        return Token(TokenKind.SIGN, sign)
    words = " ".join(_LAYOUT_IN_TEXT.sub(" ", inside).split())
    if not words.strip(".,;"):
        return None
    if re.fullmatch(r"\\[A-Za-z]+", words):
        return _token("command", words)
    if re.fullmatch(r"\d+(?:\.\d+)?", words):
        return Token(TokenKind.NUMBER, words)
    if letter := re.fullmatch(r"\(? ?([A-Za-z]) ?[).]?", words):
        return Token(TokenKind.LETTERS, letter[1])
    return Token(TokenKind.WORD, words)


def _braced(text: str, at: int) -> tuple[str, int]:
    """Return the content of the braces that open at ``at``, and the index after them."""
    depth = 0
    for index in range(at, len(text)):
        depth += (text[index] == "{") - (text[index] == "}")
        if depth == 0:
            return text[at + 1 : index], index + 1
    return text[at + 1 :], len(text)
