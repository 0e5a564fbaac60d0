r"""The reader of answers: quantities, words, tuples, sets, lists, matrices, relations.

`read_answer` accounts for every token of an answer, or returns `Unread` for the part that it cannot
read. Such a part equals only what is spelled like it.
"""

from __future__ import annotations

import re

from selfcorrect_env.verifiers.math.answer_kinds import (
    Answer,
    Parts,
    Quantity,
    Relation,
    Unread,
    Words,
)
from selfcorrect_env.verifiers.math.arrays import computed_matrix, read_array, read_rows
from selfcorrect_env.verifiers.math.numerals import leading_number, mixed_numbers
from selfcorrect_env.verifiers.math.quantities import Tokens, read_quantity, split, step
from selfcorrect_env.verifiers.math.real_sets import exclusive
from selfcorrect_env.verifiers.math.tokens import Token, TokenKind, spelled, tokenize
from selfcorrect_env.verifiers.math.trees import INFINITY
from selfcorrect_env.verifiers.math.typed_math import latex
from selfcorrect_env.verifiers.math.units import unit, unit_of_one

_RELATIONS = frozenset(
    ["=", "<", ">", r"\le", r"\ge", r"\ne", r"\in", r"\approx", r"\equiv", r"\notin"]
)
_INEQUALITIES = frozenset(["<", ">", r"\le", r"\ge", r"\ne", r"\in", r"\notin"])
_OR = frozenset(["or", "或"])
_AND = frozenset(["and", "和", "及", "、", "，"])
_IF = frozenset(["where", "when", "if", "for", "with"])
_LABEL = re.compile(r"(?:\banswer is|:)$", re.IGNORECASE)
_BOX = re.compile(r"^\s*\\(?:boxed|fbox)\s*\{(.*)\}\s*$", re.DOTALL)
_MATH = re.compile(r"^\s*\\[(\[](.*)\\[)\]]\.?\s*$", re.DOTALL)
_END = re.compile(r"(?:(?:\\[ ,;:!]|\\q?quad|[\s,;~])*(?<!\.)\.)?(?:\\[ ,;:!]|\\\\|[\s,;~])*$")


def read_answer(text: str) -> Answer:
    """Return what an answer says."""
    text = latex(mixed_numbers(_bare(text)))
    tokens = tokenize(text)
    if tokens is None:
        return Unread(" ".join(text.split()))
    tokens = _without_dollars(tokens)
    if not tokens:
        return Unread("")
    try:
        return _whole(tokens)
    except RecursionError:
        return Unread(spelled(tokens))


def _bare(text: str) -> str:
    """Return an answer without a box or quotation marks around it and without its full stop."""
    while (boxed := _BOX.match(text)) and _closed(boxed[1]):
        text = boxed[1]
    while math := _MATH.match(text):
        text = math[1]
    text = _END.sub("", text.strip().lstrip(":= ").strip('"“”`'))
    text = text[2:-2] if len(text) > 4 and text[:2] == text[-2:] == "**" else text
    return text[1:-1] if len(text) > 2 and text[0] == text[-1] == "'" else text


def _closed(text: str) -> bool:
    depth = 0
    for character in text.replace(r"\{", "").replace(r"\}", ""):
        depth += (character == "{") - (character == "}")
        if depth < 0:
            return False
    return depth == 0


def spelling(text: str) -> str:
    """Return the tokens of an answer as a text, so without layout."""
    tokens = tokenize(latex(_bare(text)))
    return " ".join(text.split()) if tokens is None else spelled(tokens)


def _without_dollars(tokens: Tokens) -> Tokens:
    """Drop the dollars around formulas; one before a number is a unit."""
    delimiters = sum(token.text == "$" for token in tokens) > 1
    return tuple(token for token in tokens if token.text != "$") if delimiters else tokens


