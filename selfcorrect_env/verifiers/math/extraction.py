r"""Extraction of the final answer from a response about mathematics.

The first of these that occurs is the answer; of several occurrences the *last* one counts, so
reasoning before it is ignored:

1. ``\boxed{…}``, unless "final answer is …" (the paper's format) or ``<answer>`` comes after it
2. "final answer is …" or ``<answer>``
3. GSM8K's ``#### …``
4. "the answer is …" and "answer: …"
5. the whole response, if it is so short that it is only an answer
6. the only number of a last sentence that begins with "Therefore" or the like
7. the last ``$…$``
8. the last number

Text before ``</think>`` counts only if there is no answer after it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from selfcorrect_env.verifiers.math.boxed import last_box

LONGEST = 2000
"""Maximum length of an answer in characters; no answer of the data sets has more than 200."""

_SHORT = 120
_TAIL = 20_000
"""Phrases are searched in this many characters at the end; a box in the whole response."""

_FINAL = re.compile(r"final answer\s*(?:is\s*:?|=)", re.IGNORECASE)
_ANSWER = re.compile(r"(?:answer is|answer\s*:)", re.IGNORECASE)
_SENTENCE = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}\s+[A-Za-z]{2,}")
_NUMBER = re.compile(r"-?\$?(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?:/\d+)?%?")
_FORMULA = re.compile(
    r"(?<!\\)\$((?:\\[\s\S]|[^$\\]){1,500})\$|\\\(([^$]{1,500}?)\\\)|\\\[([^$]{1,500}?)\\\]"
)
_TAG, _TAG_END, _THOUGHT = "<answer>", "</answer>", "</think>"
_SO = re.compile(r"\b(?:Therefore|Thus|Hence|Consequently|So)\b")
_WORDY = re.compile(
    r"(?<![\\A-Za-z{])(?!(?:sqrt|cbrt|sinh|cosh|tanh|arc[a-z]+)\b)[A-Za-z]{4,}[\s,:]+(?:.*[^\w])?\d"
)
_CHOICE = re.compile(r"(?<![A-Za-z])(?:or|and)(?![A-Za-z])")
_BETWEEN = re.compile(
    r"(?:[^A-Za-z0-9\\]|\\[^A-Za-z]|\\q?quad(?![A-Za-z])|\\text\s*\{"
    r"|\b(?:or|and|also|either|maybe|perhaps|possibly)\b)*\\*"
)
_HOPE = re.compile(r"\.?\s*I hope it is correct.*", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Found:
    """An extracted answer."""

    answer: str
    """The answer's text, without ``$`` and the sentence around it."""
    rivals: tuple[str, ...] = ()
    """Boxed answers directly before it, in one list: the response hedges unless all are equal."""
    siblings: tuple[str, ...] = ()
    """All other boxed answers in its line, with words between them: parts of one answer, if the
    reference has parts; otherwise intermediate results."""
    loose: bool = False
    """Whether nothing marks it as the answer; it may be a whole calculation, ``2 + 3 = 5``."""


def final_answer(response: str) -> Found | None:
    """Return the final answer of ``response``, or None if there is none."""
    _, thought, after = response.rpartition(_THOUGHT)
    if thought and (found := final_answer(after)):
        return found
    tag = response.rfind(_TAG)
    if tag > _last_box(response):
        tagged = response[tag + len(_TAG) :].partition(_TAG_END)[0]
        return Found(_unwrapped(tagged)) if tagged.strip() else None
    if _last_box(response) >= 0:
        return _boxed(response)
    tail = response[-_TAIL:]
    for pattern in (_FINAL, re.compile("####"), _ANSWER):
        matches = list(pattern.finditer(tail))
        if matches and (answer := _stated(tail[matches[-1].end() :])):
            return Found(_value_in_sentence(answer))
    whole = tail.strip()
    if len(response) <= _TAIL and _is_bare(whole):
        return Found(_unwrapped(whole), loose=True)
    if concluded := _concluded(tail):
        return Found(concluded)
    maths = _FORMULA.findall(tail)
    if maths:
        return Found(_unwrapped("".join(maths[-1])), loose=True)
    numbers = _NUMBER.findall(tail)
    return Found(numbers[-1].rstrip(",.")) if numbers else None


