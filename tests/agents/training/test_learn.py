"""`learn`: what it takes as an environment and as a run, and what it refuses by name."""

import copy
import json
from pathlib import Path
from typing import Any, cast

import gymnasium as gym
import pytest
import torch
from gymnasium.wrappers import RecordEpisodeStatistics
from peft import LoraConfig, get_peft_model

from selfcorrect_agents.errors import LearningError
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.template_config import TemplateConfig
from selfcorrect_agents.methods.multiturn_rl import MultiTurnRL, MultiTurnRLConfig
from selfcorrect_agents.methods.score import SCoRe, SCoReConfig
from selfcorrect_agents.training.config import from_flat
from selfcorrect_env import (
    CheckpointError,
    ProblemSetWarning,
    ProgressBonus,
    SelfCorrectEnv,
    UnsupportedEnvError,
)

ID = "SelfCorrect-Arithmetic-v0"
SMALL: dict[str, Any] = {"problems_per_step": 2, "samples": 2, "max_new_tokens": 3}


def score(**options: Any) -> SCoReConfig:
    return from_flat(SCoReConfig, {"stage_one_steps": 1, "stage_two_steps": 1, **SMALL, **options})


@pytest.mark.parametrize(
    "env",
    [
        ID,
        lambda: gym.make(ID, split="train", size=50),
        lambda: RecordEpisodeStatistics(gym.make(ID, split="train", size=50)),
        lambda: SelfCorrectEnv("arithmetic", split="train", size=50),
    ],
)
def test_an_id_a_made_and_a_wrapped_environment_are_trained_on(policy: Policy, env: Any) -> None:
    assert len(SCoRe(policy).learn(env() if callable(env) else env, score())) == 2


def test_an_id_is_trained_on_its_training_split(policy: Policy, tmp_path: Path) -> None:
    SCoRe(policy).learn(ID, score(), run=tmp_path / "run")
    assert '"split": "train"' in (tmp_path / "run" / "config.json").read_text()


def test_training_on_the_test_split_gives_a_warning_at_the_callers_line(policy: Policy) -> None:
    env = SelfCorrectEnv("arithmetic", split="test", size=50)
    with pytest.warns(ProblemSetWarning, match="split 'test' of arithmetic") as caught:
        SCoRe(policy).learn(env, score())
    assert [warning.filename for warning in caught] == [__file__]


def test_the_first_episode_is_kept_as_the_model_read_it(policy: Policy, tmp_path: Path) -> None:
    SCoRe(policy).learn(ID, score(), run=tmp_path / "run")
    text = (tmp_path / "run" / "first_episode.txt").read_text()
    first = json.loads((tmp_path / "run" / "episodes.jsonl").read_text().splitlines()[0])
    end = policy.chat.decode_all(policy.chat.reply_ids(""))
    assert first["replies"][0] in text
    assert end in text  # special tokens are kept


def test_a_reward_wrapper_is_refused_by_name(policy: Policy) -> None:
    env = ProgressBonus(gym.make(ID, split="train", size=50), alpha=2.0)
    with pytest.raises(UnsupportedEnvError, match="ProgressBonus changes rewards"):
        SCoRe(policy).learn(env, score())


