"""Trials are stored with the weights that they started from; one that fails loses no other."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from trials import Trial, read_results, run_trials

from selfcorrect_agents.comparison.plan.content_hashes import weights_of

TINY = "tiny:steps=2,hidden_size=16,layers=1,heads=2"


def trial(**changed: object) -> Trial:
    fields = {"method": "base", "model": TINY, "env": "SelfCorrect-Arithmetic-v0"}
    return Trial(**{**fields, "split": "test", "episodes": 1, "problems": 4, **changed})  # type: ignore[arg-type]


def line(base: str | None) -> str:
    row = {"trial": asdict(trial()), "result": {"t1": 0.5}}
    return json.dumps(row if base is None else {**row, "base": base}) + "\n"


def test_results_of_other_weights_are_not_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "runs.jsonl"
    path.write_text(line("other") + line(weights_of(TINY)))
    assert read_results(path) == {trial().key: {"t1": 0.5}}
    assert "1 of 2 results are of other base weights" in capsys.readouterr().out
    path.write_text(line(None))
    with pytest.raises(ValueError, match="don't name their base's weights"):
        read_results(path)


@pytest.mark.slow
def test_a_trial_that_fails_loses_no_other(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    with pytest.raises(RuntimeError, match="method='none'"):
        run_trials([trial(), trial(method="none"), trial(problems=5)], path, jobs=1)
    assert trial().key in read_results(path)
    found = run_trials([trial(), trial(problems=5)], path, jobs=1)
    assert set(found) == {trial().key, trial(problems=5).key}
    assert set(read_results(path)) == set(found)
