"""``selfcorrect doctor``: what works on this machine, and how to get what doesn't."""

from __future__ import annotations

import json
import os
import platform
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
from selfcorrect_env.sandbox import layers, missing_for_strong
from selfcorrect_env.types import Problem
from selfcorrect_env.verifiers import get_verifier

ABOUT = """\
Tell what works on this machine: the packages, the verifiers (each judges a right and a wrong
answer), how far programs can be isolated, which data sets are there.

Exit status: 0 all that is installed works; 1 something of it does not; 2 a mistake in what was
asked.

Examples:
  selfcorrect doctor
  selfcorrect doctor --json"""

State = Literal["ok", "missing", "broken"]
STYLES = {"ok": "green", "missing": "yellow", "broken": "bold red"}

EXTRAS = {
    "gymnasium": "",
    "numpy": "",
    "sympy": "",
    "math-verify": "",
    "datasets": "data",
    "torch": "agents",
    "transformers": "agents",
    "tensorboard": "agents",
    "stable-baselines3": "sb3",
    "reasoning-gym": "reasoning-gym",
}
"""Package -> the extra that brings it; "" for what always comes."""


@dataclass(frozen=True, kw_only=True)
class DoctorOptions:
    """How to show it."""

    json: bool = False
    """Print one JSON list: topic, what, state, detail."""


@dataclass(frozen=True)
class Symptom:
    """One thing that was looked at."""

    topic: str
    what: str
    state: State
    detail: str


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status."""
    options = parse(DoctorOptions, argv, prog="selfcorrect doctor", about=ABOUT)
    with Console(stderr=True).status("looking") as status:
        symptoms = []
        for examine in EXAMINATIONS:
            status.update(f"looking at {examine.__name__}")
            symptoms += examine()
    if options.json:
        print(json.dumps([asdict(symptom) for symptom in symptoms], indent=2))
    else:
        Console().print(_table(symptoms))
    return 1 if any(symptom.state == "broken" for symptom in symptoms) else 0


def machine() -> Iterator[Symptom]:
    """The interpreter, the processors, a folder to write to."""
    where = f"{platform.system()} {platform.release()}, {platform.machine()}"
    yield Symptom("machine", f"Python {platform.python_version()}", "ok", where)
    yield Symptom("machine", "processors", "ok", f"{_processors()} may be used")
    try:
        with tempfile.TemporaryFile() as file:
            file.write(b"x")
        yield Symptom("machine", "temporary folder", "ok", tempfile.gettempdir())
    except OSError as error:
        yield Symptom("machine", "temporary folder", "broken", f"cannot be written: {error}")


def packages() -> Iterator[Symptom]:
    """What is installed, and the extra that brings what is not."""
    yield Symptom("packages", "selfcorrect-env", "ok", version("selfcorrect-env"))
    for name, extra in EXTRAS.items():
        try:
            yield Symptom("packages", name, "ok", version(name))
        except PackageNotFoundError:
            wanted = f"selfcorrect-env[{extra}]" if extra else "selfcorrect-env"
            state: State = "missing" if extra else "broken"
            yield Symptom("packages", name, state, f'pip install "{wanted}"')


def isolation() -> Iterator[Symptom]:
    """How far programs can be isolated here."""
    for layer in layers():
        state: State = "missing" if layer.missing else "ok"
        yield Symptom("isolation", layer.name, state, layer.missing or layer.purpose)
    if missing_for_strong():
        advice = "programs are not judged, unless isolation='basic' accepts that they can do harm"
        yield Symptom("isolation", "strong", "missing", advice)


def verifiers() -> Iterator[Symptom]:
    """Whether each verifier tells right from wrong here."""
    for name, (problem, right, wrong) in TRIALS.items():
        if name == "code" and missing_for_strong():
            continue
        start = time.perf_counter()
        verdicts = get_verifier(name).verify_batch([problem, problem], [right, wrong])
        seconds = time.perf_counter() - start
        works = verdicts[0].correct and verdicts[1].judged and not verdicts[1].correct
        detail = f"two verdicts in {seconds:.1f} s, its start included"
        if not works:
            detail = f"a right answer: {verdicts[0]}; a wrong one: {verdicts[1]}"
        yield Symptom("verifiers", name, "ok" if works else "broken", detail)


TRIALS = {
    "math": (
        Problem(id="doctor", prompt="Evaluate.", reference=r"\frac{\pi}{3}"),
        r"It is $\boxed{\arccos(\frac{1}{2})}$.",  # takes symbolic mathematics
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


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _table(symptoms: list[Symptom]) -> Table:
    table = Table(show_header=False, box=None)
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
)
"""What is looked at, in order."""
