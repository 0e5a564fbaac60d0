"""``train … --plan``: what is printed, its status, and that nothing is loaded or written."""

import json
from pathlib import Path

import pytest

from selfcorrect_agents.cli.training_plan import free_disk, parse_bytes
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_env.cli.main import main

SIZES = ["--preset", "tiny", "--max-new-tokens", "8"]


@pytest.fixture
def model(policy: Policy, tmp_path: Path) -> Path:
    """A model's folder without its weights."""
    policy.save_pretrained(tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").unlink()
    return tmp_path / "model"


def planned(*options: str, method: str = "score") -> int:
    return main(["train", method, "--plan", *options])


def test_a_plan_needs_no_weights_and_leaves_nothing_behind(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert planned("--model", str(model), *SIZES, "--out", str(out)) == 0
    printed = capsys.readouterr().out
    assert "It fits." in printed
    for part in ("weights", "reference", "gradients", "optimizer's state", "activations", "disk"):
        assert part in printed
    assert not out.exists()


def test_a_plan_as_json(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert planned("--model", str(model), *SIZES, "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["fits"] is True
    assert printed["plan"]["weights"] > 0
    assert printed["peak"] <= printed["work"]["memory"]
    assert printed["remedies"] == {}
    small = ["--device", "cuda", "--dtype", "float32", "--plan-memory", "50KB", "--json"]
    assert planned("--model", str(model), *SIZES, *small) == 1
    printed = json.loads(capsys.readouterr().out)
    assert printed["fits"] is False
    assert min(printed["remedies"].values()) < printed["peak"]


def test_a_disk_without_room_is_said(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk of another machine, whose memory is given, is not known."""
    assert free_disk(tmp_path / "not" / "yet") == pytest.approx(free_disk(tmp_path), rel=0.1)
    monkeypatch.setattr("selfcorrect_agents.cli.training_plan.free_disk", lambda folder: 2000)
    assert planned("--model", str(model), *SIZES) == 1
    printed = capsys.readouterr().out
    assert "0.00 MB that are free" in printed
    assert "The disk has no room" in printed
    assert "It fits" not in printed
    assert planned("--model", str(model), *SIZES, "--json") == 1
    printed = json.loads(capsys.readouterr().out)
    assert (printed["fits"], printed["free_disk"], printed["remedies"]) == (False, 2000, {})
    elsewhere = ["--device", "cuda", "--dtype", "float32", "--plan-memory", "24GB"]
    assert planned("--model", str(model), *SIZES, *elsewhere) == 0
    assert "free" not in capsys.readouterr().out


def test_a_plan_is_the_methods(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """PAG samples a verification between the attempts; STaR keeps the best weights of a fit."""

    def plan_of(method: str, *options: str) -> tuple[dict[str, int], dict[str, int]]:
        assert planned("--model", str(model), *SIZES, "--json", *options, method=method) == 0
        printed = json.loads(capsys.readouterr().out)
        return printed["work"], printed["plan"]

    rl, of_rl = plan_of("multiturn_rl")
    pag, _ = plan_of("pag")
    assert (rl["sampled"], pag["sampled"]) == (2 * 8, 3 * 8)
    assert pag["read"] > rl["read"]
    fitted, star = plan_of("star")
    assert rl["computed"] < fitted["computed"] == 1, "a fit's traces do not share their prompts"
    assert (of_rl["copies"], star["copies"]) == (0, star["weights"])
    _, epochs = plan_of("star", "--epochs", "1")
    assert epochs["copies"] == 0
    _, best = plan_of("multiturn_rl", "--eval-every", "1", "--keep-best")
    assert (of_rl["checkpoints"], best["checkpoints"]) == (3, 4)


def test_a_plan_that_does_not_fit_says_what_helps(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--device", "cuda", "--dtype", "float32", "--plan-memory", "50KB"]
    assert planned("--model", str(model), *SIZES, *options) == 1
    printed = capsys.readouterr().out
    assert "It does not fit." in printed
    helps = printed.partition("by itself:\n")[2].splitlines()
    sizes = [float(line.split(":")[0].split()[-2]) for line in helps]
    assert sizes


def test_a_gpu_that_is_not_here_needs_its_memory(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert planned("--model", str(model), *SIZES, "--device", "cuda") == 2
    assert "--plan-memory 24GB" in capsys.readouterr().err


def test_a_trained_adapter_is_planned_with_a_copy_of_its_model(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its reference is the model with the adapter as it was, so nothing is shared."""
    adapter = {"peft_type": "LORA", "r": 4, "base_model_name_or_path": str(model)}
    (tmp_path / "adapter").mkdir()
    file = tmp_path / "adapter" / "adapter_config.json"
    file.write_text(json.dumps({**adapter, "target_modules": ["q_proj", "v_proj"]}))

    def plan_of(*options: str) -> dict[str, int]:
        assert planned(*options, *SIZES, "--json") == 0
        return json.loads(capsys.readouterr().out)["plan"]

    trained = plan_of("--model", str(tmp_path / "adapter"))
    targets = ["--lora.rank", "4", "--lora.target-modules", "q_proj", "v_proj"]
    fresh = plan_of("--model", str(model), *targets)
    assert trained["gradients"] == fresh["gradients"]
    assert (trained["weights"], trained["reference"]) == (fresh["weights"], fresh["weights"])
    file.write_text(json.dumps({**adapter, "target_modules": ".*_proj"}))
    assert planned("--model", str(tmp_path / "adapter"), *SIZES) == 2
    assert "only the memory of LoRA adapters with named modules" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("method", "options", "expected"),
    [
        ("pag", ["--attempts", "3"], "PAG is defined for 2 attempts"),
        ("score", ["--attempts", "1"], "SCoRe needs at least 2 attempts"),
        ("score", ["--lora.rank", "2", "--lora.layers", "99"], "lora.layers must be at most"),
    ],
)
def test_what_can_not_be_trained_can_not_be_planned(
    model: Path, capsys: pytest.CaptureFixture[str], method: str, options: list[str], expected: str
) -> None:
    assert planned("--model", str(model), *SIZES, *options, method=method) == 2
    assert expected in capsys.readouterr().err


def test_dynamic_sampling_is_planned(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--model", str(model), *SIZES, "--problems-per-step", "4", "--samples", "2"]
    assert planned(*words, "--oversample", "3") == 0
    assert "24 episodes a step" in capsys.readouterr().out


def test_the_memory_of_a_plan_needs_a_plan(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "score", "--plan-memory", "24GB"]) == 2
    assert "give --plan as well" in capsys.readouterr().err


def test_a_missing_model_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert planned("--model", str(tmp_path / "none"), *SIZES) == 2
    assert "Cannot plan for model" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "size"),
    [
        *[("24GB", 24 * 10**9), ("1.5 gb", 15 * 10**8), ("7", 7), ("3 MB", 3 * 10**6)],
        *[("24G", 24 * 10**9), ("2GiB", 2**31), ("8 Mi", 2**23), ("9B", 9)],
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "GB", "24 apples", "-1GB", "3iB"])
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="--plan-memory must be a size such as 24GB"):
        parse_bytes(text)
