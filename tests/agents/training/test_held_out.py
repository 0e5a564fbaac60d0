"""Evaluation on held-out problems while training: what is measured, kept, ended and resumed."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from selfcorrect_agents.errors import DivergenceError, LearningError
from selfcorrect_agents.lm.loading import load_policy
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.methods.multiturn_rl import MultiTurnRL, MultiTurnRLConfig
from selfcorrect_agents.methods.pag import PAG
from selfcorrect_agents.training.config import Evaluation, Sampling, changed, flat, from_flat
from selfcorrect_agents.training.held_out import HeldOut, best_step, is_due, is_over
from selfcorrect_agents.training.progress import SAME_WEIGHTS
from selfcorrect_agents.training.run_folder import BEST, RunFolder, read_metrics
from selfcorrect_agents.training.trainer import Trainer
from selfcorrect_env import Problem, ProblemSetWarning, SelfCorrectEnv, UnjudgedWarning
from selfcorrect_env.problems import statement_hash

SMALL = {"problems_per_step": 4, "samples": 4, "max_new_tokens": 4, "checkpoint_every": 4}


def even(problem: Problem, text: str) -> bool:
    return text[:1] in set("02468")


def configured(steps: int = 6, **more: Any) -> MultiTurnRLConfig:
    return from_flat(MultiTurnRLConfig, {"steps": steps, "learning_rate": 3e-3, **SMALL, **more})


@pytest.fixture
def validation(env: SelfCorrectEnv) -> SelfCorrectEnv:
    return SelfCorrectEnv("arithmetic", split="validation", size=30, verifier=even)


@pytest.fixture
def training(env: SelfCorrectEnv) -> SelfCorrectEnv:
    return SelfCorrectEnv(env.problems, verifier=even)


def weights_of(policy: Policy) -> dict[str, torch.Tensor]:
    return {name: weight.clone() for name, weight in policy.model.state_dict().items()}


def test_evaluations_do_not_change_what_is_learned(
    policy: Policy, training: SelfCorrectEnv, validation: SelfCorrectEnv
) -> None:
    start = weights_of(policy)
    without = MultiTurnRL(policy).learn(training, configured())
    expected = weights_of(policy)
    policy.model.load_state_dict(start)
    config = configured(eval_every=2, eval_problems=10, eval_decoding="both")
    history = MultiTurnRL(policy).learn(training, config, held_out=validation)
    assert all(torch.equal(weight, expected[name]) for name, weight in weights_of(policy).items())
    for before, row in zip(without, history, strict=True):
        assert before == {key: row[key] for key in before}, "evaluations cost no budget"
    evaluated = [step for step, row in enumerate(history, 1) if "eval/t2/accuracy" in row]
    assert evaluated == [2, 4, 6]
    names = {"t1/accuracy", "t2/accuracy", "delta", "unchanged", "t1/truncated", "t2/tokens"}
    assert {f"{prefix}/{name}" for prefix in ("eval", "eval_sampled") for name in names} <= {
        *history[1]
    }


def test_the_metrics_are_those_of_the_held_out_problems(
    policy: Policy, training: SelfCorrectEnv
) -> None:
    """The verifier is right at one reference only: its share of the held-out problems is known."""
    held_out = SelfCorrectEnv(
        "arithmetic", split="validation", size=40, verifier=lambda p, text: p.reference == "3"
    )
    how = Evaluation(eval_every=1, eval_problems=25)
    measured = HeldOut(policy, training, held_out, how, Sampling(problems_per_step=2, samples=2))
    share = sum(problem.reference == "3" for problem in held_out.problems[:25]) / 25
    assert 0 < share < 1
    assert measured.measure()["eval/t1/accuracy"] == pytest.approx(share)
    assert measured.measure() == measured.measure()


def test_training_problems_that_are_held_out_are_not_trained_on(
    policy: Policy, training: SelfCorrectEnv
) -> None:
    config = configured(steps=1, eval_every=1, eval_problems=30, eval_split="train")
    trainer = Trainer(policy, training, config)
    assert trainer._held_out is not None
    held_out = {training.problems[i].id for i in trainer._held_out.indices}
    assert len(held_out) == 30
    hashes = sorted(statement_hash(problem.prompt) for problem in training.problems)
    of_held_out = {statement_hash(training.problems[i].prompt) for i in trainer._held_out.indices}
    assert of_held_out == set(hashes[:30]), "chosen by hash, not by a seed"
    trained = {e.problem.id for step in range(40) for e in trainer.collect(step, 16).episodes}
    assert len(trained) > 150
    assert not trained & held_out
    few = SelfCorrectEnv(training.problems[:20], verifier=even)
    assert len(HeldOut(policy, few, None, config.evaluation, config.sampling).indices) == 4


def test_held_out_problems_are_never_those_of_training_or_test(
    policy: Policy, training: SelfCorrectEnv
) -> None:
    with pytest.raises(LearningError, match="200 of 200 held-out problems are also trained on"):
        MultiTurnRL(policy).learn(training, configured(eval_every=1), held_out=training)
    with pytest.raises(LearningError, match="give the environment of the split 'validation'"):
        MultiTurnRL(policy).learn(training, configured(eval_every=1))
    with pytest.raises(ValueError, match="eval_split must be another split than 'test'"):
        Evaluation(eval_every=1, eval_split="test")
    with pytest.raises(ValueError, match="eval_every must be above 0 with keep_best"):
        Evaluation(keep_best=True)
    tiny = SelfCorrectEnv(training.problems[:4], verifier=even)
    with pytest.raises(LearningError, match="too few to hold any out"):
        MultiTurnRL(policy).learn(tiny, configured(eval_every=1, eval_split="train"))
    kept = configured(eval_every=1, eval_split="train", keep_best=True)
    with pytest.raises(LearningError, match="keep_best needs a run folder"):
        MultiTurnRL(policy).learn(training, kept)


@pytest.mark.parametrize("split", ["validation", "train"])
def test_the_split_test_is_refused_however_it_is_given(
    policy: Policy, training: SelfCorrectEnv, split: str
) -> None:
    """As an environment, around one, and as the problems that are held out of those of training."""
    test = SelfCorrectEnv("arithmetic", split="test", size=30, verifier=even)
    config = configured(eval_every=1, eval_split=split)
    refusal = "arithmetic/test is for measuring the trained model"
    for method in (MultiTurnRL, PAG):
        with pytest.raises(LearningError, match=refusal):
            method(policy).learn(training, config, held_out=test)
    if split == "train":
        with pytest.raises(LearningError, match=refusal), pytest.warns(ProblemSetWarning):
            MultiTurnRL(policy).learn(test, config)


@pytest.mark.parametrize(
    ("metric", "decoding"),
    [
        ("eval/t2/acuracy", "greedy"),
        ("eval/t3/accuracy", "greedy"),
        ("eval/t2/accuracy", "sampled"),
        ("eval_sampled/delta", "greedy"),
        ("t2/accuracy", "both"),  # of the weights before the step, not of those that are kept
    ],
)
def test_a_best_metric_that_no_evaluation_logs_is_refused(
    policy: Policy, training: SelfCorrectEnv, metric: str, decoding: str
) -> None:
    config = configured(
        eval_every=1, eval_split="train", best_metric=metric, eval_decoding=decoding
    )
    before = weights_of(policy)
    with pytest.raises(LearningError, match=rf"eval_decoding='{decoding}'.* got '{metric}'"):
        MultiTurnRL(policy).learn(training, config)
    assert all(torch.equal(weight, before[name]) for name, weight in weights_of(policy).items())


@pytest.mark.parametrize("method", [MultiTurnRL, PAG])
def test_every_metric_of_an_evaluation_may_be_the_best_one(
    policy: Policy, training: SelfCorrectEnv, method: type[MultiTurnRL | PAG]
) -> None:
    """The names that are allowed are those that are logged, in methods with more turns, too."""
    evaluated = {"eval_every": 1, "eval_split": "train", "eval_problems": 5}
    config = from_flat(method.Learning, {"steps": 1, **SMALL, **evaluated, "eval_decoding": "both"})
    (row,) = method(policy).learn(training, config)
    logged = {key for key in row if key.startswith("eval")}
    with pytest.raises(LearningError, match="best_metric must be") as refused:
        method(policy).learn(training, changed(config, best_metric="none"))
    allowed = set(re.findall(r"eval\w*/[\w/]+", str(refused.value)))
    if method is PAG:  # no answer was revised, so no revision was cut off
        logged |= {"eval/t3/truncated", "eval_sampled/t3/truncated"}
    assert logged == allowed


@pytest.mark.parametrize("decoding", ["greedy", "sampled"])
def test_logits_that_are_not_finite_end_an_evaluation(
    policy: Policy, training: SelfCorrectEnv, tmp_path: Path, decoding: Any
) -> None:
    """The last step's weights are NaN, as after a step that overflowed: only it is left to see."""

    class Overflowing(MultiTurnRL):
        def train(self, trainer: Trainer, config: MultiTurnRLConfig) -> None:
            step = trainer.learner.step

            def overflow(losses: Any) -> float:
                norm = step(losses)
                with torch.no_grad():
                    next(iter(self.policy.trainable().values())).fill_(float("nan"))
                return norm

            trainer.learner.step = overflow  # type: ignore[method-assign]
            super().train(trainer, config)

    config = configured(steps=1, eval_every=1, eval_split="train", eval_decoding=decoding)
    with pytest.raises(DivergenceError, match="after step 1: The model's logits are not finite"):
        Overflowing(policy).learn(training, config, run=tmp_path)
    assert not list(tmp_path.rglob("model.safetensors"))


