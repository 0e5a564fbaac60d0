"""The processes of a comparison: each takes one cell after another; one that fails, fails alone."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from selfcorrect_agents.comparison.plan.cells import Cell, plan
from selfcorrect_agents.comparison.plan.config import config_of
from selfcorrect_agents.comparison.run.cell_progress import CellProgress
from selfcorrect_agents.comparison.run.schedule import Failure, missing_cells, run_cells
from selfcorrect_env.evaluation import read_episodes

MODULE = '''
import os
import signal

import torch


class Process:
    """Answers with the number of its process."""

    def act(self, conversations):
        print("played")
        return [str(os.getpid()) for _ in conversations]


class Random:
    """Draws from torch's own generator, which it does not seed."""

    def act(self, conversations):
        return [str(n) for n in torch.randint(0, 10**9, (len(conversations),)).tolist()]


class Killed:
    """Its process is killed."""

    def act(self, conversations):
        os.kill(os.getpid(), signal.SIGKILL)


class Broken:
    """Raises."""

    def act(self, conversations):
        raise RuntimeError("no reply today")
'''


class Watched:
    """Remembers what happened."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def started(self, cell: Cell) -> None:
        self.events.append(f"{cell.name} started")

    def progressed(self, cell: Cell, progress: CellProgress) -> None:
        assert progress.phase in ("starting", "sampled")

    def ended(self, cell: Cell, failure: Failure | None) -> None:
        self.events.append(f"{cell.name} {'ended' if failure is None else 'failed'}")

    def stopping(self, running: int) -> None:
        raise AssertionError("nothing was interrupted")


def cells_of(*names: str) -> list[Cell]:
    methods = {name: {"agent": f"playing_agents:{name}"} for name in names}
    tables = {"seeds": [0, 1], "n": 2, "decodings": ["sampled"], "reference": names[0]}
    return list(plan(config_of({"methods": methods, **tables}, "test")))


def replies(cells: Sequence[Cell], folder: Path, name: str) -> list[list[str]]:
    found = []
    for cell in cells:
        if cell.method.label == name:
            episodes = read_episodes(folder / cell.folder / "sampled" / "episodes.jsonl")
            found.append([str(a.reply) for episode in episodes for a in episode.attempts])
    return found


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a module of agents, which is the current one."""
    (tmp_path / "playing_agents.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_one_process_takes_one_cell_after_another(place: Path) -> None:
    cells, watched = cells_of("Process", "Random"), Watched()
    assert run_cells(cells, place, jobs=1, watcher=watched) == []
    assert len({reply for replied in replies(cells, place, "Process") for reply in replied}) == 1
    assert [event.split()[-1] for event in watched.events] == ["started", "ended"] * 4
    assert missing_cells(cells, place) == []
    logs = [(place / cell.folder / "log.txt").read_text() for cell in cells]
    assert [log.count("played") for log in logs] == [2, 0, 2, 0]


@pytest.mark.slow
def test_a_cell_draws_the_same_random_numbers_whatever_ran_before_it(place: Path) -> None:
    cells = cells_of("Random")
    run_cells(cells, place, jobs=1, watcher=Watched())
    first, second = replies(cells, place, "Random")
    assert first != second
    run_cells(cells[1:], place / "alone", jobs=1, watcher=Watched())
    assert replies(cells[1:], place / "alone", "Random") == [second]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "status", "line"),
    [("Killed", -9, "no output."), ("Broken", 1, "RuntimeError: no reply today")],
)
def test_a_cell_that_ends_its_process_fails_alone(
    place: Path, name: str, status: int, line: str
) -> None:
    cells = cells_of("Process", name)
    failures = run_cells(cells, place, jobs=1, watcher=Watched())
    assert [failure.cell for failure in failures] == cells[1::2]
    assert {(failure.status, failure.last_line) for failure in failures} == {(status, line)}
    assert missing_cells(cells, place) == cells[1::2]
    assert all(len(set(replied)) == 1 for replied in replies(cells, place, "Process"))
