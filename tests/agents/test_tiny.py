"""The tiny base model: its tokenizer, what it is taught, and its cache."""

import threading
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from selfcorrect_agents import tiny
from selfcorrect_agents.policy import Policy
from selfcorrect_agents.tiny import IGNORED, TinyConfig
from selfcorrect_env.datasets.arithmetic import load, solve
from selfcorrect_env.datasets.splits import split_of
from selfcorrect_env.prompts import PROMPTS

SMALL = TinyConfig(hidden_size=16, layers=1, heads=2, steps=3, rows=8)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SELFCORRECT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_every_text_of_the_task_survives_its_tokens() -> None:
    tokenizer, prompts = tiny.build_tokenizer(), PROMPTS["arithmetic"]
    for problem in load("test").head(50):
        for text in (prompts.first(problem)[0]["content"], prompts.correction, "3743"):
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
            assert tokenizer.unk_token_id not in ids
            assert tokenizer.decode(ids) == text


def test_an_episode_is_twenty_tokens_long() -> None:
    texts, _ = tiny.corpus(TinyConfig(), 2)
    assert len(tiny.build_tokenizer()(texts[1])["input_ids"]) == 20


def test_the_chat_template_writes_what_the_corpus_holds() -> None:
    tokenizer, prompts = tiny.build_tokenizer(), PROMPTS["arithmetic"]
    for text in tiny.corpus(TinyConfig(), 40)[0]:
        first, *rest = text.split("<eos>")
        question, _, reply = first.partition("=")
        messages = [
            {"role": "user", "content": question + "="},
            {"role": "assistant", "content": reply},
        ]
        if rest[0]:
            messages += [
                {"role": "user", "content": prompts.correction},
                {"role": "assistant", "content": rest[0].removeprefix(prompts.correction)},
            ]
        assert tokenizer.apply_chat_template(messages, tokenize=False) == text


def test_replies_carry_loss_but_for_the_first_digit_of_two_turn_rows() -> None:
    tokenizer, prompts = tiny.build_tokenizer(), PROMPTS["arithmetic"]
    texts, masked = tiny.corpus(TinyConfig(operations=2), 30)
    ids, labels = tiny.encode(tokenizer, texts, masked)
    for i, text in enumerate(texts):
        learned = tokenizer.decode(ids[i][labels[i] != IGNORED])
        replies = text.replace(prompts.correction, "").partition("=")[2]
        assert learned == (replies if i % 2 == 0 else replies[1:])
        assert ((labels[i] == ids[i]) | (labels[i] == IGNORED)).all()
        assert (labels[i][ids[i] == tokenizer.pad_token_id] == IGNORED).all()
    assert (masked[0::2] == -1).all()
    assert (masked[1::2] > 0).all()


def test_the_corpus_says_what_its_configuration_says() -> None:
    """Shares within 5 standard errors (false alarm: below 1e-6 each, and seeded)."""
    config = TinyConfig(first_right=0.3, copy=0.5, fix=0.2)
    texts, _ = tiny.corpus(config, 8000)
    right = copied = fixed = 0
    for text in texts[1::2]:
        question, _, replies = text.partition("=")
        chain = question.rpartition("\n")[2]
        working = solve(chain + "=")
        first, second, _ = replies.replace(PROMPTS["arithmetic"].correction, "").split("<eos>")
        assert first[1:] == second[1:] == working
        right += first[0] == working[-1]
        copied += first[0] != working[-1] and second[0] == first[0]
        fixed += first[0] != working[-1] and second[0] == working[-1]
    wrong = 4000 - right
    assert abs(right / 4000 - 0.3) < 5 * (0.21 / 4000) ** 0.5
    assert abs(copied / wrong - 0.5) < 5 * (0.25 / wrong) ** 0.5
    assert abs(fixed / wrong - 0.2) < 5 * (0.16 / wrong) ** 0.5


def test_slips_are_as_many_as_asked_for_and_the_rest_of_the_working_follows_from_them() -> None:
    """Shares within 5 standard errors (false alarm: below 1e-6 each, and seeded)."""
    config = TinyConfig(slips=0.3, first_right=0.5, copy=0.5, fix=0.2)
    texts, masked = tiny.corpus(config, 8000)
    plain, plain_masked = tiny.corpus(replace(config, slips=0.0), 8000)
    assert (masked == plain_masked).all()
    slips: dict[int, list[bool]] = {1: [], 2: []}
    at_step = [0, 0, 0]
    for text, without in zip(texts, plain, strict=True):
        question, _, replies = text.partition("=")
        chain = question.rpartition("\n")[2]
        right = solve(chain + "=")
        replies = replies.replace(PROMPTS["arithmetic"].correction, "").split("<eos>")[:-1]
        same = without.partition("=")[2].replace(PROMPTS["arithmetic"].correction, "")
        assert [r[0] for r in replies] == [r[0] for r in same.split("<eos>")[:-1]]
        for turn, reply in enumerate(replies, 1):
            value, wrong_steps = chain[0], []
            for step, result in enumerate(reply[1:]):
                if solve(f"{value}{chain[2 * step + 1 : 2 * step + 3]}=") != result:
                    wrong_steps.append(step)
                value = result
            assert len(wrong_steps) == (reply[1:] != right)
            slips[turn].append(bool(wrong_steps))
            for step in wrong_steps:
                at_step[step] += 1
    for turn, found in slips.items():
        assert len(found) == (8000 if turn == 1 else 4000)
        assert abs(np.mean(found) - 0.3) < 5 * (0.21 / len(found)) ** 0.5
    both = np.mean(np.logical_and(slips[1][1::2], slips[2]))  # the turns slip independently
    assert abs(both - 0.09) < 5 * (0.09 * 0.91 / 4000) ** 0.5
    assert all(abs(n - sum(at_step) / 3) < 5 * (sum(at_step) * 2 / 9) ** 0.5 for n in at_step)


