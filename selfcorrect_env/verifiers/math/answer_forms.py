r"""The form in which a problem wants its answer, beside its value.

A problem asks for a form in its metadata, under `ANSWER_FORM`. An answer that is equal to the
reference and has another form is wrong: $(x+1)(x+2)$ is not expanded, $3 + 8$ is not evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from selfcorrect_env.verifiers.math.plain_text import ROW, plain_text

ANSWER_FORM = "answer_form"
"""Key of `Problem.metadata`: one of `FORMS`."""

_N = r"(?:(?:\d+(?:\.\d*)?|\.\d+)(?:\\overline\{\d+\})?)"
_IMAGINARY = r"\*?i"
_SIZE = rf"(?:{_N}?\\frac\{{-?{_N}\}}\{{-?{_N}\}}|{_N}/{_N}|{_N})"
_REAL = rf"[+-]{{0,2}}{_SIZE}"
_TURNED = (
    rf"[+-]{{0,2}}(?:{_SIZE}?{_IMAGINARY}(?:/{_N})?|\\frac\{{-?{_N}?{_IMAGINARY}\}}\{{-?{_N}\}})"
)
_VALUE = re.compile(
    rf"(?:{_REAL}|{_TURNED}|{_REAL}(?=[+-]){_TURNED}|{_TURNED}(?=[+-]){_REAL}"
    rf"|[+-]?\\frac\{{{_REAL}(?=[+-]){_TURNED}\}}\{{-?{_N}\}})"
)
_MATRIX = re.compile(r"\\begin\{[pbvBV]?matrix\}(.*)\\end\{[pbvBV]?matrix\}")
_IN_BRACKETS = re.compile(r"\A[+-]?\(([^()]*)\)\Z")
_TERM_IN_BRACKETS = re.compile(r"[({](-?[^(){}+-]*)[)}]")
_BRACKET = re.compile(r"(?<!\^)[({\[]")


def _is_evaluated(form: str) -> bool:
    matrix = _MATRIX.fullmatch(form)
    if matrix:
        return all(_VALUE.fullmatch(cell) for cell in re.split(rf"[&{ROW}]", matrix[1]) if cell)
    return bool(_VALUE.fullmatch(_IN_BRACKETS.sub(r"\1", form)))


def _is_expanded(form: str) -> bool:
    before = ""
    while before != form:
        before, form = form, _TERM_IN_BRACKETS.sub(r"\1", form)
    return not _BRACKET.search(form)


FORMS: dict[str, Callable[[str], bool]] = {"evaluated": _is_evaluated, "expanded": _is_expanded}
"""``"evaluated"``: a number, a complex number ``a + bi``, or a matrix of them, with no operation
left but those of a fraction. ``"expanded"``: a sum without brackets."""


def has_form(form: str, answer: str) -> bool:
    r"""Return whether an answer has a form.

    >>> has_form("expanded", "x^2 + 3x + 2"), has_form("expanded", "x(x + 3) + 2")
    (True, False)
    >>> has_form("evaluated", r"\frac{1}{2} - 3i"), has_form("evaluated", "3 + 8")
    (True, False)

    Raises:
        ValueError: there is no such form.
    """
    if form not in FORMS:
        raise ValueError(
            f"metadata[{ANSWER_FORM!r}] must be one of {', '.join(FORMS)}, got {form!r}."
        )
    return FORMS[form](plain_text(answer).rpartition("=")[2])
