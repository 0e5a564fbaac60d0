r"""Expressions: a reader from tokens to trees that accounts for every token, or refuses.

``\pi``, ``e`` and ``i`` are the constants; ``x_1``, ``y'``, ``\vec{a}``, ``\overline{z}`` and
``\frac{dy}{dx}`` are names of their own. A letter before brackets is a function if it is one of
`FUNCTION_LETTERS`, or if the brackets hold no more than a letter, a number or a list; otherwise it
is a factor. Products and quotients are read from left to right: ``1/2x`` is half of x.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from selfcorrect_env.verifiers.math.ordered_products import crossed, multiplied
from selfcorrect_env.verifiers.math.token_patterns import (
    derivative_name,
    differential,
    one_sided,
    proper_fraction,
    typed_derivative,
)
from selfcorrect_env.verifiers.math.token_reader import TokenReader, Unreadable
from selfcorrect_env.verifiers.math.tokens import Token, TokenKind
from selfcorrect_env.verifiers.math.trees import (
    DEGREE,
    MINUS_ONE,
    ONE,
    Node,
    negative,
    product,
    quotient,
)

FUNCTION_LETTERS = frozenset("fghFGH")
"""Letters that mean a function before brackets, whatever is in the brackets."""
DEEPEST = 60
"""Maximum depth of brackets."""

_TRIGONOMETRIC = "sin cos tan cot sec csc sinh cosh tanh coth"
_ARC = {name: f"arc{name}" for name in ("sin", "cos", "tan", "cot", "sec", "csc")}
_OTHERS = "ln log exp gcd max min"
_COMMANDS = {
    f"\\{name}": name for name in [*_TRIGONOMETRIC.split(), *_ARC.values(), *_OTHERS.split()]
}
_GREEK_LETTERS = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi "
    "pi rho sigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi "
    "Psi Omega ell infty hbar"
)
_GREEK = frozenset(f"\\{name}" for name in _GREEK_LETTERS.split())
_ACCENTS = (
    "vec hat bar tilde dot ddot overline overrightarrow widehat mathbf boldsymbol bm mathcal "
    "mathbb mathfrak"
)
_MARKED = frozenset(f"\\{name}" for name in _ACCENTS.split())
_CLOSING = {"(": ")", "{": "}", "[": "]"}
_STOP = frozenset("+-)]},;:=<>|&'!^_%°?.") | {
    "\\}",
    "⟩",
    "\\\\",
    "\\|",
    r"\choose",
    r"\over",
    r"\rfloor",
    r"\rceil",
}


def read(tokens: Sequence[Token]) -> Node:
    """Return the tree of an expression.

    Raises:
        Unreadable: a token does not belong to an expression that this module knows.
    """
    reader = _Reader(tokens)
    tree = reader.chosen(0) or reader.sum()
    if reader.at != len(tokens):
        raise Unreadable
    return tree


class _Reader(TokenReader):
    """A recursive descent parser."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        super().__init__(tokens)
        self.depth = 0
        self.bars = 0

    def sum(self) -> Node:
        terms: list[Node] = []
        while not terms or self.next in ("+", "-"):
            sign = 1
            while self.next in ("+", "-"):
                sign *= -1 if self.take().text == "-" else 1
            term = self.product()
            terms.append(term if sign > 0 else negative(term))
        return terms[0] if len(terms) == 1 else ("sum", tuple(terms))

    def product(self) -> Node:
        factors = [self.mixed()]
        while (token := self.token) is not None:
            if token.text == "*":
                self.take()
                factors.append(self.signed_power())
            elif token.text == r"\times":
                self.take()
                factors[-1:] = crossed(factors[-1], self.signed_power())
            elif token.text == "/":
                self.take()
                below = self.signed_power()
                factors = [quotient(product(*factors), below)]
            elif token.text in _STOP or (token.text == "|" and self.bars):
                break
            elif token.kind is TokenKind.NUMBER and self.tokens[self.at - 1].text != "!":
                raise Unreadable  # "2 3", "x2", ")2"; but "3!4!" is a product
            else:
                factors[-1:] = multiplied(factors[-1], self.power())
        return product(*factors)

    def signed_power(self) -> Node:
        if self.next in ("-", "+"):
            sign = self.take().text
            factor = self.power()
            return negative(factor) if sign == "-" else factor
        return self.power()

    def mixed(self) -> Node:
        """Read the first factor of a product, which may be a mixed number: 2 1/3."""
        token = self.token
        if token is None or token.kind is not TokenKind.NUMBER or not token.text.isdigit():
            return self.power()
        rest = self.tokens[self.at + 1 : self.at + 8]
        part = proper_fraction(rest)
        if part is None:
            return self.power()
        fraction, size = part
        self.at += 1 + size
        return ("number", int(token.text) + fraction)

    def power(self) -> Node:
        node = self.base()
        while True:
            if self.next == "!":
                self.take()
                node = ("call", "factorial", (node,))
            elif self.next == "°":
                self.take()
                node = product(node, DEGREE)
            elif self.next == "^":
                self.take()
                node = ("power", node, self.exponent())
                if self.next == "^":
                    raise Unreadable
            else:
                return node

    def exponent(self) -> Node:
        r"""Read what follows ``^``: a group, or one digit, letter or command."""
        if self.next in ("{", "("):
            return self.group()
        token = self.take()
        if token.kind is TokenKind.NUMBER and token.text.isdigit():
            return ("number", Fraction(int(token.text)))  # 2^10: the 0 could be nothing else
        if token.kind is TokenKind.LETTERS:
            self.put_back(token, 1)
            return ("name", token.text[0])
        if token.text == "-" and self.token and self.token.kind is TokenKind.NUMBER:
            return negative(self.exponent())  # x^-1, as typed
        if token.text in _GREEK or token.text == r"\frac":
            self.at -= 1
            return self.base()
        raise Unreadable

    def base(self) -> Node:
        token = self.take()
        if token.kind is TokenKind.NUMBER:
            return self.number(token.text)
        if token.kind is TokenKind.LETTERS:
            return self.letters(token)
        if token.kind is TokenKind.WORD:
            return self.word(token)
        if token.text in _CLOSING:
            self.at -= 1
            return self.group()
        if token.text == "|":
            return self.absolute()
        if token.kind is TokenKind.COMMAND:
            return self.command(token.text)
        raise Unreadable

    def number(self, text: str) -> Node:
        if re.fullmatch(r"0\d+(?:\.\d*)?", text):
            raise Unreadable  # "000" is no number: (1,000) is no pair
        if self.next == "_":
            return self.numeral(text)
        if self.next in (r"\overline", r"\bar", r"\dot") and ("." in text or text.endswith(".")):
            return self.repeating(text)
        return ("number", Fraction(text.rstrip(".")))

    def repeating(self, text: str) -> Node:
        r"""Read the part of a decimal that is repeated for ever: ``0.1\overline{6}``."""
        self.take()
        self.take("{")
        digits = self.take().text
        self.take("}")
        if not digits.isdigit():
            raise Unreadable
        places = len(text.partition(".")[2])
        tail = Fraction(int(digits), (10 ** len(digits) - 1) * 10**places)
        return ("number", Fraction(text.rstrip(".")) + tail)

    def numeral(self, digits: str) -> Node:
        """Read a numeral with a base: ``52_8``."""
        self.take("_")
        base = self.index()
        if not base.isdigit():
            raise Unreadable
        return ("call", "numeral", (("name", digits), ("name", base)))

    def letters(self, token: Token) -> Node:
        """Read one letter, of which those after it are factors; or ``dy/dx``."""
        derivative = typed_derivative(self.tokens[self.at - 1 :])
        if derivative is not None:
            name, size = derivative
            self.at += size - 1
            return ("name", name)
        if len(token.text) > 1:
            self.put_back(token, 1)
            return ("name", token.text[0])
        return self.named(token.text)

    def word(self, token: Token) -> Node:
        r"""Read ``\operatorname{lcm}(a,b)``; other words are no expression."""
        if self.next != "(" or not token.text.isalpha():
            raise Unreadable
        return self.call(token.text)

    def named(self, letter: str) -> Node:
        name, function = self.decorated(letter)
        if self.next == "(" and (function or self.applied(letter)):
            return self.call(name)
        return ("name", name)

    def decorated(self, letter: str) -> tuple[str, bool]:
        """Read an index, primes and, for a function letter, ``^{-1}`` after a name."""
        name, function = letter, letter in FUNCTION_LETTERS
        while True:
            if self.next == "_":
                self.take()
                name = f"{name}_{self.index()}"
            elif self.next == "'":
                self.take()
                name += "'"
            elif function and self.follows("^", "{", "-", "1", "}", "("):
                self.at += 5
                name += "^-1"
            else:
                return name, function

    def applied(self, letter: str) -> bool:
        """Return whether the brackets that follow hold the arguments of a function."""
        if letter in ("e", "i") or letter.startswith("\\"):
            return False
        inside = []
        for token in self.tokens[self.at + 1 :]:
            if token.text in ("(", ")"):
                break
            inside.append(token)
        atom = len(inside) == 1 and (inside[0].kind is TokenKind.NUMBER or len(inside[0].text) == 1)
        return atom or any(token.text == "," for token in inside)

    def call(self, name: str) -> Node:
        return ("call", name, self.arguments())

    def arguments(self) -> tuple[Node, ...]:
        self._deeper(self.take().text)
        found = [self.sum()]
        while self.next == ",":
            self.take()
            found.append(self.sum())
        self.take(")")
        self.depth -= 1
        return tuple(found)

    def _deeper(self, opening: str) -> None:
        self.depth += 1
        if self.depth > DEEPEST or opening not in _CLOSING:
            raise Unreadable

    def group(self) -> Node:
        opening = self.take().text
        if opening not in _CLOSING:
            raise Unreadable
        self._deeper(opening)
        if opening == "{" and self.next == "}":
            raise Unreadable
        bars, self.bars = self.bars, 0
        start = self.at
        inside = self.chosen(start) if opening == "{" else None
        inside = inside or self.sum()
        self.take(_CLOSING[opening])
        self.bars = bars
        self.depth -= 1
        return inside

    def chosen(self, start: int) -> Node | None:
        r"""Read ``{10 \choose 3}`` and ``{1 \over 2}`` from its start; None if it is not that."""
        depth = 0
        for token in self.tokens[start:]:
            depth += (token.text == "{") - (token.text == "}")
            if depth < 0:
                return None
            if depth == 0 and token.text in (r"\choose", r"\over"):
                above = self.sum()
                self.take(token.text)
                below = self.sum()
                chosen = token.text == r"\choose"
                return ("call", "binomial", (above, below)) if chosen else quotient(above, below)
        return None

    def absolute(self) -> Node:
        self.bars += 1
        inside = self.sum()
        self.take("|")
        self.bars -= 1
        return ("call", "abs", (inside,))

    def command(self, text: str) -> Node:
        if text in _COMMANDS:
            return self.function(_COMMANDS[text])
        if text in _GREEK:
            return self.named(text)
        if text == r"\frac":
            return self.fraction()
        if text == r"\sqrt":
            return self.root()
        if text == r"\binom":
            return ("call", "binomial", (self.argument(), self.argument()))
        if text in (r"\lfloor", r"\lceil"):
            inside = self.sum()
            self.take(text.replace(r"\l", r"\r"))
            return ("call", text[2:], (inside,))
        if text in _MARKED:
            return self.marked(text)
        if text in (r"\sum", r"\prod"):
            return self.series(text[1:])
        if text == r"\int":
            return self.integral()
        if text == r"\lim":
            return self.limit()
        raise Unreadable

    def argument(self) -> Node:
        r"""Read one argument of a command: a group, or one digit or letter: ``\frac12``."""
        return self.group() if self.next == "{" else self.single()

    def single(self) -> Node:
        """Read one digit, letter or command: the first 1 of ``12``."""
        token = self.take()
        if token.kind is TokenKind.NUMBER and token.text.isdigit():
            self.put_back(token, 1)
            return ("number", Fraction(int(token.text[0])))
        self.at -= 1
        return self.exponent()

    def fraction(self) -> Node:
        derivative = derivative_name(self.tokens[self.at :])
        if derivative is not None:
            name, size = derivative
            self.at += size
            return ("name", name)
        return quotient(self.argument(), self.argument())

    def root(self) -> Node:
        degree: Node = ("number", Fraction(2))
        if self.next == "[":
            degree = self.group()
        inside = self.group() if self.next in ("{", "(") else self.single()
        return ("call", "root", (inside, degree))

    def marked(self, text: str) -> Node:
        r"""Read ``\vec{a}``, ``\overline{AB}``: a name of its own."""
        content = self.index() if self.next == "{" else self.take().text
        if not re.fullmatch(r"\\?[A-Za-z]+\d?(?:_\w)?'?|0", content):
            if text in (r"\mathbf", r"\boldsymbol", r"\bm") and re.fullmatch(
                r"\d+(?:\.\d+)?", content
            ):
                return ("number", Fraction(content))
            raise Unreadable
        name, _ = self.decorated(f"{text}{{{content}}}")
        return ("name", name)

    def function(self, name: str) -> Node:
        """Read a function's index, power and argument."""
        base = exponent = None
        while self.next in ("_", "^"):
            if self.take().text == "_":
                base = self.argument()
            else:
                exponent = self.argument()
        if exponent == MINUS_ONE:
            if name not in _ARC:
                raise Unreadable
            name, exponent = _ARC[name], None
        if self.next in ("(", "[", "|"):
            arguments = self.arguments() if self.next == "(" else (self.base(),)
        elif self.next == "{":
            arguments = (self.group(),)
        else:
            arguments = (self.plain_argument(),)
        if base is not None:
            if name != "log" or len(arguments) != 1:
                raise Unreadable
            top = ("call", "ln", arguments)
            node = quotient(top, ("call", "ln", (base,)))
        elif name == "exp":
            node = ("power", ("name", "e"), arguments[0])
        elif len(arguments) > 1 and name not in ("gcd", "max", "min"):
            raise Unreadable
        else:
            node = ("call", name, arguments)
        return node if exponent is None else ("power", node, exponent)

    def plain_argument(self) -> Node:
        r"""Read an argument without brackets: 2x in ``\sin 2x \cos x``."""
        factors = [self.mixed()]
        while (token := self.token) is not None:
            plain = token.kind is TokenKind.LETTERS or token.text in _GREEK
            if not (plain or token.text in (r"\frac", r"\sqrt")):
                break
            factors.append(self.power())
        if self.next == "/":
            self.take()
            factors = [quotient(product(*factors), self.power())]
        return product(*factors)

    def series(self, name: str) -> Node:
        r"""Read ``\sum_{k=1}^{n} …``: its body is the product that follows."""
        self.take("_")
        self.take("{")
        bound = self.bound()
        self.take("=")
        low = self.sum()
        self.take("}")
        self.take("^")
        high = self.argument()
        body = self.product()
        return ("call", name, (bound, low, high, body))

    def bound(self) -> Node:
        """Read a bound variable: one letter."""
        token = self.take()
        if token.kind is not TokenKind.LETTERS or len(token.text) > 1:
            raise Unreadable
        return ("name", token.text)

    def limit(self) -> Node:
        r"""Read ``\lim_{x \to 0^+} …``: its body is the product that follows."""
        self.take("_")
        self.take("{")
        bound = self.bound()
        if self.take().text not in (r"\to", r"\rightarrow"):
            raise Unreadable
        end = next(i for i in range(self.at, len(self.tokens) + 1) if self.ends_group(i))
        goal = self.tokens[self.at : end]
        self.at = end + 1
        side, size = one_sided(goal)
        goal = goal[: len(goal) - size]
        return ("call", "lim", (bound, read(goal), ("number", Fraction(side)), self.product()))

    def ends_group(self, index: int) -> bool:
        """Return whether the group that is being read ends at an index."""
        if index >= len(self.tokens):
            raise Unreadable
        depths = [
            (token.text == "{") - (token.text == "}") for token in self.tokens[self.at : index]
        ]
        return self.tokens[index].text == "}" and sum(depths) == 0

    def integral(self) -> Node:
        r"""Read ``\int_0^1 f(x) dx``, and ``\int f(x) dx``."""
        bounds: tuple[Node, ...] = ()
        if self.next == "_":
            self.take()
            low = self.argument()
            self.take("^")
            bounds = (low, self.argument())
        rest = self.tokens[self.at :]
        found = differential(rest)
        if found is None:
            raise Unreadable
        body, variable, size = found
        self.at += size
        inside = read(body) if body else ONE
        name = "integral" if bounds else "antiderivative"
        return ("call", name, (("name", variable), *bounds, inside))
