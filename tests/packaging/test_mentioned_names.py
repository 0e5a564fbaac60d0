"""The dotted names and the files that pages and docstrings mention exist."""

import re
from importlib import import_module
from pathlib import Path

import pytest

MENTIONED = re.compile(r"(?<![\w./-])(selfcorrect_(?:env|agents)(?:\.[A-Za-z_]\w*)+)")
FILE = re.compile(r"(?<![\w./-])(?:tests|benchmarks|docs|examples|scripts)/[\w/.-]+\.\w+")
ENTRY_POINT_GROUPS = {
    f"selfcorrect_env.{group}"
    for group in ("agents", "backends", "commands", "learning", "problems", "prompts", "verifiers")
}


def exists(name: str) -> bool:
    """Return whether a dotted name is a module, or an attribute of one."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = import_module(".".join(parts[:length]))
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("selfcorrect_"):
                continue
            return True  # the module exists, and needs a library that is not installed
        for part in parts[length:]:
            if part in getattr(found, "__all__", ()) and part not in vars(found):
                return part == parts[-1]  # imported on first use, by a library that may be missing
            if not hasattr(found, part):
                return part in getattr(found, "__annotations__", {}) and part == parts[-1]
            found = getattr(found, part)
        return True
    return False


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("selfcorrect_env.verifiers.MathVerifier", True),
        ("selfcorrect_env.types.Verdict.judged", True),
        ("selfcorrect_env.types.Verdict.missing", False),
        ("selfcorrect_env.missing", False),
        ("selfcorrect_env.serving.openenv.SelfCorrectClient", True),
        ("selfcorrect_env.serving.openenv.Missing", False),
        ("selfcorrect_agents.reinforce.update", False),
    ],
)
def test_the_check_finds_missing_names(name: str, expected: bool) -> None:
    assert exists(name) is expected


def test_every_mentioned_name_exists(tracked: list[Path], root: Path) -> None:
    mentioned: dict[str, str] = {}
    for path in tracked:
        relative = str(path.relative_to(root))
        if path.suffix in {".md", ".py"} and not relative.startswith("tests/"):
            for name in MENTIONED.findall(path.read_text(encoding="utf-8")):
                mentioned.setdefault(name, relative)
    assert len(mentioned) > 100
    missing = {
        name: where
        for name, where in mentioned.items()
        if name not in ENTRY_POINT_GROUPS and ".NAME" not in name and not exists(name)
    }
    assert missing == {}


def test_every_mentioned_file_exists(tracked: list[Path], root: Path) -> None:
    missing = [
        f"{path.relative_to(root)}: {file}"
        for path in tracked
        if path.suffix in {".md", ".py"} and path.parent != Path(__file__).parent
        for file in FILE.findall(path.read_text(encoding="utf-8"))
        if not re.search(r"\bname\b|_name\.py|NAME", file) and not (root / file).exists()
    ]
    assert missing == []
