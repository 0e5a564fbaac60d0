r"""Statements of an answer: "the answer is …", ``#### …``, headings, JSON keys, other languages."""

from __future__ import annotations

import json
import re

from selfcorrect_env.verifiers.math.choices import several_choices
from selfcorrect_env.verifiers.math.commitment import denied
from selfcorrect_env.verifiers.math.values import Value, stated_value

_REACH = 3000
_MOST = 50
"""Statements of a reply that are read, from the last one back."""

FINAL = re.compile(
    r"final\s+answer\W{0,4}"
    r"(?:\s?(?:is|are|=|would be|should be)(?![A-Za-z])\s?:?|[:=]|\*\*\s?\n|\n)",
    re.IGNORECASE,
)
_VERB = r"(?:is|are|equals|would be|will be|must be|should be|comes to)(?![A-Za-z])"
_ANSWER = re.compile(
    rf"\b(?:answers?|ans|(?:correct|my|best) (?:option|choice|pick))\b"
    rf"(?:\s(?:to|for)\s[^.\n]{{1,80}}?)?"
    rf"[*_\"'”)\s]{{0,5}}(?:{_VERB}\s?:?|[:=]|->|→|⇒)"
    r"|\bans\.(?=[*_\s]*[^\s*_])|^[ \t*_]*answer\.(?=[*_\s]*[^\s*_])",
    re.IGNORECASE | re.MULTILINE,
)
_OTHER_LANGUAGES = re.compile(
    r"\b(?:antwort|lösung)\b(?:\s(?:ist|lautet)\b\s?:?|\s?:)"
    r"|\b(?:réponse|respuesta|resposta|risposta)\b(?:\s(?:finale?|correct[ae]|correcte|esatta))?"
    r"(?:\s(?:est|es|é|è)\b\s?:?|\s?:)"
    r"|(?:答案|解答|答え|答|正确选项)(?:\s?(?:应该|就)?[是为為は]\s?:?|\s?:)|(?<!不)(?<!不[应能该会])选择?\s?:?(?=[\s(*]*[A-J](?![A-Za-z]))|(?:정답|답)\s?(?:은|는|:)|ответ\s?[:—-]",
    re.IGNORECASE,
)
_CORRECTED = re.compile(
    r"\b(?:on second thought|correction|i meant|it should be)\b[\s,:]{0,3}(?:it is|it's)?",
    re.IGNORECASE,
)
_HEADING = re.compile(
    r"^[ \t]*(?:#{1,6}[ \t]*|\*\*[ \t]*)(?:the[ \t])?(?:final[ \t])?answer[ \t:]*(?:\*\*)?[ \t:]*$",
    re.IGNORECASE | re.MULTILINE,
)
_HASHES = re.compile(r"####(?!#)")
_TURNED = re.compile(
    r"(?:^|[.!?\n,:]|\b(?:so|thus|hence|therefore|that)\b)(?P<value>[^.!?\n]{1,80}?)\sis\s(?:the|our|my)\s"
    r"(?:final\s|correct\s|right\s)?answer\b"
    r"|\(?(?P<choice>\b[A-J])\)? is (?:the )?(?:correct|right|best)\b"
    r"|(?:选项\s?(?P<named>[A-J])|(?<![A-Za-z])(?P<before>[A-J])\s?选?项)\s?是?(?:正确|对)"
    r"|(?<!不)(?<!不[应能该会])选择?\s?(?P<selected>[A-J])\s?选?项"
    r"|\b(?:choose|choosing|select|pick|go with|chose|picked|selected)\s"
    r"(?:(?:answer|option|choice)\s){0,2}\W{0,3}(?P<chosen>[A-J])\b(?!\s?[=+*/^-])",
    re.IGNORECASE,
)
_KEY = re.compile(r"[\"'](?:final[_ ]?)?answer[\"']\s?:\s?", re.IGNORECASE)
_REPORTED = re.compile(
    r"\b(?:(?:conclud|claim|stat|assum|suggest|argu)(?:ed|es|ing)|said|says|wrote|thought|gave)\s"
    r"(?:that\s)?(?:(?:the|my|our|its|an?)\s)?(?:(?:final|correct|right)\s)?\Z"
    r"|\b(?:mistake|error|tempting|misconception)\b[^.\n]{0,60}\Z",
    re.IGNORECASE,
)
"""Before a statement that reports somebody's answer."""
_CONDITION = re.compile(r"\b(?:if|had|were)\b[^.\n]{0,80}\Z", re.IGNORECASE)
_WOULD = re.compile(r"\bwould be\W*\Z", re.IGNORECASE)
_HOPE = re.compile(r"I hope (?:it|this|that) is", re.IGNORECASE)