def test_an_id_gives_its_validation_split(policy: Policy) -> None:
    config = configured(steps=1, eval_every=1, eval_problems=5)
    (row,) = MultiTurnRL(policy).learn("SelfCorrect-Arithmetic-v0", config)
    assert "eval/t2/accuracy" in row
    bad = configured(steps=1, eval_every=1, eval_split="dev")
    with pytest.raises(LearningError, match="eval_split='train' to hold out training problems"):
        MultiTurnRL(policy).learn("SelfCorrect-Arithmetic-v0", bad)


# -- when there is one --------------------------------------------------------------------------
@pytest.mark.parametrize(("steps", "every", "evaluated"), [(5, 2, [2, 4, 5]), (3, 9, [3])])
def test_the_weights_of_the_last_step_are_evaluated(
    policy: Policy, training: SelfCorrectEnv, steps: int, every: int, evaluated: list[int]
) -> None:
    config = configured(steps=steps, eval_every=every, eval_split="train", eval_problems=5)
    history = MultiTurnRL(policy).learn(training, config)
    found = [step for step, row in enumerate(history, 1) if "eval/t2/accuracy" in row]
    assert found == evaluated


LEARNED, FITTED, SAME = {}, {"fit/steps": 3.0}, {SAME_WEIGHTS: 1.0}
EVALUATED = {"eval_sampled/delta": 0.0}


