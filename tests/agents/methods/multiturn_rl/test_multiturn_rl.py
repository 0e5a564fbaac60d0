"""Plain multi-turn RL."""

import pytest
import torch

from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.methods.multiturn_rl import MultiTurnRL, MultiTurnRLConfig
from selfcorrect_agents.training.config import from_flat
from selfcorrect_env import SelfCorrectEnv

SHORT = {"problems_per_step": 16, "max_new_tokens": 3}


def digit_seven(problem: object, response: str) -> bool:
    return response.startswith("7")


def test_both_turns_learn_of_any_number(policy: Policy) -> None:
    """Three turns all learn to say 7; by chance 1 of 20 tokens is a 7. Seeded; a policy that
    did not learn passes 60% of 128 episodes with probability below 1e-60."""
    env = SelfCorrectEnv("arithmetic", split="train", size=99, verifier=digit_seven, attempts=3)
    config = from_flat(
        MultiTurnRLConfig, {"steps": 40, "learning_rate": 1e-2, "beta_1": 0.0, **SHORT}
    )
    history = MultiTurnRL(policy).learn(env, config)
    assert all(history[0][f"t{t}/accuracy"] < 0.3 for t in (1, 2, 3))
    assert all(history[-1][f"t{t}/accuracy"] > 0.6 for t in (1, 2, 3))


def test_without_a_reward_of_its_own_the_first_turn_learns_nothing(policy: Policy) -> None:
    """As above, with the first attempt unrewarded and held: it stays at chance, 1 of 20."""
    env = SelfCorrectEnv("arithmetic", split="train", size=99, verifier=digit_seven)
    fields = {"steps": 40, "learning_rate": 1e-2, "beta_1": 0.02, **SHORT}
    history = MultiTurnRL(policy).learn(
        env, from_flat(MultiTurnRLConfig, {"first_scale": 0.0, **fields})
    )
    assert all(row["t1/reward"] == 0 for row in history)
    assert history[-1]["t2/accuracy"] > 0.6


def test_a_strong_kl_holds_the_policy(policy: Policy) -> None:
    """The same reward against a KL that costs more than it: the policy stays at its base."""
    env = SelfCorrectEnv("arithmetic", split="train", size=99, verifier=digit_seven)
    config = from_flat(
        MultiTurnRLConfig, {"steps": 40, "learning_rate": 1e-2, "beta_1": 30.0, **SHORT}
    )
    history = MultiTurnRL(policy).learn(env, config)
    assert history[-1]["t2/accuracy"] < 0.4
    assert history[-1]["t1/kl"] < 0.2


def test_the_same_seed_gives_the_same_run(policy: Policy, env: SelfCorrectEnv) -> None:
    start = {name: weight.clone() for name, weight in policy.model.state_dict().items()}

    def learn(seed: int) -> list[dict[str, float]]:
        policy.model.load_state_dict(start)
        small = {"problems_per_step": 4, "samples": 2, "max_new_tokens": 4}
        return MultiTurnRL(policy).learn(
            env, from_flat(MultiTurnRLConfig, {"steps": 3, "seed": seed, **small})
        )

    state = torch.random.get_rng_state()
    assert learn(1) == learn(1) != learn(2)
    assert torch.equal(state, torch.random.get_rng_state()), "the global seed was touched"


@pytest.mark.parametrize(("field", "value"), [("steps", 0), ("beta_1", -1.0), ("later_scale", 0.0)])
def test_a_configuration_that_cannot_be_meant_is_refused(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{field} must be"):
        from_flat(MultiTurnRLConfig, {field: value})  # type: ignore[arg-type]


def test_the_budget_sets_the_steps() -> None:
    config = from_flat(MultiTurnRLConfig, {"problems_per_step": 4, "samples": 2, "oversample": 3})
    assert config.episodes_per_step == 24
    assert config.within(100).steps == 4
    assert config.within(100).episodes == 96
    with pytest.raises(ValueError, match="less than one step of 24"):
        config.within(23)


def test_a_scaled_second_reward_is_what_the_second_turn_is_rewarded_with(
    policy: Policy, env: SelfCorrectEnv
) -> None:
    env = SelfCorrectEnv(env.problems, verifier=lambda problem, text: True)
    small = {"problems_per_step": 4, "samples": 2, "max_new_tokens": 3}
    (metrics,) = MultiTurnRL(policy).learn(
        env, from_flat(MultiTurnRLConfig, {"steps": 1, "later_scale": 11.0, **small})
    )
    assert (metrics["t1/reward"], metrics["t2/reward"]) == (1.0, 11.0)
