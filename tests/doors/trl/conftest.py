"""A saved model and an environment for TRL's trainers."""

import warnings
from collections.abc import Iterator

import pytest

from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.tiny import TinyConfig, build_model, build_tokenizer
from selfcorrect_env import SelfCorrectEnv


@pytest.fixture(autouse=True)
def _silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    with warnings.catch_warnings():
        # torch's, of a data loader that pins memory without an accelerator
        warnings.filterwarnings("ignore", "'pin_memory' argument is set as true")
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An untrained tiny model, saved: TRL loads the reference from where the model came from."""
    path = tmp_path_factory.mktemp("tiny")
    tokenizer = build_tokenizer()
    model = build_model(TinyConfig(hidden_size=16, layers=1, heads=2, seed=0), tokenizer)
    Policy(model.eval(), tokenizer).save_pretrained(path)
    return str(path)


@pytest.fixture(scope="module")
def env() -> SelfCorrectEnv:
    return SelfCorrectEnv("arithmetic", split="train", size=40)
