"""Finding the program in a reply.

The order, which `docs/verifiers/code.md` explains:

1. the last code block that defines the tested function;
2. the last run of Python statements outside of code blocks that defines it;
3. if the problem has a stub, a body of the stub's function;
4. the last code block, or the whole text: it will fail, and the verdict says how.

Statements of other blocks and of the stub are added where they define what the program lacks.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from selfcorrect_env.verifiers.code.blocks import CodeParts, inline, parts_of, readings, tagged
from selfcorrect_env.verifiers.code.syntax import Parser, binding, binds, lacking, own_statements
from selfcorrect_env.verifiers.thoughts import without_thoughts

LONGEST = 200_000
"""Maximum length of a program in characters; longer ones are wrong and are not run."""

STARTS = 40
"""Maximum number of lines that are tried as the first line of a function's body."""

_STATEMENT = re.compile(
    r"(?P<indent>[ \t]*)(?:(?:async\s+def|def|class|from|import|if|try|with)\b|@"
    r"|[A-Za-z_][\w.]*(?:\s*,\s*[A-Za-z_]\w*)*\s*(?::[^=\n]{1,80})?=(?!=))"
)


@dataclass(frozen=True)
class Piece:
    """A run of valid statements."""

    text: str
    tree: ast.Module


@dataclass(frozen=True)
class Body:
    """A stub that lines of a reply continue."""

    program: str = ""
    gives: bool = False
    """Whether the function returns or yields."""
    lines: int = 0
    """Number of lines that are valid."""


def program_of(response: str, name: str, stub: str = "", further: Sequence[str] = ()) -> str | None:
    """Return the program in a reply, or None if the reply has no text that could be one.

    Thoughts (`selfcorrect_env.verifiers.thoughts`) are left out.

    Args:
        response: the reply.
        name: the function or class that the program should define.
        stub: the start of the program that the statement shows; a reply may continue it.
        further: other names that the tests use; they may be defined in other code blocks.

    >>> program_of("Sure:\\n```python\\ndef f(x):\\n    return x\\n```\\nDone.", "f")
    'def f(x):\\n    return x\\n'
    >>> program_of("return x", "f", "def f(x):\\n")
    'def f(x):\\n    return x\\n'
    """
    text = without_thoughts(response).replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff")
    if len(text) > LONGEST:
        return text
    parser = Parser()
    parts = parts_of(text, parser)
    found = _definition(parts, name, parser)
    if found is not None:
        program, others = found
        given = _parsed_stub(stub, name, parser)
        return _with(program, lacking(program.tree, [*given, *others], further))
    sources = [*parts.blocks, *tagged(parts.rest, parser)]
    body = _continuation(sources, name, stub, parser) if stub else None
    if body is not None:
        return body
    last = parts.blocks[-1] if parts.blocks else "" if parts.fenced else "\n".join(sources)
    if not last.strip():
        return None
    return f"{stub.rstrip()}\n{last}" if stub else last


def _definition(
    parts: CodeParts, name: str, parser: Parser
) -> tuple[Piece, list[ast.Module]] | None:
    """Return the last piece that defines the name, and the trees of the other pieces."""
    for texts in (parts.blocks, tagged(parts.rest, parser), inline(parts.rest)):
        groups = [_pieces(text, name, parser) for text in texts]
        pieces = [piece for group in groups for piece in group]
        for piece in reversed(pieces):
            if binds(piece.tree, name):
                return piece, [other.tree for other in pieces if other is not piece]
    return None


def _pieces(text: str, name: str, parser: Parser) -> list[Piece]:
    """Return a text as one piece if it is valid Python in some reading, else its valid runs."""
    best: list[Piece] = []
    for reading in readings(text):
        tree = parser.parse(reading)
        if tree is not None:
            return [Piece(reading, tree)]
    for reading in readings(text):
        runs = list(_runs(reading, parser))
        if any(binds(run.tree, name) for run in runs):
            return runs
        best = best or runs
    return best


def _runs(text: str, parser: Parser) -> Iterator[Piece]:
    """Yield the longest runs of valid lines in a text of code and prose."""
    lines = text.split("\n")
    index = 0
    while index < len(lines) and not parser.exhausted:
        start = _STATEMENT.match(lines[index])
        if start is not None:
            block = _unindented(lines[index:], start["indent"])
            run = parser.longest(block)
            if run is not None:
                yield Piece("\n".join(block[: run[1]]), run[0])
                index += run[1]
                continue
        index += 1


