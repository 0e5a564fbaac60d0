"""Experiments of several methods × seeds: each cell trained and measured in a process of its own.

A cell is a folder that holds the run and its evaluations; a cell that is there is not made
again, so an interrupted experiment goes on where it stopped.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from selfcorrect_agents.agent import LanguageModelAgent
from selfcorrect_agents.logging import RunFolder, read_metrics
from selfcorrect_agents.methods import find_method
from selfcorrect_agents.models import load_policy
from selfcorrect_agents.policy import Policy
from selfcorrect_env import Report, SelfCorrectEnv, evaluate
from selfcorrect_env.errors import SelfCorrectError

DECODINGS = {"sampled": 1.0, "greedy": 0.0}
"""How every cell is measured: name -> temperature."""


class CellError(SelfCorrectError, RuntimeError):
    """The process of a cell failed; the message says where its output is."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One method with one seed: what is trained, and what it is measured on."""

    name: str
    """What the cell's method is called in tables."""
    method: str
    """The method's name, or ``base`` for no training."""
    seed: int
    """Of the training."""
    model: str
    """The base model."""
    learning: dict[str, Any] = field(default_factory=dict)
    """Fields of the method's configuration that differ from its defaults."""
    train: dict[str, Any] = field(default_factory=dict)
    """Arguments of `SelfCorrectEnv` for training."""
    test: dict[str, Any] = field(default_factory=dict)
    """Arguments of `SelfCorrectEnv` for measuring."""
    problems: int = 2000
    """Held-out problems to measure on."""

    @property
    def folder(self) -> str:
        """The cell's folder within the experiment's."""
        return f"{self.name.replace(' ', '-').lower()}-seed{self.seed}"

    def steps(self) -> int:
        """Number of training steps; 0 for the base model."""
        if self.method == "base":
            return 0
        config = self.config()
        return getattr(config, "steps", 0) or config.stage_one_steps + config.stage_two_steps

    def episodes(self) -> int:
        """Number of training episodes; 0 for the base model."""
        if self.method == "base":
            return 0
        config = self.config()
        return self.steps() * config.problems_per_step * config.samples

    def config(self) -> Any:
        """Return the method's configuration."""
        return find_method(self.method).Learning(seed=self.seed, **self.learning)  # type: ignore[attr-defined]


def run_cell(cell: Cell, folder: Path) -> None:
    """Train and measure one cell in this process."""
    torch.set_num_threads(1)
    run_folder = folder / "run"
    policy = load_policy(cell.model)
    if cell.method != "base":
        learning = cell.config()
        run = RunFolder(run_folder, _facts(cell), resume=True, episodes_every=0)
        agent = find_method(cell.method)(policy)
        agent.learn(SelfCorrectEnv(**cell.train), learning, run=run)  # type: ignore[attr-defined]
        run.close()
    for decoding, temperature in DECODINGS.items():
        measure(policy, cell, temperature, folder / decoding)


def measure(policy: Policy, cell: Cell, temperature: float, out: Path) -> Report:
    """Measure a policy on the cell's held-out problems and save the report to ``out``."""
    agent = LanguageModelAgent(policy, max_new_tokens=16, temperature=temperature, seed=cell.seed)
    return evaluate(
        agent,
        SelfCorrectEnv(**cell.test),
        n=cell.problems,
        batch_size=500,
        name=f"{cell.name}, seed {cell.seed}",
        out=out,
    )


def run_cells(
    cells: Sequence[Cell],
    folder: Path,
    *,
    jobs: int,
    on_progress: Callable[[Cell, int], None] = lambda cell, steps: None,
) -> None:
    """Run the cells that ``folder`` lacks, ``jobs`` at a time, each in its own process.

    ``on_progress(cell, steps)`` is called as cells take training steps.

    Raises:
        CellError: a cell's process failed; the others were stopped.
        CheckpointError: ``folder`` holds a cell of the same name with other settings.
    """
    waiting = [cell for cell in cells if not is_done(cell, folder)]
    for cell in cells:
        if cell not in waiting:
            on_progress(cell, cell.steps())
    running: dict[subprocess.Popen[bytes], Cell] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                cell = waiting.pop(0)
                running[_start(cell, folder)] = cell
            time.sleep(0.1)
            for process, cell in list(running.items()):
                on_progress(cell, _steps_taken(folder / cell.folder))
                if process.poll() is not None:
                    del running[process]
                    _require_success(process, cell, folder)
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()


def is_done(cell: Cell, folder: Path) -> bool:
    """Whether the cell was trained and measured with just these settings."""
    done = folder / cell.folder / "done.json"
    return done.is_file() and json.loads(done.read_text()) == _facts(cell)


def report(cell: Cell, folder: Path, decoding: str) -> Report:
    """Load a finished cell's report (``"sampled"`` or ``"greedy"``)."""
    return Report.load(folder / cell.folder / decoding)


def history(cell: Cell, folder: Path) -> list[dict[str, float]]:
    """Load a finished cell's figures, one dict for each training step."""
    path = folder / cell.folder / "run" / "metrics.jsonl"
    return read_metrics(path) if path.exists() else []


def main() -> int:
    """Entry of a cell's process: reads the cell and its folder as JSON from standard input."""
    task = json.load(sys.stdin)
    cell, folder = Cell(**task["cell"]), Path(task["folder"])
    run_cell(cell, folder)
    (folder / "done.json").write_text(json.dumps(_facts(cell), indent=2) + "\n")
    return 0


def _facts(cell: Cell) -> dict[str, Any]:
    """Return what determines the cell's result, the defaults of its method included."""
    config = {} if cell.method == "base" else dataclasses.asdict(cell.config())
    facts = {**dataclasses.asdict(cell), "config": config, "torch": torch.__version__}
    return json.loads(json.dumps(facts))


def _start(cell: Cell, folder: Path) -> subprocess.Popen[bytes]:
    place = folder / cell.folder
    place.mkdir(parents=True, exist_ok=True)
    with (place / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "selfcorrect_agents.experiments"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    stdin = process.stdin
    if stdin is not None:
        task = {"cell": dataclasses.asdict(cell), "folder": str(place)}
        stdin.write(json.dumps(task).encode())
        stdin.close()
    return process


def _require_success(process: subprocess.Popen[bytes], cell: Cell, folder: Path) -> None:
    if process.returncode:
        log = folder / cell.folder / "log.txt"
        last = log.read_text(errors="replace").strip().splitlines()[-1:] or ["no output"]
        raise CellError(
            f"{cell.name}, seed {cell.seed}, failed (status {process.returncode}): {last[0]} "
            f"See {log}."
        )


def _steps_taken(folder: Path) -> int:
    path = folder / "run" / "metrics.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


if __name__ == "__main__":
    sys.exit(main())
