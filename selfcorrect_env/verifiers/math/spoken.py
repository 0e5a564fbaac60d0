r"""A number in a sentence inside a box: ``\text{Janet makes } 18 \text{ dollars}``."""

from __future__ import annotations

import re

from selfcorrect_env.verifiers.math.commitment import (
    bounded,
    denied,
    doubtful,
    modified,
    relative,
)

_TEXT = re.compile(r"\\(?:text|mbox|textrm|textbf|mathrm)\s?\{([^{}]*)\}")
_NUMBER = r"-?(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?:\s?/\s?\d+)?"
_FRACTION = r"-?\\[dt]?frac\s?\{\d+\}\s?\{\d+\}"
_SENTENCE = re.compile(
    rf"(?:(?P<before>[A-Za-z][a-z'’]*(?:,?\s[A-Za-z][a-z'’]*)+)\s*)?"
    rf"(?P<currency>\\?\$|[€£¥₹]|(?:USD|EUR|GBP)\s)?(?P<value>(?:{_NUMBER}|{_FRACTION})(?:\s?\\?%)?)"
    r"(?P<after>(?:\s+[A-Za-z][a-z'’-]*)*)\s*[.]?"
)
_OTHER_MEANING = re.compile(
    r"\b(?:of|to|by|than|with|without|from|in|at|on|for|and|or|but|over|under|above|below|between|"
    r"beyond|if|when|unless|no|none|any|all|divides|exceeds|half|nor|until|past|page|step|number|problem|question|case|part)"
    r"\s*\Z"
    r"|\b(?:previously|formerly|originally|initially|earlier)\b|^(?:if|when|unless|suppose|assume|no|none)\b",
    re.IGNORECASE,
)
"""What makes another value, or no value, of the number behind it: "the square of 5"."""
_ADVERBIAL = re.compile(
    r"\s*\b(?:in|per|each|every|an?|the|for|left|remaining|over|altogether|total|together|combined|now|"
    r"at|on|from|to|with|by|after|during|that|who|which|when)\b.*"
)
"""What ends the unit of a number."""
_INCOMPLETE = re.compile(r"\b(?:over|in|per|to|at|for|with|by|of|from|an?|the)\Z")
_SPACE = re.compile(r"\\[ ,;:!~]|~")
_COMMA = "{,}"


def without_sentence(answer: str) -> str:
    r"""Return the number and what follows it if ``answer`` is a sentence with one number.

    The words before it are a subject and a verb, not a preposition or a condition.

    >>> without_sentence(r"\text{Janet makes } 18 \text{ dollars}")
    '18\\text{ dollars}'
    >>> without_sentence(r"\text{the square of } 5")
    '\\text{the square of } 5'
    """
    if not _TEXT.search(answer):
        return answer
    plain = " ".join(_TEXT.sub(r" \1 ", _SPACE.sub(" ", answer.replace(_COMMA, ","))).split())
    found = _SENTENCE.fullmatch(plain)
    if found is None or doubtful(answer):
        return answer
    before, after = found["before"] or "", found["after"]
    if _OTHER_MEANING.search(before) or modified(before) or bounded(before, after):
        return answer
    if denied(before, after) or relative(after):
        return answer
    if re.match(r"\s*(?:and|or|plus)\b", after) or _INCOMPLETE.search(after):
        return answer
    unit = _ADVERBIAL.sub("", after)
    currency = "" if unit else found["currency"] or ""
    return currency + found["value"] + (rf"\text{{{unit}}}" if unit else "")
