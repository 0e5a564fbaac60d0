"""The episodes that TRL trains on are ours, token for token."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from trl_steps import (
    batch_of,
    digit_seven,
    played,
    trainer_of,
)

from selfcorrect_agents.adapters.trl import (
    EpisodeRollouts,
)
from selfcorrect_agents.adapters.trl.rollouts import columns_of
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_env import Problem, ProblemSet, ProblemSetError, SelfCorrectEnv


def test_the_completion_is_the_episode_token_for_token(folder: str, env: SelfCorrectEnv) -> None:
    policy = Policy.from_pretrained(folder)
    rollout = played(policy, env)
    columns = columns_of(rollout)
    instruction = {"role": "user", "content": env.prompts.correction}
    for row, episode in enumerate(rollout.episodes):
        prompt, completion = columns["prompt_ids"][row], columns["completion_ids"][row]
        assert prompt == policy.chat.prompt_ids(env.prompts.first(episode.problem))
        turns = [
            rollout.sampled[row, rollout.mask[row] & (rollout.turn == t)].tolist() for t in (0, 1)
        ]
        ended = turns[0][-1:] if turns[0][-1] in policy.chat.eos_ids else []
        between = policy.chat.follow_up(ended, [instruction])
        assert completion == [*turns[0], *between, *turns[1]]
        assert columns["turn"][row] == (
            [0] * len(turns[0]) + [-1] * len(between) + [1] * len(turns[1])
        )
        trained = [int(t >= 0) for t in columns["turn"][row]]
        assert columns["env_mask"][row] == (trained if rollout.judged[row] else [0] * len(trained))


def test_an_end_that_later_turns_do_not_read_is_not_trained(
    folder: str, env: SelfCorrectEnv
) -> None:
    """TRL scores the ids of a completion: those of an earlier turn are what the next one reads."""
    rollout = played(Policy.from_pretrained(folder), env)
    first, last = int(rollout.mask[1, rollout.turn == 0].sum()) - 1, int(rollout.mask[1].sum())
    sampled = rollout.sampled.clone()
    sampled[1, first] = 1  # the first turn's last token, and below the second's
    at = int(rollout.mask[1].nonzero()[-1])
    sampled[1, at] = 1
    columns = columns_of(replace(rollout, sampled=sampled))
    before = columns_of(rollout)
    assert columns["completion_ids"][1][-1] == 1
    assert columns["completion_ids"][1][:-1] == before["completion_ids"][1][:-1]
    assert sum(columns["env_mask"][1]) == last - 1
    assert columns["turn"][1][first] == -1


def test_trls_engine_continues_the_ids_of_the_first_turn(
    folder: str, env: SelfCorrectEnv, tmp_path: Path
) -> None:
    """An option that our sampler lacks selects TRL's generate: each turn reads all ids before."""
    trainer = trainer_of(folder, env, tmp_path, top_k=8, temperature=0.7)
    asked: list[list[list[int]]] = []
    generate = trainer._generate_single_turn

    def recorded(prompts: list[list[int]], *args: Any) -> Any:
        asked.append(prompts)
        return generate(prompts, *args)

    trainer._generate_single_turn = recorded
    batch = batch_of(trainer)
    assert len(asked) == 2
    for row, second in enumerate(asked[1]):
        real = batch["completion_mask"][row].bool()
        whole = asked[0][row] + batch["completion_ids"][row, real].tolist()
        assert whole[: len(second)] == second
        sampled = batch["tool_mask"][row, real].tolist()
        reply = int(sum(sampled[len(second) - len(asked[0][row]) :]))
        assert len(whole) == len(second) + reply
    assert batch["advantages"].shape == batch["completion_ids"].shape


def test_nothing_of_the_reference_is_in_what_a_model_or_trl_reads(
    folder: str, tmp_path: Path
) -> None:
    problems = ProblemSet(
        [Problem(id=str(i), prompt=f"{i}+{i}=", reference=f"={i + 70}") for i in range(3)],
        name="marked",
    )
    trainer = trainer_of(
        folder, SelfCorrectEnv(problems, verifier=digit_seven, prompts="arithmetic"), tmp_path
    )
    dataset = trainer.rollouts["train"].dataset()
    assert dataset.column_names == ["prompt"]
    batch = batch_of(trainer)
    read = batch["prompt_ids"].tolist(), batch["completion_ids"].tolist()
    given = batch["completion_mask"] - batch["completion_mask"] * batch["tool_mask"]
    texts = trainer.processing_class.batch_decode(read[0])
    texts += [trainer.processing_class.decode(r[m.bool()]) for r, m in
              zip(batch["completion_ids"], given, strict=True)]  # fmt: skip
    texts.append(json.dumps(dataset.to_list()))
    marks = [problem.reference for problem in problems]
    assert not [mark for mark in marks if any(mark in text for text in texts)]


def test_prompts_that_name_two_problems_are_refused() -> None:
    twice = [Problem(id=name, prompt="1+1", reference=name) for name in ("2", "3")]
    with pytest.raises(ProblemSetError, match="'2' and '3' have one prompt"):
        EpisodeRollouts(SelfCorrectEnv(ProblemSet(twice, name="twice"), verifier="exact"))
