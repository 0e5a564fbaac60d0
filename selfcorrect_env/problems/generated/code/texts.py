"""Templates about texts and dictionaries."""

from __future__ import annotations

from random import Random

from selfcorrect_env.problems.generated.code.draft import CodeDraft, CodeTemplate, words

_LETTERS = "abeiklmnorstuz"


def _some(rng: Random, least: int, most: int) -> str:
    return "".join(sorted(rng.sample(_LETTERS, rng.randint(least, most))))


def _count_letters(rng: Random) -> CodeDraft:
    letters = _some(rng, 2, 5)
    return CodeDraft(
        f"Write a function NAME(text) that counts how many characters of a text are one of the "
        f"letters {', '.join(letters)}, in lower or upper case.",
        f"def NAME(text):\n    return sum(c in {letters!r} for c in text.lower())",
        [*words(rng), (letters.upper(),)],
    )


def _drop_letters(rng: Random) -> CodeDraft:
    letters = _some(rng, 2, 4)
    return CodeDraft(
        f"Write a function NAME(text) that returns a text without the lower-case letters "
        f"{', '.join(letters)}.",
        f"def NAME(text):\n    return ''.join(c for c in text if c not in {letters!r})",
        [*words(rng), (letters + letters.upper(),)],
    )


def _shift(rng: Random) -> CodeDraft:
    k = rng.randint(1, 25)
    return CodeDraft(
        "Write a function NAME(text) that replaces every lower-case letter from a to z by the "
        f"one {k} places after it in the alphabet, where a follows z, and leaves all else as it "
        "is.",
        "def NAME(text):\n    return ''.join(\n"
        f"        chr((ord(c) - 97 + {k}) % 26 + 97) if 'a' <= c <= 'z' else c\n"
        "        for c in text\n    )",
        [*words(rng), ("xyz, ABC!",)],
    )


def _long_words(rng: Random) -> CodeDraft:
    n, way = rng.randint(2, 9), rng.choice(["more", "fewer"])
    sign = ">" if way == "more" else "<"
    return CodeDraft(
        f"Write a function NAME(text) that returns the list of a text's words, which spaces "
        f"separate, that have {way} than {n} letters.",
        f"def NAME(text):\n    return [w for w in text.split() if len(w) {sign} {n}]",
        [*words(rng), ("a banana  and extraordinarily few",)],
    )


def _join_words(rng: Random) -> CodeDraft:
    separator = rng.choice(["-", "_", "+", "/", ", ", "...", " & ", "|", "=", ":"])
    order = rng.choice(["in their order", "in reverse order", "sorted by length, then by alphabet"])
    expression = {
        "in their order": "text.split()",
        "in reverse order": "text.split()[::-1]",
        "sorted by length, then by alphabet": "sorted(text.split(), key=lambda w: (len(w), w))",
    }[order]
    return CodeDraft(
        f"Write a function NAME(text) that joins the words of a text, {order}, with {separator!r} "
        "between them.",
        f"def NAME(text):\n    return {separator!r}.join({expression})",
        words(rng),
    )


def _nth_letters(rng: Random) -> CodeDraft:
    n, end = rng.randint(1, 6), rng.choice(["start", "end"])
    separator = rng.choice(["", "-", ".", " "])
    index = n - 1 if end == "start" else -n
    between = f" with {separator!r} between them" if separator else ""
    return CodeDraft(
        f"Write a function NAME(text) that joins letter number {n} of each word, counted from the "
        f"word's {end}, beginning with 1{between}, passing over words with fewer than {n} letters.",
        f"def NAME(text):\n    letters = [w[{index}] for w in text.split() if len(w) >= {n}]\n"
        f"    return {separator!r}.join(letters)",
        words(rng),
    )


