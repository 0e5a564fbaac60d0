"""Check what is released: the built archives, in clean environments, as users install them.

    python scripts/release_check.py                          # everything; an hour
    python scripts/release_check.py --steps build pythons    # a few minutes
    python scripts/release_check.py --steps extras --extras openai sb3

Steps:

    build     source archive and wheel are built, and `twine check --strict` accepts both
    pythons   the wheel alone, in a clean environment of every Python that is supported
    extras    the wheel with each extra, in a clean environment
    bounds    the oldest release that is allowed of gymnasium, numpy, transformers and torch, and
              the newest that pip finds

A check that is not possible here is reported as "not run" with its reason: no such interpreter, no
such release, no CPU build of torch (a CUDA build of several gigabytes is never installed; where the
newest torch has none, the release that the project is tested with is taken, and the line says which
that was). Exit status: 0 no check failed; 1 one did. Only the standard library and a network with a
package index are needed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from email.parser import Parser
from pathlib import Path

from install_torch import RELEASE, is_cpu_build

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
BOUNDED = {"gymnasium": "", "numpy": "", "transformers": "agents", "torch": "agents"}
"""Package -> the extra that requires it; "" for a requirement of the package itself."""

LEFT_OUT = ("dev", "docs", "all")
"""Extras that are no feature of their own."""

TIME_LIMIT = 1800
"""Seconds that one command may take."""

BARE = """
selfcorrect --version
selfcorrect list --json
selfcorrect validate SelfCorrect-Arithmetic-v0 --n 20 --quiet
selfcorrect eval gold --env SelfCorrect-MATH-v0 --problems procedural --n 5 --quiet
python -c 'import gymnasium, selfcorrect_env; gymnasium.make("SelfCorrect-Arithmetic-v0").reset()'
"""
SMALL = "--stage-one-steps 1 --stage-two-steps 1 --problems-per-step 2 --samples 2"
AGENTS = f"""
selfcorrect train score {SMALL} --out run --quiet
selfcorrect eval score --model run/model --env SelfCorrect-Arithmetic-v0 --n 5 --quiet
"""
TRIALS = {
    "": BARE,
    "agents": BARE + AGENTS,
    "data": "python -c 'import datasets, selfcorrect_env'",
    "8bit": "python -c 'import bitsandbytes, selfcorrect_agents'",
    "openai": "selfcorrect eval openai --help",
    "openenv": "selfcorrect serve --help\npython -c 'import selfcorrect_env.serving.openenv'",
    "reasoning-gym": "selfcorrect validate SelfCorrect-ReasoningGym-v0 --n 5 --quiet",
    "sb3": "selfcorrect train sb3_ppo --help",
    "skyrl": "python -c 'import selfcorrect_env.serving.skyrl'",
    "tinker": "python -c 'import selfcorrect_agents.adapters.tinker'",
    "trackio": "python -c 'import trackio, selfcorrect_agents'",
    "trl": "python -c 'import selfcorrect_agents.adapters.trl'",
    "verifiers": "python -c 'import verifiers, selfcorrect_env.serving.verifiers'",
    "mlflow": "python -c 'import mlflow, selfcorrect_agents'",
    "wandb": "python -c 'import wandb, selfcorrect_agents'",
}
"""Extra -> commands, a line each, that must succeed where the wheel is installed with it."""


@dataclass(frozen=True)
class Outcome:
    """What a check came to."""

    name: str
    state: str
    """passed, FAILED or "not run"."""
    detail: str


class NotPossibleError(Exception):
    """A check cannot be run on this machine."""


class CommandError(Exception):
    """A command failed."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", nargs="+", default=list(STEPS), choices=list(STEPS))
    parser.add_argument("--extras", nargs="+", help="only these extras")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="release-") as folder:
        check = Check(Path(folder), options.extras)
        outcomes = []
        for step in options.steps:
            for outcome in STEPS[step](check):
                outcomes.append(outcome)
                print(f"{outcome.state:<8} {outcome.name}: {outcome.detail}", flush=True)
    failed = sum(outcome.state == "FAILED" for outcome in outcomes)
    left = sum(outcome.state == "not run" for outcome in outcomes)
    print(f"{len(outcomes)} checks: {failed} failed, {left} not run.")
    return 1 if failed else 0


