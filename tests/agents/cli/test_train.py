"""``selfcorrect train`` and what comes after it, as a user types it."""

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import pytest
import transformers
from safetensors.torch import load_file, save_file

from selfcorrect_agents import (
    ModelConfig,
    MultiTurnRL,
    MultiTurnRLConfig,
    OnPolicyConfig,
    PlayConfig,
    SCoReConfig,
    SupervisedConfig,
)
from selfcorrect_agents.cli.measure_command import measure_command
from selfcorrect_agents.cli.train import TrainOptions, _parse
from selfcorrect_agents.cli.training_run import outcome, summary
from selfcorrect_agents.flat_config import flat
from selfcorrect_agents.lm.loading import load_policy
from selfcorrect_agents.lm.template_config import TemplateConfig
from selfcorrect_agents.training.config import from_flat
from selfcorrect_agents.training.method_lookup import learning_of
from selfcorrect_env import ProblemSetWarning, SelfCorrectEnv, UnjudgedWarning, UsageError
from selfcorrect_env.cli import parse
from selfcorrect_env.cli.main import main

SMALL = [
    "--preset",
    "tiny",
    "--problems-per-step",
    "2",
    "--samples",
    "2",
    "--max-new-tokens",
    "4",
    "--checkpoint-every",
    "1",
]


@pytest.fixture(autouse=True)
def small_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SELFCORRECT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    bars = transformers.utils.logging.is_progress_bar_enabled()
    yield
    if bars:
        transformers.utils.logging.enable_progress_bar()


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    try:
        status = main(list(words))
    except SystemExit as end:  # tyro ends the process itself
        status = end.code if isinstance(end.code, int) else 1
    out, err = capsys.readouterr()
    return status, out, err


