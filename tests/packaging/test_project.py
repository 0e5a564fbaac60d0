"""The project's files: nothing of one machine in them, none too long, the documents complete."""

import ast
import re
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pytest

MACHINE_PATH = re.compile(r"(?<![\w.~-])/(?:work|root|home|Users|mnt|opt)/\w")
LONGEST_FILE = 500
LONGEST_FUNCTION = 60
SOURCES = ("selfcorrect_env", "agents/selfcorrect_agents", "benchmarks", "examples", "scripts")


def test_no_file_names_a_path_of_one_machine(tracked: list[Path], root: Path) -> None:
    found = []
    for path in tracked:
        text = path.read_text(encoding="utf-8", errors="ignore")
        for number, line in enumerate(text.splitlines(), 1):
            if MACHINE_PATH.search(line):
                found.append(f"{path.relative_to(root)}:{number}: {line.strip()}")
    assert found == []


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("open('/" + "work/data.txt')", True),
        ("cache = /" + "home/anna/x", True),
        ("HF_HOME=/" + "root/x", True),
        ("see docs/" + "work/errors.md", False),
        ("https://example.org/home/x", False),
    ],
)
def test_the_search_knows_a_machine_path(line: str, found: bool) -> None:
    assert bool(MACHINE_PATH.search(line)) is found


def sources(root: Path) -> list[Path]:
    return [path for folder in SOURCES for path in sorted((root / folder).rglob("*.py"))]


def test_no_module_is_too_long(root: Path) -> None:
    lengths = {
        str(path.relative_to(root)): len(path.read_text(encoding="utf-8").splitlines())
        for path in sources(root)
    }
    assert {name: n for name, n in lengths.items() if n > LONGEST_FILE} == {}


def long_functions(text: str) -> dict[str, int]:
    """Return the functions whose lines, without the docstring, are more than `LONGEST_FUNCTION`."""
    found = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            has_docstring = ast.get_docstring(node, clean=False) is not None
            first = node.body[0].end_lineno if has_docstring else node.lineno - 1
            lines = (node.end_lineno or 0) - (first or 0)
            if lines > LONGEST_FUNCTION:
                found[node.name] = lines
    return found


def test_no_function_is_too_long(root: Path) -> None:
    found = {
        str(path.relative_to(root)): functions
        for path in sources(root)
        if (functions := long_functions(path.read_text(encoding="utf-8")))
    }
    assert found == {}


@pytest.mark.parametrize(("extra", "found"), [(0, {}), (1, {"f": LONGEST_FUNCTION + 1})])
def test_lines_of_a_function_are_counted_without_its_docstring(
    extra: int, found: dict[str, int]
) -> None:
    docstring = '    """One.\n' + "\n" * 100 + '    """\n'
    body = "    x = 1\n" * (LONGEST_FUNCTION + extra)
    assert long_functions(f"def f():\n{docstring}{body}") == found


def test_source_roots_are_no_packages(root: Path) -> None:
    """An ``__init__.py`` there would shadow packages of the same name from elsewhere."""
    assert not (root / "agents" / "__init__.py").exists()
    assert list((root / "tests").rglob("__init__.py")) == []


def test_every_error_is_explained(root: Path) -> None:
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in ("selfcorrect_env", "agents/selfcorrect_agents")
        for path in (root / folder).rglob("*.py")
    )
    defined = re.findall(r"^class (\w+(?:Error|Warning))\(", code, flags=re.MULTILINE)
    text = (root / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")
    explained = re.findall(r"^## `(\w+)`", text, flags=re.MULTILINE)
    assert sorted(explained) == sorted(defined)


def test_the_changelog_tells_of_this_version(root: Path) -> None:
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    released = re.findall(r"^## \[(\d[^\]]*)\]", text, flags=re.MULTILINE)
    assert released[0] == version("selfcorrect-env")


def test_local_links_of_the_documents_lead_somewhere(root: Path) -> None:
    pages = [
        *root.glob("*.md"),
        *(root / "docs").rglob("*.md"),
        *root.glob("agents/**/*.md"),
        *root.glob("examples/**/*.md"),
    ]
    broken = []
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)\s#]+)[^)]*\)", text):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(root)}: {target}")
    assert broken == []


def test_every_error_is_in_one_module_of_its_package(root: Path) -> None:
    """The sandbox's own never leave it, and its processes import nothing else."""
    for folder in ("selfcorrect_env", "agents/selfcorrect_agents"):
        elsewhere = {
            (str(path.relative_to(root / folder)), name)
            for path in (root / folder).rglob("*.py")
            if path.name != "errors.py"
            for name in re.findall(
                r"^ *class (\w+(?:Error|Warning))\b", path.read_text("utf-8"), flags=re.MULTILINE
            )
        }
        allowed = {f"sandbox/{name}.py" for name in ("bridge", "process", "wire")}
        assert {name for name, _ in elsewhere} - {"verifiers/math/exact.py"} <= allowed


@pytest.mark.parametrize("module", ["selfcorrect_env.errors", "selfcorrect_agents.errors"])
def test_the_trees_of_errors_are_complete(module: str, root: Path) -> None:
    """The drawings in the module's docstring and in docs/reference/errors.md name every error."""
    errors = import_module(module)
    names = [name for name in vars(errors) if re.search("(Error|Warning)$", name)]
    page = (root / "docs" / "reference" / "errors.md").read_text("utf-8").split("```")[1]
    for name in names:
        assert name in (errors.__doc__ or "")
        assert name in page
        if name != "SelfCorrectError":
            assert len(getattr(errors, name).__mro__) > 5  # also a standard error
