r"""Whether a reply stands by a value that it writes: denials, retractions, doubt, alternatives.

A reply commits itself to one answer. A value that it denies ("not 5", "5 is wrong") is no answer,
and values that it offers beside each other ("4 or 5") are several.
"""

from __future__ import annotations

import re

_BEFORE, _AFTER = 60, 400
"""How many characters before a value and after it are searched for a denial."""

_NOT_IT = re.compile(
    r"(?:\b(?:not|no longer|by no means|hardly|never|neither|nor|rather than|instead of"
    r"|unlike|except|cannot|without"
    r"|(?<!none )(?<!no )(?:other|different|distinct|apart|aside|far|differs) (?:than|from)"
    r"|unequal to|excluding"
    r"|(?:anything|everything|all|any\w* \w+|every \w+) but"
    r"|used to be|[a-z]+n't)"
    r"|≠|\\neq?|不是|并非"
    r"|\b(?:wrong|incorrect|mistaken) (?:answer|value|result|guess)"
    r"|\b(?:suppose|assume|if) (?:it|that|the answer) (?:is|was|were))"
    r"(?:\s|\b(?:the|a|an|be|equal|equals|to|simply|just|exactly|answer|value|is|final|correct)\b"
    r"|[=:*_$(]|\\[(\[])*$",
    re.IGNORECASE,
)
_ONCE = r"(?:previously|formerly|originally|initially|earlier|at first|before that|once)"
_HAD = (
    r"(?:had|have|got|gave|said|wrote|written|put|answered|boxed|guessed|thought|found|computed|"
    r"concluded|claimed|stated|reported)"
)
_ATTEMPT = r"(?:final\s)?(?:answer|attempt|guess|response|reply|try|submission|box)"
_EARLIER = r"(?:previous|former|earlier|old|prior)"
_PREVIOUS = rf"(?:(?:original|initial|first|last|{_EARLIER})\s{_ATTEMPT}|{_EARLIER}\ssolution)"
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
    rf"|[\s$)}}\]*_,;—–\\-]*{_IS}(?:the|my|our|your|an?)\s{_PREVIOUS}"
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
    r"(?<![A-Za-z\\])(?:or|alternatively|maybe|perhaps|possibly|versus|vs|otherwise)(?![A-Za-z])"
    r"(?!\s*,?\s*(?:rather|better|more precisely|to be precise|actually))|或",
    re.IGNORECASE,
)
_FORMER = re.compile(
    rf"(?:\b{_PREVIOUS}(?:\s(?:i|we))?(?:\s{_HAD})?"
    rf"|\b{_ATTEMPT}\s(?:(?:given|stated|found)\s)?(?:before|earlier|previously)"
    r"|\b(?:attempt|try|version|v)\s?#?\d"
    rf"|[(,;—–-]\s*(?:it\swas\s)?{_ONCE}(?:\sit\swas)?|\(\s*(?:it\s)?was"
    rf"|\b{_ONCE},?\s(?:the|my|our)\sanswer|\b{_ONCE},?\s(?:i|we)(?:\shad)?\s{_HAD}|\b(?:i|we)(?:\shad)?\s{_ONCE}\s{_HAD}"
    r"|\b(?:replac|supersed|overrid|overwrit|correct|revis|amend)(?:ing|es|ed)"
    r"|\b(?:changed|corrected|revised|updated|amended|up|down)\sfrom)"
    r"(?:\s|\b(?:the|a|an|my|our|was|is|were|of|as|be|to)\b|[=:,*_$(]|\\[(\[])*\Z",
    re.IGNORECASE,
)
_UPHELD = re.compile(
    r"\b(?:correct|right|confirm(?:s|ed)?|stands?|holds|remains?|agree|unchanged)\b",
    re.IGNORECASE,
)
_RELATIVE = re.compile(
    r"\W*(?:text\{)?\s*(?:[A-Za-z]+\s){0,2}(?:more|less|fewer|greater|higher|lower|smaller|larger)\s"
    r"(?:[A-Za-z]+\s)?than\b",
    re.IGNORECASE,
)
_MODIFIED = re.compile(
    r"(?:\b(?:more than|less than|fewer than|greater than|half(?: of)?|twice|thrice|double|triple|"
    r"times|minus|negative|plus|(?:root|square|cube|third|quarter|multiple|part|reciprocal|inverse"
    r"|opposite|negative|negation|complement|logarithm|log|sine|cosine|tangent|factorial|divisor"
    r"|absolute value|double|triple|successor|predecessor|power|conjugate|percent(?:age)?)s? of"
    r"|the (?:sum|product|difference|quotient) of|out of"
    r"|(?:larger|bigger|smaller|higher|lower|older|younger|longer|shorter|taller|closer|better|worse"
    r"|(?<!none )other|different) (?:than|from|to)|divisible by|factors? of|multiples? of"
    r"|depends? on|as \w+ as|number (?:below|above|under|over|between))"
    r"|<|(?<!>)>|[≤≥±])"
    r"[\s$*]*\Z",
    re.IGNORECASE,
)
_BOUNDED = re.compile(
    r"(?:\bat (?:least|most)|\bup to|\bexceed(?:s|ing)?"
    r"|\b(?:just|slightly|barely|well|a bit|a little) (?:over|under|above|below|beyond)"
    r"|(?:\A\W*|\b(?:is|are|was|were|be|has|have) )(?:over|under|above|below|beyond))[\s$*]*\Z",
    re.IGNORECASE,
)
_BOUND_BEHIND = re.compile(
    r"[\s$*]*(?:[A-Za-z]+\s){0,2}(?:(?:or|and)\s(?:more|fewer|less|up|above|over|beyond|higher|greater|"
    r"lower|below)\b|at\s(?:least|most)\b)",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?](?:\s|$)|\n")
_ASIDE = re.compile(r"(?<![\\\w(])[(\[][^()\[\]{}\n]*\Z")
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
    if former(before, after):
        return True
    after = after[:_AFTER]
    return bool(_SAME_SENTENCE.match(after) or _LATER_SENTENCE.search(after))


def former(before: str, after: str) -> bool:
    """Return whether a value is only said to have been an answer: "my previous answer was 5".

    >>> former("My previous answer was ", "."), former("My first answer, ", ", is correct.")
    (True, False)
    """
    if not _FORMER.search(before[-_BEFORE:]):
        return False
    return not _UPHELD.search(after[:_BEFORE])


def relative(after: str) -> bool:
    """Return whether the text after a number makes a difference of it: "5 more than Tom"."""
    return bool(_RELATIVE.match(after[:_BEFORE]))


def modified(before: str) -> bool:
    """Return whether the text before a number makes another value of it: "half of 5"."""
    return bool(_MODIFIED.search(before[-_BEFORE:]))


def bounded(before: str, after: str) -> bool:
    """Return whether the text around a number makes a bound of it: "at least 5", "5 or more"."""
    return bool(_BOUNDED.search(before[-_BEFORE:]) or _BOUND_BEHIND.match(after[:_BEFORE]))


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


def aside(between: str) -> bool:
    """Return whether the second of two values is in a bracket that opens behind the first."""
    return bool(_ASIDE.search(between[-_AFTER:]))


def corrects(between: str) -> bool:
    """Return whether the text between two values says that the second replaces the first."""
    return bool(_CORRECTION.search(between[-_AFTER:]))