@pytest.mark.parametrize(
    ("rows", "due"),
    [
        ([LEARNED], False),
        ([LEARNED, LEARNED], True),
        ([SAME, SAME], True),  # the first one is made: nothing is known yet
        ([SAME, SAME | EVALUATED, SAME, SAME], False),
        ([SAME, SAME | EVALUATED, LEARNED, SAME], True),
        ([SAME, SAME | EVALUATED, FITTED], True),
        ([SAME, SAME | EVALUATED, FITTED | EVALUATED, SAME], False),
        ([SAME, SAME | EVALUATED, FITTED | SAME], False),  # a fit to no traces
        ([FITTED], True),
        ([LEARNED, LEARNED | EVALUATED, LEARNED, LEARNED | EVALUATED, LEARNED], True),
        ([LEARNED, LEARNED | EVALUATED, LEARNED, LEARNED | EVALUATED, SAME], False),
    ],
)
def test_weights_that_were_evaluated_are_not_evaluated_again(
    rows: list[dict[str, float]], due: bool
) -> None:
    """Every second step, in a run of five."""
    assert is_due(rows, 2, 5) is due


def test_a_skipped_step_is_not_evaluated(
    policy: Policy, training: SelfCorrectEnv, validation: SelfCorrectEnv
) -> None:
    def failing(problem: Problem, text: str) -> bool:
        if len(history) == 1:
            raise RuntimeError("no verdict")
        return even(problem, text)

    env = SelfCorrectEnv(training.problems, verifier=failing)
    config = configured(steps=3, eval_every=1, eval_problems=5)
    trainer = Trainer(policy, env, config, held_out=validation)
    history = trainer.history
    with pytest.warns(UserWarning, match="not judged"):
        MultiTurnRL(policy).train(trainer, config)
    assert ["train/skipped" in row for row in history] == [False, True, False]
    assert ["eval/t2/accuracy" in row for row in history] == [True, False, True]


# -- the best one, and the end ------------------------------------------------------------------
def log_of(*values: float | None) -> list[dict[str, float]]:
    return [{} if value is None else {"m": value} for value in values]


def test_the_best_step_is_the_first_of_the_highest() -> None:
    assert best_step(log_of(None, 0.2, None, 0.5, 0.5, 0.1), "m") == 4
    assert best_step(log_of(None), "m") is None


@pytest.mark.parametrize(
    ("values", "patience", "over"),
    [
        ((0.1, 0.2, 0.3), 1, False),
        ((0.3, None, 0.3), 1, True),
        ((0.3, 0.2, None, 0.1), 2, True),
        ((0.3, 0.2, 0.4), 2, False),
        ((0.3, 0.2, 0.1), 0, False),
        ((None,), 1, False),
    ],
)
def test_patience(values: tuple[float | None, ...], patience: int, over: bool) -> None:
    assert is_over(log_of(*values), "m", patience) is over


@pytest.mark.parametrize(("counted_from", "over"), [(0, True), (2, True), (3, False), (9, False)])
def test_patience_may_count_from_a_later_step(counted_from: int, over: bool) -> None:
    assert is_over(log_of(0.3, 0.2, 0.1, 0.2), "m", 2, counted_from) is over


