"""A base is trained once, under a name that says what it is, and is never half there."""

import threading
from dataclasses import fields, replace
from pathlib import Path

import pytest

from selfcorrect_agents.lm import tiny
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.tiny import TinyConfig
from selfcorrect_agents.lm.tiny import cache as cache_module
from selfcorrect_agents.lm.tiny.cache import cache_key
from selfcorrect_env.prompts import PROMPTS

SMALL = TinyConfig(hidden_size=16, layers=1, heads=2, steps=3, rows=8)


def test_the_key_covers_every_field_and_the_corpus(monkeypatch: pytest.MonkeyPatch) -> None:
    key = cache_key(SMALL)
    changes = {
        "hidden_size": 32,
        "heads": 1,
        "copy": 0.5,
        "fix": 0.1,
        "first_right": 0.4,
        "slips": 0.3,
        "doubts": 0.3,
        "task": "toycode",
    }
    for field in fields(TinyConfig):
        value = changes.get(field.name) or getattr(SMALL, field.name) * 2 or 1
        assert cache_key(replace(SMALL, **{field.name: value})) != key, field.name
    monkeypatch.setattr(cache_module, "RECIPE", 999)
    assert cache_key(SMALL) != key
    monkeypatch.undo()
    assert cache_key(SMALL) == key
    monkeypatch.setitem(
        PROMPTS, "arithmetic", replace(PROMPTS["arithmetic"], correction="Once more.")
    )
    assert cache_key(SMALL) != key


def test_a_base_is_trained_once(cache: Path) -> None:
    steps: list[int] = []
    folder = tiny.tiny_base(SMALL, lambda step, loss: steps.append(step))
    assert steps == [1, 2, 3]
    assert tiny.tiny_base(SMALL, lambda step, loss: steps.append(step)) == folder
    assert steps == [1, 2, 3]
    assert [path.name for path in cache.iterdir()] == [cache_key(SMALL)]
    assert Policy.from_pretrained(folder).tokenizer.chat_template == tiny.CHAT_TEMPLATE


def test_an_interrupted_call_leaves_nothing_and_the_next_one_trains(cache: Path) -> None:
    def interrupted(step: int, loss: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tiny.tiny_base(SMALL, interrupted)
    assert not cache.exists() or not list(cache.iterdir())
    # a process that was killed while it wrote, and a folder that it left half-empty
    (cache / ".writing-x").mkdir(parents=True)
    (cache / cache_key(SMALL)).mkdir()
    (cache / cache_key(SMALL) / "model.safetensors").write_bytes(b"half")
    assert Policy.from_pretrained(tiny.tiny_base(SMALL)).model is not None


def test_whoever_comes_second_takes_the_model_of_the_first(cache: Path) -> None:
    """Both train, as two processes would; the second finds the first's folder when it renames."""
    folder = cache / cache_key(SMALL)
    inside = threading.Event()
    finish = threading.Event()

    def wait(step: int, loss: float) -> None:
        inside.set()
        assert finish.wait(60)

    second = threading.Thread(target=tiny.tiny_base, args=(SMALL, wait))
    second.start()
    assert inside.wait(60)
    assert tiny.tiny_base(SMALL) == folder
    written = (folder / "model.safetensors").read_bytes()
    finish.set()
    second.join(60)
    assert [path.name for path in cache.iterdir()] == [cache_key(SMALL)]
    assert (folder / "model.safetensors").read_bytes() == written