def test_problems_of_the_training_split_alone_are_taught() -> None:
    for text in tiny.corpus(TinyConfig(), 2000)[0]:
        assert split_of(text.partition("=")[0].rpartition("\n")[2] + "=") == "train"


def test_the_same_configuration_gives_the_same_weights_on_any_number_of_threads() -> None:
    threads = torch.get_num_threads()
    before = torch.random.get_rng_state()
    one = tiny.pretrain(SMALL)[0].state_dict()
    torch.set_num_threads(2)
    try:
        two = tiny.pretrain(SMALL)[0].state_dict()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    other = tiny.pretrain(replace(SMALL, seed=1))[0].state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["lm_head.weight"], other["lm_head.weight"])
    assert torch.equal(before, torch.random.get_rng_state()), "the global seed was touched"


def test_the_key_covers_every_field_and_the_corpus(monkeypatch: pytest.MonkeyPatch) -> None:
    key = SMALL.key
    changes = {
        "hidden_size": 32,
        "heads": 1,
        "copy": 0.5,
        "fix": 0.1,
        "first_right": 0.4,
        "slips": 0.3,
    }
    for field in fields(TinyConfig):
        value = changes.get(field.name, getattr(SMALL, field.name) * 2 or 1)
        assert replace(SMALL, **{field.name: value}).key != key, field.name
    monkeypatch.setattr(tiny, "RECIPE", 999)
    assert SMALL.key != key
    monkeypatch.undo()
    assert SMALL.key == key
    monkeypatch.setitem(
        PROMPTS, "arithmetic", replace(PROMPTS["arithmetic"], correction="Once more.")
    )
    assert SMALL.key != key


@pytest.mark.parametrize(
    "wrong",
    [
        {"hidden_size": 30},
        {"steps": 0},
        {"copy": 0.9, "fix": 0.2},
        {"first_right": 1.5},
        {"learning_rate": 0.0},
        {"slips": 1.0},
        {"seed": -1},
    ],
)
def test_a_configuration_that_cannot_be_meant_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"at least|multiple|share"):
        TinyConfig(**wrong)  # type: ignore[arg-type]


def test_a_base_is_trained_once(cache: Path) -> None:
    steps: list[int] = []
    folder = tiny.tiny_base(SMALL, lambda step, loss: steps.append(step))
    assert steps == [1, 2, 3]
    assert tiny.tiny_base(SMALL, lambda step, loss: steps.append(step)) == folder
    assert steps == [1, 2, 3]
    assert [path.name for path in cache.iterdir()] == [SMALL.key]
    assert Policy.from_pretrained(folder).tokenizer.chat_template == tiny.CHAT_TEMPLATE


def test_an_interrupted_call_leaves_nothing_and_the_next_one_trains(cache: Path) -> None:
    def interrupted(step: int, loss: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tiny.tiny_base(SMALL, interrupted)
    assert not cache.exists() or not list(cache.iterdir())
    # a process that was killed while it wrote, and a folder that it left half-empty
    (cache / ".writing-x").mkdir(parents=True)
    (cache / SMALL.key).mkdir()
    (cache / SMALL.key / "model.safetensors").write_bytes(b"half")
    assert Policy.from_pretrained(tiny.tiny_base(SMALL)).model is not None


def test_whoever_comes_second_takes_the_model_of_the_first(cache: Path) -> None:
    """Both train, as two processes would; the second finds the first's folder when it renames."""
    folder = cache / SMALL.key
    inside = threading.Event()
    finish = threading.Event()

    def wait(step: int, loss: float) -> None:
        inside.set()
        assert finish.wait(60)

    second = threading.Thread(target=tiny.tiny_base, args=(SMALL, wait))
    second.start()
    assert inside.wait(60)
    assert tiny.tiny_base(SMALL) == folder
    written = (folder / "model.safetensors").read_bytes()
    finish.set()
    second.join(60)
    assert [path.name for path in cache.iterdir()] == [SMALL.key]
    assert (folder / "model.safetensors").read_bytes() == written
