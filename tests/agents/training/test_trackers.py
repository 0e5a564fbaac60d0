"""Trackers, as their own packages read what was logged; a test of a missing package is skipped."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from selfcorrect_agents.errors import LearningError
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.methods.multiturn_rl import MultiTurnRL, MultiTurnRLConfig
from selfcorrect_agents.training.run_folder import RunFolder
from selfcorrect_agents.training.trackers import FILE_NAME, PACKAGES
from selfcorrect_env import CheckpointError, SelfCorrectEnv, UnknownNameError

CONFIG = {"method": "m", "learning": {"learning_rate": 0.5, "names": ["a", "b"], "clip": None}}


def logged(folder: Path, tracker: str, steps: range, *, resume: bool = False) -> None:
    """Log ``x = 10 step`` of some steps, as a run that was stopped, and one that goes on, do."""
    run = RunFolder(folder, CONFIG, trackers=(tracker,), resume=resume)
    if resume:
        run.rewind(steps.start - 1)
    for step in steps:
        run.log(step, {"x": 10.0 * step, "t1/accuracy": 0.5})
    run.close()


@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_a_missing_package_is_named_before_anything_is_written(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PACKAGES, name, "a_package_that_is_not_there")
    extra = "agents" if name == "tensorboard" else name
    with pytest.raises(LearningError, match=rf"pip install 'selfcorrect-env\[{extra}\]'"):
        RunFolder(tmp_path / "run", {}, trackers=(name,))
    assert not (tmp_path / "run").exists()


def test_an_unknown_tracker_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"tracker 'wandbb'.*wandb"):
        RunFolder(tmp_path, {}, trackers=("wandbb",))


def test_without_trackers_there_are_the_rows(tmp_path: Path) -> None:
    run = RunFolder(tmp_path, CONFIG, trackers=())
    run.log(1, {"x": 1.0})
    run.close()
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "metrics.jsonl"}


@pytest.fixture
def mlflow_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    mlflow = pytest.importorskip("mlflow")
    uri = (tmp_path / "mlruns").as_uri()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri(uri)
    yield uri
    mlflow.set_tracking_uri(None)


@pytest.mark.filterwarnings("ignore")  # of the package
def test_mlflow_continues_the_run(tmp_path: Path, mlflow_store: str) -> None:
    from mlflow import MlflowClient

    logged(tmp_path / "run", "mlflow", range(1, 4))
    logged(tmp_path / "run", "mlflow", range(3, 6), resume=True)
    client = MlflowClient(mlflow_store)
    (experiment,) = client.search_experiments(filter_string="name = 'selfcorrect'")
    (run,) = client.search_runs([experiment.experiment_id])
    points = {(p.step, p.value) for p in client.get_metric_history(run.info.run_id, "x")}
    assert points == {(step, 10.0 * step) for step in range(1, 6)}
    assert run.data.params["learning/learning_rate"] == "0.5"


@pytest.mark.filterwarnings("ignore")
def test_mlflow_takes_a_run_that_goes_on_with_other_settings(
    tmp_path: Path, mlflow_store: str
) -> None:
    """It shows those that the run was started with: values of a run can't change there."""
    from mlflow import MlflowClient

    def settings(tokens: int) -> dict[str, object]:
        return {"learning": {"tokens_per_forward": tokens}}

    for step, tokens in ((1, 64), (2, 128)):
        run = RunFolder(tmp_path / "run", settings(tokens), trackers=("mlflow",), resume=True)
        run.log(step, {"x": 1.0})
        run.close()
    ids = json.loads((tmp_path / "run" / FILE_NAME).read_text())
    data = MlflowClient(mlflow_store).get_run(ids["mlflow"]).data
    assert data.params["learning/tokens_per_forward"] == "64"


@pytest.mark.filterwarnings("ignore")
def test_a_tracker_out_of_reach_is_named_before_the_first_step(
    tmp_path: Path, policy: Policy, env: SelfCorrectEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    mlflow.set_tracking_uri(None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")  # nothing listens there
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    run = RunFolder(tmp_path / "run", CONFIG, trackers=("mlflow",))
    with pytest.raises(LearningError, match="The tracker 'mlflow' can't be started"):
        MultiTurnRL(policy).learn(env, MultiTurnRLConfig(steps=1), run=run)
    assert not (tmp_path / "run/metrics.jsonl").exists()


def test_a_tracker_that_fails_later_does_not_end_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunFolder(tmp_path, CONFIG)
    run.log(1, {"x": 1.0})

    def fails(*_: object, **__: object) -> None:
        raise ConnectionError("the server is gone")

    monkeypatch.setattr("accelerate.tracking.TensorBoardTracker.log", fails)
    with pytest.warns(UserWarning, match=r"'tensorboard' failed at step 2 .*server is gone"):
        run.log(2, {"x": 2.0})
    run.log(3, {"x": 3.0})
    run.close()
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 3


def test_a_tracker_that_fails_at_the_end_does_not_end_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunFolder(tmp_path, CONFIG)
    run.log(1, {"x": 1.0})

    def fails(*_: object) -> None:
        raise ConnectionError("the server is gone")

    monkeypatch.setattr("accelerate.tracking.TensorBoardTracker.finish", fails)
    with pytest.warns(UserWarning, match=r"'tensorboard' failed as it was closed .*server is gone"):
        run.close()
    run.close()


def test_the_folder_that_a_tracker_makes_is_not_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tracks_of_mine").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(PACKAGES, "wandb", "tracks_of_mine")
    with pytest.raises(LearningError, match="needs the package tracks_of_mine"):
        RunFolder(tmp_path / "run", {}, trackers=("wandb",))


def test_a_damaged_file_of_ids_is_named(tmp_path: Path) -> None:
    logged(tmp_path, "tensorboard", range(1, 2))
    (tmp_path / FILE_NAME).write_text("{")
    run = RunFolder(tmp_path, CONFIG, resume=True)
    with pytest.raises(CheckpointError, match=rf"{FILE_NAME} is damaged .*Delete that file"):
        run.log(2, {"x": 1.0})


@pytest.mark.filterwarnings("ignore")
def test_wandb_writes_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    logged(tmp_path / "run", "wandb", range(1, 4))
    ids = json.loads((tmp_path / "run" / FILE_NAME).read_text())
    logged(tmp_path / "run", "wandb", range(3, 6), resume=True)
    assert json.loads((tmp_path / "run" / FILE_NAME).read_text()) == ids
    files = sorted((tmp_path / "run/wandb").glob(f"offline-run-*-{ids['wandb']}/*.wandb"))
    assert len(files) == 2, "one for each process, of the same run"
    assert b"t1/accuracy" in files[0].read_bytes()


@pytest.mark.filterwarnings("ignore")
def test_trackio_continues_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))  # read at import
    trackio = pytest.importorskip("trackio")
    logged(tmp_path / "run", "trackio", range(1, 4))
    logged(tmp_path / "run", "trackio", range(4, 6), resume=True)
    (run,) = trackio.Api().runs("selfcorrect")
    assert run.name.startswith("run-"), "a name of its own: another folder may be called run, too"
    with closing(sqlite3.connect(tmp_path / "trackio/selfcorrect.db")) as database:
        rows = database.execute("SELECT step, metrics FROM metrics ORDER BY step").fetchall()
    found = [(step, json.loads(metrics)["x"]) for step, metrics in rows]
    assert found == [(step, 10.0 * step) for step in range(1, 6)]
