"""Files for maintainers: workflow, issue templates, citation, and the check of a release."""

import re
import subprocess
import sys
import zipfile
from importlib.metadata import metadata, version
from pathlib import Path

import pytest
import release_check
import yaml

from selfcorrect_env.verifiers import VERIFIERS

METADATA = """Metadata-Version: 2.4
Name: selfcorrect-env
Requires-Dist: gymnasium>=1.1
Requires-Dist: numpy>=1.26
Requires-Dist: transformers>=5.0; extra == 'agents'
Requires-Dist: torch>=2.4; extra == 'agents'
Requires-Dist: stable-baselines3>=2.4; extra == 'sb3'
Requires-Dist: selfcorrect-env[agents]; extra == 'sb3'
Requires-Dist: openai>=1.40; extra == 'openai'
Requires-Dist: later>=1.0; (python_version >= '3.99') and extra == 'later'
Provides-Extra: agents
Provides-Extra: later
Provides-Extra: sb3
Provides-Extra: openai
Provides-Extra: dev
"""


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "selfcorrect_env-0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("selfcorrect_env-0.dist-info/METADATA", METADATA)
    return path


# -- the release check -----------------------------------------------------------------------
def test_the_release_check_reads_bounds_and_extras_from_the_wheel(wheel: Path) -> None:
    assert release_check.lower_bounds(wheel) == {
        "gymnasium": "gymnasium>=1.1",
        "numpy": "numpy>=1.26",
        "transformers": "transformers>=5.0",
        "torch": "torch>=2.4",
    }
    assert release_check.provided_extras(wheel) == ["agents", "later", "sb3", "openai"]
    needed = {extra: release_check.needs_torch(wheel, extra) for extra in ("", "sb3", "openai")}
    assert needed == {"": False, "sb3": True, "openai": False}


def test_an_extra_for_newer_pythons_is_not_run(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert release_check.least_python(wheel, "openai") == ()
    check = release_check.Check(tmp_path)
    monkeypatch.setattr(release_check.Check, "wheel", wheel)
    outcome = check.outcome("later", lambda: release_check.try_extra(check, "later"))
    assert (outcome.state, outcome.detail) == ("not run", "the extra needs Python 3.99")


def test_every_extra_has_a_trial_and_every_bound_is_required() -> None:
    known = {*(metadata("selfcorrect-env").get_all("Provides-Extra") or ())}
    assert {*release_check.TRIALS} - {""} == known - {*release_check.LEFT_OUT}
    required = metadata("selfcorrect-env").get_all("Requires-Dist") or []
    for package in release_check.BOUNDED:
        assert any(re.match(rf"{package}>=", line) for line in required), package


def test_the_pythons_are_those_that_are_promised() -> None:
    lines = metadata("selfcorrect-env").get_all("Classifier") or []
    promised = [line.rpartition(" ")[2] for line in lines if re.search(r":: 3\.\d+$", line)]
    assert list(release_check.PYTHONS) == promised


def test_an_interpreter_that_is_not_here_is_not_run() -> None:
    this = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert release_check.find(this) == sys.executable
    with pytest.raises(release_check.NotPossibleError, match=r"no Python 3\.99 here"):
        release_check.find("3.99")
    check = release_check.Check(Path())
    outcome = check.outcome("Python 3.99", lambda: release_check.find("3.99"))
    assert (outcome.state, outcome.detail) == ("not run", "there is no Python 3.99 here")


def test_a_command_that_fails_is_named_with_its_last_line() -> None:
    code = "import sys; sys.exit('first\\nthe reason')"
    with pytest.raises(release_check.CommandError, match=r"the reason$"):
        release_check.run([sys.executable, "-c", code])
    check = release_check.Check(Path())
    failed = check.outcome("x", lambda: release_check.run([sys.executable, "-c", code]))
    assert failed.state == "FAILED"


def test_a_cuda_build_is_never_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"version": "2.4.0", "requires_dist": ["nvidia-cublas-cu12==12.1"]}

    def report(command: list[object], **options: object) -> str:
        path = Path(str(command[command.index("--report") + 1]))
        path.write_text(release_check.json.dumps({"install": [{"metadata": found}]}))
        return ""

    monkeypatch.setattr(release_check, "run", report)
    with pytest.raises(release_check.NotPossibleError, match=r"torch 2\.4\.0 with CUDA"):
        release_check.cpu_torch(tmp_path / "python", "torch==2.4")
    found["version"] = "2.4.0+cpu"
    assert release_check.cpu_torch(tmp_path / "python", "torch==2.4") == "torch==2.4.0+cpu"


@pytest.mark.parametrize("has_cpu_build", [True, False])
def test_a_lower_bound_of_torch_falls_back_on_the_tested_cpu_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_cpu_build: bool
) -> None:
    tested = f"torch=={release_check.RELEASE}"
    newest = {"version": "9.9.0", "requires_dist": ["nvidia-cublas-cu12==12.1"]}
    cpu = {"version": f"{release_check.RELEASE}+cpu", "requires_dist": []}

    def report(command: list[object], **options: object) -> str:
        found = cpu if has_cpu_build and command[-1] == tested else newest
        path = Path(str(command[command.index("--report") + 1]))
        path.write_text(release_check.json.dumps({"install": [{"metadata": found}]}))
        return ""

    monkeypatch.setattr(release_check, "run", report)
    if has_cpu_build:
        assert release_check.cpu_torch(tmp_path / "python", "torch>=2.4") == f"{tested}+cpu"
        return
    with pytest.raises(release_check.NotPossibleError, match=r"with CUDA for torch>=2\.4"):
        release_check.cpu_torch(tmp_path / "python", "torch>=2.4")


def test_the_release_check_explains_itself(root: Path) -> None:
    command = [sys.executable, root / "scripts" / "release_check.py", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "--steps" in done.stdout


# -- the host's files ------------------------------------------------------------------------
def test_the_workflow_runs_what_exists(root: Path) -> None:
    workflow = yaml.safe_load((root / ".github/workflows/checks.yml").read_text("utf-8"))
    jobs = workflow["jobs"]
    assert {"linux", "macos", "no-user-namespaces"} <= jobs.keys()
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert "bash .ci/run" in commands
    paths = re.findall(r"(?:tests|scripts|\.ci)/[\w./]+", " ".join(commands))
    assert paths
    assert [path for path in paths if not (root / path).exists()] == []
    for job in jobs.values():
        assert job["timeout-minutes"] <= 40


@pytest.mark.parametrize("name", ["bug", "verdict", "feature"])
def test_an_issue_template_is_complete(name: str, root: Path) -> None:
    path = root / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml"
    template = yaml.safe_load(path.read_text("utf-8"))
    assert template["name"]
    assert template["description"]
    ids = [part["id"] for part in template["body"]]
    assert len(set(ids)) == len(ids) > 0
    assert all(part["attributes"]["label"] for part in template["body"])
    if name == "verdict":
        assert {*VERIFIERS} <= {*template["body"][0]["attributes"]["options"]}


def test_the_citation_is_of_this_version_and_names_the_paper(root: Path) -> None:
    citation = yaml.safe_load((root / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == version("selfcorrect-env")
    (paper,) = citation["references"]
    assert paper["title"].startswith("Training Language Models to Self-Correct")
    assert "2409.12917" in paper["url"]
    assert len(paper["authors"]) == 18