def _whole(tokens: Tokens) -> Answer:
    words = _words(tokens)
    if words is not None:
        return words
    if len(tokens) > 1 and tokens[0].kind is TokenKind.WORD and _LABEL.search(tokens[0].text):
        tokens = tokens[1:]  # "Answer: 5"
    if len(tokens) > 1 and (_connects(tokens[0]) or _connects(tokens[-1])):
        return Unread(spelled(tokens))  # "5 and"
    tokens = _with_condition(tokens)
    if (logical := _logical(tokens)) is not None:
        return logical
    alternatives = any(token.text.casefold() in _OR for token in tokens)
    together = any(token.text.casefold() in _AND for token in tokens)
    parts = split(_connected(tokens), (",", ";"))
    parts = [part for part in parts if part] if len(parts) > 1 else parts
    if not parts or not parts[0]:
        return Unread(spelled(tokens))
    read = _with_name(tuple(_part(part) for part in parts))
    if len(read) == 1:
        return read[0]
    if alternatives and _of_different_names(read):
        return Unread(spelled(tokens))  # "x = 1 or y = 2"
    return Parts(_kind_of_list(read, alternatives, together), read)


def _logical(tokens: Tokens) -> Answer | None:
    r"""Read ``x < 1 \lor x > 3`` and ``x > 1 \land x < 3``, of equations and inequalities only."""
    for sign, kind in ((r"\vee", "list"), (r"\wedge", "all")):
        parts = split(tokens, (sign,))
        if len(parts) < 2 or not all(parts):
            continue
        read = tuple(map(_whole, parts))
        if not all(
            isinstance(it, Relation) or (isinstance(it, Parts) and it.kind == "all") for it in read
        ):
            return Unread(spelled(tokens))
        equations = all(isinstance(it, Relation) and it.signs == ("=",) for it in read)
        if equations and _of_different_names(read) != (kind == "all"):
            return Unread(spelled(tokens))
        return Parts("list" if equations else kind, read)
    return None


def _of_different_names(parts: tuple[Answer, ...]) -> bool:
    """Return whether parts are equations, each with another left side."""
    names = [part.sides[0] for part in parts if isinstance(part, Relation) and part.signs == ("=",)]
    return 1 < len(parts) == len(names) == len(set(names))


def _with_name(parts: tuple[Answer, ...]) -> tuple[Answer, ...]:
    r"""Return ``x = 1, 2`` as ``x = 1, x = 2``, and ``x \ne 0, 1`` likewise."""
    first, *others = parts
    if not isinstance(first, Relation) or first.signs not in (("=",), (r"\ne",)) or not others:
        return parts
    name = first.sides[0]
    named = isinstance(name, Quantity) and name.value[0] == "name"
    if not named or not all(isinstance(part, Quantity) for part in others):
        return parts
    return (first, *(Relation((name, part), first.signs) for part in others))


def _kind_of_list(parts: tuple[Answer, ...], alternatives: bool, together: bool) -> str:
    """Return how the parts of a list belong together.

    Inequalities in a list hold together, unless none satisfies all: ``x < 1, x > 3``.
    """
    if any(isinstance(part, Unread) for part in parts):
        return "order"  # dots, or anything else that is not read
    conditions = [isinstance(p, Relation) and bool(_INEQUALITIES & {*p.signs}) for p in parts]
    if all(conditions):
        return "list" if alternatives or (not together and exclusive(parts)) else "all"
    return "order" if any(conditions) else "list"


def _with_condition(tokens: Tokens) -> Tokens:
    r"""Write ``a + kb \ (k \in Z)`` as ``a + kb, k \in Z``."""
    if len(tokens) < 5 or tokens[-1].text != ")":
        return tokens
    depth = 0
    for index in range(len(tokens) - 1, 0, -1):
        depth -= step(tokens[index])
        if depth == 0:
            inside = tokens[index + 1 : -1]
            if tokens[index].text == "(" and _INEQUALITIES & {token.text for token in inside}:
                return (*tokens[:index], Token(TokenKind.SIGN, ","), *inside)
            return tokens
    return tokens


def _connected(tokens: Tokens) -> Tokens:
    """Return the tokens with a comma in the place of "or", "and", "where" outside brackets."""
    comma = Token(TokenKind.SIGN, ",")
    depth, found = 0, []
    for token in tokens:
        depth += step(token)
        found.append(comma if depth == 0 and _connects(token) else token)
    return tuple(found)


def _connects(token: Token) -> bool:
    word = token.text.casefold().strip(" ,.")
    return token.kind is not TokenKind.SIGN and (word in _OR or word in _AND or word in _IF)


