"""What stable-baselines3's users do with a model: save it, evaluate it, run environments apart."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

pytest.importorskip("stable_baselines3")

from stable_baselines3 import A2C, PPO
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import SubprocVecEnv

from selfcorrect_agents import CausalLMPolicy, LanguageModelAgent, Policy
from selfcorrect_agents.lm.references import FrozenCopy
from selfcorrect_env import AttemptEpisodes, SelfCorrectEnv, TokenLevel

CAP = 3


def starts_with_seven(problem: object, response: str) -> bool:
    return response.startswith("7")


def token_env(
    policy: Policy, split: str = "train", verifier: Any = starts_with_seven, size: int = 20
) -> gym.Env:
    env = SelfCorrectEnv("arithmetic", split=split, size=size, verifier=verifier)
    return Monitor(AttemptEpisodes(TokenLevel(env, policy.chat, max_new_tokens=CAP)))


def learner(policy: Policy, kind: Any = PPO, **options: Any) -> Any:
    options = {"gamma": 1.0, "n_steps": 64, "seed": 0, "learning_rate": 1e-2} | options
    if kind is PPO:
        options = {"batch_size": options["n_steps"], "n_epochs": 2} | options
    kwargs = {"language_model": policy} | options.pop("policy_kwargs", {})
    env = options.pop("env", None) or token_env(policy)
    return kind(CausalLMPolicy, env, policy_kwargs=kwargs, **options)


def observations(policy: Policy) -> dict[str, np.ndarray]:
    """Prompts of ten problems, (10, T)."""
    env = token_env(policy, "test")
    seen = [env.reset(options={"index": index})[0] for index in range(10)]
    return {key: np.stack([one[key] for one in seen]) for key in seen[0]}


def probabilities(model: Any, seen: dict[str, np.ndarray]) -> torch.Tensor:
    with torch.no_grad():
        return model.policy.get_distribution(model.policy.obs_to_tensor(seen)[0]).distribution.probs


@pytest.mark.parametrize("kind", [PPO, A2C])
def test_a_trained_model_is_saved_and_loaded(kind: Any, policy: Policy, tmp_path: Path) -> None:
    """Equal actions and values, in a model of its own that goes on learning, and as an agent."""
    reference = FrozenCopy(policy)
    model = learner(policy, kind, policy_kwargs={"reference": reference})
    seen = observations(policy)
    before = probabilities(model, seen)
    model.learn(128)
    assert not torch.allclose(before, probabilities(model, seen))
    model.save(tmp_path / "model")
    found = kind.load(tmp_path / "model")
    assert torch.equal(probabilities(found, seen), probabilities(model, seen))
    actions = [one.predict(seen, deterministic=True)[0].tolist() for one in (model, found)]
    assert actions[0] == actions[1]
    tensors = found.policy.obs_to_tensor(seen)[0]
    values = [one.policy.predict_values(tensors) for one in (model, found)]
    assert torch.equal(*values)
    kl = [one.policy.kl_to(one.policy.reference, tensors) for one in (model, found)]
    assert torch.equal(*kl)
    assert float(kl[0].detach().max()) > 0
    again = kind.load(tmp_path / "model", env=token_env(policy))
    again.learn(64)
    assert not torch.equal(probabilities(again, seen), probabilities(found, seen))
    assert torch.equal(probabilities(found, seen), probabilities(model, seen))
    conversations = [SelfCorrectEnv("arithmetic").reset(options={"index": i})[0] for i in range(5)]
    replies = [
        LanguageModelAgent(one.policy.language_model, max_new_tokens=CAP).act(conversations)
        for one in (model, found)
    ]
    assert replies[0] == replies[1]


def test_a_model_that_has_sampled_as_an_agent_is_saved_too(policy: Policy, tmp_path: Path) -> None:
    """Sampling checks our forward pass against the model's, which must leave nothing behind."""
    agent = LanguageModelAgent(policy, max_new_tokens=CAP)
    agent.act([SelfCorrectEnv("arithmetic").reset(seed=0)[0]])
    assert policy.decoder is not None
    learner(policy).save(tmp_path / "model")
    assert PPO.load(tmp_path / "model").policy.language_model.decoder is not None


def test_the_best_model_of_an_evaluation_is_saved_and_loads(policy: Policy, tmp_path: Path) -> None:
    callback = EvalCallback(
        token_env(policy, "test", size=1),  # one problem: the same episodes in every evaluation
        eval_freq=64,
        n_eval_episodes=10,
        best_model_save_path=str(tmp_path),
        log_path=str(tmp_path),
        verbose=0,
    )
    model = learner(policy, n_steps=64, learning_rate=5e-2)
    model.learn(384, callback=callback)
    results = np.load(tmp_path / "evaluations.npz")["results"].mean(axis=1)
    assert results.max() == callback.best_mean_reward
    best = PPO.load(tmp_path / "best_model")
    mean, _ = evaluate_policy(best, token_env(policy, "test", size=1), n_eval_episodes=10)
    assert mean == pytest.approx(callback.best_mean_reward)


@pytest.mark.parametrize("start", ["fork", "forkserver"])
def test_environments_in_other_processes_after_a_forward_pass(start: str, policy: Policy) -> None:
    """The function that makes an environment holds the whole policy, as users write it."""
    learner(policy, n_steps=8).learn(8)

    env = SubprocVecEnv([lambda: token_env(policy, verifier="exact")], start_method=start)
    try:
        model = learner(policy, env=env, n_steps=8)
        model.learn(16)
        assert model.num_timesteps == 16
        assert [info["r"] for info in model.ep_info_buffer]
    finally:
        env.close()


@pytest.mark.filterwarnings("ignore:.*render_mode='rgb_array'")  # gymnasium tells it too
def test_an_id_is_made_with_a_wrapper(policy: Policy) -> None:
    """`make_vec_env` asks for pictures first, and goes on without them."""

    def wrapped(env: gym.Env) -> gym.Env:
        return TokenLevel(env, policy.chat, max_new_tokens=CAP)

    env = make_vec_env(
        "SelfCorrect-Arithmetic-v0", 2, wrapper_class=wrapped, env_kwargs={"size": 9}
    )
    assert env.reset()["ids"].shape[0] == 2
