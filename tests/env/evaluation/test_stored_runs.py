"""Evaluations in a folder: interrupted, resumed, extended, and refused if their code changed."""

import pytest
from evaluated_sums import IDS, SUMS, Recorder, second_thoughts, sums_env

from selfcorrect_env.env import SelfCorrectEnv
from selfcorrect_env.errors import CheckpointError
from selfcorrect_env.evaluation.episode_files import read_episodes
from selfcorrect_env.evaluation.evaluator import evaluate
from selfcorrect_env.evaluation.report import Report


class Unreliable(Recorder):
    """Fails in its n-th call, if there is an n, as Ctrl-C or a lost server would make it."""

    def __init__(self, calls=None, error=None):
        super().__init__()
        self.fail(calls, error)

    def fail(self, calls, error):  # set by a method, so it is no setting of the agent
        self._calls, self._error = calls, error

    def act(self, conversations):
        if len(self.shown) == self._calls:
            raise self._error
        return super().act(conversations)


@pytest.mark.parametrize("error", [ConnectionError("lost"), KeyboardInterrupt()])
def test_an_interrupted_evaluation_resumes_where_it_stopped(tmp_path, error):
    whole = evaluate(Unreliable(), sums_env(), batch_size=2, out=tmp_path / "whole")
    with pytest.raises(type(error)):
        evaluate(Unreliable(5, error), sums_env(), batch_size=2, out=tmp_path / "cut")
    assert [e.problem.id for e in read_episodes(tmp_path / "cut" / "episodes.jsonl")] == IDS[:4]
    agent = Unreliable()
    resumed = evaluate(agent, sums_env(), batch_size=2, out=tmp_path / "cut")
    assert sum(map(len, agent.shown)) == 2 * 3
    assert resumed == whole == Report.load(tmp_path / "cut")
    assert (whole.reused, resumed.reused) == (0, 4)
    assert "4 of 7 episodes were already stored; 3 played" in str(resumed)
    assert "already stored" not in str(whole)


def test_a_finished_evaluation_is_not_played_again_and_can_be_extended(tmp_path):
    evaluate(Recorder(), sums_env(), n=3, out=tmp_path)
    again, more = Recorder(), Recorder()
    assert len(evaluate(again, sums_env(), n=3, out=tmp_path).episodes) == 3
    assert again.shown == []
    assert [e.problem.id for e in evaluate(more, sums_env(), out=tmp_path).episodes] == IDS
    assert len(more.shown[0]) == 4


def test_a_folder_of_another_evaluation_is_refused(tmp_path):
    evaluate(Recorder(), sums_env(), n=3, out=tmp_path)
    with pytest.raises(CheckpointError, match="agent: 'recorder', now 'other'"):
        evaluate(Recorder(), sums_env(), name="other", out=tmp_path)
    with pytest.raises(CheckpointError, match="fingerprint"):
        evaluate(Recorder(), SelfCorrectEnv(SUMS[:5]), out=tmp_path)
    with pytest.raises(CheckpointError, match=r"\(settings.temperature: None, now 1.0\)"):
        evaluate(Recorder(), sums_env(), settings={"temperature": 1.0}, out=tmp_path)
    with pytest.raises(CheckpointError, match="an evaluation of 3 episodes or more, and 2 are"):
        evaluate(Recorder(), sums_env(), n=2, out=tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"run\.json: not valid JSON"):
        evaluate(Recorder(), sums_env(), n=3, out=tmp_path)
    (tmp_path / "run.json").unlink()
    with pytest.raises(CheckpointError, match=r"no run\.json"):
        evaluate(Recorder(), sums_env(), n=3, out=tmp_path)


@pytest.mark.parametrize(("before", "now"), [(3, 1), (1, 3), (2, 3)])
def test_episodes_of_another_number_of_samples_are_refused(tmp_path, before, now):
    """An episode's number is that of its problem times the samples, so they can't be mixed."""
    evaluate(Recorder(), sums_env(), n=2, samples=before, out=tmp_path)
    agent = Recorder()
    with pytest.raises(CheckpointError, match=rf"samples: {before}, now {now}\)"):
        evaluate(agent, sums_env(), samples=now, out=tmp_path)
    assert agent.shown == []


@pytest.mark.parametrize("path", ["file", "file/below", "/proc/nowhere"])
def test_a_folder_that_cannot_be_written_is_named(tmp_path, path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match=r"(file|proc).*cannot hold results"):
        evaluate(second_thoughts, sums_env(), out=tmp_path / path)
