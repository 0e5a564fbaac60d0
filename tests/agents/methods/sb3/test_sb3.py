"""PPO and A2C of stable-baselines3 on our policy."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from selfcorrect_agents.errors import UnjudgedError
from selfcorrect_agents.lm.agent import LanguageModelAgent
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.tiny import TinyConfig, build_model, build_tokenizer
from selfcorrect_agents.methods.sb3 import SB3A2C, SB3PPO, SB3A2CConfig, SB3Config, SB3PPOConfig
from selfcorrect_agents.rl.objectives import kl_full
from selfcorrect_agents.training.run_folder import RunFolder, read_metrics
from selfcorrect_env import (
    ProgressBonus,
    SelfCorrectEnv,
    SelfCorrectVectorEnv,
    UnsupportedEnvError,
    Verdict,
)
from selfcorrect_env.errors import AgentError, UnjudgedWarning
from selfcorrect_env.types import Reason

pytest.importorskip("stable_baselines3")

from selfcorrect_agents.methods.sb3.learning import token_envs
from selfcorrect_agents.methods.sb3.lm_policy import CausalLMPolicy
from selfcorrect_agents.methods.sb3.prefixes import merge
from selfcorrect_agents.methods.sb3.recording import Recorder

METHODS = [SB3PPO, SB3A2C]
SMALL: dict[str, Any] = {"envs": 8, "tokens_per_env": 6, "max_new_tokens": 3, "episodes": 30}
MIDDLE: dict[str, Any] = {"envs": 96, "tokens_per_env": 6, "max_new_tokens": 3, "episodes": 2400}


def digit_seven(problem: object, response: str) -> bool:
    return response.startswith("7")


def untrained(seed: int) -> Policy:
    tokenizer = build_tokenizer()
    model = build_model(TinyConfig(hidden_size=16, layers=1, heads=2, seed=seed), tokenizer)
    return Policy(model.eval(), tokenizer)


def weights(policy: Policy) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in policy.model.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def actor(policy: Policy, env: SelfCorrectEnv, reference: Policy | None = None) -> CausalLMPolicy:
    spaces = token_envs(env, policy, SB3Config(**SMALL))
    return CausalLMPolicy(
        spaces.observation_space,
        spaces.action_space,
        lambda _: 1e-3,
        language_model=policy,
        reference=reference,
    )


def observed(policy: Policy, env: SelfCorrectEnv, steps: int) -> tuple[dict[str, Any], Any]:
    """Observations of random episodes, all steps of all of them shuffled, and the actions there."""
    config = SB3Config(**SMALL)
    envs, rng = token_envs(env, policy, config), np.random.default_rng(0)
    envs.seed(0)
    observation: Any = envs.reset()
    seen, actions = [], []
    for _ in range(steps):
        seen.append(observation)
        actions.append(rng.integers(policy.vocab_size, size=config.envs))
        observation, *_ = envs.step(actions[-1])
    order = rng.permutation(steps * config.envs)
    flat = {k: torch.from_numpy(np.concatenate([o[k] for o in seen])[order]) for k in observation}
    return flat, torch.from_numpy(np.concatenate(actions)[order])


# -- the policy ------------------------------------------------------------------------------------
def test_the_actor_is_the_language_model(policy: Policy, env: SelfCorrectEnv) -> None:
    """Log-probabilities, the KL and the entropy are those of `Policy.logits`, one by one."""
    reference = untrained(seed=1)
    obs, actions = observed(policy, env, steps=9)
    values, logps, minus_kl = actor(policy, env, reference).evaluate_actions(obs, actions)
    _, _, entropy = actor(policy, env).evaluate_actions(obs, actions)
    assert len({int(mask.sum()) for mask in obs["mask"]}) > 5
    for row, (ids, mask) in enumerate(zip(obs["ids"], obs["mask"], strict=True)):
        count = int(mask.sum())
        read = ids[None, :count], torch.ones(1, count, dtype=torch.bool), torch.tensor([count])
        logits, ref_logits = policy.logits(*read)[:, 0], reference.logits(*read)[:, 0]
        expected = logits.log_softmax(dim=-1)[0, actions[row]]
        torch.testing.assert_close(logps[row], expected)
        torch.testing.assert_close(-minus_kl[row], kl_full(logits, ref_logits)[0])
        spread = torch.distributions.Categorical(logits=logits).entropy()[0]
        torch.testing.assert_close(entropy[row], spread)
    assert (values == 0).all()


def test_it_samples_what_it_says(policy: Policy, env: SelfCorrectEnv) -> None:
    """20,000 tokens at one place: each share within 0.02 of its probability, which is more than
    5 standard deviations, so a false alarm has probability below 1e-5."""
    obs, _ = observed(policy, env, steps=1)
    many = {key: value[:1].expand(20_000, -1) for key, value in obs.items()}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        actions, _, logps = actor(policy, env)(many)
        greedy, _, _ = actor(policy, env)(many, deterministic=True)
    probabilities = torch.zeros(policy.vocab_size).scatter(0, actions, logps.exp())
    shares = torch.bincount(actions, minlength=policy.vocab_size) / len(actions)
    assert (shares - probabilities).abs().max() < 0.02
    assert set(greedy.tolist()) == {int(probabilities.argmax())}


tokens = st.lists(st.integers(0, 2), min_size=1, max_size=4)


@given(st.lists(tokens, min_size=1, max_size=12))
def test_prefixes_are_found(sequences: list[list[int]]) -> None:
    """Everyone belongs to a sequence that it begins; no kept sequence begins another one."""
    ids, mask = torch.zeros(len(sequences), 5).long(), torch.zeros(len(sequences), 5).bool()
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = torch.tensor(sequence)
        mask[row, : len(sequence)] = True
    found = merge(ids, mask)
    kept = [sequences[row] for row in found.rows.tolist()]
    for sequence, owner, last in zip(
        sequences, found.owner.tolist(), found.last.tolist(), strict=True
    ):
        assert kept[owner][: len(sequence)] == sequence
        assert last == len(sequence) - 1
    for i, one in enumerate(kept):
        assert not any(i != j and o[: len(one)] == one for j, o in enumerate(kept))


# -- learning --------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_it_solves_a_trivial_problem_set(
    method: type[SB3PPO] | type[SB3A2C], policy: Policy, tmp_path: Path
) -> None:
    """Both attempts learn to begin with 7, and the agent that learned is the one that plays.

    By chance 1 of 20 tokens is a 7. Seeded; a policy that did not learn passes 70% of the last
    update's episodes, about 90, with probability below 1e-20.
    """
    env = SelfCorrectEnv("arithmetic", split="train", size=99, verifier=digit_seven)
    before, model = weights(policy), policy.model
    agent = method(policy, max_new_tokens=3)
    history = agent.learn(env, agent.Learning(**MIDDLE, learning_rate=2e-2, beta=0.0))
    for turn in (1, 2):
        assert history[0][f"t{turn}/accuracy"] < 0.3
        assert history[-1][f"t{turn}/accuracy"] > 0.7
    assert agent.policy is policy
    assert policy.model is model
    assert not same(before, weights(policy))
    conversations = [env.reset(options={"index": index})[0] for index in range(5)]
    replies = agent.act(conversations)
    assert all(reply.startswith("7") for reply in replies)
    agent.save(tmp_path)
    assert LanguageModelAgent.load(tmp_path, max_new_tokens=3).act(conversations) == replies


def test_a_strong_kl_holds_the_policy(policy: Policy) -> None:
    """The same reward against a KL that costs more than it: the policy stays at its base."""
    env = SelfCorrectEnv("arithmetic", split="train", size=99, verifier=digit_seven)
    history = SB3A2C(policy).learn(env, SB3A2CConfig(**MIDDLE, learning_rate=2e-2, beta=30.0))
    assert history[-1]["t2/accuracy"] < 0.4
    assert history[-1]["t1/kl"] < 0.2


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_run(
    method: type[SB3PPO], policy: Policy, env: SelfCorrectEnv
) -> None:
    start = weights(policy)

    def learn(seed: int) -> list[dict[str, float]]:
        policy.model.load_state_dict(start)
        return method(policy).learn(env, method.Learning(**SMALL, seed=seed))

    states = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[union-attr]
    assert learn(1) == learn(1) != learn(2)
    assert torch.equal(states[0], torch.random.get_rng_state()), "the global seed was touched"
    assert (states[1] == np.random.get_state()[1]).all()  # type: ignore[index]


@pytest.mark.parametrize("credit", ["attempt", "episode"])
def test_which_rewards_a_token_is_credited_with(
    credit: Any, policy: Policy, env: SelfCorrectEnv
) -> None:
    """To stable-baselines3 an attempt's end is an episode's end, or it is not."""
    config = SB3Config(**SMALL, credit=credit)
    envs = token_envs(env, policy, config)
    envs.seed(0)
    envs.reset()
    (eos,) = policy.chat.eos_ids
    for turn in (1, 2):
        _, _, done, infos = envs.step(np.full(config.envs, eos))
        assert all(info["attempt"] == turn and "verdict" in info for info in infos)
        assert done.tolist() == [credit == "attempt" or turn == 2] * config.envs


def test_the_bonus_reaches_the_second_reward(policy: Policy) -> None:
    """Every first reply is right and every second one wrong: r2 + α (r2 − r1) = −α."""
    problems = SelfCorrectEnv("arithmetic", split="train", size=9).problems
    calls = iter(range(10**6))
    env = SelfCorrectEnv(problems, verifier=lambda problem, response: next(calls) // 8 % 2 == 0)
    small = SMALL | {"tokens_per_env": 2, "max_new_tokens": 1, "episodes": 8}
    (row,) = SB3A2C(policy).learn(env, SB3A2CConfig(**small, alpha=3.0))
    assert (row["t1/reward"], row["t2/reward"]) == (1.0, -3.0)
    assert (row["t1/accuracy"], row["t2/accuracy"]) == (1.0, 0.0)


class Critic:
    """A critic that expects the same of all observations, with a discount of 0.5."""

    gamma, device = 0.5, torch.device("cpu")

    @property
    def policy(self) -> Any:
        return self

    def predict_values(self, seen: dict[str, torch.Tensor]) -> torch.Tensor:
        assert seen["ids"].tolist() == [[6, 7]]
        return torch.tensor([[0.75]])


def test_what_was_not_judged_is_credited_with_the_critics_estimate(policy: Policy) -> None:
    recorder = Recorder(SB3Config(), policy, None, lambda *_: None, lambda: False)
    recorder.model = Critic()  # type: ignore[assignment]
    failed, wrong = Verdict(0.0, Reason.ERROR), Verdict(0.0, Reason.WRONG)
    last, wrongly = {"attempt": 1, "verdict": failed}, {"attempt": 1, "verdict": wrong}
    infos = [last, wrongly, {"attempt": 0}, last]
    told = np.zeros(4, dtype=np.float32)
    values = torch.tensor([[0.25], [0.5], [0.75], [0.5]])
    dones = np.array(
        [True, True, False, False]
    )  # the last one's episode goes on (--credit episode)
    seen = {"ids": np.arange(8).reshape(4, 2)}
    recorder.update_locals(
        {"infos": infos, "rewards": told, "values": values, "dones": dones, "new_obs": seen}
    )
    recorder._on_step()  # as stable-baselines3 does, before it stores the rewards
    assert told.tolist() == [0.25, 0.0, 0.0, 0.5 - 0.5 * 0.75], "the advantage is 0 in both"


class Upper(SelfCorrectEnv):
    """A subclass whose own step counts."""

    steps = 0

    def step(self, action: str) -> Any:
        Upper.steps += 1
        return super().step(action)


def test_a_subclass_is_trained_by_its_own_step_and_wrappers_are_named(
    policy: Policy, env: SelfCorrectEnv
) -> None:
    config = SB3A2CConfig(**SMALL)
    own = Upper(env.problems, verifier=env.verifier)
    assert SB3A2C(policy).learn(gym.wrappers.OrderEnforcing(own), config)
    assert Upper.steps > 0
    with pytest.raises(UnsupportedEnvError, match="ProgressBonus changes rewards"):
        SB3A2C(policy).learn(ProgressBonus(env), config)
    with pytest.raises(UnsupportedEnvError, match="got a SelfCorrectVectorEnv"):
        SB3A2C(policy).learn(SelfCorrectVectorEnv(2, env.problems), config)


def test_failures_of_the_verifier_are_counted_and_stop_training(
    policy: Policy, env: SelfCorrectEnv, tmp_path: Path
) -> None:
    broken = SelfCorrectEnv(env.problems, verifier=lambda problem, text: float("nan"))
    before = weights(policy)
    rows: list[dict[str, float]] = []

    class Run(RunFolder):
        def log(self, step, metrics):  # type: ignore[no-untyped-def]
            rows.append(metrics)

    with pytest.warns(UnjudgedWarning), pytest.raises(UnjudgedError, match="a score must be in"):
        SB3PPO(policy).learn(broken, SB3PPOConfig(**SMALL, beta=0.0), run=Run(tmp_path, {}))
    assert 1 <= len(rows) <= 3
    assert all(row["train/unjudged"] > 0 for row in rows)
    assert all(row["train/unjudged_share"] == 1.0 for row in rows)
    assert not any("t1/accuracy" in row for row in rows)
    assert same(before, weights(policy)), "it learned from attempts that could not be judged"


# -- the run's folder, its end, its length ---------------------------------------------------------
def test_a_run_is_logged_and_starts_again(
    policy: Policy, env: SelfCorrectEnv, tmp_path: Path
) -> None:
    start, config = weights(policy), SB3PPOConfig(**SMALL)
    rows = []
    for _ in range(2):  # the second call finds the first one's rows
        policy.model.load_state_dict(start)
        run = RunFolder(tmp_path, {"seed": 0}, resume=True, episodes_every=1)
        history = SB3PPO(policy).learn(env, config, run=run)
        run.close()
        rows = read_metrics(tmp_path / "metrics.jsonl")
        assert rows == [{"step": step, **row} for step, row in enumerate(history, 1)]
    for key in ("t1/accuracy", "t2/accuracy", "t1/kl", "t2/kl", "unchanged", "train/approx_kl"):
        assert key in rows[-1]
    counted = [(row["episodes"], row["tokens"]) for row in rows]
    assert counted == sorted(counted)
    assert rows[0]["tokens"] == config.rollout
    lines = (tmp_path / "episodes.jsonl").read_text().splitlines()
    assert len(lines) == rows[-1]["episodes"]
    assert same(weights(Policy.from_pretrained(run.model)), weights(policy))


@pytest.mark.parametrize("episodes", [1, 8, 50])
def test_it_plays_as_many_episodes_as_asked(
    episodes: int, policy: Policy, env: SelfCorrectEnv
) -> None:
    """An attempt is one token, so a rollout of six ends three episodes in each of 8; only the
    first is learned from whatever it exceeds."""
    config = SB3A2CConfig(**SMALL | {"max_new_tokens": 1}).within(episodes)
    assert config.episodes == episodes
    history = SB3A2C(policy).learn(env, config)
    assert [row["episodes"] for row in history] == [24.0, 48.0][: 1 + (episodes >= 48)]


def test_ctrl_c_ends_it_after_the_update(policy: Policy, env: SelfCorrectEnv) -> None:
    calls = iter(range(10**6))

    def verifier(problem: object, response: str) -> float:
        if next(calls) == 61:  # after the first update: Ctrl-C acts at once before it
            signal.raise_signal(signal.SIGINT)
        return 1.0

    before, handler = weights(policy), signal.getsignal(signal.SIGINT)
    interrupted = SelfCorrectEnv(env.problems, verifier=verifier)
    with pytest.raises(KeyboardInterrupt):
        SB3PPO(policy).learn(interrupted, SB3PPOConfig(**SMALL | {"episodes": 120}))
    assert not same(before, weights(policy))
    assert signal.getsignal(signal.SIGINT) is handler


# -- what is refused, and what is not installed ----------------------------------------------------
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("episodes", 0),
        ("envs", 0),
        ("tokens_per_env", 0),
        ("learning_rate", 0.0),
        ("beta", -0.1),
        ("credit", "turn"),
        ("alpha", -1.0),
        ("gae_lambda", 1.5),
        ("value_coefficient", float("nan")),
        ("max_grad_norm", 0.0),
        ("max_new_tokens", 0),
        ("seed", -1),
        ("epochs", 0),
        ("batch_size", 1),
        ("batch_size", 3),
        ("batch_size", 5120),
        ("clip_range", 0.0),
    ],
)
def test_a_configuration_that_cannot_be_meant_is_refused(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{field} must be"):
        SB3PPOConfig(**{field: value})


def test_a_missing_library_is_named(
    policy: Policy, env: SelfCorrectEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "stable_baselines3", None)
    with pytest.raises(AgentError, match=r'pip install "selfcorrect-env\[sb3\]"'):
        SB3PPO(policy).learn(env)


def test_a_missing_library_is_named_where_the_policy_is_imported() -> None:
    code = (
        "import sys; sys.modules['stable_baselines3'] = None\n"
        "from selfcorrect_agents import CausalLMPolicy"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert "AgentError: stable-baselines3 is needed" in done.stderr.splitlines()[-1]


def test_the_method_is_found_without_the_library() -> None:
    code = (
        "import sys, selfcorrect_agents.methods.sb3; sys.exit('stable_baselines3' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
