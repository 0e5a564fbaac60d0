"""An optimiser's state on disk is what it was in memory, for every optimiser."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from selfcorrect_agents.errors import LearningError
from selfcorrect_agents.lm.learner import make_optimizer
from selfcorrect_agents.training import optimizer_state
from selfcorrect_agents.training.optimizer_state import read_state, write_state

NAMES = ["adamw", "adamw_8bit", "paged_adamw_8bit"]


def trained(name: Any, steps: int) -> tuple[torch.nn.Linear, torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = torch.nn.Linear(128, 64)  # 8-bit states begin at 4,096 weights
    optimizer = make_optimizer(model, 1e-2, name)
    for _ in range(steps):
        step(model, optimizer)
    return model, optimizer


def step(model: torch.nn.Linear, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    model(torch.linspace(-1, 1, 128)[None]).square().sum().backward()
    optimizer.step()


@pytest.mark.filterwarnings("ignore:Paged optimizers are not supported on CPU:UserWarning")
@pytest.mark.parametrize("name", NAMES)
def test_training_goes_on_to_the_same_bits(name: str, tmp_path: Path) -> None:
    if name != "adamw":
        pytest.importorskip("bitsandbytes")
    model, optimizer = trained(name, 3)
    write_state(tmp_path, optimizer.state_dict())
    other, fresh = trained(name, 0)
    other.load_state_dict(model.state_dict())
    fresh.load_state_dict(read_state(tmp_path))
    assert not list(tmp_path.glob("*.pt"))
    for one, its in ((model, optimizer), (other, fresh)):
        step(one, its)
        step(one, its)
    assert torch.equal(model.weight, other.weight)
    assert torch.equal(model.bias, other.bias)


def test_eight_bits_take_a_quarter_and_learn_alike() -> None:
    pytest.importorskip("bitsandbytes")
    model, optimizer = trained("adamw_8bit", 5)
    state = optimizer.state[model.weight]
    assert state["state1"].dtype == state["state2"].dtype == torch.uint8
    start, expected = trained("adamw", 0)[0], trained("adamw", 5)[0]
    moved, theirs = ((m.weight - start.weight).flatten() for m in (model, expected))
    assert torch.cosine_similarity(moved, theirs, dim=0) > 0.98
    assert 0.9 < moved.norm() / theirs.norm() < 1.1


def test_large_states_are_cut_in_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, optimizer = trained("adamw", 1)
    monkeypatch.setattr(optimizer_state, "SHARD", 1 << 15)
    write_state(tmp_path, optimizer.state_dict())
    assert len(list(tmp_path.glob("optimizer-*.safetensors"))) == 4
    found, expected = read_state(tmp_path), optimizer.state_dict()
    assert found["param_groups"] == [
        {k: list(v) if isinstance(v, tuple) else v for k, v in group.items()}
        for group in expected["param_groups"]
    ]
    assert_close(found["state"], expected["state"])


def test_the_state_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    _, optimizer = trained("adamw", 1)
    torch.save(optimizer.state_dict(), tmp_path / "optimizer.pt")
    assert_close(read_state(tmp_path)["state"], optimizer.state_dict()["state"])


def test_without_the_library_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "bitsandbytes", None)
    with pytest.raises(LearningError, match=r"selfcorrect-env\[8bit\]"):
        make_optimizer(torch.nn.Linear(2, 2), 1e-3, "adamw_8bit")
