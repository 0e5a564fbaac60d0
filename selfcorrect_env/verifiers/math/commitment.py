r"""Whether a reply stands by a value that it writes: denials, retractions, doubt, alternatives.

A reply commits itself to one answer. A value that it denies ("not 5", "5 is wrong") is no answer,
and values that it offers beside each other ("4 or 5") are several.
"""

from __future__ import annotations

import re

_BEFORE, _AFTER = 60, 400
"""How many characters before a value and after it are searched for a denial."""

_NOT_IT = re.compile(
    r"(?:\b(?:not|never|neither|nor|rather than|instead of|unlike|except|cannot|isn't|wasn't|can't)"
    r"|≠|\\neq?|不是|并非"
    r"|\b(?:wrong|incorrect|mistaken) (?:answer|value|result|guess)"
    r"|\b(?:suppose|assume|if) (?:it|that|the answer) (?:is|was|were))"
    r"(?:\s|\b(?:the|a|an|be|equal|equals|to|simply|just|exactly|answer|value|is|final|correct)\b"
    r"|[=:*_$(]|\\[(\[])*$",
    re.IGNORECASE,
)
_IS = r"(?:is|was|would be|must be|seems|looks|'s)\s+"
_WRONG = (
    rf"(?:{_IS}(?:(?:clearly|obviously|also|actually|certainly|simply|just|still)\s+)*"
    r"(?:wrong|incorrect|false|invalid|impossible|an? (?:mistake|error)"
    r"|too (?:big|large|great|high|many|much|small|low|few|little)"
    r"|not (?:right|correct|true|possible|valid|it"
    r"|the(?: \w+)? (?:answer|value|one|solution|result)))"
    r"|(?:isn't|wasn't|can't be|cannot be) (?:right|correct|true|it|the(?: \w+)? (?:answer|value)))"
    r"\b(?!\s+(?:to|that|for|if|when|because)\b)"
)
_SAME_SENTENCE = re.compile(
    rf"[\s$)}}\]*_,;—–\\-]*(?:(?:but|and|though)\s+)?(?:(?:which|that|this|it)\s*)?{_WRONG}"
    r"|[\s$)}\]*_,;—–\\-]*\(?(?:wrong|incorrect|是错的|不对|不正确|错误)\b"
    r"|[\s$)}\]*_,;—–\\-]*but (?:the (?:right|correct|true|actual|real)|it should|actually)\b"
    r"|[\s$)}\]*_\\]*[.!?]\s+(?:(?:but|wait|hmm|oh|oops|actually|sorry)\W+)*no\s?[.,!]",
    re.IGNORECASE,
)
_LATER_SENTENCE = re.compile(
    r"(?:[.!?]\s|\n)\W*(?:(?:but|no|wait|hmm|oh|oops|actually|sorry|hold on)\W+)*"
    rf"(?:(?:this|that|it|(?:the|my)(?: \w+)? (?:answer|box|value|result)(?: above)?)\s*{_WRONG}"
    r"|(?:scratch|ignore|disregard|forget) (?:that|this|the)\b|i take (?:that|it|this) back"
    r"|i (?:made|have made) an? (?:mistake|error)|i was wrong|i(?: really)? (?:do not|don't) know"
    r"|i(?:'m| am) (?:not |un)sure)",
    re.IGNORECASE,
)
_MAYBE = re.compile(
    r"(?<![\\A-Za-z])(?:maybe|perhaps|possibly|might|alternatively|unsure|not sure)(?![A-Za-z])"
    r"|可能|也许",
    re.IGNORECASE,
)
_NO = re.compile(
    r"(?<![\\A-Za-z])(?:not|n't|never|wrong|incorrect)(?![A-Za-z])|不是|错", re.IGNORECASE
)
_OFFERED = re.compile(
    r"(?<![A-Za-z\\])(?:or|alternatively|maybe|perhaps|possibly)(?![A-Za-z])"
    r"(?!\s*,?\s*(?:rather|better|more precisely|to be precise|actually))|或",
    re.IGNORECASE,
)
_MODIFIED = re.compile(
    r"(?:\b(?:more than|less than|fewer than|greater than|half(?: of)?|twice|thrice|double|triple|"
    r"times|minus|negative|plus|(?:root|square|cube|third|quarter|multiple|part) of)"
    r"|<|(?<!>)>|[≤≥±])"
    r"[\s$*]*\Z",
    re.IGNORECASE,
)
_BOUNDED = re.compile(r"\bat (?:least|most)[\s$*]*\Z", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?](?:\s|$)|\n")
_CORRECTION = re.compile(
    r"\b(?:wait|actually|no|sorry|correction|mistake|instead|oops|rather|hmm|wrong|incorrect)\b",
    re.IGNORECASE,
)


def denied(before: str, after: str) -> bool:
    """Return whether the text around a value says that it is not the answer.

    >>> denied("It is not $", "$, since 5 is odd."), denied("It is $", "$, not 6.")
    (True, False)
    """
    if _NOT_IT.search(before[-_BEFORE:]):
        return True
    after = after[:_AFTER]
    return bool(_SAME_SENTENCE.match(after) or _LATER_SENTENCE.search(after))


def modified(before: str) -> bool:
    """Return whether the text before a number makes another value of it: "half of 5"."""
    return bool(_MODIFIED.search(before[-_BEFORE:]))


def bounded(before: str) -> bool:
    """Return whether the text before a number makes a bound of it: "at least 5"."""
    return bool(_BOUNDED.search(before[-_BEFORE:]))


def doubtful(answer: str) -> bool:
    r"""Return whether an answer contains a word that denies or doubts it: ``\text{maybe } 5``."""
    return bool(_MAYBE.search(answer[:_AFTER]) or _NO.search(answer[:_AFTER]))


def unsure(sentence: str) -> bool:
    """Return whether a sentence offers its value only as a possibility: "maybe 5"."""
    return bool(_MAYBE.search(sentence[:_AFTER]))


def offered_beside(between: str) -> bool:
    """Return whether the text between two values of one sentence offers them as alternatives.

    >>> offered_beside(" or, if the other reading is meant, "), offered_beside(", or rather ")
    (True, False)
    """
    if len(between) > _AFTER or _SENTENCE_END.search(between):
        return False
    return bool(_OFFERED.search(between))


def corrects(between: str) -> bool:
    """Return whether the text between two values says that the second replaces the first."""
    return bool(_CORRECTION.search(between[-_AFTER:]))