class Check:
    """The archives, and clean environments to try them in.

    Args:
        folder: everything is written there.
        extras: the extras that are tried; None for all.
    """

    def __init__(self, folder: Path, extras: Sequence[str] | None = None) -> None:
        self.folder = folder
        self.extras = extras
        self._wheel: Path | None = None

    @property
    def wheel(self) -> Path:
        """The wheel, which is built on first use."""
        if self._wheel is None:
            tools = environment(sys.executable, self.folder / "tools")
            run([tools, "-m", "pip", "install", "--quiet", "build", "twine"])
            run([tools, "-m", "build", "--outdir", self.folder / "dist", ROOT])
            run([tools, "-m", "twine", "check", "--strict", *(self.folder / "dist").iterdir()])
            (self._wheel,) = (self.folder / "dist").glob("*.whl")
        return self._wheel

    def outcome(self, name: str, trial: Callable[[], str]) -> Outcome:
        """Run a check; what it returns is the detail."""
        try:
            return Outcome(name, "passed", trial())
        except NotPossibleError as reason:
            return Outcome(name, "not run", str(reason))
        except CommandError as failure:
            return Outcome(name, "FAILED", str(failure))

    def install(self, python: str, extra: str = "", pin: str = "") -> str:
        """Install the wheel in a clean environment and run the trials of an extra there.

        Args:
            python: the interpreter.
            extra: the extra to install with it; none if empty.
            pin: a requirement in addition, such as ``"numpy==1.26"``.

        Returns:
            The versions of the bounded packages that were installed.

        Raises:
            NotPossibleError: torch is needed, and pip has no CPU build of it for this interpreter.
            CommandError: the installation, or a trial, does not succeed.
        """
        place = Path(tempfile.mkdtemp(dir=self.folder))
        own = environment(python, place / "venv")
        wheel = f"{self.wheel}[{extra}]" if extra else str(self.wheel)
        pins = [pin] if pin else []
        if needs_torch(self.wheel, extra):
            wanted = pin if pin.startswith("torch") else lower_bounds(self.wheel)["torch"]
            pins = [*(p for p in pins if p != wanted), cpu_torch(own, wanted)]
        try:
            run([own, "-m", "pip", "install", "--quiet", *pins, wheel])
            for line in filter(None, TRIALS[extra].strip().splitlines()):
                run(["sh", "-c", line], cwd=place, path=own.parent)
            return versions(own)
        finally:
            shutil.rmtree(place)


def build(check: Check) -> Iterator[Outcome]:
    """Build the archives, and let twine check them."""
    yield check.outcome("build and twine check", lambda: check.wheel.name)


def pythons(check: Check) -> Iterator[Outcome]:
    """Try the wheel alone on every Python."""
    for version in PYTHONS:
        yield check.outcome(f"Python {version}, bare", lambda v=version: check.install(find(v)))


def extras(check: Check) -> Iterator[Outcome]:
    """Try the wheel with each extra."""
    for extra in check.extras or provided_extras(check.wheel):
        name = f"extra {extra}, Python {sys.version_info.major}.{sys.version_info.minor}"
        yield check.outcome(name, lambda e=extra: try_extra(check, e))


def try_extra(check: Check, extra: str) -> str:
    """Try the wheel with an extra on this Python.

    Raises:
        NotPossibleError: the extra is for newer Pythons.
        CommandError: the installation, or a trial, does not succeed.
    """
    least = least_python(check.wheel, extra)
    if sys.version_info[:2] < least:
        raise NotPossibleError(f"the extra needs Python {'.'.join(map(str, least))}")
    return check.install(sys.executable, extra)


def bounds(check: Check) -> Iterator[Outcome]:
    """Try the oldest releases that are allowed, and the newest."""
    oldest = lower_bounds(check.wheel)
    for package, extra in BOUNDED.items():
        pin = oldest[package].replace(">=", "==")
        yield check.outcome(
            f"oldest {pin}", lambda e=extra, p=pin: check.install(sys.executable, e, p)
        )
    yield check.outcome("newest of all", lambda: check.install(sys.executable, "agents"))


STEPS = {"build": build, "pythons": pythons, "extras": extras, "bounds": bounds}


