r"""One spelling for expressions that are written alike: what is compared is text, not value."""

from __future__ import annotations

import re

from selfcorrect_env.verifiers.math.typed_math import latex

ROW = "⏎"
"""Marks the end of a matrix row."""

_LAYOUT = re.compile(
    r"\\(?:left|right|displaystyle|[bB]igg?|limits|q?quad)(?![A-Za-z])|\\[,!;: ]|~"
    r"|\^\s*(?:\{\s*\\circ\s*\}|\\circ)|°|\\[$%]|[$%]"
)
_ROW = re.compile(r"\\\\(?:\*?\s*\[\s*-?[\d.]+\s*[a-z]{2}\s*\])?")
_TIMES = re.compile(r"\\(?:cdot|times)(?![A-Za-z])")
_TEXT = re.compile(r"\\(?:text|mbox|textbf|textrm)\s*\{[^{}]*\}")
_STYLE = re.compile(r"\\(?:mathrm|mathbf|mathit|mathsf)\s*\{([^{}]*)\}")
_VARIANT = re.compile(r"\\[dtc](frac|binom)(?![A-Za-z])")
_SHORT_FRACTION = re.compile(r"\\frac\s*(\d)\s*(\d)(?!\d)")
_HALF_FRACTION = re.compile(r"\\frac\s*(?:(\d)\s*\{([^{}]*)\}|\{([^{}]*)\}\s*(\d))")
_SHORT_ROOT = re.compile(r"\\sqrt\s*([0-9A-Za-z])")
_THOUSANDS = re.compile(r"(?<=\d)(?:\{,\}|,)(?=\d{3}(?!\d))")
_ASSIGNED = re.compile(r"^[A-Za-z](?:_\{?\w\}?|\([A-Za-z]\))?=(?!.*=)")


def plain_text(expression: str) -> str:
    r"""Return an expression as text without layout, units and a variable that it is assigned to.

    >>> plain_text(r"x = \dfrac12 \left( 2\sqrt3 + 1 \right)") == r"\frac{1}{2}(2\sqrt{3}+1)"
    True
    """
    text = latex(_ROW.sub(ROW, expression.strip().rstrip(".")))
    text = _TIMES.sub("*", _LAYOUT.sub("", _STYLE.sub(r"\1", _TEXT.sub("", text))))
    text = _SHORT_FRACTION.sub(r"\\frac{\1}{\2}", _VARIANT.sub(r"\\\1", text))
    text = _HALF_FRACTION.sub(
        lambda found: rf"\frac{{{found[1] or found[3]}}}{{{found[2] or found[4]}}}", text
    )
    text = _SHORT_ROOT.sub(r"\\sqrt{\1}", text)
    if not re.search(r"[(\[]", text):  # "(1,234)" is a point
        text = _THOUSANDS.sub("", text)
    return _ASSIGNED.sub("", re.sub(r"\s+", "", text.replace("−", "-")))
