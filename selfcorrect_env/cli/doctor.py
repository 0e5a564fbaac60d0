"""``selfcorrect doctor``: checks of this machine, and what to do about each that fails."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from selfcorrect_env.cli.options import parse
from selfcorrect_env.problems.hub import PINNED, is_cached, why_unreachable
from selfcorrect_env.sandbox import best_layers, layers, missing_for_strong
from selfcorrect_env.types import Problem
from selfcorrect_env.verifiers import get_verifier

ABOUT = """\
Check this machine: the packages, the GPU, the verifiers (each scores a right and a wrong answer),
the isolation of programs, the data sets.

Exit status: 0 everything that is installed works; 1 a part of it does not; 2 invalid arguments.

Examples:
  selfcorrect doctor
  selfcorrect doctor --json"""

State = Literal["ok", "missing", "broken"]
STYLES = {"ok": "green", "missing": "yellow", "broken": "bold red"}

EXTRAS = {
    "gymnasium": "",
    "numpy": "",
    "rapidfuzz": "",
    "sympy": "",
    "mpmath": "",
    "datasets": "data",
    "torch": "agents",
    "transformers": "agents",
    "peft": "agents",
    "tensorboard": "agents",
    "stable-baselines3": "sb3",
    "reasoning-gym": "reasoning-gym",
    "skyrl-gym": "skyrl",
    "openenv": "openenv",
}
"""Package -> the extra that installs it; "" for a requirement of the package itself."""

WITHOUT_EXTRA = ("openai",)
"""Packages that an agent of one's own may use."""


@dataclass(frozen=True, kw_only=True)
class DoctorOptions:
    """How to print the checks."""

    json: bool = False
    """Print one JSON list of objects: topic, what, state, detail."""


