r"""Extraction of the final answer from a response about mathematics.

Thoughts are no part of the response (`selfcorrect_env.verifiers.thoughts`), unless there is
nothing after them. The first of these that occurs is the answer; of several occurrences the *last*
one counts, so reasoning before it is ignored:

1. ``\boxed{…}``, unless ``<answer>``, or "the (final) answer is 5", comes after it
2. ``<answer>…</answer>``
3. "the final answer is …" (the paper's format), GSM8K's ``#### …``, "the answer is …", "answer: …"
   and the like (`selfcorrect_env.verifiers.math.statements`)
4. the whole response, if it is so short that it is only an answer
5. the last sentence with a value (`selfcorrect_env.verifiers.math.conclusion`)

A value that the response denies or takes back ("not 5", "5 is wrong") is not its answer
(`selfcorrect_env.verifiers.math.commitment`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from selfcorrect_env.verifiers.math.boxed import Box, boxes
from selfcorrect_env.verifiers.math.commitment import aside, corrects, denied, offered_beside
from selfcorrect_env.verifiers.math.conclusion import concluded
from selfcorrect_env.verifiers.math.formulas import formulas
from selfcorrect_env.verifiers.math.statements import (
    first_statement,
    last_statement,
    stated_after_box,
)
from selfcorrect_env.verifiers.math.values import last_lines, stated_value, tidy
from selfcorrect_env.verifiers.thoughts import separated

LONGEST = 2000
"""Maximum length of an answer in characters; no answer of the data sets has more than 200."""

_SHORT = 120
_TAIL = 20_000
"""Phrases are searched in this many characters at the end; a box in the whole response."""
_MOST_BOXES = 11
"""Boxes of one answer at most, from the last one back."""

_TAG = re.compile(r"<(?:final_?)?answer>|<\|begin_of_box\|>", re.IGNORECASE)
_TAG_END = re.compile(r"</(?:final_?)?answer>|<\|end_of_box\|>", re.IGNORECASE)
_NEXT_PROBLEM = re.compile(r"\n[ \t]*(?:#+ ?|\*\*)?(?:Problem|Question|Q)\b[ \t\d.]*(?:\*\*)?:")
_SENTENCE = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}\s+[A-Za-z]{2,}")
_WORDY = re.compile(
    r"(?<![\\A-Za-z{])(?!(?:sqrt|cbrt|sinh|cosh|tanh|arc[a-z]+)\b)[A-Za-z]{4,}[\s,:]+(?:.*[^\w])?\d"
)
_CHINESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
_CHINESE_OR = re.compile(r"(?<![\u4e00-\u9fff])\s?或者?\s?(?![\u4e00-\u9fff])")
_CHINESE_AND = re.compile(r"(?<![\u4e00-\u9fff])\s?[和与及]\s?(?![\u4e00-\u9fff])")
_OR_AND = re.compile(r"(?<![A-Za-z])(?:or|and)(?![A-Za-z])")
_BETWEEN = re.compile(
    r"(?:[^A-Za-z0-9\\\u4e00-\u9fff]|\\[^A-Za-z]|\\q?quad(?![A-Za-z])|\\text\s?\{|或者?|[和与及]"
    r"|\b(?:or|and|also|either|maybe|perhaps|possibly|equivalently|simply)\b)*\\*"
)
_CUT_OFF = re.compile(r"[=+/^\\({×]\s*$")
_LAST_WORDS = re.compile(
    r"\b(?:is|are|was|were|(?:will|would|must|should|has to|have to) be) "
    r"((?:[^\W\d_]+ ){0,2}[^\W\d_]+)[.!]?\s*\Z"
)
_FULL_WIDTH = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)} | {
    ord(mark): f"{plain} " for mark, plain in {"。": ".", "，": ",", "、": ",", "；": ";"}.items()
}
_HIDDEN = re.compile(r"\\(?:[hv]?phantom|[bxh]?cancel|sout|st)\s?\{[^{}]*\}")
_COLOUR = re.compile(r"\\(?:textcolor|colorbox|color)\s?\{[^{}]*\}")
_NAME = r"(?<![A-Za-z\\])((?:\\[a-z]{2,7}|[A-Za-z])(?:_\{?\w+\}?)?)\s*&?="
_NAME_INSIDE = re.compile(rf"\s*{_NAME}")
_NAME_BEFORE = re.compile(rf"{_NAME}(?:[^=,;\n]{{1,60}}=)*[\s$&]*\Z")
_INTRODUCTION = re.compile(
    r"\\(?:text|mbox|textbf|mathrm)\s?\{[^{}]*?(?:\bis|\bare|:|=)\s?\}\s*(?=\S)"
)


@dataclass(frozen=True, slots=True)
class Found:
    """An extracted answer."""

    answer: str
    """The answer's text, without ``$`` and the sentence around it; "" if there is none."""
    rivals: tuple[str, ...] = ()
    """Answers that are offered beside it: the response hedges unless all are equal."""
    siblings: tuple[str, ...] = ()
    """All other boxed answers in its lines, with words between them: parts of one answer, if the
    reference has parts; otherwise intermediate results."""
    named: str = ""
    """All these boxes as "x = 1, y = 2", if each has another name: a tuple, if the reference is
    one."""
    loose: bool = False
    """Whether nothing marks it as the answer; it may be a whole calculation, ``2 + 3 = 5``."""
    exclaimed: bool = False
    """Whether an exclamation mark follows it, which may also be a factorial."""
    missing: str = ""
    """Why there is no answer, in one line, as far as it is known."""


