"""The public names: they exist, are quick to import, and are all that our own agents use."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import selfcorrect_env

FOLDERS = [
    "selfcorrect_env",
    "selfcorrect_env.testing",  # a module: the contracts, for tests of other packages
    *(
        module.name
        for module in pkgutil.walk_packages(selfcorrect_env.__path__, "selfcorrect_env.")
        if module.ispkg
    ),
]


def public(folder: str) -> list[str]:
    return getattr(importlib.import_module(folder), "__all__", [])


def imports_of(text: str, package: str) -> Iterator[tuple[str, str]]:
    """Yield (module, name) of each import from a package; the name is "" for ``import x``."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            if node.module.partition(".")[0] == package:
                yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] == package:
                    yield alias.name, ""


def not_public(text: str) -> list[str]:
    """Return the imports from `selfcorrect_env` that are none of its public names."""
    return [
        f"{module}: {name}" if name else f"import {module}"
        for module, name in imports_of(text, "selfcorrect_env")
        if (name and (module not in FOLDERS or name not in public(module)))
        or (not name and module != "selfcorrect_env")
    ]


@pytest.mark.parametrize("folder", ["selfcorrect_agents", *FOLDERS])
def test_every_public_name_exists(folder: str) -> None:
    names = public(folder)
    assert len(set(names)) == len(names)
    for name in names:
        try:
            exec(f"from {folder} import {name}", {})
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("selfcorrect_"):
                raise
            pytest.skip(f"{folder} needs {error.name}, which is not installed")


@pytest.mark.parametrize("source", ["agents", "examples"])
def test_only_public_names_of_the_environment_are_imported(source: str, root: Path) -> None:
    files = sorted((root / source).rglob("*.py"))
    assert files
    found = {
        str(file.relative_to(root)): lines
        for file in files
        if (lines := not_public(file.read_text(encoding="utf-8")))
    }
    assert found == {}


def test_examples_import_only_public_names_of_the_agents(root: Path) -> None:
    found = {}
    for file in sorted((root / "examples").rglob("*.py")):
        imports = imports_of(file.read_text(encoding="utf-8"), "selfcorrect_agents")
        if others := [i for i in imports if i[0] != "selfcorrect_agents"]:
            found[str(file.relative_to(root))] = others
    assert found == {}


@pytest.mark.parametrize(
    ("line", "allowed"),
    [
        ("from selfcorrect_env import SelfCorrectEnv, evaluate", True),
        ("from selfcorrect_env.evaluation import Metrics", True),
        ("from selfcorrect_env.verifiers.math import MathVerifier", True),
        ("from selfcorrect_env.problems.generated import toycode", True),
        ("import selfcorrect_env", True),
        ("from selfcorrect_env.evaluation.metrics import Metrics", False),
        ("from selfcorrect_env import session", False),
        ("from selfcorrect_env.verifiers.workers import pool", False),
        ("import selfcorrect_env.session", False),
        ("def f():\n    from selfcorrect_env.session import Session", False),
    ],
)
def test_the_search_knows_what_is_public(line: str, allowed: bool) -> None:
    assert (not_public(line) == []) is allowed


def test_verifiers_are_imported_by_their_class() -> None:
    from selfcorrect_env.verifiers import VERIFIERS, MathVerifier, get_verifier

    assert type(get_verifier("math")) is MathVerifier
    assert {entry.import_path.partition(":")[2] for entry in VERIFIERS.values()} <= set(
        public("selfcorrect_env.verifiers")
    )


@pytest.mark.parametrize("package", ["selfcorrect_agents", "selfcorrect_env.verifiers"])
def test_an_unknown_name_is_refused_as_python_does(package: str) -> None:
    with pytest.raises(ImportError, match="cannot import name 'Nothing'"):
        exec(f"from {package} import Nothing", {})


def test_the_agents_names_are_imported_on_first_use(tmp_path: Path) -> None:
    code = (
        "import sys, selfcorrect_agents\n"
        "assert 'SCoRe' in dir(selfcorrect_agents)\n"
        "print([m for m in ('torch', 'transformers', 'sympy') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout.strip() == "[]"
