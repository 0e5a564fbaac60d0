r"""Reading of the value that follows "the answer is" or the like.

A value is mathematics (a formula, or an expression typed without dollars), a number with a unit, a
choice such as (B), or words. What explains it is no part of it: "42, because 6 * 7 = 42" is 42.
Values in one list are one answer: "2 and 3", "2 or 3".
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from selfcorrect_env.verifiers.math.commitment import bounded, denied, modified, unsure
from selfcorrect_env.verifiers.math.foreign_words import is_counted, is_word
from selfcorrect_env.verifiers.math.formulas import formulas, has_words
from selfcorrect_env.verifiers.math.number_patterns import (
    JOINED,
    LIST,
    NUMBER,
    OR,
    SAME,
    listed_numbers,
)
from selfcorrect_env.verifiers.math.runs import grown_right
from selfcorrect_env.verifiers.math.sentence_items import items_of, masked
from selfcorrect_env.verifiers.math.units import unit

_REACH = 2500
"""Characters after a phrase in which its value must end; `_CLAUSE` if it is not a formula."""
_CLAUSE = 500

BOLD = re.compile(r"\*\*([^*\n]{1,200})\*\*")

_LEADING = re.compile(r"(?:[\s:：*_`\"'“”‘’#✅]|=>|->|→|⇒|\|(?=\s))+")
_FILLER = re.compile(
    r"(?:(?:therefore|thus|then|hence|so|simply|just|exactly|indeed|clearly|again|still|actually|"
    r"precisely|only|approximately|about|roughly|around|nearly|almost|probably|likely|equal to|"
    r"given by|option|choice|letter|number|value|the|an?(?!\s*[,.)])|"
    r"that|it is|is|equals|be)\b[\s:,*_=]*"
    r"|[≈=]\s*)+",
    re.IGNORECASE,
)
_CHOICE = re.compile(r"\([A-J]\)|[A-J](?=[.):]|\s*[-–—:]\s|\s*$|\*\*)")
_SENTENCE_END = re.compile(
    r"(?:[.?;]|!(?!\s*[=+*/×<>)]))(?=[\s\"'*_)]|$)|\n|\s[-–—]\s(?=[A-Za-z])|(?<=\w)[—–](?=[A-Za-z])"
)
_REASON = re.compile(
    r"[\s,;(]*(?<![A-Za-z\\])(?:because|since|as|which|so|giving|making|thus|hence|due to|after|"
    r"based on|given|obtained|i\.e\.|that is|meaning|rounded|therefore|but|where|not|assuming|from|"
    r"and (?:this|that|it|we|so|not))(?![A-Za-z])"
    r"|,\s*(?=[\u4e00-\u9fff])|因为|由于",
    re.IGNORECASE,
)
_STRONG_REASON = re.compile(r"[,\s]*\b(?:because|since)\b|,\s*(?:which|as|so)\b", re.IGNORECASE)
_HEDGED = re.compile(
    r"[\s,;(*_]*(?:or|maybe|perhaps|possibly|alternatively)(?![A-Za-z])(?!\s+so\b)", re.IGNORECASE
)
_OTHERWISE = re.compile(rf"[\s,;(]*or\s+(?:{SAME})?({NUMBER.pattern})\W*$", re.IGNORECASE)
_SCALE = re.compile(r"\s*(%|(?:percent|squared|cubed|hundred|thousand|[mb]illion|dozen|times)\b)")
_OR_SO = re.compile(r"\s+or so\b", re.IGNORECASE)
_UNIT = re.compile(
    r"\s*(?P<unit>[^\W\d_][^\d=+*/^\\$(,:]*?)[\s*_]*"
    r"(?:$|[,(:]|\*\*|(?<=[A-Za-z]{3})\s(?:to|of|for|in|with|that|each|every|if|when|on|at)\b)"
)
_SHARE = re.compile(
    rf"(?P<part>{NUMBER.pattern})\s+(?:(?P<sign>(?:out of|in)(?: the)?)|to)\s+"
    rf"(?P<whole>{NUMBER.pattern})\W*"
)
_CONDITION = re.compile(r"\s+(?:when|where|if|at|for) [A-Za-z]\s*=\s*[^=<>A-Za-z]+")
_SPECIAL = re.compile(r"</[a-z]{1,10}>|<\|[^<>|]{1,30}\|>")
_REMARK = re.compile(r"[\s*_]*(?::\s+|\(\s?(?!mod\b|base\b|in base\b))(?=[A-Za-z]{2})")
_ABOUT_THE_ANSWER = re.compile(
    r"(?:(?:indeed|also|now|therefore|thus|already|as|still)\s+)*(?:correct|right|wrong|incorrect|"
    r"boxed|shown|given|stated|written|found|above|below|unchanged|the same|as follows|verified|"
    r"confirmed|reasonable|consistent|complete|clear|obvious|simple|"
    r"in (?:the|its|simplest|simplified|this)|what|how|that|to|obtained|left|provided|enclosed|"
    r"highlighted|marked)\b",
    re.IGNORECASE,
)
_BULLET = re.compile(r"\s*(?:[-*•+]|\(?\d{1,2}[.)])\s+(?=\S)")
_EMPHASIS = re.compile(r"\*\*|[$`]|\\[()\[\]]")
_ONLY_A_VALUE = re.compile(r"\s*(?:[A-Za-z](?:_\{?\w+\}?)?\s*=)?[^=?]*\d[^=?]*")
_MOST_BULLETS = 20
_TWO_WORDS = re.compile(r"[A-Za-z]{2,}\s+[A-Za-z]{2,}")


@dataclass(frozen=True, slots=True)
class Value:
    """A value in a sentence."""

    text: str
    """The value, without delimiters of formulas and the sentence around it; "" if the text ends
    inside a formula."""
    exact: bool = True
    """Whether it is mathematics, a number or a choice; otherwise words."""
    exclaimed: bool = False
    """Whether an exclamation mark follows it, which may also be a factorial."""


def stated_value(rest: str) -> Value | None:
    """Return the value at the beginning of ``rest``, which follows a phrase; None without one.

    >>> stated_value(" simply **18** dollars a day, since 9 * 2 = 18.").text
    '18\\\\text{ dollars a day}'
    """
    rest = _OR_SO.sub("", rest[:_REACH])
    lines = rest.lstrip(":：* \t")
    if lines.startswith("\n") and (listed := _bullets(lines.strip("\n"))):
        return listed
    if listed := _bold_list(rest):
        return listed
    rest = _after(_LEADING, rest)
    for text in dict.fromkeys((rest, _after(_LEADING, _after(_FILLER, rest)))):
        if value := _formula_value(text) or _plain_value(text):
            return value
    return _words(rest)


def tidy(text: str) -> str:
    """Return ``text`` without emphasis, quotes, dollars and full stops around it."""
    text = re.sub(r"(?<=[^\s])\.(?:\s.*)?$", "", text.strip()).strip()
    text = text.strip('*_`"“” ').strip()
    found, _ = formulas(text)
    if len(found) == 1 and (found[0].start, found[0].end) == (0, len(text)):
        text = found[0].content
    return text.strip().rstrip(".").strip()


def value_within(sentence: str) -> str:
    """Return the value after "is", or the only formula or number, in a sentence; "" without one."""
    if unsure(sentence):
        return ""
    found, _ = formulas(sentence)
    after = sentence.rpartition(" is ")[2]
    if after != sentence and after and not _TWO_WORDS.search(after) and not denied(after, ""):
        return tidy(after)
    items = items_of(masked(sentence, found), found, 0, len(sentence))
    items = [item for item in items if item.formula] or items
    if len(items) != 1 or (
        not items[0].grown and len(NUMBER.findall(items[0].text)) > 1 > len(found)
    ):
        return ""
    before, after = sentence[: items[0].start], sentence[items[0].end :]
    if denied(before, after) or modified(before) or bounded(before, after):
        return ""
    return items[0].text if items[0].readable else ""


def bold_values(text: str) -> list[Value]:
    """Return the values of the bold words that end ``text`` as one list: "**2** and **3**".

    The list is empty unless each is an exact value.
    """
    found = list(BOLD.finditer(text))
    first = len(found) - 1
    while first > 0 and JOINED.fullmatch(text, found[first - 1].end(), found[first].start()):
        first -= 1
    values = [stated_value(bold[1]) for bold in found[max(first, 0) :]]
    exact = [value for value in values if value and value.exact]
    return exact if len(exact) == len(values) else []


def joined(values: list[Value]) -> Value:
    """Return several values as one answer."""
    return Value(", ".join(value.text for value in values), exclaimed=values[-1].exclaimed)


def _bold_list(rest: str) -> Value | None:
    """Read a list of bold values at the beginning of ``rest``."""
    first = BOLD.search(rest)
    if not first or _after(_FILLER, _after(_LEADING, rest[: first.start()])).strip():
        return None
    end = first.end()
    while (joint := JOINED.match(rest, end)) and (bold := BOLD.match(rest, joint.end())):
        end = bold.end()
    values = bold_values(rest[:end]) if end > first.end() else []
    return joined(values) if values else None


def _after(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.match(text)
    return text[found.end() :] if found else text


def _formula_value(text: str) -> Value | None:
    """Read a formula, or a list of formulas, at the beginning of ``text``."""
    found, cut_off = formulas(text)
    if cut_off == 0:
        return Value("")
    if not found or found[0].start != 0:
        return None
    parts, end = [found[0].content], found[0].end
    for formula in found[1:]:
        joint = JOINED.fullmatch(text, end, formula.start)
        if not joint:
            break
        parts += [" or " if OR.search(joint.group()) else ", ", formula.content]
        end = formula.end
    line = text.find("\n", end)
    grown = grown_right(text, 0, end, line if line >= 0 else len(text))
    if grown > end and len(parts) == 1:  # "$5$ million", "$5$ + 3"
        adjoined = items_of(masked(text, found), found, 0, grown)
        return Value(adjoined[0].text, exact=adjoined[0].readable)
    rest = re.split(r"\.(?!\d)|\n", text[end:], maxsplit=1)[0]
    if scale := _SCALE.match(rest):  # "$5$ percent"
        return Value(f"{''.join(parts)} {scale[1]}")
    if _HEDGED.match(rest) and re.search(r"\d", rest):  # "$5$ or maybe 6"
        return Value("".join(parts) + rest, exact=False)
    return Value("".join(parts).rstrip(".").strip())


def _plain_value(text: str) -> Value | None:
    """Read a choice, a number with a unit or a typed expression at the beginning of ``text``."""
    clause = _clause(text)
    if _CHOICE.match(clause):
        return Value(clause.strip("*_` "))
    bare = clause.strip("*_`\"'“” ,")
    follows = text[len(clause) : len(clause) + 1]
    if follows == "?":
        return Value(f"{clause}?", exact=False)
    exclaimed = follows == "!"
    if found := LIST.match(bare):
        rest = bare[found.end() :]
        if _HEDGED.match(rest):
            other = _OTHERWISE.match(rest)
            both = f"{listed_numbers(found)} or {other[1]}" if other else bare
            return Value(both, exact=bool(other))
        if not rest.strip("*_ ,)"):
            return Value(listed_numbers(found), exclaimed=exclaimed)
        if _REMARK.match(rest):
            return Value(listed_numbers(found), exclaimed=exclaimed)
        if _CONDITION.fullmatch(rest):  # "5 when x = 2"
            return Value(listed_numbers(found), exclaimed=exclaimed)
        if share := _SHARE.match(bare):  # "5 out of 6"
            sign = "/" if share["sign"] else ":"
            return Value(f"{share['part']}{sign}{share['whole']}", exclaimed=exclaimed)
        words = _UNIT.match(rest.lstrip("*_"))
        if words and (kept := _kept_unit(words["unit"].strip())) is not None:
            return Value(listed_numbers(found) + kept, exclaimed=exclaimed)
        if _ends_value(rest):
            return Value(listed_numbers(found), exclaimed=exclaimed)
    looks_exact = re.search(r"[\d\\]|^[A-Za-z]$|^[-(\[{√π∞]|[A-Za-z]\s*[=^+*/-]", bare)
    if looks_exact and not has_words(re.sub(r"\b(?:or|and|infinity|degrees)\b", "", bare)):
        return Value(bare, exclaimed=exclaimed)
    return None


def _kept_unit(text: str) -> str | None:
    """Return what is kept of the words behind a number; None if they may be mathematics."""
    if text.isascii():
        short = len(text.split()) <= 3
        return (rf"\text{{ {text}}}" if short else "") if has_words(text) else None
    if unit(text):
        return rf"\text{{ {text}}}"
    return "" if is_counted(text) else None


def _ends_value(rest: str) -> bool:
    """Return whether what follows a number is no part of its value: an end, a remark, an emoji."""
    rest = _SPECIAL.sub("", rest).strip(" *_\n\t'\"“”‘’`")
    if rest[:1] == ",":
        return has_words(rest) or is_word(rest[1:].lstrip())
    plain = rest.strip(")]}.,;:!。，—–-*_ '\"“”‘’")
    return not plain or (plain[0] >= "\u2600" and unicodedata.category(plain[0]) == "So")


def _clause(text: str) -> str:
    """Return ``text`` up to the end of the sentence, or up to a reason that is given."""
    text = text[:_CLAUSE]
    end = _SENTENCE_END.search(text)
    text = text[: end.start()] if end else text
    reason = _REASON.search(text)
    return text[: reason.start()] if reason and reason.start() else text


def _words(rest: str) -> Value | None:
    """Read words, or the only value in them: 34 in "the largest n is 34"."""
    line = rest[:_CLAUSE].partition("\n")[0]
    end = re.search(r"(?:[.?]|!(?!\s*=))(?=\s|$)", line)
    sentence = (line[: end.start()] if end else line).strip("*_`\"'“”: ")
    sentence = _STRONG_REASON.split(sentence, maxsplit=1)[0].strip("*_` ").partition("**")[0]
    if end and end.group() == "?":
        return Value(f"{sentence}?", exact=False)
    if not sentence or _ABOUT_THE_ANSWER.match(sentence):
        return None
    if value := value_within(sentence):
        return Value(value)
    return Value(sentence, exact=False)


def last_lines(tail: str) -> list[str]:
    """Return the values of the lines that end a reply, as far as each is nothing but a value.

    >>> last_lines("Two solutions:\\n- x = 1\\n- x = -4")
    ['x = 1', 'x = -4']
    """
    values: list[str] = []
    for line in reversed(tail.rstrip().splitlines()):
        plain = _EMPHASIS.sub("", _after(_BULLET, line)).strip()
        if not re.search(r"\d", plain) and (not values or not plain):
            continue
        if not _ONLY_A_VALUE.fullmatch(plain) or has_words(plain):
            break
        value = stated_value(plain)
        if value is None or not value.exact or len(values) == _MOST_BULLETS:
            break
        values.append(value.text)
    return values[::-1]


def _bullets(lines: str) -> Value | None:
    """Read a list of lines, one value in each."""
    items: list[str] = []
    for line in lines.splitlines()[:_MOST_BULLETS]:
        if not line.strip() and items:
            continue
        bullet = _BULLET.match(line)
        if bullet:
            items.append(line[bullet.end() :])
        elif line.strip():
            break
    values = [stated_value(item) for item in items]
    if len(values) < 2 or not all(value and value.exact for value in values):
        return None
    return joined([value for value in values if value])
