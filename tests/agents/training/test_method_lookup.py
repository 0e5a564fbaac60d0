"""Methods by name: which learn, and with which configuration."""

from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from selfcorrect_agents.methods.score import SCoRe, SCoReConfig
from selfcorrect_agents.training import method_lookup
from selfcorrect_agents.training.method_lookup import (
    find_method,
    learning_of,
    learns,
    name_of,
    trainable,
)
from selfcorrect_env import AgentError
from selfcorrect_env.evaluation import installed_agents, load_named


@dataclass(frozen=True, kw_only=True)
class OwnConfig:
    """A configuration of this file."""

    seed: int = 0


class Own:
    """A method of this file, without an entry point."""

    Learning = OwnConfig

    def learn(self, env, config=None, *, run=None, progress=False):
        return []


@pytest.mark.parametrize("name", sorted(trainable()))
def test_the_entry_points_name_the_configuration_of_the_method(name: str) -> None:
    assert learning_of(name) is find_method(name).Learning


def test_every_installed_method_names_its_configuration() -> None:
    """`trainable` imports nothing; this test imports all agents and finds those that learn."""
    assert {*trainable()} == {name for name in installed_agents() if learns(load_named(name))}


@pytest.mark.parametrize("name", sorted(trainable()))
def test_a_method_is_found_by_the_name_of_its_class(name: str) -> None:
    assert name_of(find_method(name)) == name


def test_a_method_without_an_entry_point_is_named_by_its_module() -> None:
    assert name_of(Own) == f"{__name__}:Own"


def test_each_method_has_a_line_about_it() -> None:
    assert trainable()["score"] == (SCoRe.__doc__ or "").partition("\n")[0]


def test_a_method_without_an_entry_point_is_imported_for_its_configuration() -> None:
    path = f"{__name__}:Own"
    assert learning_of(path).__name__ == "OwnConfig"
    assert path not in trainable()


def test_an_agent_that_does_not_learn_is_refused() -> None:
    with pytest.raises(AgentError, match="'base' does not learn: a method is a class with learn"):
        learning_of("base")


def points(monkeypatch: pytest.MonkeyPatch, folder: Path, value: str) -> None:
    monkeypatch.syspath_prepend(folder)  # entry points are read again where the search path changes
    group = "selfcorrect_env.learning"
    entry = EntryPoint("score", value, group)
    monkeypatch.setattr(
        "selfcorrect_env.plugins.entry_points", lambda group: [entry] if "learning" in group else []
    )


def test_an_entry_point_that_is_no_dataclass_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    points(monkeypatch, tmp_path, "math:pi")
    with pytest.raises(AgentError, match=r"'score' of .* is no dataclass"):
        learning_of("score")


def test_a_configuration_of_another_class_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    points(monkeypatch, tmp_path, "selfcorrect_agents.methods.sft.config:PairSFTConfig")
    monkeypatch.setattr(method_lookup, "load_named", lambda name: SCoRe)
    with pytest.raises(AgentError, match="its Learning is SCoReConfig, and its entry point"):
        find_method("score")
    assert SCoRe.Learning is SCoReConfig