class Scripted(MultiTurnRL):
    """Its evaluations at steps 1, 2 … have these accuracies at the last attempt."""

    accuracies = (0.1, 0.4, 0.6, 0.5, 0.55, 0.6, 0.9)

    def train(self, trainer: Trainer, config: MultiTurnRLConfig) -> None:
        assert trainer._held_out is not None
        trainer._held_out.measure = lambda: {  # type: ignore[method-assign]
            "eval/t2/accuracy": self.accuracies[len(trainer.history) - 1]
        }
        super().train(trainer, config)


def scripted(folder: Path, policy: Policy, training: SelfCorrectEnv, **more: Any) -> RunFolder:
    config = configured(
        **{"steps": 7, "eval_every": 1, "eval_split": "train", "keep_best": True, **more}
    )
    run = RunFolder(folder, {"learning": flat(config)}, resume=True)
    Scripted(policy).learn(training, config, run=run)
    run.close()
    return run


def test_patience_ends_a_run_and_the_model_is_the_best(
    policy: Policy, training: SelfCorrectEnv, tmp_path: Path
) -> None:
    """Steps 4, 5 and 6 are no better than step 3: with a patience of 3 the last step is 6."""
    start = weights_of(policy)
    run = scripted(tmp_path / "ended", policy, training, eval_patience=3)
    assert len(read_metrics(run.path / "metrics.jsonl")) == 6
    best = weights_of(policy)
    kept = sorted(folder.name for folder in run.checkpoints.iterdir())
    assert kept == ["step-000003", "step-000004", "step-000006"]
    assert '"step": 3' in (run.path / BEST).read_text()
    written = (run.model / "model.safetensors").read_bytes()
    assert written == (run.checkpoints / kept[0] / "model/model.safetensors").read_bytes()

    policy.model.load_state_dict(start)
    MultiTurnRL(policy).learn(training, configured(steps=3, eval_every=9, eval_split="train"))
    assert all(torch.equal(best[name], weight) for name, weight in weights_of(policy).items())

    policy.model.load_state_dict(start)  # a run that has ended takes no further step
    scripted(tmp_path / "ended", policy, training, eval_patience=3)
    assert len(read_metrics(run.path / "metrics.jsonl")) == 6
    assert all(torch.equal(best[name], weight) for name, weight in weights_of(policy).items())


class UntilStepFive(tuple[float, ...]):
    """Accuracies of evaluations; the fifth finds logits that are not finite."""

    def __getitem__(self, index: Any) -> Any:
        if index == 4:
            raise DivergenceError("The model's logits are not finite.")
        return super().__getitem__(index)


def test_a_run_that_diverges_names_its_best_model(
    policy: Policy, training: SelfCorrectEnv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third step is the best; the weights after the fifth diverged."""
    monkeypatch.setattr(Scripted, "accuracies", UntilStepFive(Scripted.accuracies))
    best = r"The best evaluation was that of (\S+step-000003/model)\.$"
    with pytest.raises(DivergenceError, match=best) as caught:
        scripted(tmp_path / "run", policy, training, checkpoint_every=1)
    named = re.search(best, str(caught.value))
    assert named is not None
    assert load_policy(named[1])


def test_a_run_whose_evaluations_were_not_judged_says_which_model_it_has(
    policy: Policy, training: SelfCorrectEnv, tmp_path: Path
) -> None:
    def broken(problem: Problem, text: str) -> bool:
        raise RuntimeError("no verdict")

    held_out = SelfCorrectEnv("arithmetic", split="validation", size=5, verifier=broken)
    config = configured(steps=1, eval_every=1, keep_best=True)
    with pytest.warns(UnjudgedWarning, match="No evaluation has eval/t2/accuracy.* last step"):
        MultiTurnRL(policy).learn(training, config, held_out=held_out, run=tmp_path)
    assert (tmp_path / "model/model.safetensors").is_file()
    assert not (tmp_path / BEST).exists()


def test_a_killed_run_keeps_the_same_best_model(
    policy: Policy, training: SelfCorrectEnv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = weights_of(policy)
    whole = scripted(tmp_path / "whole", policy, training)
    assert '"step": 7' in (whole.path / BEST).read_text()

    class KilledError(Exception):
        pass

    log = RunFolder.log

    def dying(self: RunFolder, step: int, metrics: Any) -> None:
        log(self, step, metrics)
        if step == 6:
            raise KilledError

    policy.model.load_state_dict(start)
    monkeypatch.setattr(RunFolder, "log", dying)
    with pytest.raises(KilledError):
        scripted(tmp_path / "parts", policy, training)
    monkeypatch.setattr(RunFolder, "log", log)
    policy.model.load_state_dict(start)
    parts = scripted(tmp_path / "parts", policy, training)
    for name in ("metrics.jsonl", BEST, "model/model.safetensors"):
        assert (parts.path / name).read_bytes() == (whole.path / name).read_bytes(), name