def _compress(rng: Random) -> CodeDraft:
    mark, least = rng.choice("*#x@%~^"), rng.randint(2, 5)
    return CodeDraft(
        f"Write a function NAME(text) that replaces every run of {least} or more equal characters "
        f"by that character, {mark!r} and the run's length, and leaves shorter runs as they are.",
        "import itertools\n\ndef NAME(text):\n    parts = []\n"
        "    for character, run in itertools.groupby(text):\n        n = len(list(run))\n"
        f"        parts.append(f'{{character}}{mark}{{n}}' if n >= {least} else character * n)\n"
        "    return ''.join(parts)",
        [
            ("aaab",),
            ("bookkeeper",),
            ("zzzzzz11",),
            ("a" * least + "b" * (least - 1),),
            ("abc",),
            ("x" * 12,),
            ("",),
        ],
    )


def _histogram(rng: Random) -> CodeDraft:
    least = rng.randint(2, 4)
    letters = _some(rng, 3, 6)
    return CodeDraft(
        f"Write a function NAME(text) that returns a dictionary of how often each of the letters "
        f"{', '.join(letters)} occurs in a text, with those alone that occur at least {least} "
        "times.",
        f"def NAME(text):\n    return {{c: text.count(c) for c in {letters!r} "
        f"if text.count(c) >= {least}}}",
        [*words(rng), (letters * least,), (letters * (least - 1),)],
    )


def _brackets(rng: Random) -> CodeDraft:
    opening, closing = rng.choice(["()", "[]", "{}", "<>"])
    limit = rng.randint(1, 9)
    return CodeDraft(
        f"Write a function NAME(text) that tells whether the brackets {opening} and {closing} in "
        f"a text are balanced and nowhere more than {limit} deep.",
        "def NAME(text):\n    depth = 0\n    for c in text:\n"
        f"        if c == {opening!r}:\n            depth += 1\n"
        f"        elif c == {closing!r}:\n            depth -= 1\n"
        f"        if depth < 0 or depth > {limit}:\n            return False\n"
        "    return depth == 0",
        [
            (f"{opening}a{closing}b",),
            (opening * limit + closing * limit,),
            (opening * (limit + 1) + closing * (limit + 1),),
            (closing + opening,),
            (opening,),
            ("abc",),
            ("",),
        ],
    )


def _parse_pairs(rng: Random) -> CodeDraft:
    outer, inner = rng.sample([";", ",", "|", "&", "/"], 2)
    equals = rng.choice(["=", ":", "->", "~"])
    return CodeDraft(
        f"Write a function NAME(text) that reads entries such as 'a{equals}1{outer}b{equals}2', "
        f"which {outer!r} separates, into a dictionary from text to int. An entry without "
        f"{equals!r} counts 0. An empty text gives an empty dictionary. {inner!r} means nothing.",
        "def NAME(text):\n    found = {}\n"
        f"    for entry in text.split({outer!r}) if text else []:\n"
        f"        key, _, value = entry.partition({equals!r})\n"
        "        found[key] = int(value) if value else 0\n    return found",
        [
            (f"a{equals}1{outer}b{equals}2",),
            (f"x{equals}-7",),
            (f"left{outer}right{equals}30",),
            (f"a{inner}b{equals}4",),
            (f"k{equals}1{outer}k{equals}2",),
            ("alone",),
            ("",),
        ],
    )


TEMPLATES = (
    CodeTemplate("count_letters", "texts", 1, _count_letters),
    CodeTemplate("drop_letters", "texts", 1, _drop_letters),
    CodeTemplate("words_by_length", "texts", 2, _long_words),
    CodeTemplate("joined_words", "texts", 2, _join_words),
    CodeTemplate("nth_letters", "texts", 2, _nth_letters),
    CodeTemplate("shifted", "texts", 3, _shift),
    CodeTemplate("letter_counts", "dictionaries", 3, _histogram),
    CodeTemplate("compressed", "texts", 4, _compress),
    CodeTemplate("balanced", "parsing", 4, _brackets),
    CodeTemplate("parsed_pairs", "parsing", 4, _parse_pairs),
)
