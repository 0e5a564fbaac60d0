"""What is built: the packages, nothing else, and it works where only the wheel is installed."""

import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from importlib.metadata import entry_points
from pathlib import Path

import pytest

GROUPS = ("agents", "verifiers", "problems", "commands")


def run(*command: object, cwd: Path) -> str:
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def sdist(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", folder, cwd=root)
    (archive,) = folder.glob("*.tar.gz")
    return archive


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source archive: so that one is complete, too."""
    folder = tmp_path_factory.mktemp("wheel")
    options = ("--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir", folder)
    run(sys.executable, "-m", "pip", "wheel", *options, sdist, cwd=folder)
    (archive,) = folder.glob("*.whl")
    return archive


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that holds the wheel, and borrows the libraries it needs."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=False)
    python = folder / Path(sys.executable).relative_to(sys.prefix)
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", wheel, cwd=folder)
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(run(python, "-c", code, cwd=folder).strip())
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return python


def test_the_wheel_holds_the_packages_and_nothing_else(wheel: Path, root: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "selfcorrect_env",
        "selfcorrect_agents",
        "selfcorrect_vf",  # what verifiers imports by its name
    }
    assert "selfcorrect_env/py.typed" in names
    assert "selfcorrect_agents/py.typed" in names
    assert not [name for name in names if "test_" in name or "__pycache__" in name]
    for source in ("selfcorrect_env", "agents/selfcorrect_agents"):
        for file in (root / source).rglob("*"):
            if file.suffix not in (".py", ".html", ".css", ".js"):
                continue
            assert file.relative_to((root / source).parent).as_posix() in names


def test_the_source_archive_holds_what_a_packager_needs(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert {"LICENSE", "README.md", "CHANGELOG.md", "CITATION.cff", "Makefile"} <= names
    assert {"tests/conftest.py", "examples/own_method/pyproject.toml"} <= names
    assert not [name for name in names if name.startswith((".venv", "dist/", "runs/"))]


def test_the_installed_wheel_works(installed: Path, tmp_path: Path) -> None:
    code = (
        "import gymnasium, selfcorrect_env, selfcorrect_agents\n"
        "gymnasium.make('SelfCorrect-Arithmetic-v0').reset(seed=0)\n"
        "print(selfcorrect_env.__file__, selfcorrect_agents.__file__, sep='\\n')"
    )
    for file in run(installed, "-c", code, cwd=tmp_path).splitlines():
        assert Path(file).is_relative_to(installed.parents[1])


def test_the_installed_script_answers(installed: Path, tmp_path: Path) -> None:
    script = installed.with_name("selfcorrect")
    assert run(script, "--version", cwd=tmp_path).startswith("selfcorrect-env ")


@pytest.mark.parametrize("group", GROUPS)
def test_own_entry_points_load(group: str) -> None:
    points = entry_points(group=f"selfcorrect_env.{group}")
    own = [point for point in points if point.dist and point.dist.name == "selfcorrect-env"]
    for point in own:
        assert callable(point.load())


def test_the_methods_and_their_commands_are_entry_points() -> None:
    assert {"base", "multiturn_rl", "score"} <= entry_points(group="selfcorrect_env.agents").names
    assert {"compare", "quickstart", "train"} <= entry_points(
        group="selfcorrect_env.commands"
    ).names