def _unindented(lines: list[str], indent: str) -> list[str]:
    """Return lines without an indentation, up to the first that does not have it."""
    if not indent:
        return lines
    found = []
    for line in lines:
        if line.strip() and not line.startswith(indent):
            break
        found.append(line.removeprefix(indent))
    return found


def _continuation(sources: list[str], name: str, stub: str, parser: Parser) -> str | None:
    """Return the stub with the best body that a text of the reply gives, or None."""
    best = Body()
    for source in sources:
        lines = source.split("\n")
        for start in [number for number, line in enumerate(lines) if line.strip()][:STARTS]:
            body = _body(lines[start:], name, stub, parser)
            if body.program or parser.exhausted:
                best = max(best, body, key=lambda it: (it.gives, it.lines))
                break
    return best.program or None


def _body(lines: list[str], name: str, stub: str, parser: Parser) -> Body:
    """Return the best body that lines give in one of their indentations."""
    best = Body()
    head = stub.rstrip().split("\n")
    for body in _indentations(lines, _indent_of(head, name)):
        run = None if parser.exhausted else parser.longest([*head, *body])
        if run is None or run[1] <= len(head):
            continue
        found, gives = _gives(run[0], name, len(head))
        if found:
            program = "\n".join([*head, *body][: run[1]])
            best = max(best, Body(program, gives, run[1]), key=lambda it: (it.gives, it.lines))
    return best


def _indentations(lines: list[str], indent: str) -> Iterator[list[str]]:
    """Yield lines as they stand, and with the indentation that a server or model may have lost."""
    first, rest = lines[0], lines[1:]
    yield lines
    yield [indent + first.lstrip(), *rest]
    dedented = textwrap.dedent("\n".join(lines)).split("\n")
    yield [indent + line if line.strip() else line for line in dedented]
    inner = textwrap.dedent("\n".join(rest)).split("\n")
    yield [indent + first.lstrip(), *(indent + line if line.strip() else line for line in inner)]
    yield [indent + first.lstrip(), *(indent + line if line.strip() else line for line in rest)]


def _indent_of(head: list[str], name: str) -> str:
    """Return the indentation of the body of the stub's function."""
    pattern = re.compile(rf"\s*(?:async\s+def|def|class)\s+{re.escape(name)}\b")
    starts = [number for number, line in enumerate(head) if pattern.match(line)]
    for line in head[starts[-1] + 1 :] if starts else []:
        indent = re.match(r"[ \t]+(?=[\"'rR#.\w])", line)
        if indent:
            return indent[0]
    return "    "


def _gives(tree: ast.Module, name: str, stub_lines: int) -> tuple[bool, bool]:
    """Return whether lines after the stub are a body of its function, and one that gives a value.

    A body that gives a value returns or yields, and leaves no ``return`` outside of a function.
    """
    definitions = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and node.name == name
    ]
    added = (
        [s for s in definitions[-1].body if (s.end_lineno or 0) > stub_lines] if definitions else []
    )
    if not added or (isinstance(added[0], ast.Expr) and isinstance(added[0].value, ast.Name)):
        return False, False  # a body that starts with a bare word is prose
    gives = any(
        isinstance(node, ast.Return | ast.Yield | ast.YieldFrom)
        for statement in added
        for node in ast.walk(statement)
    )
    return True, gives and not any(isinstance(s, ast.Return) for s in own_statements(tree.body))


def _parsed_stub(stub: str, name: str, parser: Parser) -> list[ast.Module]:
    """Return what the stub defines beside the tested function."""
    if not stub:
        return []
    tree = parser.parse(stub) or parser.parse(f"{stub.rstrip()}\n    pass\n")
    if tree is None:
        return []
    named = {id(statement) for bound, statement in binding(tree) if bound == name}
    return [ast.Module([s for s in tree.body if id(s) not in named], [])]


def _with(program: Piece, statements: list[ast.stmt]) -> str:
    """Return the program after statements; ``from __future__`` stays first."""
    if not statements:
        return program.text
    lines = program.text.split("\n")
    future = []
    for node in program.tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            future.append(ast.unparse(node))
            for number in range(node.lineno - 1, node.end_lineno or node.lineno):
                lines[number] = ""
    kept = [s for s in statements if getattr(s, "module", "") != "__future__"]
    return "\n".join([*future, *map(ast.unparse, kept), *lines])
