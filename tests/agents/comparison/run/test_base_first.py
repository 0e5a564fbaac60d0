"""The base model makes the first attempts, the measured agent corrects them."""

from pathlib import Path

import pytest
from rich.console import Console

from selfcorrect_agents.comparison.engine import check
from selfcorrect_agents.comparison.plan.cells import plan
from selfcorrect_agents.comparison.plan.config import CompareConfig, config_of
from selfcorrect_agents.comparison.report.terminal import for_terminal
from selfcorrect_agents.comparison.results.cell_results import load_results
from selfcorrect_agents.comparison.results.summary import comparison_of
from selfcorrect_agents.comparison.run import worker
from selfcorrect_agents.comparison.run.base_first import BaseFirst
from selfcorrect_agents.errors import ComparisonError
from selfcorrect_env import Conversation, Report

TINY = "tiny:seed=0,steps=2,hidden_size=16,layers=1,heads=2"


class Says:
    def __init__(self, word: str) -> None:
        self.word, self.asked = word, 0

    def act(self, conversations: list[Conversation]) -> list[str]:
        self.asked += len(conversations)
        return [f"{self.word} {conversation[0]['content']}" for conversation in conversations]


def test_first_attempts_are_the_bases_in_any_batch() -> None:
    one = ({"role": "user", "content": "a"},)
    two = (
        {"role": "user", "content": "b"},
        {"role": "assistant", "content": "x"},
        {"role": "user", "content": "again"},
    )
    base, agent = Says("base"), Says("own")
    assert BaseFirst(base, agent).act([two, one, two]) == ["own b", "base a", "own b"]
    assert (base.asked, agent.asked) == (1, 2)


def asked(**methods: dict[str, object]) -> CompareConfig:
    return config_of(
        {
            "methods": methods,
            "model": TINY,
            "seeds": [3],
            "n": 12,
            "max_new_tokens": 4,
            "decodings": ["sampled", "base_first"],
        },
        "test",
    )


def test_a_cell_is_measured_on_the_first_attempts_of_the_base(tmp_path: Path) -> None:
    config = asked(base={}, **{"always wrong": {"agent": "null"}})
    cells = plan(config, check(config))
    for cell in cells:
        folder = tmp_path / cell.folder
        folder.mkdir(parents=True)
        worker.work(cell, folder)
    results = load_results(config, cells, tmp_path)
    reports: list[Report] = [result.cells[0].reports["base_first"] for result in results]
    own = results[0].cells[0].reports["sampled"]
    firsts = [[e.attempts[0].reply for e in report.episodes] for report in (*reports, own)]
    assert firsts[0] == firsts[1] == firsts[2]
    assert {e.attempts[1].reply for e in reports[1].episodes} == {
        e.attempts[1].reply for e in results[1].cells[0].reports["sampled"].episodes
    }
    console = Console(width=100)
    with console.capture() as capture:
        console.print(for_terminal(comparison_of(config, results)))
    assert "base_first" in capture.get()


def test_a_served_model_has_no_base() -> None:
    served = {"agent": "openai", "play": {"model": "m", "base_url": "http://127.0.0.1:9/v1"}}
    with pytest.raises(ComparisonError, match="plays a model of its own"):
        check(asked(base={}, served=served))
