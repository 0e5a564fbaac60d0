"""A change behind a name is noticed: other weights, other problems, another version."""

import json
from pathlib import Path

import pytest

from selfcorrect_agents.comparison.engine import check
from selfcorrect_agents.comparison.plan import cells
from selfcorrect_agents.comparison.plan.cells import is_done, plan, require_same, write_facts
from selfcorrect_agents.comparison.plan.config import CompareConfig, config_of
from selfcorrect_agents.comparison.plan.content_hashes import weights_of
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.tiny import TinyConfig, cache_key
from selfcorrect_env.errors import CheckpointError


def problems(path: Path, *references: str) -> str:
    rows = [{"id": str(i), "prompt": "1 + 1", "reference": r} for i, r in enumerate(references)]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return str(path)


@pytest.fixture
def asked(tmp_path: Path, policy: Policy) -> CompareConfig:
    """A comparison of files in ``tmp_path``: model, train.jsonl, test.jsonl."""
    policy.save_pretrained(tmp_path / "model")
    tables = {
        name: {"problems": problems(tmp_path / f"{name}.jsonl", "2", "3")}
        for name in ("train", "test")
    }
    tables |= {"methods": {"null": {}, "score": {}}, "model": str(tmp_path / "model")}
    return config_of({"seeds": [0], **tables}, "test")


def finish(asked: CompareConfig, folder: Path) -> None:
    for cell in plan(asked, check(asked)):
        for name in ("cell.json", "done.json"):
            write_facts(cell, folder / cell.folder, name)


def refusals(asked: CompareConfig, folder: Path) -> dict[str, str]:
    """Return method -> why its cell is refused, "" where it is not."""
    found = {}
    for cell in plan(asked, check(asked)):
        try:
            require_same(cell, folder)
            assert is_done(cell, folder)
            found[cell.method.label] = ""
        except CheckpointError as error:
            assert not is_done(cell, folder)
            found[cell.method.label] = str(error)
    return found


def test_the_same_contents_are_gone_on_with(tmp_path: Path, asked: CompareConfig) -> None:
    finish(asked, tmp_path)
    (tmp_path / "model" / "notes.md").write_text("nothing that is loaded")
    assert refusals(asked, tmp_path) == {"null": "", "score": ""}


def test_other_problems_under_the_same_name_are_refused(
    tmp_path: Path, asked: CompareConfig
) -> None:
    finish(asked, tmp_path)
    problems(tmp_path / "train.jsonl", "2", "4")
    found = refusals(asked, tmp_path)
    assert found["null"] == ""  # what is not trained does not depend on them
    assert "training: fingerprint: '" in found["score"]
    problems(tmp_path / "train.jsonl", "2", "3")
    problems(tmp_path / "test.jsonl", "2", "4")
    assert all("test: fingerprint: '" in why for why in refusals(asked, tmp_path).values())


def test_other_weights_in_the_same_folder_are_refused(
    tmp_path: Path, asked: CompareConfig, other_policy: Policy
) -> None:
    finish(asked, tmp_path)
    other_policy.save_pretrained(tmp_path / "model")
    found = refusals(asked, tmp_path)
    assert all("(training: weights: 'sha256:" in why for why in found.values())


def test_another_version_of_the_package_is_refused(
    tmp_path: Path, asked: CompareConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cells, "__version__", "0.0.1")
    finish(asked, tmp_path)
    monkeypatch.setattr(cells, "__version__", "0.0.2")
    found = refusals(asked, tmp_path)
    assert all("selfcorrect_env: '0.0.1' then, '0.0.2' now" in why for why in found.values())


def test_what_tells_the_weights(tmp_path: Path) -> None:
    assert weights_of("tiny:seed=3") == cache_key(TinyConfig(seed=3))
    assert weights_of("organisation/model-of-the-hub") == "organisation/model-of-the-hub"
    file = tmp_path / "model.gguf"
    file.write_bytes(b"one")
    first = weights_of(str(file))
    file.write_bytes(b"two")
    assert first.startswith("sha256:")
    assert weights_of(str(file)) != first
