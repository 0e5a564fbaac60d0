"""The bases of the published tables come with the package, the same on every machine."""

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from selfcorrect_agents.lm import tiny
from selfcorrect_agents.lm.loading import is_tiny, load_policy, parse_tiny
from selfcorrect_agents.lm.tiny import TinyConfig, base_identity, base_name, cache_key, shipped
from selfcorrect_agents.lm.tiny.shipped import FOLDER, digest, shipped_weights, store

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SMALL = TinyConfig(hidden_size=16, layers=1, heads=2, steps=3, rows=8)
BENCHMARKS = Path(__file__).resolve().parents[4] / "benchmarks"


def named_in_benchmarks() -> list[str]:
    """The tiny bases of every comparison in benchmarks/."""
    names = []
    for path in sorted(BENCHMARKS.glob("*.toml")):
        table = tomllib.loads(path.read_text())
        if is_tiny(table.get("model", "")):
            names += [table["model"].format(seed=seed) for seed in table["seeds"]]
    return names


@pytest.mark.parametrize("name", [*named_in_benchmarks(), "tiny", "tiny:seed=100", "tiny:seed=101"])
def test_the_bases_of_the_tables_are_shipped(name: str) -> None:
    """A change of a corpus, a prompt or the procedure needs benchmarks/store_bases.py."""
    assert shipped_weights(base_name(parse_tiny(name))) is not None


def test_every_shipped_base_is_whole() -> None:
    for path in FOLDER.glob("*.safetensors"):
        assert {weights.dtype for weights in load_file(path).values()} == {torch.float16}
        assert path.stat().st_size < 300_000


def test_a_shipped_base_is_loaded_and_not_trained(cache: Path) -> None:
    trained: list[int] = []
    config = parse_tiny("tiny:seed=1")
    folder = tiny.tiny_base(config, lambda step, loss: trained.append(step))
    assert trained == []
    weights = shipped_weights(base_name(config))
    assert weights is not None
    loaded = load_policy(str(folder)).model.state_dict()
    for name, stored in load_file(weights).items():
        assert torch.equal(loaded[name], stored.float()), name


def test_what_is_stored_is_what_was_trained(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = load_policy(str(tiny.tiny_base(SMALL))).model.state_dict()
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    before = cache_key(SMALL), base_identity(SMALL)
    model, _ = tiny.pretrain(SMALL)
    weights = tmp_path / f"{base_name(SMALL)}.safetensors"
    store(model, weights)
    assert base_identity(SMALL) == f"sha256:{digest(weights)}"
    assert before != (cache_key(SMALL), base_identity(SMALL))
    loaded = load_policy(str(tiny.tiny_base(SMALL))).model.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in trained.items())


def test_the_identity_of_another_base_names_the_instructions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With other vector instructions, pre-training gives other weights."""
    before = base_identity(SMALL)
    assert before.startswith(base_name(SMALL))
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX9")
    assert base_identity(SMALL) != before
    assert base_identity(TinyConfig()).startswith("sha256:")
