r"""Answers with named values: ``x = 2, y = 1`` is ``(2, 1)``, ``x = 2 or x = 3`` is 2, 3."""

from __future__ import annotations

import re

from selfcorrect_env.verifiers.math.structure import top_level_parts

_SPACES = re.compile(r"\\(?:[ ,;:!]|q?quad(?![A-Za-z]))")
_SPLIT = re.compile(r";|\\text\s*\{\s*(?:or|and)\s*\}|(?<![A-Za-z\\])(?:or|and)(?![A-Za-z])")
_SPLIT_TIGHT = re.compile(r"(?<=[\d})])(?:or|and)(?=[A-Za-z])")
_NAMED = re.compile(
    r"\$?(?P<name>[A-Za-z]+'?(?:_(?:\w|\{\w+\}))?)(?:\([A-Za-z]\))?=(?P<value>[^=<>]+)"
)


def as_values(reference: str, answer: str) -> tuple[str, str]:
    """Return both answers without names, if one or both of them name several values.

    The values of different names become a tuple, in alphabetical order of the names, if the other
    side is a tuple as well, otherwise a list. If both sides name values, the names have to agree;
    if they don't, both are returned unchanged.
    """
    if "=" not in reference and "=" not in answer:
        return reference, answer
    ours, theirs = _groups(reference), _groups(answer)
    if ours and theirs:
        if [sorted(names) for names in ours] != [sorted(names) for names in theirs]:
            return reference, answer
        return _written(ours, "("), _written(theirs, "(")
    if ours:
        return _written(ours, _opening(answer)), answer
    return reference, (_written(theirs, _opening(reference)) if theirs else answer)


def _groups(answer: str) -> list[dict[str, str]] | None:
    """Read ``p=5,q=2;p=7,q=2`` as two groups; None unless there are several parts, all named."""
    if "=" not in answer:
        return None
    text = _SPACES.sub(" ", answer).replace(r"\left", "").replace(r"\right", "")
    text = _SPLIT_TIGHT.sub(",", _SPLIT.sub(",", text))
    parts = [part for part in top_level_parts(re.sub(r"\s+", "", text)) if part.strip("$")]
    found = [_NAMED.fullmatch(part.strip("$")) for part in parts]
    named = [(it["name"], it["value"]) for it in found if it is not None]
    size = len({name for name, _ in named})
    if len(named) < max(2, len(parts)) or len(named) % size:
        return None
    groups = [dict(named[start : start + size]) for start in range(0, len(named), size)]
    return groups if all(len(group) == size for group in groups) else None


def _opening(other: str) -> str:
    """Return the opening bracket of the other side if it is a tuple, or "" for a plain list."""
    start = re.sub(r"\\left|\s|\$|^\\?\{", "", other)[:1]
    return start if start in ("(", "[") else ""


def _written(groups: list[dict[str, str]], opening: str) -> str:
    closing = {"(": ")", "[": "]", "": ""}[opening]
    texts = [", ".join(group[name] for name in sorted(group)) for group in groups]
    if len(groups[0]) == 1:
        return ", ".join(texts)
    if len(groups) > 1:
        return ", ".join(f"({text})" for text in texts)
    return f"{opening}{texts[0]}{closing}"
