"""The parts of a reply: its code blocks, and the text around them."""

from __future__ import annotations

import html
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from selfcorrect_env.verifiers.code.syntax import Parser

CLOSINGS = 8
"""Maximum number of closing fences that are tried for a block; a docstring may have fences."""

_OPENING = re.compile(
    r"(?P<before>[ \t>]*(?:(?:[-*+]|\d+[.)])[ \t]+)?)(?P<fence>`{3,}|~{3,})(?P<info>[^`]*)"
)
_LATE_OPENING = re.compile(
    r".*[^`\s][ \t]*(?P<fence>`{3,}|~{3,})(?:python|py)[\w.]*[ \t]*", re.IGNORECASE
)
_LANGUAGE = re.compile(r"(?:python|py)[\w.]*[ \t]+", re.IGNORECASE)
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_BRACKETS = re.compile(r"^[ \t]*\[/?[A-Z]{3,}\](?:[ \t]*$|(?=def|class|from|import))", re.MULTILINE)
_TAGS = re.compile(r"^[ \t]*<([A-Za-z][\w-]*)>|</([A-Za-z][\w-]*)>[ \t]*$", re.MULTILINE)
_PROMPT = re.compile(r"[ \t]*(?:>>>|\.\.\.)(?: |$)")
_SESSION = re.compile(r"^[ \t]*>>> (?:async def|def|class|@|from|import)\b", re.MULTILINE)
_ENTITY = re.compile(r"&(?:lt|gt|amp|quot|apos|nbsp|#\d+|#x[0-9a-fA-F]+);")
_TYPOGRAPHY = str.maketrans(
    {
        **dict.fromkeys("\u00a0\u2002\u2003\u2007\u2009\u202f\u3000", " "),
        **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff", ""),
        **dict.fromkeys("\u2018\u2019\u201a", "'"),
        **dict.fromkeys("\u201c\u201d\u201e", '"'),
    }
)


@dataclass(frozen=True)
class CodeParts:
    """The parts of a reply, in order."""

    blocks: tuple[str, ...]
    """The contents of its code blocks that are not blank."""
    rest: str
    """The text outside of them."""
    fenced: bool
    """Whether there is a code block, even a blank one."""


def parts_of(text: str, parser: Parser) -> CodeParts:
    """Split a reply into its code blocks and the rest.

    A block ends at the first closing fence at which it is valid Python, else at the first closing
    fence, else at the end: a docstring may have fences of its own.
    """
    lines = text.split("\n")
    blocks: list[str] = []
    rest: list[str] = []
    index, fenced = 0, False
    while index < len(lines):
        line = lines[index]
        single = _on_one_line(line)
        opening = _OPENING.fullmatch(line) or _LATE_OPENING.fullmatch(line)
        index += 1
        if single:
            blocks.append(single)
        elif opening is not None:
            block, index = _block(lines, index, opening, parser)
            blocks.append(block)
        else:
            rest.append(line)
            continue
        fenced = True
    return CodeParts(tuple(b for b in blocks if b.strip()), "\n".join(rest), fenced)


def _on_one_line(line: str) -> str:
    """Return the content of a block that is one line with both fences, or ""."""
    text = line.strip()
    code = text.strip("`")
    fenced = text.startswith("```") and text.endswith("```") and "`" not in code
    return _LANGUAGE.sub("", code, count=1).strip() + "\n" if fenced and code.strip() else ""


def _block(lines: list[str], start: int, opening: re.Match[str], parser: Parser) -> tuple[str, int]:
    """Return the content of the block that starts at a line, and the line after its end."""
    before = opening.groupdict().get("before") or ""
    first: tuple[str, int] | None = None
    tried = 0
    for index in range(start, len(lines)):
        code = _before_closing(lines[index], opening["fence"])
        if code is None:
            continue
        content = _content([*lines[start:index], *([code] if code.strip() else [])], before)
        first = first or (content, index + 1)
        tried += 1
        if any(parser.parse(form) is not None for form in (content, textwrap.dedent(content))):
            return content, index + 1
        if tried == CLOSINGS:
            break
    return first or (_content(lines[start:], before), len(lines))


def _before_closing(line: str, fence: str) -> str | None:
    """Return the text of a line before a closing fence, or None if there is none."""
    stripped = line.rstrip()
    code = stripped.rstrip(fence[0])
    closing = len(stripped) - len(code) >= len(fence)
    return code if closing and fence not in code else None


def _content(lines: list[str], before: str) -> str:
    """Return the lines without the quotation marks and the indentation of the block's fence."""
    if ">" in before:
        lines = [re.sub(r"^[ \t]*>[ \t]?", "", line) for line in lines]
        before = before.rpartition(">")[2]
    width = len(before.expandtabs())
    stripped = [re.sub(rf"^[ \t]{{0,{width}}}", "", line) if width else line for line in lines]
    return "\n".join([*stripped, ""])


def tagged(text: str, parser: Parser) -> list[str]:
    """Return the pieces of a text between tags such as ``[PYTHON]`` and ``</answer>``.

    A piece that is valid Python has no tags in angle brackets: those are in its string literals.
    """
    pieces = []
    for part in _BRACKETS.split(text):
        valid = not _TAGS.search(part) or parser.parse(part) is not None
        pieces += [part] if valid else _split(part)
    return [piece for piece in pieces if piece.strip()]


def _split(text: str) -> list[str]:
    tags = list(_TAGS.finditer(text))
    closed = {tag[2] for tag in tags}
    spans = [tag.span() for tag in tags if tag[2] or tag[1] in closed]
    ends = [0, *(end for span in spans for end in span), len(text)]
    return [text[start:end] for start, end in zip(ends[::2], ends[1::2], strict=True)]


def inline(text: str) -> list[str]:
    """Return what stands between single backticks."""
    return _INLINE.findall(text)


def readings(text: str) -> Iterator[str]:
    """Yield a code block as it stands, then as it was meant if it is not valid as it stands.

    Without the indentation of a list; without the prompts and the output of an interactive
    session; with the signs for which HTML or a word processor put others; with tabs as four
    spaces.
    """
    dedented = textwrap.dedent(text)
    typed = _without_typography(dedented)
    forms = (text, dedented, _without_prompts(dedented), typed, typed.expandtabs(4))
    yield from dict.fromkeys(form for form in forms if form)


def _without_prompts(text: str) -> str:
    """Return the input of an interactive session, or "" if the text is none."""
    if not _SESSION.search(text):
        return ""
    return "\n".join(
        _PROMPT.sub("", line, count=1) for line in text.split("\n") if _PROMPT.match(line)
    )


def _without_typography(text: str) -> str:
    text = html.unescape(text) if _ENTITY.search(text) else text
    return text.translate(_TYPOGRAPHY)
