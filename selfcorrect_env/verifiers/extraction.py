r"""Finding the final answer in a response about mathematics.

Looked for in this order; the *last* occurrence counts, so what a model thinks aloud first
does not: ``\boxed{…}``, unless "final answer is …" (the paper's format) comes after it; that;
GSM8K's ``#### …``; "the answer is …" and "answer: …"; a response that is short enough to be
nothing but an answer; the last ``$…$``; the last number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from selfcorrect_env.boxed import last_boxed

LONGEST = 2000
"""Characters of an answer that are judged; no answer of the data sets has more than 200."""

_SHORT = 120
_TAIL = 20_000
"""Phrases are looked for in so many characters at the end; a box in the whole response."""

_FINAL = re.compile(r"final answer is\s*:?", re.IGNORECASE)
_ANSWER = re.compile(r"(?:answer is|answer\s*:)", re.IGNORECASE)
_SENTENCE = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}\s+[A-Za-z]{2,}")
_NUMBER = re.compile(r"-?\$?\d[\d,]*(?:\.\d+)?(?:/\d+)?%?")
_HOPE = re.compile(r"\.?\s*I hope it is correct.*", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Found:
    """An answer that was found."""

    answer: str
    """The answer's text, without ``$`` and the sentence around it."""
    rivals: tuple[str, ...] = ()
    """Other boxed answers in the same line: the response hedges unless they say the same."""


def final_answer(response: str) -> Found | None:
    """Return the final answer of ``response``, or None where there is none."""
    boxed = last_boxed(response)
    if boxed is not None and (stated := _stated_after_box(response)):
        return Found(_said(stated))
    if boxed is not None:
        return Found(boxed, _rivals(response)) if boxed else None
    tail = response[-_TAIL:]
    for pattern in (_FINAL, re.compile("####"), _ANSWER):
        places = list(pattern.finditer(tail))
        if places and (answer := _stated(tail[places[-1].end() :])):
            return Found(_said(answer))
    whole = tail.strip()
    if len(response) <= _TAIL and _is_bare(whole):
        return Found(_unwrapped(whole))
    maths = re.findall(r"\$([^$]{1,500})\$", tail)
    if maths:
        return Found(_unwrapped(maths[-1]))
    numbers = _NUMBER.findall(tail)
    return Found(numbers[-1].rstrip(",.")) if numbers else None


def _stated_after_box(response: str) -> str:
    """Return what "final answer is" states after the last box, or "": then the box was a step."""
    start = max(response.rfind(r"\boxed"), response.rfind(r"\fbox"))
    after = response[start:][-_TAIL:]
    places = list(_FINAL.finditer(after))
    return _stated(after[places[-1].end() :]) if places else ""


def _is_bare(whole: str) -> bool:
    """Whether a response is so short and so little of a sentence that it is an answer itself."""
    if not whole or len(whole) > _SHORT or "\n" in whole or "$" in whole.strip("$"):
        return False
    sentence = _SENTENCE.search(whole)
    return not sentence or (len(whole.split()) <= 3 and not re.search(r"\d", whole))


def _rivals(response: str) -> tuple[str, ...]:
    """Return the other boxed answers in the line of the last one (at most ten)."""
    start = max(response.rfind(r"\boxed"), response.rfind(r"\fbox"))
    line = response[response.rfind("\n", 0, start) + 1 : start][-LONGEST:]
    found: list[str] = []
    while len(found) < 10 and (place := line.rfind(r"\boxed")) >= 0:
        boxed = last_boxed(line)
        if boxed:
            found.append(boxed)
        line = line[:place]
    return tuple(found)


def _stated(rest: str) -> str:
    """Return the answer at the start of ``rest``, which follows "the answer is" or the like."""
    line = _HOPE.sub("", rest.strip()).strip().strip('"').strip()
    if not line:
        return ""
    for opening, closing in (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]")):
        if line.startswith(opening) and (end := _closing(line, closing, len(opening))) > 0:
            after = line[end + len(closing) :].partition("\n")[0]
            # "$1$ or $2$", "$1$, $2$": all of it is the answer
            if not re.match(r"\s*(?:,|or\b|and\b)", after):
                return line[len(opening) : end].strip()
    return _unwrapped(line.partition("\n")[0])


def _said(stated: str) -> str:
    """Return what a sentence states, such as 34 in "the largest n is 34"; else the text itself."""
    if not _SENTENCE.search(re.sub(r"\\text\s*\{[^{}]*\}", "", stated)):
        return stated
    rest = stated.rpartition(" is ")[2]
    if rest != stated and rest and not _SENTENCE.search(rest):
        return _unwrapped(rest)
    numbers = _NUMBER.findall(stated)
    return numbers[-1].rstrip(",.") if len(numbers) == 1 else stated


def _closing(line: str, closing: str, start: int) -> int:
    """Return where ``closing`` stands at or after ``start``, not counting an escaped dollar."""
    place = line.find(closing, start)
    while place > 0 and closing == "$" and line[place - 1] == "\\":
        place = line.find(closing, place + 1)
    return place


def _unwrapped(text: str) -> str:
    text = re.sub(r"(?<=[^\s])\.(?:\s.*)?$", "", text.strip()).strip()
    text = text.strip("*_` ")
    for opening, closing in (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]")):
        if text.startswith(opening) and text.endswith(closing) and len(text) > len(opening):
            inside = text[len(opening) : -len(closing)]
            if opening not in inside:
                text = inside
    return text.strip().rstrip(".").strip()