def last_statement(tail: str) -> Value | None:
    """Return the value of the last statement of an answer, the last exact one if there is any.

    >>> last_statement("The answer is 4. Wait, no: the answer is 5, as 2 + 3 = 5.").text
    '5'
    """
    found = [m for pattern in _patterns(tail) for m in pattern.finditer(tail)]
    places = {m.end() for m in found}
    words: Value | None = None
    keys = {m.end() for m in _KEY.finditer(tail)} if "nswer" in tail else set()
    reported = {m.end() for m in found if _is_reported(tail, m)}
    reported = reported if reported < places | keys else set()  # the only one may be the writer's
    for place in sorted((places | keys) - reported, reverse=True)[:_MOST]:
        if denied(tail[max(0, place - 60) : place], ""):
            continue
        value = _json_value(tail, place) if place in keys else None
        value = value or _value_after(tail[place : place + _REACH])
        if value and value.exact:
            return value
        words = words or value
    return _turned(tail) or words


def first_statement(text: str) -> int | None:
    """Return the index after the first phrase that states an answer, or None without one."""
    places = [m.end() for m in [FINAL.search(text), _HASHES.search(text)] if m]
    places += [m.end() for m in [re.search(r"answer is\b", text, re.IGNORECASE)] if m]
    return min(places, default=None)


def stated_after_box(after: str) -> Value | None:
    """Return the exact value that is stated in the text after the last box, if there is one.

    Only "final answer" and "the answer is" count there: "checking the answer: …" does not.
    """
    found = [m for pattern in (FINAL, _CORRECTED) for m in pattern.finditer(after)]
    found += [m for m in _ANSWER.finditer(after) if re.search(r"[a-z]\s?:?$", m.group())]
    places = {m.end() for m in found if not _is_reported(after, m)}
    for place in sorted(places, reverse=True)[:_MOST]:
        value = _value_after(after[place : place + _REACH])
        if value and value.exact:
            return value
    return None


def _is_reported(text: str, statement: re.Match[str]) -> bool:
    """Whether a statement reports another answer, or makes one under a condition.

    As in "the previous solution concluded that the answer is 10" and "if we had 5, the answer would
    be 20".
    """
    before = text[max(0, statement.start() - 120) : statement.start()]
    if _REPORTED.search(before):
        return True
    return bool(_WOULD.search(statement.group()) and _CONDITION.search(before))


def _patterns(tail: str) -> list[re.Pattern[str]]:
    """Return the patterns that can occur in ``tail``; a search for a word is fast."""
    found = [_ANSWER, _CORRECTED]
    if "inal" in tail or "INAL" in tail:
        found.append(FINAL)
    if "#" in tail or "**" in tail:
        found += [_HASHES, _HEADING]
    if not tail.isascii() or any(word in tail for word in ("ntwort", "puesta", "posta")):
        found.append(_OTHER_LANGUAGES)
    return found


def _value_after(rest: str) -> Value | None:
    hope = _HOPE.search(rest)
    rest = rest[: hope.start()].rstrip(" .") if hope else rest
    value = stated_value(rest)
    if value is None:
        return None
    position = rest.find(value.text.partition(r"\text{")[0])
    denies = value.exact and position >= 0 and denied("", rest[position + len(value.text) :])
    return Value(f"not {value.text}", exact=False) if denies else value


def _json_value(tail: str, place: int) -> Value | None:
    """Return the JSON value at ``place``, or None if it is not valid JSON."""
    try:
        value, _ = json.JSONDecoder().raw_decode(tail[: place + _REACH], place)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, list):
        return Value(", ".join(map(str, value)))
    if isinstance(value, str):
        return stated_value(value)
    return Value(str(value)) if isinstance(value, int | float) else None


def _turned(tail: str) -> Value | None:
    """Return the value of "5 is the answer" or "(B) is correct"."""
    last = None
    for last in _TURNED.finditer(tail):  # noqa: B007 (the last one counts)
        pass
    if last is None:
        return None
    if (
        letter := last["choice"]
        or last["chosen"]
        or last["named"]
        or last["before"]
        or last["selected"]
    ):
        rest = tail[last.end() :].partition("\n")[0].partition(". ")[0].rstrip(". ")
        if denied(tail[max(0, last.start() - 60) : last.start()], ""):
            return Value(f"not {letter}", exact=False)
        return Value(f"{letter} {rest}" if several_choices(rest) else letter)
    value = stated_value(last["value"])
    return value if value and value.exact else None