def model(folder: Path) -> str:
    path = folder / "base"
    load_policy("tiny:steps=2,hidden_size=16,layers=1,heads=2").save_pretrained(path)
    return str(path)


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "train", "--help")
    assert status == 0
    for word in ("score", "multiturn_rl", "--resume", "Examples:", "metrics.jsonl"):
        assert word in out
    for method, own in (("score", "--beta-2"), ("multiturn_rl", "--steps")):
        status, out, _ = run(capsys, "train", method, "--help")
        assert status == 0
        for word in (own, "--model", "--problems ", "--problems-per-step", "The paper: 5e-6"):
            assert word in out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "Which method?"),
        (["--out", "x"], "Which method?"),
        (["scor"], "Did you mean 'score'?"),
        (["base"], "does not learn"),
        (["nowhere:Class"], "cannot be imported"),
        (["score", "--samples", "1"], "samples must be at least 2"),
        (["score", "--alpha", "-1"], "alpha must be at least 0"),
        (["score", "--threads", "0"], "threads must be at least 1"),
        (["score", "--env", "SelfCorrect-Nothing-v0"], "SelfCorrect-Nothing"),
        (["score", "--env", "CartPole-v1"], "CartPole"),
        (["score", "--split", "nope"], "split"),
        (["score", "--model", "no/such/folder"], "Cannot load model 'no/such/folder'"),
        (["score", "--model", "tiny:depth=3"], "Unknown option 'depth' of the tiny model"),
        (["score", "--model", "tiny:steps=0"], "must be at least 1"),
        (["score", "--device", "gpu"], "Device 'gpu' can't be used"),
        (["score", "--resume"], "no run to resume"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_no_folder(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, words: list[str], expected: str
) -> None:
    status, out, err = run(capsys, "train", *words)
    assert status == 2
    assert expected in err
    assert len(err.strip().splitlines()) == 1
    assert out == ""
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("words", [["--lerning-rate", "1"], ["--samples", "many"]])
def test_an_option_that_is_none(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    status, _, err = run(capsys, "train", "score", *words)
    assert status == 2
    assert words[0] in err


def test_attempts_that_a_method_cannot_have(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["train", "star", "--model", model(tmp_path), "--option", "attempts=3", *SMALL]
    status, _, err = run(capsys, *words)
    assert status == 2
    assert "Make it with attempts=2" in err
    assert not (tmp_path / "runs").exists()


def test_a_folder_that_is_a_file_or_holds_a_run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["train", "multiturn_rl", "--model", model(tmp_path), "--steps", "1", *SMALL]
    (tmp_path / "file").write_text("")
    status, _, err = run(capsys, *words, "--out", "file")
    assert status == 2
    assert "is a file. Name a folder" in err
    assert run(capsys, *words, "--out", "run")[0] == 0
    status, _, err = run(capsys, *words, "--out", "run")
    assert status == 2
    assert "already holds a run" in err
    elsewhere = [word if word != words[3] else "gone" for word in words]
    status, _, err = run(capsys, *elsewhere, "--out", "run")
    assert status == 2
    assert "already holds a run" in err, "before the model is looked for"
    status, _, err = run(capsys, *words, "--out", "run", "--resume", "--seed", "5")
    assert status == 2
    assert err == (
        "selfcorrect: run can't be resumed: seed was 0, now 5. Use the same value, or name another "
        "folder.\n"
    )


def test_train_then_measure(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["train", "score", "--model", model(tmp_path), "--out", "run", *SMALL]
    stages = ["--stage-one-steps", "1", "--stage-two-steps", "1", "--episodes-every", "1"]
    status, out, _ = run(capsys, *words, *stages)
    assert status == 0
    assert (
        "selfcorrect eval score --model run/model --env SelfCorrect-Arithmetic-v0 --split test "
        "--max-new-tokens 4 --temperature 0\n"
    ) in out
    config = json.loads((tmp_path / "run/config.json").read_text())
    assert config["split"] == "train"
    assert config["learning"]["stage_two_steps"] == 1
    for agent, folder in (("score", "run/model"), ("base", "base")):
        status, out, _ = run(
            capsys,
            *("eval", agent, "--model", folder, "--env", "SelfCorrect-Arithmetic-v0"),
            *("--n", "6", "--max-new-tokens", "4", "--out", f"measured-{agent}"),
        )
        assert status == 0
        assert "Accuracy@t2" in out or "t2" in out
        assert len((tmp_path / f"measured-{agent}/episodes.jsonl").read_text().splitlines()) == 6


def test_json_is_all_that_stdout_holds(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Samples that --show-every shows are on stderr."""
    words = ["train", "multiturn_rl", "--model", model(tmp_path), "--out", "run", *SMALL]
    status, out, err = run(capsys, *words, "--steps", "2", "--show-every", "1", "--json")
    assert status == 0
    printed = json.loads(out)
    assert (printed["method"], printed["steps"], printed["skipped"]) == ("multiturn_rl", 2, 0)
    assert len(printed["first_accuracy"]) == len(printed["last_accuracy"]) == 2
    assert (tmp_path / printed["model"] / "config.json").exists()
    assert printed["measure"].startswith("selfcorrect eval multiturn_rl --model run/model")
    assert "step 2\n" in err
    assert "json" not in json.loads((tmp_path / "run/config.json").read_text())["options"]


def test_quiet_training_prints_what_it_learned_and_nothing_else(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["train", "multiturn_rl", "--model", model(tmp_path), "--out", "run", *SMALL]
    capsys.readouterr()
    status, out, err = run(capsys, *words, "--steps", "1", "--quiet")
    assert status == 0
    assert "share of training episodes that were right" in out
    assert "Measure it" not in out
    assert "training" not in err.replace("selfcorrect: warning", "")


@pytest.mark.parametrize("method", ["score", "multiturn_rl", "star"])
def test_another_model_never_gets_the_defaults_of_the_tiny_one(method: str) -> None:
    options, learning = _parse(method, learning_of(method), ["--model", "some/model"])
    assert (options.preset, options.model.lora.rank) == ("one-gpu", 16)
    assert flat(learning)["max_new_tokens"] == 512
    words = ["--model", "some/model", "--preset", "paper-math", "--learning-rate", "1e-6"]
    options, learning = _parse(method, learning_of(method), words)
    assert (flat(learning)["max_new_tokens"], flat(learning)["learning_rate"]) == (1024, 1e-6)
    assert options.model.lora.rank == 0
    _, learning = _parse(method, learning_of(method), ["--model", "tiny:seed=1"])
    assert learning == learning_of(method)()


@dataclass(frozen=True, kw_only=True)
class OwnRL(OnPolicyConfig):
    """An own method's configuration, without a word on presets."""

    steps: int = 7


@dataclass(frozen=True, kw_only=True)
class OwnImitation(SupervisedConfig):
    """The same of a method that imitates."""


@pytest.mark.parametrize(("learning_class", "rate"), [(OwnRL, 4e-5), (OwnImitation, 2e-4)])
def test_nor_does_an_own_method(learning_class: type[Any], rate: float) -> None:
    options, learning = _parse("own", learning_class, ["--model", "some/model"])
    assert (options.preset, options.model.lora.rank) == ("one-gpu", 16)
    assert flat(learning)["learning_rate"] == rate
    assert getattr(learning, "steps", 7) == 7, "its own fields keep their defaults"
    assert _parse("own", learning_class, ["--model", "tiny"])[1] == learning_class()


def test_a_method_for_tiny_models_is_refused_for_another() -> None:
    with pytest.raises(UsageError, match="not one: give --preset"):
        _parse("sb3_ppo", learning_of("sb3_ppo"), ["--model", "some/model"])


def test_a_verifier_that_always_fails_is_exit_status_1_with_its_cause(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_broken_verifier.py").write_text(
        "def verify(problem, reply):\n    return 1 / 0\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    words = ["train", "multiturn_rl", "--model", model(tmp_path), *SMALL, "--out", "run"]
    with pytest.warns(UnjudgedWarning):
        status, out, err = run(
            capsys, *words, "--steps", "50", "--verifier", "my_broken_verifier:verify"
        )
    assert status == 1
    assert out == ""
    last = err.strip().splitlines()[-1]
    assert last.startswith("selfcorrect: Training stopped: the verifier failed to judge more than")
    assert "First cause: verify raised ZeroDivisionError: division by zero" in last
    assert len((tmp_path / "run/metrics.jsonl").read_text().splitlines()) == 3


def test_replies_that_are_cut_off_are_said() -> None:
    row = {"t1/accuracy": 0.0, "t2/accuracy": 0.0, "t1/truncated": 1.0, "t2/truncated": 0.5}
    assert "Warning: 75% of the replies are cut off" in summary([row])
    assert "Warning" not in summary([{**row, "t1/truncated": 0.5}])


def test_more_steps_are_asked_for_by_resume(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["train", "multiturn_rl", "--model", model(tmp_path), *SMALL, "--out", "run"]
    assert run(capsys, *words, "--steps", "1")[0] == 0
    status, _, err = run(capsys, *words[:2], "--out", "run", "--resume", "--steps", "2")
    assert status == 0, err
    assert len((tmp_path / "run/metrics.jsonl").read_text().splitlines()) == 2
    status, _, err = run(capsys, *words[:2], "--out", "run", "--resume", "--steps", "1")
    assert status == 2
    assert "steps was 2, now 1. A run can only be extended" in err


def test_a_run_whose_base_model_has_changed_is_not_resumed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """It is the reference as well, so the result would be another."""
    base = Path(model(tmp_path))
    words = ["train", "multiturn_rl", "--model", str(base), *SMALL, "--out", "run"]
    assert run(capsys, *words, "--steps", "1")[0] == 0
    weights = load_file(base / "model.safetensors")
    save_file(
        {k: v + 0.05 for k, v in weights.items()}, base / "model.safetensors", {"format": "pt"}
    )
    status, _, err = run(capsys, *words, "--steps", "2", "--resume")
    assert status == 2
    assert "starting_weights was" in err
    assert "The base model has changed: restore what it was" in err


def test_a_run_whose_held_out_problems_have_changed_is_not_resumed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The best step is chosen by them."""
    Path("mine").mkdir()
    for split, first in (("train", 0), ("validation", 10)):
        rows = [{"prompt": f"{i}+1=", "reference": f"{i + 1}"} for i in range(first, first + 6)]
        Path(f"mine/{split}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    words = ["train", "multiturn_rl", "--model", model(tmp_path), "--out", "run", *SMALL]
    words += ["--problems", "mine", "--eval-every", "1", "--eval-problems", "2"]
    assert run(capsys, *words, "--steps", "1")[0] == 0
    status, _, err = run(capsys, *words, "--steps", "2", "--resume")
    assert status == 0, err
    with Path("mine/validation.jsonl").open("a") as file:
        file.write('{"prompt": "20+1=", "reference": "21"}\n')
    status, _, err = run(capsys, *words, "--steps", "3", "--resume")
    assert status == 2
    assert "held_out_problems was" in err


def test_the_size_of_the_training_set_is_none_of_the_held_out_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The validation split of these sums has fewer problems."""
    words = ["train", "multiturn_rl", "--model", model(tmp_path), "--out", "run", *SMALL]
    words += ["--env", "SelfCorrect-Sums-v0", "--option", "size=3000", "--eval-problems", "2"]
    status, _, err = run(capsys, *words, "--eval-every", "1", "--steps", "1")
    assert status == 0, err
    config = json.loads(Path("run/config.json").read_text())
    validation = SelfCorrectEnv("sums", split="validation").problems.fingerprint
    assert config["held_out_problems"] == validation


def test_activation_checkpointing_may_be_switched_on_when_memory_was_short(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["train", "multiturn_rl", "--model", model(tmp_path), "--out", "run", *SMALL]
    assert run(capsys, *words, "--steps", "1")[0] == 0
    more = ["--steps", "2", "--resume", "--activation-checkpointing"]
    status, _, err = run(capsys, *words, *more)
    assert status == 0, err
    file = Path("run/config.json")
    config = json.loads(file.read_text())
    assert config["changeable_options"].pop("activation_checkpointing") is True
    file.write_text(json.dumps({**config, "activation_checkpointing": False}))  # as runs had it
    assert run(capsys, *words, "--steps", "3", "--resume")[0] == 0


def test_a_resumed_run_keeps_the_options_that_are_not_given(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Those that may change, too; and the precision that "auto" stands for is compared."""
    given = ["--model", model(tmp_path), *SMALL, "--device", "cpu", "--trackers", "tensorboard"]
    words = ["train", "multiturn_rl", "--out", "run", "--steps", "1", "--episodes-every", "3"]
    assert run(capsys, *words, *given)[0] == 0
    config = json.loads(Path("run/config.json").read_text())
    assert config["precision"] == "float32"
    assert config["changeable_options"] == {
        **{"device": "cpu", "attention": None, "trackers": ["tensorboard"]},
        **{"threads": 1, "episodes_every": 3, "show_every": 0, "activation_checkpointing": False},
    }
    resumed, _ = _parse("multiturn_rl", MultiTurnRLConfig, ["--out", "run", "--resume"])
    assert (resumed.model.device, resumed.episodes_every) == ("cpu", 3)
    changed = [*words[:4], "--resume", "--steps", "2", "--episodes-every", "1"]
    assert run(capsys, *changed)[0] == 0
    assert json.loads(Path("run/config.json").read_text())["changeable_options"][
        "episodes_every"
    ] == 1  # fmt: skip
    status, _, err = run(capsys, *words[:4], "--resume", "--dtype", "bfloat16", "--steps", "3")
    assert status == 2
    assert "precision was 'float32', now 'bfloat16'" in err or "dtype was" in err


def test_repeated_options_are_given_again_on_resuming(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """As the same command gives them; others than the run's are refused."""
    words = ["train", "multiturn_rl", "--model", model(tmp_path), *SMALL, "--out", "run"]
    words += ["--option", "size=50", "--option", "seed=1"]
    assert run(capsys, *words, "--steps", "1")[0] == 0
    status, _, err = run(capsys, *words, "--steps", "2", "--resume")
    assert status == 0, err
    same = ["--out", "run", "--resume"]
    resumed, _ = _parse("multiturn_rl", MultiTurnRLConfig, same)
    assert resumed.option == ("size=50", "seed=1")
    resumed, _ = _parse("multiturn_rl", MultiTurnRLConfig, [*same, "--option", "size=60"])
    assert resumed.option == ("size=60",)
    status, _, err = run(capsys, *words[:2], *same, "--option", "size=60", "--steps", "3")
    assert status == 2
    assert "option was" in err


def test_a_run_that_was_started_from_python_is_resumed_there(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config = from_flat(MultiTurnRLConfig, {"problems_per_step": 2, "samples": 2, "steps": 1})
    MultiTurnRL(load_policy(model(tmp_path))).learn("SelfCorrect-Arithmetic-v0", config, run="run")
    assert "model shards" not in capsys.readouterr().err
    status, _, err = run(capsys, "train", "multiturn_rl", "--out", "run", "--resume")
    assert status == 2
    assert err == (
        "selfcorrect: run holds a run that was started from Python. Resume it there: call "
        "learn(...) with the same arguments and run='run'.\n"
    )


def test_steps_without_accuracies_are_not_averaged() -> None:
    """A method may log them where episodes have ended only, as stable-baselines3's do."""
    history = [
        {"step": 1.0, "episodes": 4.0},
        {"step": 2.0, "t1/accuracy": 0.5, "t2/accuracy": 1.0},
        {"step": 3.0, "episodes": 4.0},
        {"step": 4.0, "t1/accuracy": 0.25},
    ] * 10
    found = outcome(history)
    assert found["first_accuracy"] == found["last_accuracy"] == [0.375, 1.0]
    assert "37.5% → 100.0%" in summary(history)


def test_skipped_steps_are_counted_and_not_averaged() -> None:
    taken = {"t1/accuracy": 0.5, "t2/accuracy": 1.0}
    skipped = {"train/skipped": 1.0, "train/unjudged": 4.0}
    text = summary([skipped, taken, skipped])
    assert "3 steps, 2 of them skipped" in text
    assert "50.0% → 100.0%" in text
    assert "2 steps, 2 of them skipped" in summary([skipped, skipped])


def test_problems_without_splits_are_measured_without_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    rows = [{"prompt": f"{i}+1=", "reference": f"{i + 1}"} for i in range(6)]
    Path("mine.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    words = ["train", "multiturn_rl", "--model", model(tmp_path), "--out", "run", *SMALL]
    own = ["--problems", "mine.jsonl", "--steps", "1"]
    status, out, _ = run(capsys, *words, *own)
    assert status == 0
    assert "on the problems of its training (there are no others)" in out
    command = out.splitlines()[-1].strip()
    assert "--split" not in command
    status, out, _ = run(capsys, *shlex.split(command)[1:], "--n", "2")
    assert status == 0


def test_the_command_that_measures_names_what_the_template_was_given() -> None:
    template = TemplateConfig(system="Be brief.", args=("style=short", "enable_thinking=false"))
    options = TrainOptions(model=ModelConfig(template=template))
    command = measure_command("score", options, "runs/x/model", SCoReConfig())
    assert (
        "--template.system 'Be brief.' --template.args style=short "
        "--template.args enable_thinking=false"
    ) in command
    words = shlex.split(command)
    words = words[words.index("--template.system") : words.index("--split")]
    parsed = parse(PlayConfig, words, prog="selfcorrect eval", about="")
    assert parsed.model.template == template


def test_problems_that_an_id_is_registered_with_have_no_splits_either(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    rows = [{"prompt": f"{i}+1=", "reference": f"{i + 1}"} for i in range(6)]
    Path("mine.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    gymnasium.register(
        "Mine-v0",
        entry_point="selfcorrect_env.env:SelfCorrectEnv",
        kwargs={"problems": "mine.jsonl", "verifier": "exact"},
    )
    try:
        words = ["train", "multiturn_rl", "--model", model(tmp_path), "--out", "run", *SMALL]
        status, out, err = run(capsys, *words, "--env", "Mine-v0", "--steps", "1")
    finally:
        del gymnasium.registry["Mine-v0"]
    assert status == 0, err
    assert "on the problems of its training (there are no others)" in out
    assert "--split" not in out.splitlines()[-1]


def test_one_file_has_no_other_problems(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """It is every split; a folder has a file for each."""
    words = ["train", "multiturn_rl", "--model", model(tmp_path), "--steps", "1", *SMALL]
    words += ["--env", "SelfCorrect-GSM8K-v0"]
    data = tmp_path / "data"
    data.mkdir()
    for split in ("train", "test"):
        rows = [{"question": f"{split} {n}?", "answer": f"So it is.\n#### {n}"} for n in range(9)]
        (data / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.warns(ProblemSetWarning):
        status, out, err = run(capsys, *words, "--path", str(data / "train.jsonl"), "--out", "one")
    assert status == 0, err
    assert "Measure it on the problems of its training (there are no others)" in out
    with pytest.warns(ProblemSetWarning):
        status, out, err = run(capsys, *words, "--path", str(data), "--out", "two")
    assert status == 0, err
    assert "Measure it on other problems" in out
    assert "--split test" in out


def test_the_hub_is_not_asked_for_a_tiny_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*_: object) -> str:
        raise AssertionError("the hub was asked")

    monkeypatch.setattr("selfcorrect_agents.cli.train.find_model", asked)
    words = ["--model", "tiny", "--preset", "one-gpu"]
    options, _ = _parse("score", learning_of("score"), words)
    assert options.model.lora.rank > 0