def _words(tokens: Tokens) -> Answer | None:
    """Read an answer of words only."""
    texts = [token.text for token in tokens if token.text not in ("(", ")", "[", "]", '"', "'")]
    kinds = {token.kind for token in tokens if token.kind is not TokenKind.SIGN}
    if not kinds or not kinds <= {TokenKind.WORD, TokenKind.LETTERS} or not texts:
        return None
    if any(
        token.kind is TokenKind.SIGN and token.text not in ("(", ")", ".", "-", "!", "?", ",")
        for token in tokens
    ):
        return None
    if (number := _number_in_words(" ".join(texts))) is not None:
        return number
    letters = "".join(texts)
    if len(tokens) == 1 and tokens[0].kind is TokenKind.LETTERS:  # without a vowel it is a product
        vowel = re.search("[aeiouAEIOU]", letters)
        word = letters if letters.isupper() else letters.casefold()
        return Words(word) if len(letters) > 1 and vowel else None
    if TokenKind.WORD not in kinds:
        signs = any(token.kind is TokenKind.SIGN for token in tokens)
        spaced = all(token.spaced for token in tokens[1:]) and not signs
        long = any(len(text) > 1 for text in texts)
        return Words(" ".join(texts).casefold()) if spaced and long and len(texts) > 1 else None
    text = " ".join(" ".join(texts).replace(",", " , ").split()).casefold().strip(" .,()!?'\"")
    text = re.sub(r"(?<=\b[a-z])\.(?=[a-z]\b)|^(?:an?|the)\s+", "", text)
    if re.search(r"\d|[=<>+*/^]|,|\bor\b|\band\b", text) or not text:
        return None
    if text in ("all real numbers", "all reals"):
        return Parts("reals", ())
    return Quantity(INFINITY) if text == "infinity" else Words(text)


def _number_in_words(text: str) -> Quantity | None:
    """Read "six" and "six apples"."""
    found = leading_number(text.strip(" .,()!?'\""))
    if found is None:
        return None
    value, rest = found
    counted = (unit(rest) or (unit_of_one(rest) if value == 1 else None)) if rest else None
    return None if rest and counted is None else Quantity(("number", value), counted)


def _part(tokens: Tokens) -> Answer:
    """Read one answer of a list."""
    for read in (_array, _ratio, _relation, _computed, _container, read_quantity):
        found = read(tokens)
        if found is not None:
            return found
    words = _words(tokens)
    return words if words is not None else Unread(spelled(tokens))


def _array(tokens: Tokens) -> Answer | None:
    return read_array(tokens, _whole)


def _computed(tokens: Tokens) -> Answer | None:
    return computed_matrix(tokens, _whole)


def _ratio(tokens: Tokens) -> Answer | None:
    """Read ``2:3``, and the time ``3:30 PM``."""
    parts = split(tokens, (":",))
    if len(parts) < 2 or not all(parts):
        return None
    relation = any(token.text in _RELATIONS for token in tokens)
    if relation:
        return None
    last = (
        "".join(token.text for token in parts[-1][1:]).casefold().replace(".", "").replace(" ", "")
    )
    if last in ("am", "pm") and parts[-1][0].kind is TokenKind.NUMBER:
        times = [part[0].text for part in parts]
        return Words(f"{':'.join(times)} {last}") if all(map(str.isdigit, times)) else None
    read = [read_quantity(part) for part in parts]
    if any(part is None for part in read):
        return None
    return Parts(":", tuple(part for part in read if part is not None))


def _relation(tokens: Tokens) -> Answer | None:
    depth, start = 0, 0
    sides: list[Tokens] = []
    signs: list[str] = []
    tokens = _joined_signs(tokens)
    for index, token in enumerate(tokens):
        depth += step(token)
        if depth == 0 and token.text in _RELATIONS:
            sides.append(tokens[start:index])
            signs.append(token.text)
            start = index + 1
    if not signs:
        return None
    sides.append(tokens[start:])
    if signs == [r"\approx"] and not sides[0]:
        return Relation((Words(""), _part(sides[1])), tuple(signs))
    if not all(sides):
        return None
    if signs == [r"\equiv"]:
        return _congruence(sides)
    return Relation(tuple(_part(side) for side in sides), tuple(signs))


def _joined_signs(tokens: Tokens) -> Tokens:
    """Return the tokens with ``<=``, ``>=`` and ``!=`` as one sign."""
    found: list[Token] = []
    for token in tokens:
        before = found[-1].text if found else ""
        if token.text == "=" and before in ("<", ">", "!") and not token.spaced:
            sign = {"<": r"\le", ">": r"\ge", "!": r"\ne"}[before]
            found[-1] = Token(TokenKind.COMMAND, sign)
        elif token.text == r"\ne" and before == r"\not":
            found[-1] = token
        else:
            found.append(token)
    return tuple(found)