# -- interpreters and environments -----------------------------------------------------------
def find(version: str) -> str:
    """Return the interpreter of a version: this one, on the PATH, or of pyenv.

    Raises:
        NotPossibleError: there is none.
    """
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"
    found = [shutil.which(f"python{version}"), *sorted(pyenv.glob(f"{version}.*/bin/python"))]
    for candidate in filter(None, found):
        command = [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.stdout.strip() == version:
            return str(candidate)
    raise NotPossibleError(f"there is no Python {version} here")


def environment(python: str, folder: Path) -> Path:
    """Return the interpreter of a new virtual environment with pip."""
    run([python, "-m", "venv", folder])
    own = folder / "bin" / "python"
    run([own, "-m", "pip", "install", "--quiet", "--upgrade", "pip"])
    return own


def cpu_torch(python: Path, requirement: str) -> str:
    """Return the pin of the CPU build that pip takes for a requirement of torch.

    Where the newest release has CUDA, a lower bound takes the release that the project is tested
    with (`install_torch.RELEASE`), if pip has a CPU build of that.

    Raises:
        NotPossibleError: it takes none, or one with CUDA.
    """
    try:
        return _cpu_build(python, requirement)
    except NotPossibleError as reason:
        if ">=" not in requirement:
            raise
        try:
            return _cpu_build(python, f"torch=={RELEASE}")
        except NotPossibleError:
            raise reason from None


def _cpu_build(python: Path, requirement: str) -> str:
    report = python.parent / "torch.json"
    options = ["--dry-run", "--no-deps", "--ignore-installed", "--quiet", "--report", report]
    try:
        run([python, "-m", "pip", "install", *options, requirement])
    except CommandError as failure:
        raise NotPossibleError(f"pip finds no {requirement}: {failure}") from failure
    metadata = json.loads(report.read_text(encoding="utf-8"))["install"][0]["metadata"]
    if not is_cpu_build(metadata):
        raise NotPossibleError(f"pip takes torch {metadata['version']} with CUDA for {requirement}")
    return f"torch=={metadata['version']}"


def versions(python: Path) -> str:
    """Return the releases of the bounded packages in an environment."""
    code = (
        "import importlib.metadata as m\n"
        f"for n in {list(BOUNDED)}:\n"
        "    try: print(n, m.version(n))\n"
        "    except m.PackageNotFoundError: pass"
    )
    return ", ".join(run([python, "-c", code]).split("\n")).strip(", ")


def run(command: Sequence[object], *, cwd: Path | None = None, path: Path | None = None) -> str:
    """Run a command and return its output.

    Raises:
        CommandError: with the command and the last line that it printed.
    """
    variables = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    if path is not None:
        variables["PATH"] = f"{path}{os.pathsep}{variables['PATH']}"
        variables["SELFCORRECT_CACHE"] = str(path.parent / "cache")
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            cwd=cwd,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIME_LIMIT,
        )
    except subprocess.TimeoutExpired as late:
        raise CommandError(f"{' '.join(words)}: took more than {TIME_LIMIT} s") from late
    if done.returncode:
        printed = (done.stderr.strip() or done.stdout.strip()).splitlines() or ["no output"]
        raise CommandError(f"{' '.join(words)}: {printed[-1]}")
    return done.stdout


# -- the wheel's metadata --------------------------------------------------------------------
def requirements(wheel: Path) -> list[str]:
    """Return the wheel's ``Requires-Dist``."""
    return _metadata(wheel).get_all("Requires-Dist") or []


def provided_extras(wheel: Path) -> list[str]:
    """Return the extras that are features."""
    return [e for e in _metadata(wheel).get_all("Provides-Extra") or [] if e not in LEFT_OUT]


def lower_bounds(wheel: Path) -> dict[str, str]:
    """Return package -> ``"package>=x.y"`` of the bounded packages."""
    found = (re.match(r"([\w-]+)\s*>=\s*([\d.]+)", line) for line in requirements(wheel))
    return {match[1]: f"{match[1]}>={match[2]}" for match in found if match and match[1] in BOUNDED}


def least_python(wheel: Path, extra: str) -> tuple[int, ...]:
    """Return the oldest Python that an extra's own packages are required for; () for any."""
    lines = [line for line in requirements(wheel) if re.search(rf"extra == .{extra}.$", line)]
    found = (re.search(r"python_version >= .(\d+)\.(\d+).", line) for line in lines)
    return max((tuple(map(int, match.groups())) for match in found if match), default=())


def needs_torch(wheel: Path, extra: str) -> bool:
    """Return whether an extra installs torch: itself, or by the extra ``agents``."""
    of_extra = [line for line in requirements(wheel) if re.search(rf"extra == .{extra}.$", line)]
    return bool(extra) and any(re.match(r"torch\b|selfcorrect-env\[agents", x) for x in of_extra)


def _metadata(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
        return Parser().parsestr(archive.read(name).decode("utf-8"))


if __name__ == "__main__":
    sys.exit(main())
