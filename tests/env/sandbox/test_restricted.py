"""The sandbox on hosts that refuse namespaces or run us without privileges.

Each test runs a selection of the sandbox's tests again, in a process that `restricted` has
prepared; ``make restricted`` runs all of them.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from selfcorrect_env.sandbox import missing_for_strong

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
SELECTION = (
    "test_pool.py::test_many_jobs_keep_their_order",
    "test_pool.py::test_objects_of_the_program_are_used_through_their_handles",
    "test_attacks.py::test_an_honest_program_passes",
    "test_attacks.py::test_a_program_leaves_no_trace_for_the_next",
    "test_attacks.py::test_nothing_gets_out",
    "test_calls.py",
)

pytestmark = [
    pytest.mark.restricted_host,
    pytest.mark.skipif(
        bool(missing_for_strong()), reason=f"this machine cannot isolate: {missing_for_strong()}"
    ),
]


def run_on(options: list[str], command: list[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(HERE / "restricted.py"), *options, sys.executable, *command]
    return subprocess.run(command, capture_output=True, text=True, timeout=500, cwd=ROOT)


@pytest.mark.parametrize(
    "options",
    [["--no-namespaces"], ["--no-pidfd"], ["--nobody"], ["--nobody", "--no-namespaces"]],
    ids=" ".join,
)
def test_the_sandbox_holds_on(options: list[str], tmp_path: Path) -> None:
    if "--nobody" in options:
        if os.getuid() != 0:
            pytest.skip("only root can continue as another user")
        trial = run_on(options, ["-c", "import selfcorrect_env"])
        if trial.returncode:
            pytest.skip(f"the package cannot be read as nobody: {trial.stderr[-200:]}")
    selection = SELECTION if "--no-namespaces" in options else SELECTION[:4]
    tests = [str(HERE / name) for name in selection]
    done = run_on(options, ["-m", "pytest", "-q", "-p", "no:cacheprovider", *tests])
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout


REPORT = """
import json, sys
from selfcorrect_env.cli.doctor import isolation
print(json.dumps([[it.what, it.state, it.detail, it.advice] for it in isolation()]))
"""


def test_the_doctor_says_what_is_missing_and_how_to_get_it() -> None:
    done = run_on(["--no-namespaces"], ["-c", REPORT])
    found = {what: rest for what, *rest in json.loads(done.stdout)}
    state, detail, advice = found["namespaces"]
    assert state == "missing"
    assert "unshare" in detail
    assert "seccomp" in advice  # how to get them: another profile for the container
    assert found["programs"][0] == "ok"


def test_the_launcher_refuses_what_it_says() -> None:
    code = "import ctypes; print(ctypes.CDLL(None).unshare(0x10000000))"
    assert run_on(["--no-namespaces"], ["-c", code]).stdout.strip() == "-1"
    code = "import os; print(hasattr(os, 'pidfd_open') and os.pidfd_open(os.getpid()))"
    assert "PermissionError" in run_on(["--no-pidfd"], ["-c", code]).stderr