def _congruence(sides: list[Tokens]) -> Answer | None:
    r"""Read ``a \equiv b \pmod{n}``."""
    right = [token for token in sides[1] if token.text not in ("(", ")", "{", "}")]
    index = next(
        (i for i, t in enumerate(right) if t.text in (r"\pmod", r"\bmod", r"\mod", "mod")), 0
    )
    if not index:
        return None
    left, rest = read_quantity(sides[0]), read_quantity(tuple(right[:index]))
    modulus = read_quantity(tuple(right[index + 1 :]))
    if left is None or rest is None or modulus is None:
        return None
    return Relation((left, rest, modulus), (r"\equiv", "mod"))


def _container(tokens: Tokens) -> Answer | None:
    """Read a set, a tuple, an interval, a vector or a union."""
    for sign, kind in ((r"\cup", "union"), (r"\cap", "intersection")):
        sets = split(tokens, (sign,))
        if len(sets) > 1 and all(sets):
            return _operation(kind, tuple(_part(part) for part in sets))
    minus = split(tokens, (r"\setminus", "-"))
    of_sets = len(minus) == 2 and all(minus) and minus[1][-1].text in (r"\}", r"\emptyset")
    if of_sets or (len(minus := split(tokens, (r"\setminus",))) == 2 and all(minus)):
        return Parts("minus", tuple(_part(part) for part in minus))
    if len(tokens) == 1 and tokens[0].text == r"\emptyset":
        return Parts("{}", ())
    if [token.text for token in tokens] in ([r"\mathbb", "{", "R", "}"], [r"\mathbb", "R"]):
        return Parts("reals", ())
    first, last = tokens[0].text, tokens[-1].text
    if (first, last) not in (("⟨", "⟩"), (r"\{", r"\}"), ("{", "}"), ("<", ">")) and not (
        first in "([" and last in ")]"
    ):
        return None
    inside = tokens[1:-1]
    if not _balanced(inside):
        return None
    if (rows := read_rows(tokens, _whole)) is not None:
        return rows
    if not inside:
        return Parts("{}", ()) if first == r"\{" else None
    if first in (r"\{", "{") and (condition := _condition_of_set(inside)) is not None:
        return condition
    parts = split(_connected(inside), (",", ";"))
    if (first == "(" and len(parts) == 1) or (first == "{" and (len(parts) == 1 or last != "}")):
        return None
    kind = {"⟨": "<>", "<": "<>", r"\{": "{}", "{": "list"}.get(first, first + last)
    if first == "[" and len(parts) == 1:
        return None
    if not all(parts):
        return None
    if kind in ("[]", "()") and len(parts) != 2:
        kind = "()"
    return Parts(kind, tuple(_part(part) for part in parts))


def _operation(kind: str, parts: tuple[Answer, ...]) -> Parts | None:
    r"""Return a union or an intersection; None if its order is open: ``A \cup B \cap C``."""
    if any(isinstance(part, Parts) and part.kind in ("union", "intersection") for part in parts):
        return None
    points = [part.parts for part in parts if isinstance(part, Parts) and part.kind == "{}"]
    if kind == "union" and len(points) == len(parts):
        return Parts("{}", tuple(it for part in points for it in part))
    return Parts(kind, parts)


def _condition_of_set(inside: Tokens) -> Answer | None:
    r"""Read ``x > 2`` in ``\{x \mid x > 2\}``."""
    parts = split(inside, (r"\mid", "|", ":"))
    if len(parts) != 2 or not all(parts) or parts[0][0].kind is not TokenKind.LETTERS:
        return None
    domain = [token.text for token in parts[0][1:] if token.text not in ("{", "}")]
    if len(parts[0][0].text) > 1 or domain not in ([], [r"\in", r"\mathbb", "R"]):
        return None
    found = _whole(parts[1])
    several = isinstance(found, Parts) and found.kind in ("all", "list")
    relations = found.parts if isinstance(found, Parts) and several else (found,)
    known = all(isinstance(it, Relation) and _INEQUALITIES & {*it.signs} for it in relations)
    return found if known else None


def _balanced(tokens: Tokens) -> bool:
    depth = 0
    for token in tokens:
        depth += step(token)
        if depth < 0:
            return False
    return depth == 0
