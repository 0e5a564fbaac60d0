r"""Comparison of answers with parts, part by part: tuples, intervals, sets, matrices, lists.

Tuples and intervals keep their order and brackets; sets and plain lists have no order. A part is
compared by spelling, as an exact number, or by `selfcorrect_env.verifiers.math.algebra`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from selfcorrect_env.verifiers.math.algebra import approximate, proportional, same, value, zeroed
from selfcorrect_env.verifiers.math.decimals import rounds
from selfcorrect_env.verifiers.math.normal_form import ROW, number, numeral

_CLOSERS = {"(": ")", "[": "]", "{": "}"}
_MATRIX = re.compile(
    r"\\begin\{(?P<kind>[pbvBV]?matrix)\}(?P<rows>[^\\]*(?:\\(?!begin)[^\\]*)*)\\end\{(?P=kind)\}"
)
_CONGRUENCE = re.compile(
    r"(?P<side>[^\\]+)\\equiv(?P<rest>-?\d{1,30})(?:\\pmod|\(?\\(?:b?mod|text\{mod\}))"
    r"\{?(?P<modulus>\d{1,30})\}?\)?"
)
_WORDS = re.compile(r"[A-Za-z][A-Za-z .'-]*")


def equal_forms(ours: str, theirs: str) -> bool | None:
    """Compare two normal forms; None if neither equality nor difference can be proved."""
    if ours == theirs:
        return True
    a, b = number(ours), number(theirs)
    if a is not None and b is not None:
        return a == b or rounds(ours, b) or rounds(theirs, a)
    if numeral(ours) or numeral(theirs):
        return _same_numerals(ours, theirs)
    if _is_word(ours) != _is_word(theirs):
        word, other = (ours, theirs) if _is_word(ours) else (theirs, ours)
        shortest = 3 if number(other) is not None else 4  # "xyz" may be a product
        return False if len(word) >= shortest and re.search(r"\d", other) else None
    if "\\equiv" in ours or "\\equiv" in theirs:
        return _same_congruences(ours, theirs)
    left, right = _structure(ours), _structure(theirs)
    if left is not None and right is not None:
        return _same_structure(left, right)
    if left is not None or right is not None:
        (kind, parts), other = (left, theirs) if left else (right or ("", []), ours)
        if kind == "set" and len(parts) == 1:
            return equal_forms(parts[0], other)
        return False if len(parts) > 1 and _is_one_value(other) else None
    left_parts, right_parts = _listed(ours), _listed(theirs)
    if len(left_parts) > 1 and len(right_parts) > 1:
        return _unordered(left_parts, right_parts)
    if len(left_parts) > 1 or len(right_parts) > 1:
        single = theirs if len(left_parts) > 1 else ours
        return False if _is_one_value(single) else None
    if "=" in ours or "=" in theirs:
        return _same_equations(ours, theirs)
    left_value, right_value = value(ours), value(theirs)
    if left_value is None or right_value is None:
        return None
    if same(left_value, right_value):
        return True
    return _rounded(ours, approximate(right_value)) or _rounded(theirs, approximate(left_value))


def _rounded(form: str, exact: float | None) -> bool:
    return exact is not None and rounds(form, exact)


def _same_numerals(ours: str, theirs: str) -> bool | None:
    """Compare numerals with a base: by their digits, and by their bases if both have one."""
    left, right = numeral(ours), numeral(theirs)
    if left and right:
        return left == right
    (digits, _), plain = (left, theirs) if left else (right or ("", ""), ours)
    if re.fullmatch(r"-?\d+", plain):
        return digits == plain
    return False if _is_one_value(plain) or _structure(plain) else None


def _same_congruences(ours: str, theirs: str) -> bool:
    """Compare ``a \\equiv b \\pmod{n}``: the same n, and b and b' the same modulo n."""
    left, right = _CONGRUENCE.fullmatch(ours), _CONGRUENCE.fullmatch(theirs)
    if not left or not right:
        return False
    modulus, other = int(left["modulus"]), int(right["modulus"])
    difference = int(left["rest"]) - int(right["rest"])
    same = modulus == other and (difference == 0 or (modulus > 0 and difference % modulus == 0))
    return same and left["side"] == right["side"]


def _same_equations(ours: str, theirs: str) -> bool | None:
    """Compare equations: equal if one is a multiple of the other.

    An equation with one letter on a side equals its value; one in two letters equals no number.
    """
    if "=" in ours and "=" in theirs:
        left, right = zeroed(ours), zeroed(theirs)
        return True if left and right and proportional(left, right) else None
    equation, other = (ours, theirs) if "=" in ours else (theirs, ours)
    name, _, side = equation.partition("=")
    if re.fullmatch(r"[A-Za-z]", side):  # "5 = x"
        name, side = side, name
    if name and not re.search(r"[-+*/^=]|\d", f"{name}{side.count('=') * '='}"):
        return equal_forms(side, other)  # "f(x) = 5" answers 5
    letters = set(re.findall(r"[A-Za-z]", re.sub(r"\\[A-Za-z]+", "", equation)))
    return False if len(letters) > 1 and number(other) is not None else None


