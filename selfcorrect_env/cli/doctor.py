"""``selfcorrect doctor``: checks of this machine, and what to do about each that fails."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

from rich.console import Console

from selfcorrect_env.cli.machine_checks import devices, disk, packages
from selfcorrect_env.cli.options import parse
from selfcorrect_env.cli.outputs import print_json
from selfcorrect_env.cli.symptoms import State, Symptom, symptom_table
from selfcorrect_env.problems.hub import PINNED, is_cached, why_unreachable
from selfcorrect_env.sandbox import best_layers, layers, missing_for_strong
from selfcorrect_env.terminal import status_line
from selfcorrect_env.types import Problem
from selfcorrect_env.verifiers import get_verifier

ABOUT = """\
Check this machine: devices, packages, disk and caches, the isolation of programs, the verifiers
(each scores a right and a wrong answer), the hub and the data sets. What is missing or broken comes
with what to do about it. The hub gets 2.5 seconds to answer.

Exit status: 0 everything that is installed works; 1 a part of it does not; 2 invalid arguments.

Examples:
  selfcorrect doctor
  selfcorrect doctor --json"""


HUB_ADVICE = "check the network and its proxy; HF_ENDPOINT names a mirror"


@dataclass(frozen=True, kw_only=True)
class DoctorOptions:
    """How to print the checks."""

    json: bool = False
    """Print one JSON list of objects: topic, what, state, detail, advice."""


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status."""
    options = parse(DoctorOptions, argv, prog="selfcorrect doctor", about=ABOUT)
    with status_line("checking") as show:
        symptoms: list[Symptom] = []
        for examine in EXAMINATIONS:
            show(f"checking {examine.__name__}")
            symptoms += examine()
    if options.json:
        print_json([asdict(symptom) for symptom in symptoms])
    else:
        Console().print(symptom_table(symptoms))
    return 1 if any(symptom.state == "broken" for symptom in symptoms) else 0


def isolation() -> Iterator[Symptom]:
    """Check which layers of isolation this machine offers to programs."""
    for layer in layers():
        if layer.missing:
            yield Symptom("isolation", layer.name, "missing", layer.missing, layer.remedy)
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
    """Check whether the hub answers, which data sets are cached, and files that variables name."""
    first = next(iter(PINNED))
    reason = why_unreachable(first)
    if reason is None:
        yield Symptom("data", "Hugging Face hub", "ok", "answers")
    else:
        advice = f"unset {reason.split()[0]}" if reason.endswith(" is set") else HUB_ADVICE
        yield Symptom("data", "Hugging Face hub", "missing", reason, advice)
    for repo in PINNED:
        if is_cached(repo):
            yield Symptom("data", repo, "ok", "cached")
        else:
            advice = "loaded when needed" if reason is None else "give a file: --path FILE"
            yield Symptom("data", repo, "missing", "not cached", advice)
    for name, path in os.environ.items():
        if name.startswith("SELFCORRECT_") and name.endswith("_PATH"):
            state: State = "ok" if os.path.exists(os.path.expanduser(path)) else "broken"
            advice = "" if state == "ok" else "there is no such file or folder: correct or unset it"
            yield Symptom("data", name, state, path, advice)


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


EXAMINATIONS: tuple[Callable[[], Iterator[Symptom]], ...] = (
    devices,
    packages,
    disk,
    isolation,
    verifiers,
    data,
)
"""The checks, in order."""
