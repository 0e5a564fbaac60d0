"""A change behind a name is noticed: other weights, other problems, another version."""

import dataclasses
import json
from pathlib import Path

import gymnasium as gym
import pytest

from selfcorrect_agents.comparison.engine import check
from selfcorrect_agents.comparison.plan import cells
from selfcorrect_agents.comparison.plan.cells import (
    Cell,
    is_done,
    plan,
    require_same,
    write_identity,
)
from selfcorrect_agents.comparison.plan.config import CompareConfig, MethodConfig, config_of
from selfcorrect_agents.comparison.plan.content_hashes import code_of_env, weights_of
from selfcorrect_agents.errors import ComparisonError
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.tiny import TinyConfig, base_identity
from selfcorrect_env import Problem, ProgressBonus, SelfCorrectEnv
from selfcorrect_env.errors import CheckpointError
from selfcorrect_env.problems import write_trained_on


def problems(path: Path, *references: str) -> str:
    """Write problems that no other file has."""
    rows = [
        {"id": str(i), "prompt": f"{path.stem} {i}", "reference": r}
        for i, r in enumerate(references)
    ]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return str(path)


@pytest.fixture
def asked(tmp_path: Path, policy: Policy) -> CompareConfig:
    """A comparison of files in ``tmp_path``: model, train.jsonl, test.jsonl."""
    policy.save_pretrained(tmp_path / "model")
    references = {"train": "2345678", "test": "23"}
    tables = {
        name: {"problems": problems(tmp_path / f"{name}.jsonl", *answers)}
        for name, answers in references.items()
    }
    tables |= {"methods": {"null": {}, "score": {}}, "model": str(tmp_path / "model")}
    return config_of({"seeds": [0], **tables}, "test")


def finish(asked: CompareConfig, folder: Path) -> None:
    for cell in plan(asked, check(asked)):
        for name in ("cell.json", "done.json"):
            write_identity(cell, folder / cell.folder, name)


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
    problems(tmp_path / "train.jsonl", *"2345679")
    found = refusals(asked, tmp_path)
    assert found["null"] == ""  # what is not trained does not depend on them
    assert "training: fingerprint: '" in found["score"]
    problems(tmp_path / "train.jsonl", *"2345678")
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


def test_other_code_of_a_verifier_is_refused(tmp_path: Path, asked: CompareConfig) -> None:
    """One table never has the verdicts of two verifiers of one name."""

    def planned(reply_is_read: bool) -> list[Cell]:
        def judge(problem: Problem, reply: str) -> bool:
            return reply_is_read and reply == problem.reference

        found = code_of_env(SelfCorrectEnv("arithmetic", verifier=judge))
        assert any("judge" in name for name in found)
        return plan(asked, dataclasses.replace(check(asked), test_code=found))

    for cell in planned(True):
        for name in ("cell.json", "done.json"):
            write_identity(cell, tmp_path / cell.folder, name)
    assert all(is_done(cell, tmp_path) for cell in planned(True))
    for cell in planned(False):
        assert not is_done(cell, tmp_path)
        with pytest.raises(CheckpointError, match=r"test: env_code: .*judge"):
            require_same(cell, tmp_path)


def test_cells_of_before_the_code_was_hashed_are_gone_on_with(
    tmp_path: Path, asked: CompareConfig
) -> None:
    finish(asked, tmp_path)
    for file in tmp_path.glob("cells/*/*.json"):
        identity = json.loads(file.read_text())
        for part in ("training", "test"):
            del identity[part]["env_code"]
        file.write_text(json.dumps(identity))
    assert refusals(asked, tmp_path) == {"null": "", "score": ""}