@dataclass(frozen=True)
class Symptom:
    """The result of one check."""

    topic: str
    what: str
    state: State
    detail: str


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status."""
    options = parse(DoctorOptions, argv, prog="selfcorrect doctor", about=ABOUT)
    with Console(stderr=True).status("checking") as status:
        symptoms = []
        for examine in EXAMINATIONS:
            status.update(f"checking {examine.__name__}")
            symptoms += examine()
    if options.json:
        print(json.dumps([asdict(symptom) for symptom in symptoms], indent=2))
    else:
        Console().print(_table(symptoms))
    return 1 if any(symptom.state == "broken" for symptom in symptoms) else 0


def machine() -> Iterator[Symptom]:
    """Check the interpreter, the processors, the GPU and the temporary folder."""
    where = f"{platform.system()} {platform.release()}, {platform.machine()}"
    yield Symptom("machine", f"Python {platform.python_version()}", "ok", where)
    yield Symptom("machine", "processors", "ok", f"{_processors()} may be used")
    yield _gpu()
    try:
        with tempfile.TemporaryFile() as file:
            file.write(b"x")
        yield Symptom("machine", "temporary folder", "ok", tempfile.gettempdir())
    except OSError as error:
        yield Symptom("machine", "temporary folder", "broken", f"cannot be written: {error}")


def packages() -> Iterator[Symptom]:
    """Check what is installed; for what is missing, name the extra that brings it."""
    yield Symptom("packages", "selfcorrect-env", "ok", version("selfcorrect-env"))
    for name, extra in EXTRAS.items():
        try:
            yield Symptom("packages", name, "ok", version(name))
        except PackageNotFoundError:
            wanted = f"selfcorrect-env[{extra}]" if extra else "selfcorrect-env"
            state: State = "missing" if extra else "broken"
            yield Symptom("packages", name, state, f'pip install "{wanted}"')
    for name in WITHOUT_EXTRA:
        try:
            yield Symptom("packages", name, "ok", version(name))
        except PackageNotFoundError:
            yield Symptom("packages", name, "missing", f"pip install {name}")


def isolation() -> Iterator[Symptom]:
    """Check which layers of isolation this machine offers to programs."""
    for layer in layers():
        if layer.missing:
            yield Symptom("isolation", layer.name, "missing", f"{layer.missing}. {layer.remedy}")
        else:
            yield Symptom("isolation", layer.name, "ok", layer.purpose)
    found = best_layers(strong=True)
    if found.broken:
        reason = (
            f"a harmless program is not judged: {found.broken}. "
            if not missing_for_strong()
            else ""
        )
        advice = "programs are judged only with isolation='basic', in which they can do harm"
        yield Symptom("isolation", "programs", "missing", reason + advice)
        return
    used = [it.name for it in layers() if not it.missing]
    if not found.namespaces and "namespaces" in used:  # alone they work, for a program they do not
        used.remove("namespaces")
        reason = found.without_namespaces
        yield Symptom("isolation", "namespaces", "missing", f"a program fails in them: {reason}")
    yield Symptom("isolation", "programs", "ok", f"judged with {', '.join(used)}")


def verifiers() -> Iterator[Symptom]:
    """Check that each verifier tells a right answer from a wrong one."""
    for name, (problem, right, wrong) in TRIALS.items():
        if name == "code" and best_layers(strong=True).broken:
            continue
        start = time.perf_counter()
        verdicts = get_verifier(name).verify_batch([problem, problem], [right, wrong])
        seconds = time.perf_counter() - start
        works = verdicts[0].correct and verdicts[1].judged and not verdicts[1].correct
        detail = f"two verdicts in {seconds:.1f} s, its start included"
        if not works:
            detail = f"a right answer: {verdicts[0]}; a wrong one: {verdicts[1]}"
        yield Symptom("verifiers", name, "ok" if works else "broken", detail)


def data() -> Iterator[Symptom]:
    """Check whether the hub answers and which data sets are cached."""
    first = next(iter(PINNED))
    reason = why_unreachable(first)
    state: State = "ok" if reason is None else "missing"
    yield Symptom("data", "Hugging Face hub", state, reason or "answers")
    for repo in PINNED:
        if is_cached(repo):
            yield Symptom("data", repo, "ok", "cached")
        else:
            how = "loaded from the hub when needed" if reason is None else "give a file: --path"
            yield Symptom("data", repo, "missing", f"not cached; {how}")


TRIALS = {
    "math": (
        Problem(id="doctor", prompt="Evaluate.", reference=r"\frac{\pi}{3}"),
        r"It is $\boxed{\arccos(\frac{1}{2})}$.",  # takes an evaluation in a worker
        r"It is $\boxed{\arcsin(\frac{1}{2})}$.",
    ),
    "code": (
        Problem(
            id="doctor",
            prompt="Write double(n).",
            reference="def double(n): return 2 * n",
            metadata={"tests": ["assert double(2) == 4"], "names": ["double"]},
        ),
        "def double(n): return 2 * n",
        "def double(n): return n",
    ),
}
"""Verifier -> a problem, a right reply, a wrong one."""


def _gpu() -> Symptom:
    """Ask the driver's nvidia-smi: this package does not import torch."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return Symptom("machine", "GPU", "missing", "no nvidia-smi, so no NVIDIA GPU is usable")
    query = [program, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        found = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        return Symptom("machine", "GPU", "missing", f"nvidia-smi fails: {error}")
    names = "; ".join(found.stdout.split("\n")).strip("; ")
    return Symptom("machine", "GPU", "ok" if names else "missing", names or "nvidia-smi lists none")


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _table(symptoms: list[Symptom]) -> Table:
    table = Table(show_header=False, box=None)
    for _ in range(4):
        table.add_column(overflow="fold")
    topic = ""
    for symptom in symptoms:
        first = symptom.topic if symptom.topic != topic else ""
        topic = symptom.topic
        table.add_row(
            Text(first, style="bold"),
            Text(symptom.what),
            Text(symptom.state, style=STYLES[symptom.state]),
            Text(symptom.detail),
        )
    return table


EXAMINATIONS: tuple[Callable[[], Iterator[Symptom]], ...] = (
    machine,
    packages,
    isolation,
    verifiers,
    data,
)
"""The checks, in order."""