def final_answer(response: str) -> Found | None:
    """Return the final answer of ``response``, or None if there is none."""
    found = read_reply(response)
    return found if found.answer else None


def read_reply(response: str) -> Found:
    """Return the final answer of ``response``; `Found.missing` explains an empty one."""
    parts = separated(response)
    found = _read(parts.reply)
    if found.answer or not parts.thoughts:
        return found
    if not parts.ended:
        return Found("", missing="the thought does not end, so no answer follows it")
    return _read(parts.thoughts)


def plain_marks(text: str) -> str:
    """Return ``text`` with full-width digits and punctuation as ASCII."""
    return text if text.isascii() else text.translate(_FULL_WIDTH)


def visible(answer: str) -> str:
    r"""Return what an answer shows, without colours and an introduction in words.

    A Chinese "or" or "and" between values becomes an English one.

    >>> visible(r"\text{The sum is } \textcolor{red}{5}\phantom{0}")
    '{5}'
    """
    if not answer.isascii():
        answer = _CHINESE_AND.sub(" and ", _CHINESE_OR.sub(" or ", answer))
    if "\\" not in answer:
        return answer
    shown = _COLOUR.sub("", _HIDDEN.sub("", answer)).strip()
    found = _INTRODUCTION.match(shown)
    return shown[found.end() :] if found else shown


def _read(text: str) -> Found:
    text = _one_problem(plain_marks(text))
    found, cut_off = boxes(text)
    tag = list(_TAG.finditer(text))[-1:] if "<" in text else []
    if tag and (not found or tag[0].end() > found[-1].start):
        return _tagged(_TAG_END.split(text[tag[0].end() :], maxsplit=1)[0])
    if cut_off:
        return Found("", missing="the last box is cut off")
    if found:
        return _boxed(text, found)
    tail = text[-_TAIL:]
    if statement := last_statement(tail):
        missing = "" if statement.text else "the reply is cut off inside a formula"
        return Found(statement.text, exclaimed=statement.exclaimed, missing=missing)
    whole = tail.strip()
    if len(text) <= _TAIL and _is_bare(whole):
        value = stated_value(whole)
        return Found(value.text if value and value.exact else tidy(whole), loose=True)
    return _unmarked(tail)


def _tagged(content: str) -> Found:
    if not content.strip():
        return Found("", missing="the answer's tag is empty")
    found = _read(content)
    return found if found.answer or found.missing else Found(tidy(content))