def _last_box(response: str) -> int:
    return max(response.rfind(r"\boxed"), response.rfind(r"\fbox"))


def _boxed(response: str) -> Found | None:
    """Return the answer of a response with a box; None if the last box is empty or cut off."""
    if stated := _stated_after_box(response):
        return Found(_value_in_sentence(stated))
    found = last_box(response)
    if not found or not found[0]:
        return None
    return Found(found[0], _others(response, listed=True), _others(response, listed=False))


def _concluded(tail: str) -> str:
    """Return the number of "Therefore, there are 12 ways" if it is the only one, else ""."""
    matches = list(_SO.finditer(tail))
    rest = _HOPE.sub("", tail[matches[-1].end() :]) if matches else ""
    sentence = re.split(r"\.\s|\n", rest.strip(), maxsplit=1)[0]
    numbers = _NUMBER.findall(sentence)
    formula = "$" in rest or r"\(" in rest or r"\[" in rest
    return numbers[0].rstrip(",.") if len(numbers) == 1 and not formula else ""


def _stated_after_box(response: str) -> str:
    """Return the answer that "final answer is" states after the last box, or ""."""
    after = response[_last_box(response) :][-_TAIL:]
    matches = list(_FINAL.finditer(after))
    return _stated(after[matches[-1].end() :]) if matches else ""


def _is_bare(whole: str) -> bool:
    """Return whether a response is short and not a sentence, so that it is an answer itself."""
    if not whole or len(whole) > _SHORT or "\n" in whole or "$" in whole.strip("$"):
        return False
    if _WORDY.search(whole) and not _CHOICE.search(whole):  # "which makes 5" is not only an answer
        return False
    sentence = _SENTENCE.search(whole)
    return not sentence or (len(whole.split()) <= 3 and not re.search(r"\d", whole))


def _others(response: str, *, listed: bool) -> tuple[str, ...]:
    """Return at most ten boxed answers before the last one in its line, the nearest first.

    With ``listed``, stop where anything but signs, "or" and the like separates them.
    """
    start = _last_box(response)
    line = response[response.rfind("\n", 0, start) + 1 : start][-LONGEST:]
    found: list[str] = []
    while len(found) < 10 and (box := last_box(line)):
        if listed and not _BETWEEN.fullmatch(box[1]):
            break
        if box[0]:
            found.append(box[0])
        line = line[: _last_box(line)]
    return tuple(found)


def _stated(rest: str) -> str:
    """Return the answer at the start of ``rest``, which follows "the answer is" or the like."""
    line = _HOPE.sub("", rest.strip()).strip().strip('"').strip()
    if not line:
        return ""
    for opening, closing in (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]")):
        if line.startswith(opening) and (end := _closing(line, closing, len(opening))) > 0:
            after = line[end + len(closing) :].partition("\n")[0]
            # "$1$ or $2$", "$1$, $2$": the whole text is the answer
            if not re.match(r"\s*(?:,|or\b|and\b)", after):
                return line[len(opening) : end].strip()
    return _unwrapped(line.partition("\n")[0])


def _value_in_sentence(stated: str) -> str:
    """Return the value in a sentence, such as 34 in "the largest n is 34", or the text itself."""
    if not _SENTENCE.search(re.sub(r"\\text\s*\{[^{}]*\}", "", stated)):
        return stated
    rest = stated.rpartition(" is ")[2]
    if rest != stated and rest and not _SENTENCE.search(rest):
        return _unwrapped(rest)
    numbers = _NUMBER.findall(stated)
    return numbers[-1].rstrip(",.") if len(numbers) == 1 else stated


def _closing(line: str, closing: str, start: int) -> int:
    """Return the index of ``closing`` at or after ``start``, ignoring an escaped dollar."""
    index = line.find(closing, start)
    while index > 0 and closing == "$" and line[index - 1] == "\\":
        index = line.find(closing, index + 1)
    return index


def _unwrapped(text: str) -> str:
    text = re.sub(r"(?<=[^\s])\.(?:\s.*)?$", "", text.strip()).strip()
    text = text.strip("*_` ")
    for opening, closing in (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]")):
        if text.startswith(opening) and text.endswith(closing) and len(text) > len(opening):
            inside = text[len(opening) : -len(closing)]
            if opening not in inside:
                text = inside
    return text.strip().rstrip(".").strip()