class Hinted(SelfCorrectEnv):
    """Starts every conversation with a hint, drawn at random."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        conversation, info = super().reset(seed=seed, options=options)
        hint = str(self.np_random.integers(10))
        return ({"role": "user", "content": hint}, *conversation), info

    def step(self, action: str) -> Any:
        conversation, *rest = super().step(action)
        return ({"role": "user", "content": "7"}, *conversation), *rest


def test_a_subclass_is_trained_on_as_it_is(policy: Policy) -> None:
    """Its own reset and step are what the policy sees: the prompts are longer by the hint."""
    read: list[int] = []
    start = policy.sampler.start

    def counting(prompts: Any, samples: int = 1) -> Any:
        read.extend(map(len, prompts))
        return start(prompts, samples)

    policy.sampler.start = counting  # type: ignore[method-assign]
    options: dict[str, Any] = {"problems": "arithmetic", "split": "train", "size": 50}
    config = from_flat(MultiTurnRLConfig, {"steps": 1, **SMALL})
    MultiTurnRL(policy).learn(SelfCorrectEnv(**options), config)
    plain = list(read)
    read.clear()
    MultiTurnRL(policy).learn(Hinted(**options), config)
    assert len(read) == len(plain) == 2  # one prompt a problem: its samples start alike
    assert all(longer > short for longer, short in zip(read, plain, strict=True))


class Shaped(SelfCorrectEnv):
    """Rewards a reply that is not right."""

    def step(self, action: str) -> Any:
        conversation, reward, *rest = super().step(action)
        return conversation, reward + 0.25, *rest


def test_a_subclass_with_rewards_of_its_own_is_refused_by_name(policy: Policy) -> None:
    env = Shaped("arithmetic", split="train", size=50)
    with pytest.raises(UnsupportedEnvError, match=r"Shaped .* gives the reward (0|1)\.25 for"):
        SCoRe(policy).learn(env, score())


def test_a_path_is_a_run_and_resumes(policy: Policy, tmp_path: Path) -> None:
    start = {name: weight.detach().clone() for name, weight in policy.trainable().items()}
    first = SCoRe(policy).learn(ID, score(), run=str(tmp_path / "run"))
    trained = {name: weight.detach().clone() for name, weight in policy.trainable().items()}
    with torch.no_grad():
        for name, weight in policy.trainable().items():
            weight.copy_(start[name])
    assert SCoRe(policy).learn(ID, score(), run=tmp_path / "run") == first
    assert all(torch.equal(weight, trained[name]) for name, weight in policy.trainable().items())


def test_a_path_that_holds_another_run_is_refused(policy: Policy, tmp_path: Path) -> None:
    SCoRe(policy).learn(ID, score(), run=tmp_path / "run")
    with pytest.raises(CheckpointError, match=r"can't be resumed: .*alpha"):
        SCoRe(policy).learn(ID, score(alpha=3.0), run=tmp_path / "run")


def test_a_run_that_reads_another_template_is_refused(policy: Policy, tmp_path: Path) -> None:
    """Its text, not its settings alone."""
    SCoRe(copy.deepcopy(policy)).learn(ID, score(), run=tmp_path / "run")
    tokenizer = copy.deepcopy(policy.tokenizer)
    tokenizer.chat_template = "{{ messages | map(attribute='content') | join(' ') }}"
    other = Policy(copy.deepcopy(policy.model), tokenizer)
    with pytest.raises(CheckpointError, match="The chat template or the tokenizer has changed"):
        SCoRe(other).learn(ID, score(stage_two_steps=2), run=tmp_path / "run")


def test_a_run_that_started_from_another_model_is_refused(
    policy: Policy, other_policy: Policy, tmp_path: Path
) -> None:
    """The starting weights are the reference, so the result would be another."""
    SCoRe(policy).learn(ID, score(), run=tmp_path / "run")
    with pytest.raises(CheckpointError, match="starting_weights was"):
        SCoRe(other_policy).learn(ID, score(), run=tmp_path / "run")
    with torch.no_grad():
        next(iter(policy.trainable().values())).add_(0.01)
    with pytest.raises(CheckpointError, match="starting_weights was"):
        SCoRe(policy).learn(ID, score(stage_two_steps=2), run=tmp_path / "run")


def test_what_changes_replies_beside_the_weights_is_compared(
    policy: Policy, tmp_path: Path
) -> None:
    """The template, the scale of adapters, and the problems that evaluations are of."""
    run, config = tmp_path / "run", score(eval_every=1, eval_problems=2)
    lora = LoraConfig(r=2, lora_alpha=4, target_modules=["q_proj"])
    model = cast(Any, get_peft_model(cast(Any, policy.model), lora)).eval()
    start = {name: weight.clone() for name, weight in model.state_dict().items()}

    def learn(policy: Policy, **options: Any) -> None:
        model.load_state_dict(start)
        SCoRe(policy).learn(ID, config, run=run, **options)

    ours = Policy(model, policy.tokenizer)
    learn(ours)
    learn(ours)
    brief = Policy(model, policy.tokenizer, template=TemplateConfig(system="Be brief."))
    with pytest.raises(CheckpointError, match="can't be resumed: template was"):
        learn(brief)
    others = SelfCorrectEnv("arithmetic", split="validation", size=10)
    with pytest.raises(
        CheckpointError,
        match=r"can't be resumed: held_out_problems was.*The held-out problems have changed",
    ):
        learn(ours, held_out=others)
    model.peft_config["default"].lora_alpha = 8
    with pytest.raises(CheckpointError, match="can't be resumed: adapters was"):
        learn(ours)
    earlier = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**earlier, "torch": "2.4.0"}))
    model.peft_config["default"].lora_alpha = 4
    with pytest.raises(CheckpointError, match=r"computes other numbers: install torch 2\.4\.0, or"):
        learn(ours)
    for name in ("template", "adapters", "held_out_problems", "chat"):
        del earlier[name]
    (run / "config.json").write_text(json.dumps(earlier))
    learn(brief)


def test_score_of_three_attempts(policy: Policy) -> None:
    env = SelfCorrectEnv("arithmetic", split="train", size=50, attempts=3)
    history = SCoRe(policy).learn(env, score())
    assert {"t1/kl", "t2/kl", "t3/kl", "t3/accuracy", "t3/reward"} <= history[-1].keys()


def test_score_of_one_attempt_is_refused(policy: Policy) -> None:
    env = SelfCorrectEnv("arithmetic", split="train", size=50, attempts=1)
    with pytest.raises(LearningError, match="SCoRe needs at least 2 attempts"):
        SCoRe(policy).learn(env, score())


def test_star_in_stage_two_takes_two_attempts_alone(policy: Policy) -> None:
    env = SelfCorrectEnv("arithmetic", split="train", size=50, attempts=3)
    with pytest.raises(LearningError, match="defined for 2 attempts"):
        SCoRe(policy).learn(env, score(stage_two="star", stage_two_steps=3))
