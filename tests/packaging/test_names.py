"""One name, one type: no two public classes or type aliases of both packages share a name."""

import ast
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

PACKAGES = ("selfcorrect_env", "agents/selfcorrect_agents")


def types_of(text: str) -> set[str]:
    """Return the public classes and type aliases that a module defines at its top level."""
    names = set()
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation).endswith("TypeAlias"):
            names.add(ast.unparse(node.target))
    return {name for name in names if not name.startswith("_")}


def twice(texts: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return the names that several modules define; ``texts`` are (module, its text)."""
    modules = defaultdict(list)
    for module, text in texts:
        for name in types_of(text):
            modules[name].append(module)
    return {name: found for name, found in modules.items() if len(found) > 1}


def test_no_name_stands_for_two_types(root: Path) -> None:
    files = [path for package in PACKAGES for path in sorted((root / package).rglob("*.py"))]
    texts = ((str(path.relative_to(root)), path.read_text(encoding="utf-8")) for path in files)
    assert twice(texts) == {}


def test_the_search_knows_a_name_that_is_taken() -> None:
    alias = "from typing import TypeAlias\nRow: TypeAlias = dict[str, int]\n"
    assert twice([("a", alias), ("b", "class Row:\n    pass\n")]) == {"Row": ["a", "b"]}
    assert twice([("a", "class _Row: ..."), ("b", "class _Row: ..."), ("c", alias)]) == {}
    assert twice([("a", "from b import Row"), ("b", alias)]) == {}
