"""Served models as rows of a comparison: their own model, the comparison's cap and temperatures."""

import json

import pytest
from stand_in_server import StandInServer

from selfcorrect_agents.comparison.plan.cells import plan
from selfcorrect_agents.comparison.plan.config import config_of
from selfcorrect_agents.comparison.run import worker
from selfcorrect_agents.errors import ComparisonError
from selfcorrect_env import UnjudgedWarning

SMALL = {"seeds": [3], "n": 6, "max_new_tokens": 5}


def cell_of(play):
    methods = {"row": {"agent": "openai", "play": play}}
    (cell,) = plan(config_of({"methods": methods, **SMALL}, "test"))
    return cell


def test_a_served_model_is_measured_in_every_decoding(tmp_path):
    with StandInServer(lambda messages: "3") as server:
        play = {"model": "m", "base_url": server.url, "system": "Be brief."}
        worker.work(cell_of(play), tmp_path)
    assert len(server.requests) == 2 * 2 * 6
    assert {request["temperature"] for request in server.requests} == {0.0, 1.0}
    assert {(r["model"], r["max_tokens"], r["seed"]) for r in server.requests} == {("m", 5, 3)}
    assert server.requests[0]["messages"][0]["content"] == "Be brief."
    for decoding in ("sampled", "greedy"):
        report = json.loads((tmp_path / decoding / "report.json").read_text())
        assert report["measured"]["settings"]["model"] == "m"
        assert report["usage"]["replies"] == 12


def test_a_stopped_cell_asks_nothing_twice(tmp_path):
    with StandInServer(
        lambda messages: "3", fault=lambda n: "401" if 7 <= n < 12 else ""
    ) as server:
        cell = cell_of({"model": "m", "base_url": server.url})
        with pytest.warns(UnjudgedWarning):  # refused requests leave episodes unjudged
            worker.work(cell, tmp_path)
        (tmp_path / "sampled" / "report.json").unlink()  # as if stopped before it was written
        worker.work(cell, tmp_path)
    assert set(server.answered.values()) == {2}  # once in each decoding


def test_what_a_served_row_lacks_or_must_not_have_is_named():
    with pytest.raises(ComparisonError, match="plays a model of its own: name it"):
        cell_of({}).compared_agent()
    with pytest.raises(ComparisonError, match="temperature is set by the comparison"):
        cell_of({"model": "m", "temperature": 0.5})
    methods = {"base": {"play": {"model": "m"}}}
    (cell,) = plan(config_of({"methods": methods, **SMALL}, "test"))
    with pytest.raises(ComparisonError, match="model is set by the comparison"):
        cell.compared_agent()
