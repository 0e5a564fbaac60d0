r"""Conversion of typed mathematics to LaTeX: ``2sqrt(2)``, ``√2``, ``pi``, ``x**2``.

Only unambiguous text is converted: in a text with words that are not names of functions, only signs
such as ``√`` are replaced.
"""

from __future__ import annotations

import re

_FUNCTIONS = (
    "sin|cos|tan|cot|sec|csc|sinh|cosh|tanh|arcsin|arccos|arctan|ln|log|exp|sqrt|cbrt|pi|infinity"
    "|infty|inf"
)
_TYPED = re.compile(
    rf"[^\x00-\x7f]|\*\*|\^\(|(?<![\\A-Za-z])(?:{_FUNCTIONS})(?![A-Za-z])|\\\\(?=[A-Za-z])"
)
_DASH = re.compile(r"((?:^|[(\[{,=])\s*)–(?=\s*[\d\\])")  # a minus; elsewhere it is a range
_GLUED = re.compile(r"(\\(?:sin|cos|tan|cot|sec|csc|ln|log|pi))([a-gi-zA-Z])(?![A-Za-z])")  # \cotx
_TIGHT = re.compile(r"(?<=[\d})])(or|and)(?=[A-Za-z(])")  # 1orx
_STARS = re.compile(r"\*\*(-?\d+)")
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,}")
_NAME = re.compile(rf"(?<![\\A-Za-z])({_FUNCTIONS})(?![A-Za-z])")
_KNOWN = re.compile(_FUNCTIONS)
_DOUBLED = re.compile(
    r"(?<!\\)\\\\(?=(?:d?frac|tfrac|sqrt|text|begin|end|left|right|cdot|times|pi|infty|le|leq|ge|geq"
    r"|in|cup|pm|circ|sin|cos|tan|ln|log|mathrm)(?![A-Za-z]))"
)
_WRAPPED = {"sqrt": (r"\sqrt{", "}"), "cbrt": (r"\sqrt[3]{", "}"), "exp": ("e^{", "}")}
_SIGNS = {
    "√": "sqrt",
    "∛": "cbrt",
    "∞": r"\infty ",
    "×": r"\times ",
    "·": r"\cdot ",
    "⋅": r"\cdot ",
    "∙": r"\cdot ",
    "÷": "/",
    "⁄": "/",
    "∕": "/",
    "∶": ":",
    "−": "-",
    "，": ",",
    "、": ",",
    "：": ":",
    "；": ";",
    "（": "(",
    "）": ")",
    "∪": r"\cup ",
    "∩": r"\cap ",
    "∖": r"\setminus ",
    "∈": r"\in ",
    "∅": r"\emptyset ",
    "ℝ": r"\mathbb{R}",
    "ℤ": r"\mathbb{Z}",
    "∧": r"\wedge ",
    "∨": r"\vee ",
    "≠": r"\ne ",
    "≤": r"\le ",
    "≥": r"\ge ",
    "≡": r"\equiv ",
    "±": r"\pm ",
    "∓": r"\mp ",
    "⋯": r"\ldots ",
    "∘": "°",
    "˚": "°",
    "\u00a0": " ",
    "\u2003": " ",
    "\u2009": " ",
    "\u202f": " ",
}
_GREEK = [
    "α",
    "alpha",
    "β",
    "beta",
    "γ",
    "gamma",
    "δ",
    "delta",
    "ε",
    "epsilon",
    "ζ",
    "zeta",
    "η",
    "eta",
    "θ",
    "theta",
    "κ",
    "kappa",
    "λ",
    "lambda",
    "ν",
    "nu",
    "ξ",
    "xi",
    "π",
    "pi",
    "ρ",
    "rho",
    "σ",
    "sigma",
    "τ",
    "tau",
    "φ",
    "phi",
    "χ",
    "chi",
    "ψ",
    "psi",
    "ω",
    "omega",
    "Γ",
    "Gamma",
    "Δ",
    "Delta",
    "Θ",
    "Theta",
    "Λ",
    "Lambda",
    "Ξ",
    "Xi",
    "Π",
    "Pi",
    "Σ",
    "Sigma",
    "Φ",
    "Phi",
    "Ψ",
    "Psi",
]
_SIGNS |= {sign: rf"\{name} " for sign, name in zip(_GREEK[::2], _GREEK[1::2], strict=True)}
_VULGAR = [
    "½12",
    "⅓13",
    "⅔23",
    "¼14",
    "¾34",
    "⅕15",
    "⅖25",
    "⅗35",
    "⅘45",
    "⅙16",
    "⅚56",
    "⅐17",
    "⅛18",
    "⅜38",
    "⅝58",
    "⅞78",
    "⅑19",
]
_SIGNS |= {text[0]: rf"\frac{{{text[1]}}}{{{text[2]}}}" for text in _VULGAR}
_WIDE = {code: code - 0xFEE0 for code in range(0xFF10, 0xFF5B)}
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿ", "0123456789-+n")
_LOWERED = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")


def latex(text: str) -> str:
    r"""Return ``text`` as LaTeX if it is typed mathematics; otherwise return it unchanged.

    >>> latex("2*sqrt(3) + √2")
    '2*\\sqrt{3} + \\sqrt{2}'
    """
    text = _GLUED.sub(r"\1 \2", _TIGHT.sub(r" \1 ", text))
    if not _TYPED.search(text):
        return text
    text = _DOUBLED.sub(r"\\", text)
    if not text.isascii():
        text = "".join(_SIGNS.get(character, character) for character in text.translate(_WIDE))
        text = _DASH.sub(r"\1-", text)
        text = re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿ]+", lambda found: f"^{{{found[0].translate(_RAISED)}}}", text)
        text = re.sub("[₀-₉]+", lambda found: f"_{{{found[0].translate(_LOWERED)}}}", text)
    words = _WORD.findall(re.sub(r"\\[A-Za-z]+", " ", text))
    if all(_KNOWN.fullmatch(word) for word in words):
        text = _powers(_functions(_STARS.sub(r"^{\1}", text).replace("**", "^")))
    return text


def _functions(text: str) -> str:
    """Add a backslash to the names of functions, and braces around the argument of a root."""
    start = 0
    while found := _NAME.search(text, start):
        name, rest = found[1], text[found.end() :]
        if name in _WRAPPED:
            opening, closing = _WRAPPED[name]
            inside, rest = _argument(rest)
            if not inside:  # "sqrt" without an argument
                start = found.end()
                continue
            put = f"{opening}{inside}{closing}"
            start = found.start() + len(opening)
        else:
            put = r"\infty " if name.startswith("inf") else rf"\{name} "
            start = found.start() + len(put)
        text = text[: found.start()] + put + rest
    return text


def _powers(text: str) -> str:
    """Replace ``x^(a+b)`` by ``x^{a+b}``."""
    while (index := text.find("^(")) >= 0:
        inside, rest = _argument(text[index + 1 :])
        if not inside:
            return text
        text = f"{text[:index]}^{{{inside}}}{rest}"
    return text


def _argument(rest: str) -> tuple[str, str]:
    """Split off a function's argument: text in brackets, a number or a letter."""
    if rest[:1] not in ("(", "{"):
        found = re.match(r"\s*(\d+(?:\.\d+)?|[A-Za-z])", rest)
        return (found[1], rest[found.end() :]) if found else ("", rest)
    opening, closing = rest[0], ")" if rest[0] == "(" else "}"
    depth = 0
    for index, character in enumerate(rest):
        depth += (character == opening) - (character == closing)
        if depth == 0:
            return rest[1:index], rest[index + 1 :]
    return "", rest
