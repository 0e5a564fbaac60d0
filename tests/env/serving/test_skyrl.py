"""SkyRL-gym plays our episodes: the real package, made and stepped as SkyRL's generator does it."""

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import skyrl_gym
from hypothesis import given
from hypothesis import strategies as st
from skyrl_gym.metrics import aggregate_for_environment

from selfcorrect_env import EpisodeError, RequestError, VerifierError
from selfcorrect_env.serving.skyrl import SelfCorrectTextEnv, register, rows

ROOT = Path(__file__).resolve().parents[3]
ID = "SelfCorrect-Arithmetic-v0"
ROWS = rows(ID, n=20)


@pytest.fixture(autouse=True)
def registered() -> None:
    register()


def make(row: dict[str, Any]) -> Any:
    """Make a row's environment as SkyRL's generator does."""
    extras = {key: copy.deepcopy(row[key]) for key in row if key not in ("prompt", "env_class")}
    return skyrl_gym.make(row["env_class"], env_config={}, extras={**extras, "max_turns": 2})


def play(row: dict[str, Any], *replies: str) -> tuple[Any, list[dict[str, Any]]]:
    env = make(row)
    env.init(copy.deepcopy(row["prompt"]))
    return env, [env.step(reply) for reply in replies]


def test_an_episode() -> None:
    env, (first, second) = play(ROWS[0], "3", "8818")
    assert isinstance(env, SelfCorrectTextEnv)
    assert [m["role"] for m in first["observations"]] == ["user"]
    assert "There might be an error" in first["observations"][0]["content"]
    assert (first["reward"], first["done"]) == (0.0, False)
    assert (second["reward"], second["done"], second["observations"]) == (1.0, True, [])
    assert second["metadata"]["transition"] == "i->c"


def test_the_bonus_is_paid_at_the_turn_that_made_the_progress() -> None:
    row = rows(ID, n=1, alpha=10.0)[0]
    rewards = {
        replies: [step["reward"] for step in play(row, *replies)[1]]
        for replies in [("3", "8"), ("8", "3"), ("8", "8"), ("3", "3")]
    }
    assert rewards == {
        ("3", "8"): [0.0, 11.0],
        ("8", "3"): [1.0, -10.0],
        ("8", "8"): [1.0, 1.0],
        ("3", "3"): [0.0, 0.0],
    }


def test_rows_survive_files_and_have_no_reference(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps({"prompt": "Capital of France?", "reference": "Paris"}))
    (row,) = rows(ID, problems=str(path), verifier="exact")
    assert json.loads(json.dumps(row)) == row
    assert set(row) == {"data_source", "prompt", "env_class", "reward_spec", "extra_info"}
    assert "Paris" not in json.dumps(row)


def test_options_reach_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps({"prompt": "Capital of France?", "reference": "Paris"}))
    (row,) = rows(ID, problems=str(path), verifier="exact", attempts=3)
    env, steps = play(row, "Rome", "Lyon", "Paris")
    assert env.max_turns == 3
    assert [(step["reward"], step["done"]) for step in steps] == [
        (0.0, False),
        (0.0, False),
        (1.0, True),
    ]


@given(replies=st.lists(st.text(max_size=20), min_size=2, max_size=2), index=st.integers(0, 19))
def test_any_text_is_a_reply_and_nothing_of_the_verdict_is_shown(
    replies: list[str], index: int
) -> None:
    shown = []
    for first in (replies[0], "0"):
        _, steps = play(ROWS[index], first, replies[1])
        assert [step["done"] for step in steps] == [False, True]
        shown.append([step["observations"] for step in steps])
    assert shown[0] == shown[1]  # the same instruction, whatever the reply was


def test_problem_sets_are_shared() -> None:
    environments = [make(row) for row in ROWS]
    assert len({id(env._env.problems) for env in environments}) == 1
    assert len({id(env._env) for env in environments}) == len(ROWS)


def test_episodes_do_not_share_their_state() -> None:
    one, two = make(ROWS[0]), make(ROWS[0])
    one.init(ROWS[0]["prompt"])
    two.init(ROWS[0]["prompt"])
    one.step("3")
    assert (one.turns, two.turns) == (1, 0)
    assert two.step("8")["reward"] == 1.0
    assert one.step("8")["metadata"]["transition"] == "i->c"
    assert two.step("8")["metadata"]["transition"] == "c->c"


def test_metrics_are_averaged_by_skyrl() -> None:
    played = [play(ROWS[0], *replies)[0] for replies in [("3", "8"), ("8", "8"), ("3",)]]
    metrics = aggregate_for_environment("selfcorrect", [env.get_metrics() for env in played])
    assert metrics == {
        "accuracy_t1": pytest.approx(1 / 3),
        "accuracy_t2": 1.0,
        "i_to_c": 0.5,
        "c_to_i": 0.0,
    }


def test_a_reply_that_was_not_judged_is_no_wrong_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps({"prompt": "1 + 1 = ?", "reference": "2"}))
    code = "def failing(problem, response):\n    raise ValueError('no verdict today')\n"
    (tmp_path / "failing_verifier.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    (row,) = rows(ID, problems=str(path), verifier="failing_verifier:failing")
    with pytest.raises(VerifierError, match=r"could not be judged: .*no verdict today"):
        play(row, "2")


def test_misuse_is_told() -> None:
    with pytest.raises(RequestError, match=r"no extra_info\['env'\].*skyrl.rows"):
        skyrl_gym.make("selfcorrect", env_config={}, extras={"extra_info": {"index": 0}})
    with pytest.raises(RequestError, match="no extra_info"):
        skyrl_gym.make("selfcorrect", env_config={}, extras={})
    with pytest.raises(EpisodeError, match="before init"):
        make(ROWS[0]).step("1")
    with pytest.raises(RequestError, match="not that of problem"):
        make(ROWS[0]).init(ROWS[1]["prompt"])
    env, _ = play(ROWS[0], "1", "2")
    with pytest.raises(EpisodeError, match="after the episode's last attempt"):
        env.step("3")


def test_the_page_runs_as_it_is_written(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "trainers" / "skyrl.md").read_text(encoding="utf-8")
    section = page.partition("## A complete run\n")[2].partition("\n## ")[0]
    code = section.partition("```python\n")[2].partition("```")[0]
    lines = [line for line in code.splitlines() if line.strip() and line.strip()[0] != "#"]
    assert len(lines) < 15
    script = tmp_path / "page.py"
    script.write_text(code, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    shown = [line[2:] for line in code.splitlines() if line.startswith("# ")]
    assert shown
    assert done.stdout.splitlines() == shown
    written = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    assert written == rows(ID, split="train", n=1000)
