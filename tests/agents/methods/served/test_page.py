"""The Python examples of docs/how-to/served-models.md run as they are, against a stand-in."""

import re
from pathlib import Path

import pytest
from stand_in_server import StandInServer

PAGE = Path(__file__).parents[4] / "docs" / "how-to" / "served-models.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_an_example_runs(block, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with StandInServer(lambda messages: "7") as server:
        exec(block.replace("http://localhost:8000/v1", server.url), {"__name__": "example"})
    assert "accuracy@t2" in capsys.readouterr().out
