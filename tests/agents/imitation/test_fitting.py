"""Imitation: a trace in token ids, its loss, when a fit stops, how a run resumes."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from torch.testing import assert_close
from transformers import AddedToken

from selfcorrect_agents.comparison.results.cell_results import final_kl
from selfcorrect_agents.imitation.fitting import (
    IGNORED,
    Fitting,
    SupervisedConfig,
    encode,
    fit,
    imitate,
    kl_metrics,
    loss_parts,
    trace_loss,
)
from selfcorrect_agents.imitation.traces import (
    Trace,
    consecutive,
    d_sft,
    d_star,
    is_right,
    paired_with,
)
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.methods.star import STaR, STaRConfig
from selfcorrect_agents.rl.config import Objective
from selfcorrect_agents.rl.loss import Batch
from selfcorrect_agents.rl.rollout import Rollout, collect
from selfcorrect_agents.rl.update import update
from selfcorrect_agents.training.config import from_flat
from selfcorrect_agents.training.run_folder import RunFolder, read_metrics
from selfcorrect_agents.training.trainer import Trainer
from selfcorrect_env import Attempt, Episode, Reason, SelfCorrectEnv, SelfCorrectVectorEnv, Verdict

GATHERING: dict[str, Any] = {"problems_per_step": 4, "samples": 4, "max_new_tokens": 2}


def roll(policy: Policy, env: SelfCorrectEnv) -> Rollout:
    venv = SelfCorrectVectorEnv.like(env, 40, autoreset_mode=AutoresetMode.DISABLED)
    return collect(
        policy,
        venv,
        list(range(10)),
        samples=4,
        max_new_tokens=4,
        generator=torch.Generator().manual_seed(3),
    )


def short(problem: object, text: str) -> bool:
    """Right in a third of the replies of an untrained policy."""
    return text[:1] in set("1357")


@pytest.fixture
def easy(env: SelfCorrectEnv) -> SelfCorrectEnv:
    return SelfCorrectEnv(env.problems, verifier=short)


def readable(policy: Policy, rollout: Rollout) -> list[int]:
    """The rows whose replies hold no special token but the last: text shows no others."""
    special = set(policy.tokenizer.all_special_ids)
    rows = []
    for row in range(len(rollout.ids)):
        sampled = rollout.ids[row, rollout.columns]
        turns = [sampled[rollout.mask[row] & (rollout.turn == t)].tolist() for t in (0, 1)]
        if not any(special & set(turn[:-1]) for turn in turns) and all(
            turn[-1] not in special - policy.chat.eos_ids for turn in turns
        ):
            rows.append(row)
    return rows


# -- token ids -------------------------------------------------------------------------------
@pytest.mark.parametrize("first_reply", ["never", "right", "always"])
def test_a_trace_has_the_ids_that_its_episode_had(
    policy: Policy, easy: SelfCorrectEnv, first_reply: Any
) -> None:
    """Token by token what the rollout holds; labels on the replies that are to be learned."""
    rollout = roll(policy, easy)
    rows = readable(policy, rollout)
    traces = [consecutive(rollout.episodes[row])[0] for row in rows]
    assert len({t.first.truncated for t in traces} | {t.second.truncated for t in traces}) == 2
    assert len({is_right(trace.first) for trace in traces}) == 2
    ids, labels, weights = encode(policy, traces, first_reply)
    assert weights.tolist() == [1.0] * len(rows)
    for i, row in enumerate(rows):
        real = rollout.attention_mask[row]
        expected = rollout.ids[row][real]
        length = len(expected)
        assert ids[i, :length].tolist() == expected.tolist()
        assert (ids[i, length:] == policy.chat.pad_id).all()
        drawn = torch.full_like(rollout.ids[row], -1)
        drawn[rollout.columns[rollout.mask[row]]] = rollout.turn[rollout.mask[row]]
        learned = {"never": False, "always": True, "right": is_right(traces[i].first)}[first_reply]
        taught = (drawn == 1) | ((drawn == 0) & learned)
        assert labels[i, :length].tolist() == torch.where(taught[real], expected, IGNORED).tolist()
        assert (labels[i, length:] == IGNORED).all()


def test_a_first_reply_is_taught_the_end_that_ends_a_reply(
    policy: Policy, easy: SelfCorrectEnv
) -> None:
    """Some templates write another end before a next message: it is read, and never sampled."""
    (trace,) = consecutive(roll(policy, easy).episodes[0])[:1]
    ended = [replace(reply, truncated=False) for reply in (trace.first, trace.second)]
    trace = replace(trace, first=ended[0], second=ended[1])
    policy.tokenizer.chat_template = (
        "{% for m in messages %}{{ m['content'] }}{% if m['role'] == 'assistant' %}"
        "{% if loop.last and not add_generation_prompt %}<eos>{% else %}={% endif %}"
        "{% endif %}{% endfor %}"
    )
    policy.tokenizer.add_tokens(AddedToken("=", special=True))
    other = Policy(policy.model, policy.tokenizer)
    between, last = other.chat.turn_end, other.chat.own_end
    assert between is not None
    assert last == policy.tokenizer.eos_token_id != between
    ids, labels, _ = encode(other, [trace], "always")
    read, taught = ids[0].tolist(), labels[0].tolist()
    end = len(other.chat.prompt_ids(trace.opening)) + len(other.chat.reply_ids(trace.first.reply))
    assert (read[end - 1], taught[end - 1]) == (between, last)
    assert (read[-1], taught[-1]) == (last, last)
    others = [(a, b) for i, (a, b) in enumerate(zip(read, taught, strict=True)) if i != end - 1]
    assert all(label in (IGNORED, token) for token, label in others)


def test_right_first_replies_are_in_the_plus_sets_alone(
    policy: Policy, easy: SelfCorrectEnv
) -> None:
    """So in D_SFT and D_STaR ``right`` labels what ``never`` does; in D⁺_SFT and D⁺_STaR more."""
    episodes = roll(policy, easy).episodes

    def labelled(traces: list[Trace], first_reply: Any) -> int:
        return int((encode(policy, traces, first_reply)[1] != IGNORED).sum())

    for plus in (False, True):
        for traces in (
            d_star(episodes, plus=plus),
            d_sft(episodes, np.random.default_rng(0), plus=plus),
        ):
            never, right = labelled(traces, "never"), labelled(traces, "right")
            assert right > never if plus else right == never > 0


def test_the_loss_by_hand(policy: Policy, easy: SelfCorrectEnv) -> None:
    """Σ w_i Σ_j −log π / Σ w_i n_i, each reply scored in its context, alone."""
    traces = [consecutive(e)[0] for e in roll(policy, easy).episodes[:5]]
    weights = [1.0, 0.5, 2.0, 0.0, 1.0]
    traces = [paired_with(t, t.first, t.second, w) for t, w in zip(traces, weights, strict=True)]
    ids, labels, encoded = encode(policy, traces, "never")
    assert encoded.tolist() == weights
    total, count = 0.0, 0.0
    for trace, weight in zip(traces, weights, strict=True):
        prompt = policy.chat.prompt_ids(trace.opening)
        first = policy.chat.reply_ids(trace.first.reply, ended=not trace.first.truncated)
        between = policy.chat.follow_up(first, trace.instruction)
        second = policy.chat.reply_ids(trace.second.reply, ended=not trace.second.truncated)
        row = torch.tensor([[*prompt, *first, *between, *second]])
        logps = policy.model(row).logits[0].log_softmax(-1)
        start = row.shape[1] - len(second)
        for j, token in enumerate(second):
            total -= weight * logps[start + j - 1, token].item()
            count += weight
    assert_close(trace_loss(policy, ids, labels, encoded).item(), total / count)


# -- a fit -----------------------------------------------------------------------------------
@pytest.mark.parametrize("tokens", [None, 1, 60, 150])
def test_parts_of_the_loss_add_up_to_it(
    policy: Policy, easy: SelfCorrectEnv, tokens: int | None
) -> None:
    rollout, weights = roll(policy, easy), list(policy.trainable().values())
    traces = [consecutive(rollout.episodes[row])[0] for row in readable(policy, rollout)[:7]]
    weighted = [replace(trace, weight=i / 3) for i, trace in enumerate(traces)]
    encoded = encode(policy, weighted, "never")
    whole = trace_loss(policy, *encoded)
    parts = list(loss_parts(policy, encoded, tokens))
    assert len(parts) == {None: 1, 1: 7}.get(tokens, len(parts))
    assert_close(sum(parts), whole)
    found, expected = (torch.autograd.grad(loss, weights) for loss in (sum(parts), whole))
    assert_close(found, expected, atol=1e-6, rtol=1e-4)


def long(trace: Trace, length: int) -> Trace:
    attempt = Attempt(reply="7" * length, verdict=Verdict(1.0, Reason.CORRECT))
    return replace(trace, second=attempt)


@pytest.mark.parametrize("tokens", [None, 1024])
def test_a_pass_reads_the_tokens_of_its_traces_alone(
    policy: Policy, env: SelfCorrectEnv, monkeypatch: pytest.MonkeyPatch, tokens: int | None
) -> None:
    """A long trace among short ones makes no padding, and the short ones are one pass."""
    traces = seven(env, 12)
    encoded = encode(policy, [*traces, long(traces[0], 400)], "never")
    lengths = [int(row.nonzero()[-1]) + 1 for row in encoded[1] != IGNORED]
    read, hidden = list[list[int]](), policy.hidden

    def spy(ids: torch.Tensor, mask: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
        read.append([int(mask.sum()), mask.numel()])
        return hidden(ids, mask, columns)

    monkeypatch.setattr(policy, "hidden", spy)
    found = sum(loss_parts(policy, encoded, tokens))
    assert sum(real for real, _ in read) == sum(lengths)
    assert len(read) == (1 if tokens is None else 2)
    short = [part[:12] for part in encoded]
    assert len(list(loss_parts(policy, short, tokens))) == 1
    assert tokens is None or max(places for _, places in read) <= tokens
    monkeypatch.undo()
    assert_close(found, trace_loss(policy, *encoded))
    assert all(part.device.type == "cpu" for part in encoded)


def seven(env: SelfCorrectEnv, count: int, *, noise: bool = False) -> list[Trace]:
    """Traces that answer 7 whatever the problem is; noise is an answer that means nothing."""
    correction = env.prompts.correction
    verdict = Verdict(1.0, Reason.CORRECT)
    return [
        Trace(
            problem_id=env.problems[i].id,
            opening=env.prompts.first(env.problems[i]),
            first=Attempt(reply="2", verdict=Verdict(0.0, Reason.WRONG)),
            instruction=({"role": "user", "content": correction},),
            second=Attempt(reply=str(i * 7919 % 1000) if noise else "7", verdict=verdict),
        )
        for i in range(count)
    ]


def held_out_loss(policy: Policy, traces: Sequence[Trace], seed: int, share: float) -> float:
    """The loss of the problems that `fit` holds out, worked out here."""
    rng = np.random.default_rng(seed)
    chosen = [traces[i] for i in rng.permutation(len(traces))]
    problems = sorted({trace.problem_id for trace in chosen})
    out = {problems[i] for i in rng.permutation(len(problems))[: int(share * len(problems))]}
    held = [trace for trace in chosen if trace.problem_id in out]
    return trace_loss(policy, *encode(policy, held, "right")).item()


def weights_of(policy: Policy) -> dict[str, torch.Tensor]:
    return {name: weight.clone() for name, weight in policy.model.state_dict().items()}


def same(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(weight, two[name]) for name, weight in one.items())


def test_a_fit_ends_with_its_best_weights(policy: Policy, env: SelfCorrectEnv) -> None:
    traces = seven(env, 20)
    before = held_out_loss(policy, traces, 1, 0.2)
    how = Fitting(learning_rate=1e-2, batch_size=4, held_out=0.2, most_steps=30)
    metrics = fit(policy, traces, how, seed=1)
    after = held_out_loss(policy, traces, 1, 0.2)
    assert metrics["fit/held_out_loss"] == pytest.approx(after, rel=1e-5)
    assert after < 0.5 * before
    assert metrics["fit/traces"] == 20


def test_a_fit_that_only_spoils_leaves_the_policy_as_it_was(
    policy: Policy, env: SelfCorrectEnv
) -> None:
    """Noise, learned at a rate of 1: no look is better than the first, and patience runs out."""
    before = weights_of(policy)
    how = Fitting(learning_rate=1.0, batch_size=4, held_out=0.2, patience=3, most_steps=100)
    metrics = fit(policy, seven(env, 20, noise=True), how, seed=1)
    assert same(before, weights_of(policy))
    assert metrics["fit/converged"] == 1.0
    assert metrics["fit/steps"] == 3 * 4  # four batches are a look: 16 traces of 4


def test_a_fit_may_end_by_its_limit(policy: Policy, env: SelfCorrectEnv) -> None:
    before = weights_of(policy)
    metrics = fit(policy, seven(env, 20), Fitting(most_steps=3, batch_size=4), seed=1)
    assert (metrics["fit/steps"], metrics["fit/converged"]) == (3.0, 0.0)
    assert not same(before, weights_of(policy))


@pytest.mark.parametrize(("count", "held_out"), [(1, 0.1), (10, 0.0)])
def test_without_anything_held_out_a_fit_takes_its_steps(
    policy: Policy, env: SelfCorrectEnv, count: int, held_out: float
) -> None:
    before = weights_of(policy)
    how = Fitting(held_out=held_out, check_every=5)
    metrics = fit(policy, seven(env, count), how, seed=1)
    assert metrics["fit/steps"] == 5
    assert "fit/held_out_loss" not in metrics, "a NaN is no JSON"
    assert not same(before, weights_of(policy))


@pytest.mark.parametrize(("how", "copies"), [({"held_out": 0.2}, 1), ({"held_out": 0.0}, 0),
                                              ({"held_out": 0.2, "epochs": 1}, 0)])  # fmt: skip
def test_a_fit_keeps_one_copy_of_the_weights_at_most(
    policy: Policy, env: SelfCorrectEnv, monkeypatch: pytest.MonkeyPatch, how: Any, copies: int
) -> None:
    """As many as its configuration says; a better one is written over it."""
    traces, cloned = seven(env, 20), list[int]()
    clone = torch.Tensor.clone

    def counted(self: torch.Tensor, *values: Any, **options: Any) -> torch.Tensor:
        cloned.append(self.numel())
        return clone(self, *values, **options)

    monkeypatch.setattr(torch.Tensor, "clone", counted)
    fitting = Fitting(learning_rate=1e-2, batch_size=4, most_steps=12, check_every=2, **how)
    fit(policy, traces, fitting, seed=1)
    assert sum(cloned) == copies * sum(w.numel() for w in policy.trainable().values())
    assert SupervisedConfig(fitting=fitting).weight_copies == copies


@pytest.mark.parametrize(("epochs", "steps"), [(1, 3), (2, 6)])
def test_a_fit_may_take_whole_epochs_of_all_traces(
    policy: Policy, env: SelfCorrectEnv, epochs: int, steps: int
) -> None:
    how = Fitting(epochs=epochs, batch_size=4, patience=1, most_steps=1)
    traces = seven(env, 11)
    ids, labels, _ = encode(policy, traces, "never")
    tokens = sum(int(row.nonzero()[-1]) + 1 for row in labels != IGNORED)
    assert 0 < tokens <= ids.numel()
    metrics = fit(policy, traces, how, seed=1)
    assert metrics["fit/steps"] == steps
    assert metrics["fit/gradient_tokens"] == epochs * tokens
    assert metrics["fit/converged"] == 0
    assert "fit/held_out_loss" not in metrics, "a NaN is no JSON"


@pytest.mark.parametrize(("norm", "share"), [(1e-9, 1.0), (0.0, 0.0), (1e9, 0.0)])
def test_the_share_of_clipped_steps_is_logged(
    policy: Policy, env: SelfCorrectEnv, norm: float, share: float
) -> None:
    how = Fitting(epochs=1, batch_size=4, max_grad_norm=norm)
    assert fit(policy, seven(env, 11), how, seed=1)["fit/clipped"] == share


def test_nothing_to_imitate_leaves_the_policy_as_it_was(policy: Policy) -> None:
    before = weights_of(policy)
    metrics = fit(policy, [], Fitting(), seed=1)
    assert metrics == {"fit/available": 0.0, "fit/traces": 0.0, "fit/steps": 0.0}
    assert same(before, weights_of(policy))


def test_too_many_traces_are_thinned_out(policy: Policy, env: SelfCorrectEnv) -> None:
    metrics = fit(policy, seven(env, 20), Fitting(most_traces=7, most_steps=1), seed=1)
    assert (metrics["fit/available"], metrics["fit/traces"]) == (20, 7)


def test_a_method_is_fitted_as_its_configuration_says() -> None:
    """Every field that both have is passed on, and has the same default."""
    asked: dict[str, Any] = {
        "learning_rate": 1e-2,
        "batch_size": 3,
        "first_reply": "never",
        "patience": 2,
        "most_steps": 7,
        "most_traces": 5,
        "held_out": 0.25,
        "check_every": 9,
        "max_grad_norm": 0.5,
    }
    assert from_flat(SupervisedConfig, asked).fitting == Fitting(**asked)
    assert SupervisedConfig().fitting == Fitting()


@pytest.mark.parametrize(
    ("field", "value"), [("held_out", 1.0), ("check_every", 0), ("most_traces", 0)]
)
def test_a_fit_that_cannot_be_meant_is_refused(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{field} must be"):
        Fitting(**{field: value})  # type: ignore[arg-type]


# -- a run -----------------------------------------------------------------------------------
def test_each_iteration_fits_what_it_gathered_and_forgets_it(
    policy: Policy, easy: SelfCorrectEnv
) -> None:
    config = from_flat(
        SupervisedConfig, {"iterations": 2, "rollouts": 3, "most_steps": 2, **GATHERING}
    )
    seen: list[list[Episode]] = []

    def traces_of(episodes: Sequence[Episode], rng: np.random.Generator) -> list[Trace]:
        seen.append(list(episodes))
        return [trace for e in episodes for trace in consecutive(e)]

    trainer = Trainer(policy, easy, config)
    imitate(trainer, config, traces_of)
    history = trainer.history
    assert [len(episodes) for episodes in seen] == [48, 48]
    assert trainer.pool == []
    assert [step for step, row in enumerate(history) if "fit/steps" in row] == [2, 5]
    assert ["after_fit/t2/accuracy" in row for row in history] == 2 * [False, False, True]
    assert [row.get("after_fit/unjudged_share") for row in history] == 2 * [None, None, 0.0]
    assert [row["episodes"] for row in history] == [16, 32, 48, 64, 80, 96]  # the look is free
    assert history[-1]["episodes"] == config.episodes
    assert [step for step, row in enumerate(history) if "t1/kl" in row] == [2, 5]


def test_the_kl_after_a_fit_is_that_of_reinforcement_learning(
    policy: Policy, easy: SelfCorrectEnv
) -> None:
    """What the update of an RL method logs for the same episodes; nothing is drawn for it."""
    config = from_flat(
        SupervisedConfig,
        {
            "rollouts": 1,
            "held_out": 0.0,
            "check_every": 4,
            "learning_rate": 1e-2,
            "tokens_per_forward": 200,
            **GATHERING,
        },
    )
    trainer = Trainer(policy, easy, config)
    before = torch.get_rng_state()
    imitate(trainer, config, lambda es, _: [trace for e in es for trace in consecutive(e)])
    assert torch.equal(torch.get_rng_state(), before)
    (metrics,) = trainer.history
    after = trainer.collect(0, purpose="after fit", counted=False)
    batch = Batch(rollout=after, rewards=after.scores, betas=(0.0, 0.0))
    logged = update(policy, trainer.reference, trainer.learner, [batch], Objective())
    for key in ("t1/kl", "t2/kl"):
        assert metrics[key] == pytest.approx(logged[key], rel=1e-4)
        assert final_kl(trainer.history, int(key[1])) == metrics[key] > 1e-3


def test_without_a_verdict_there_is_no_kl(policy: Policy, easy: SelfCorrectEnv) -> None:
    rollout = roll(policy, easy)
    unjudged = replace(rollout, judged=torch.zeros_like(rollout.judged))
    assert kl_metrics(policy, policy, unjudged, 10) == {}
    assert kl_metrics(policy, policy, rollout, 10) == {"t1/kl": 0.0, "t2/kl": 0.0}


@pytest.mark.parametrize("restart", [True, False])
def test_an_iteration_fits_the_base_anew_or_goes_on(
    policy: Policy, easy: SelfCorrectEnv, restart: bool
) -> None:
    """Where the second fit has nothing to imitate, its start is what is left."""
    config = from_flat(
        SupervisedConfig,
        {
            "iterations": 2,
            "rollouts": 1,
            "most_steps": 2,
            "held_out": 0.0,  # so that the last weights are kept, not the best
            "restart": restart,
            **GATHERING,
        },
    )
    base, starts = weights_of(policy), []

    def traces_of(episodes: Sequence[Episode], rng: np.random.Generator) -> list[Trace]:
        starts.append(weights_of(policy))
        return [] if len(starts) == 2 else [t for e in episodes for t in consecutive(e)]

    imitate(Trainer(policy, easy, config), config, traces_of)
    assert not same(base, starts[1]), "the second iteration plays what the first one left"
    assert same(weights_of(policy), base if restart else starts[1])


def test_going_on_in_the_middle_of_an_iteration(
    policy: Policy, easy: SelfCorrectEnv, tmp_path: Path
) -> None:
    """Stopped between two rollouts of the second iteration, after the newest checkpoint: the
    episodes that it had gathered are in the checkpoint, and the run ends as if it had not."""
    config = from_flat(
        STaRConfig,
        {
            "iterations": 2,
            "rollouts": 4,
            "most_steps": 8,
            "batch_size": 4,
            "checkpoint_every": 3,
            **GATHERING,
        },
    )
    base = weights_of(policy)
    STaR(policy).learn(easy, config, run=RunFolder(tmp_path / "whole", {}))
    expected = weights_of(policy)
    assert not same(base, expected)

    class StopError(Exception):
        pass

    class Dying(RunFolder):
        def log(self, step, metrics):  # type: ignore[no-untyped-def]
            super().log(step, metrics)
            if step == 7:  # the newest checkpoint is that of step 6
                raise StopError

    policy.model.load_state_dict(base)
    with pytest.raises(StopError):
        STaR(policy).learn(easy, config, run=Dying(tmp_path / "parts", {}))
    policy.model.load_state_dict(base)
    STaR(policy).learn(easy, config, run=RunFolder(tmp_path / "parts", {}, resume=True))
    assert same(weights_of(policy), expected)
    parts, whole = (read_metrics(tmp_path / name / "metrics.jsonl") for name in ("parts", "whole"))
    assert parts == whole
    assert parts[-1]["fit/traces"] > 0