def _one_problem(text: str) -> str:
    """Return ``text`` up to where a base model begins a next problem after its answer."""
    if not _NEXT_PROBLEM.search(text):
        return text
    found, _ = boxes(text)
    marks = [box.end for box in found[:1]]
    if (stated := first_statement(text)) is not None:
        marks.append(stated)
    following = _NEXT_PROBLEM.search(text, min(marks)) if marks else None
    return text[: following.start()] if following else text


def _boxed(text: str, found: list[Box]) -> Found:
    """Return the answer of a response with boxes: the last one that it stands by."""
    filled = [box for box in found[-_MOST_BOXES:] if visible(box.content).strip(" ~{}")]
    if found[-1] not in filled:
        return Found("", missing="the last box is empty")
    held = [
        box
        for box in filled
        if not denied(text[max(0, box.start - 100) : box.start], text[box.end : box.end + 500])
    ]
    if not held:
        return Found("", missing="the reply takes its answer back")
    if stated := stated_after_box(text[held[-1].end :][-_TAIL:]):
        return Found(stated.text, exclaimed=stated.exclaimed)
    rivals, siblings = _beside(text, held)
    named = _named(text, held[-1 - len(siblings) :]) if siblings else ""
    return Found(visible(held[-1].content), rivals, siblings, named)


def _named(text: str, group: list[Box]) -> str:
    """Return boxes as a list of equations if each has a name of its own, otherwise ""."""
    equations: list[str] = []
    start = 0
    for box in group:
        content = visible(box.content)
        before = _NAME_BEFORE.search(text[max(start, box.start - 100) : box.start])
        if start and offered_beside(text[start : box.start]):
            return ""
        inside = _NAME_INSIDE.match(content)
        equations.append(f"{before[1]} = {content}" if before and not inside else content)
        start = box.end
    return _with_names(equations)


def _with_names(equations: list[str]) -> str:
    """Return equations as a list if each has a name of its own at its left, otherwise ""."""
    names = {found[1] for line in equations if (found := _NAME_INSIDE.match(line))}
    return ", ".join(equations) if len(names) == len(equations) else ""


def _beside(text: str, held: list[Box]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what is boxed beside the last box: offered with it, and in its lines.

    Each of these lines has a box. Nothing before a correction ("wait, actually") is beside it.
    """
    rivals: list[str] = []
    siblings: list[str] = []
    for box, following in zip(held[-2::-1], held[:0:-1], strict=True):
        between = text[box.end : following.start]
        if len(between) <= LONGEST and aside(between) and len(rivals) == len(siblings):
            rivals.append(visible(box.content))
            siblings.append(rivals[-1])
            continue
        if len(between) > LONGEST or corrects(between):
            break
        lines = between.split("\n")[1:-1]
        if not all(_BETWEEN.fullmatch(line) for line in lines):
            break
        listed = _BETWEEN.fullmatch(between) or offered_beside(between)
        if listed and len(rivals) == len(siblings):
            rivals.append(visible(box.content))
        siblings.append(visible(box.content))
    return tuple(rivals), tuple(siblings)


def _is_bare(whole: str) -> bool:
    """Return whether a response is short and not a sentence, so that it is an answer itself."""
    if not whole or len(whole) > _SHORT or "\n" in whole or "$" in whole.strip("$"):
        return False
    if _CHINESE.search(whole) and re.search(r"\d", whole):
        return False
    if _WORDY.search(whole) and not _OR_AND.search(whole):  # "which makes 5" is not only an answer
        return False
    sentence = _SENTENCE.search(whole)
    return not sentence or (len(whole.split()) <= 3 and not re.search(r"\d", whole))


def _unmarked(tail: str) -> Found:
    """Return the value of the last sentence that has one."""
    if _CUT_OFF.search(tail[-100:]) or formulas(tail)[1] >= 0:
        return Found("", missing="the reply is cut off")
    if len(lines := last_lines(tail)) > 1:
        others = tuple(lines[-2::-1])
        return Found(lines[-1], others, others, _with_names(lines), loose=True)
    if found := concluded(tail):
        return Found(found.text, loose=True, exclaimed=found.exclaimed)
    words = _LAST_WORDS.search(tail[-_SHORT:])  # "The fastest one is Evelyn."
    return Found(words[1] if words else "")