def overlapping(tmp_path: Path, n: int, method: str) -> CompareConfig:
    """Return a comparison whose third test problem of four is the first training problem."""
    for name, prompts in (("train", "abc"), ("test", "deaf")):
        rows = [{"prompt": f"{letter} + 1", "reference": "2"} for letter in prompts]
        (tmp_path / f"{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    tables = {name: {"problems": str(tmp_path / f"{name}.jsonl")} for name in ("train", "test")}
    return config_of({"seeds": [0], "n": n, "methods": {"null": {}, method: {}}, **tables}, "test")


def test_problems_that_are_trained_on_are_not_measured_on(tmp_path: Path) -> None:
    with pytest.raises(ComparisonError) as caught:
        check(overlapping(tmp_path, 4, "score"))
    for part in ("1 of the 4 problems measured on", "'a + 1'", "holdout", "test.jsonl"):
        assert part in str(caught.value)
    check(overlapping(tmp_path, 2, "score"))  # only the first two are measured
    check(overlapping(tmp_path, 4, "gold"))  # nothing is trained


def choosing(**learning: object) -> CompareConfig:
    """A comparison that measures on the split that its method's evaluations are of."""
    train, test = {"size": 4000}, {"split": "validation"}
    method = {"agent": "score", "learning": {"eval_every": 1, **learning}}
    tables = {"train": train, "test": test, "methods": {"it": method}}
    return config_of({"seeds": [0], "env": "SelfCorrect-Sums-v0", "n": 20, **tables}, "test")


@pytest.mark.parametrize("how", [{"keep_best": True}, {"eval_patience": 2}])
def test_problems_that_choose_the_model_are_not_measured_on(how: dict[str, object]) -> None:
    with pytest.raises(ComparisonError) as caught:
        check(choosing(**how))
    for part in ("'it'", "20 of the 20", "sums/validation", "also choose its model"):
        assert part in str(caught.value)
    check(choosing())  # they are logged, and choose nothing
    check(choosing(**how, eval_split="train"))


@pytest.mark.parametrize(
    ("learning", "message"),
    [
        ({"best_metric": "eval/t2/acc"}, r"'it': best_metric must be .*got 'eval/t2/acc'"),
        ({"best_metric": "eval/t3/accuracy"}, r"'it': best_metric must be"),
        ({"eval_split": "nope"}, "'it': .*'nope'"),
    ],
)
def test_evaluations_that_cannot_be_are_refused_before_anything_is_run(
    learning: dict[str, object], message: str
) -> None:
    with pytest.raises(ComparisonError, match=message):
        check(choosing(**learning))


def test_too_few_problems_to_hold_out_are_refused_before_anything_is_run(
    tmp_path: Path, asked: CompareConfig
) -> None:
    problems(tmp_path / "train.jsonl", "2", "3")
    held_out = {"eval_every": 1, "eval_split": "train"}
    score = MethodConfig(label="it", agent="score", learning=held_out)
    with pytest.raises(ComparisonError, match=r"'it': .*too few to hold any out"):
        check(dataclasses.replace(asked, methods=(score,)))


def test_one_file_for_training_and_testing_is_refused(tmp_path: Path) -> None:
    file = problems(tmp_path / "sums.jsonl", "2", "3")
    with pytest.raises(ComparisonError, match="2 of the 2 problems measured on"):
        check(config_of({"problems": file, "methods": {"score": {}}}, "test"))


def test_fewer_samples_than_attempts_are_refused() -> None:
    scaling = {"scaling": {"samples": 2}, "attempts": 3}
    with pytest.raises(ComparisonError, match="samples must be at least the 3 attempts"):
        check(config_of({"methods": {"null": {}}, **scaling}, "test"))


def test_what_tells_the_weights(tmp_path: Path) -> None:
    assert weights_of("tiny:seed=3") == base_identity(TinyConfig(seed=3))
    assert weights_of("organisation/model-of-the-hub") == "organisation/model-of-the-hub"
    file = tmp_path / "model.gguf"
    file.write_bytes(b"one")
    first = weights_of(str(file))
    file.write_bytes(b"two")
    assert first.startswith("sha256:")
    assert weights_of(str(file)) != first


def test_the_base_of_an_adapter_counts(tmp_path: Path) -> None:
    base, adapter = tmp_path / "base.gguf", tmp_path / "adapter"
    base.write_bytes(b"one")
    adapter.mkdir()
    settings = {"peft_type": "LORA", "base_model_name_or_path": str(base)}
    (adapter / "adapter_config.json").write_text(json.dumps(settings))
    first = weights_of(str(adapter))
    base.write_bytes(b"two")
    assert weights_of(str(adapter)) != first


def test_a_base_model_that_was_trained_on_tested_problems_is_refused(
    tmp_path: Path, asked: CompareConfig
) -> None:
    for name in ("train", "test"):
        trained = SelfCorrectEnv(str(tmp_path / f"{name}.jsonl")).problems
        write_trained_on(tmp_path / "model", trained)
        if name == "train":
            assert check(asked).train is not None
    with pytest.raises(ComparisonError, match=r"2 of the 2 .* base model .* was trained on .*test"):
        check(asked)


@pytest.mark.parametrize(("attempts", "refused"), [(1, True), (2, False), (3, False)])
def test_a_method_that_is_not_defined_for_the_attempts_is_refused_before_anything_is_run(
    tmp_path: Path, asked: CompareConfig, attempts: int, refused: bool
) -> None:
    envs = {
        name: {"problems": str(tmp_path / f"{name}.jsonl"), "attempts": attempts}
        for name in ("train", "test")
    }
    model = {"model": str(tmp_path / "model")}
    methods = {"null": {}, "multiturn_rl": {}, "score": {}}
    config = config_of({"seeds": [0], **envs, **model, "methods": methods}, "test")
    if not refused:
        assert check(config).train is not None
        return
    with pytest.raises(ComparisonError, match=r"'score'.*: SCoRe needs at least 2 attempts"):
        check(config)


def test_a_registered_reward_wrapper_is_refused_by_name(
    tmp_path: Path, asked: CompareConfig
) -> None:
    wrapper = ProgressBonus.wrapper_spec()
    gym.register("Shaped-v0", entry_point=SelfCorrectEnv, additional_wrappers=(wrapper,))
    train = dataclasses.replace(asked.train, id="Shaped-v0")
    try:
        with pytest.raises(ComparisonError, match="ProgressBonus changes rewards"):
            check(dataclasses.replace(asked, train=train))
    finally:
        gym.registry.pop("Shaped-v0")


def test_the_only_attempt_is_not_left_to_the_base() -> None:
    tables = {"methods": {"null": {}}, "attempts": 1, "decodings": ["sampled", "base_first"]}
    with pytest.raises(ComparisonError, match="needs at least 2 attempts, and an episode has 1"):
        check(config_of(tables, "test"))