def _is_one_value(form: str) -> bool:
    """Return whether a form is a single value, which cannot equal a form with several parts."""
    return "\\pm" not in form and "=" not in form and value(form) is not None


def _listed(form: str) -> list[str]:
    """Return the parts of a plain list; ``a\\pm b`` is two of them."""
    parts = []
    for part in top_level_parts(form):
        signs = (part.replace("\\pm", sign, 1) for sign in ("+", "-"))
        parts += signs if part.count("\\pm") == 1 and "\\mp" not in part else [part]
    return parts


def top_level_parts(form: str, thousands: bool = True) -> list[str]:
    """Split at commas outside brackets: ``"1,(2,3)"`` → ``["1", "(2,3)"]``.

    With ``thousands``, commas that separate thousands do not split.
    """
    parts, depth, start = [], 0, 0
    for index, character in enumerate(form):
        if character in _CLOSERS:
            depth += 1
        elif character in _CLOSERS.values():
            depth -= 1
        elif character == "," and depth == 0:
            if thousands and _separates_thousands(form, index):
                continue
            parts.append(form[start:index])
            start = index + 1
    return [*parts, form[start:]]


def _separates_thousands(form: str, index: int) -> bool:
    return bool(
        re.match(r",\d{3}(?!\d)", form[index : index + 5])
        and re.search(r"(?<!\d)[1-9]\d{0,2}(?:,\d{3})*$", form[max(0, index - 40) : index])
    )


def _matrix(form: str) -> tuple[str, list[str]] | None:
    found = _MATRIX.fullmatch(form)
    if found is None:
        return None
    rows = [row for row in found["rows"].split(ROW) if row]
    shape = "x".join(str(row.count("&")) for row in rows)
    return f"matrix {shape}", [cell for row in rows for cell in row.split("&")]


def _set(form: str) -> tuple[str, list[str]] | None:
    if form.startswith("\\{") and form.endswith("\\}"):
        return "set", _listed(form[2:-2])
    if form.startswith("{") and form.endswith("}") and "," in form and "}" not in form[1:-1]:
        return "set", _listed(form[1:-1])
    return None


def _union(form: str) -> tuple[str, list[str]] | None:
    parts = form.split("\\cup")
    return ("union", parts) if len(parts) > 1 and all(map(_bracketed, parts)) else None


def _bracketed(form: str) -> tuple[str, list[str]] | None:
    """Read a tuple or an interval: brackets around all of it, with commas inside."""
    if form[:1] not in ("(", "[") or form[-1:] not in (")", "]") or "\\cup" in form:
        return None
    parts = top_level_parts(form[1:-1], thousands=False)
    depth = 0
    for character in form[:-1]:
        depth += (character in "([{") - (character in ")]}")
        if depth == 0:
            return None
    return (form[0] + form[-1], parts) if len(parts) > 1 else None


def _structure(form: str) -> tuple[str, list[str]] | None:
    """Return the kind and the parts of a form with parts, or None for other forms."""
    for read in (_matrix, _set, _union, _bracketed):
        found = read(form)
        if found is not None:
            return found
    return None


def _same_structure(left: tuple[str, list[str]], right: tuple[str, list[str]]) -> bool | None:
    (kind, ours), (other, theirs) = left, right
    if kind == other and kind in ("set", "union"):
        return _unordered(ours, theirs)
    if kind != other and not (_is_brackets(kind) and _is_brackets(other)):
        return False if _unordered(ours, theirs) is False else None  # a set and a list …
    if len(ours) != len(theirs):
        return False
    equal = _all(list(zip(ours, theirs, strict=True)), equal_forms)
    return equal if kind == other else (False if equal is False else None)


def _is_brackets(kind: str) -> bool:
    return kind in ("()", "(]", "[)", "[]")


def _all(
    pairs: Sequence[tuple[str, str]], compare: Callable[[str, str], bool | None]
) -> bool | None:
    """Return False if any pair differs, True if all are equal, else None."""
    verdicts = [compare(*pair) for pair in pairs]
    if False in verdicts:
        return False
    return None if None in verdicts else True


def _unordered(ours: list[str], theirs: list[str]) -> bool | None:
    """Compare as sets: each part of one is in the other."""
    if len(ours) * len(theirs) > 400:
        return None
    undecided = False
    for parts, others in ((ours, theirs), (theirs, ours)):
        for part in parts:
            verdicts = [equal_forms(part, other) for other in others]
            if True not in verdicts:
                if None not in verdicts:
                    return False
                undecided = True
    return None if undecided else True


def _is_word(form: str) -> bool:
    return bool(_WORDS.fullmatch(form))
