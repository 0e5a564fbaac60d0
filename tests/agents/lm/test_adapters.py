"""LoRA adapters: the reference is the model with the adapter off; the adapter alone is saved."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import peft
import pytest
import torch
import transformers
from model_sources import serving, write_gguf
from torch.testing import assert_close

from selfcorrect_agents.errors import LearningError
from selfcorrect_agents.lm.model_config import LoRAConfig, ModelConfig
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.pretrained import load_pretrained
from selfcorrect_agents.lm.references import AdapterOff, FrozenCopy, reference_of
from selfcorrect_agents.lm.samplers import CachedSampler
from selfcorrect_agents.lm.template_config import TemplateConfig
from selfcorrect_agents.methods.score import SCoRe, SCoReConfig
from selfcorrect_agents.training.config import from_flat
from selfcorrect_agents.training.memory_split import Split
from selfcorrect_agents.training.trainer import Trainer
from selfcorrect_env import SelfCorrectEnv

SMALL: dict[str, Any] = {
    "problems_per_step": 2,
    "samples": 2,
    "max_new_tokens": 4,
    "stage_one_steps": 2,
    "stage_two_steps": 4,
    "learning_rate": 1e-2,
}


@pytest.fixture
def base(policy: Policy, tmp_path: Path) -> Path:
    policy.save_pretrained(tmp_path / "base")
    return tmp_path / "base"


def adapted(base: Path, **options: Any) -> Policy:
    lora = LoRAConfig(rank=4, alpha=8.0)
    config = ModelConfig(model=str(base), device="cpu", lora=lora, **options)
    return load_pretrained(config, train=True)


def logits(policy: Policy) -> torch.Tensor:
    ids = torch.tensor([[3, 4, 5, 6], [7, 8, 9, 10]])
    return policy.logits(ids, torch.ones_like(ids, dtype=torch.bool), torch.tensor([1, 2, 3]))


def learn(policy: Policy, env: SelfCorrectEnv, **options: Any) -> list[dict[str, float]]:
    return SCoRe(policy).learn(env, from_flat(SCoReConfig, SMALL), **options)


def test_a_fresh_adapter_changes_nothing_and_trains_alone(
    policy: Policy, base: Path, env: SelfCorrectEnv
) -> None:
    ours = adapted(base)
    assert_close(logits(ours), logits(policy))
    before = {name: weight.clone() for name, weight in ours.model.named_parameters()}
    learn(ours, env)
    changed = {n for n, w in ours.model.named_parameters() if not torch.equal(w, before[n])}
    assert changed
    assert all("lora_" in name for name in changed)


def test_the_reference_is_the_base_and_shares_its_memory(
    policy: Policy, base: Path, env: SelfCorrectEnv
) -> None:
    ours = adapted(base)
    reference = reference_of(ours)
    assert isinstance(reference, AdapterOff)
    assert reference.model is ours.model
    learn(ours, env)
    assert (logits(ours) - logits(policy)).abs().max() > 1e-4
    assert_close(logits(reference), logits(policy))
    conversations = [({"role": "user", "content": "1+2-3+4="},)]
    sampled, expected = (p.start(conversations).sample(6, 0.0) for p in (reference, policy))
    assert torch.equal(sampled.ids, expected.ids)
    reference.restore(ours)
    assert_close(logits(ours), logits(policy))


@pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings=True`:UserWarning")
def test_an_adapter_on_the_output_layer_is_off_in_the_reference(policy: Policy, base: Path) -> None:
    lora = LoRAConfig(rank=4, alpha=8.0, target_modules=("q_proj", "lm_head"))
    ours = load_pretrained(ModelConfig(model=str(base), device="cpu", lora=lora), train=True)
    reference = reference_of(ours)
    assert isinstance(reference, AdapterOff)
    assert_close(logits(reference), logits(policy))  # its first use, when the adapter is new
    with torch.no_grad():
        for name, weight in ours.trainable().items():
            if "lm_head" in name:
                torch.nn.init.normal_(weight)
    assert (logits(ours) - logits(policy)).abs().max() > 1e-2
    assert_close(logits(reference), logits(policy))
    assert reference.vocab_size == ours.vocab_size


@pytest.mark.parametrize("lora", [False, True])
def test_the_reference_reads_prompts_as_the_policy_does(base: Path, lora: bool) -> None:
    template = TemplateConfig(system="Be brief.")
    ours = adapted(base, template=template) if lora else Policy.from_pretrained(base)
    asked = ({"role": "user", "content": "1+2-3+4="},)
    if not lora:
        ours = Policy(ours.model, ours.tokenizer, template=template)
    ids = reference_of(ours).chat.prompt_ids(asked)  # type: ignore[arg-type]
    assert ids == ours.chat.prompt_ids(asked)  # type: ignore[arg-type]
    assert ids != Policy.from_pretrained(base).chat.prompt_ids(asked)  # type: ignore[arg-type]


def test_the_reference_samples_as_many_rows_at_once(base: Path, env: SelfCorrectEnv) -> None:
    ours = adapted(base)
    options = {**SMALL, "stage_one_steps": 1, "stage_two_steps": 1, "offline_share": 0.5}
    trainer = Trainer(ours, env, from_flat(SCoReConfig, options))
    trainer.split = Split(tokens_per_forward=64, rows_at_once=3)
    trainer.collect(0, first=trainer.reference)
    for player in (ours, trainer.reference):
        assert cast(CachedSampler, player.sampler).rows_at_once == 3


def test_a_trained_adapter_is_its_own_reference(base: Path, env: SelfCorrectEnv) -> None:
    """Its weights at the start, not the base model's."""
    ours = adapted(base)
    learn(ours, env)
    start = logits(ours)
    reference = reference_of(ours)
    assert isinstance(reference, FrozenCopy)
    learn(ours, env)
    assert_close(logits(reference), start)


def save_adapter(base: Path, folder: Path, *words: str, **settings: Any) -> None:
    """Save an adapter of the model with further tokens, as other trainers do."""
    policy = Policy.from_pretrained(base)
    tokenizer, model = policy.tokenizer, cast(Any, policy.model)
    if words:
        tokenizer.add_special_tokens({"additional_special_tokens": list(words)})
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    lora = peft.LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM", **settings)
    adapted = peft.get_peft_model(model, lora)
    for config in adapted.peft_config.values():
        config.base_model_name_or_path = str(base)
    with torch.no_grad():
        for weight in adapted.parameters():
            if weight.requires_grad:
                weight.add_(torch.ones_like(weight) / 8)
    adapted.save_pretrained(str(folder))
    tokenizer.save_pretrained(folder)


@pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings=True`:UserWarning")
@pytest.mark.filterwarnings("ignore:Setting `save_embedding_layers` to `True`:UserWarning")
@pytest.mark.parametrize("modules", [["embed_tokens", "lm_head"], None])
def test_an_adapter_with_further_tokens_loads(
    base: Path, tmp_path: Path, modules: list[str] | None
) -> None:
    words = ("<|im_start|>", "<|im_end|>")
    save_adapter(base, tmp_path / "adapter", *words, modules_to_save=modules)
    ours = Policy.from_pretrained(tmp_path / "adapter")
    assert ours.vocab_size == len(ours.tokenizer) == Policy.from_pretrained(base).vocab_size + 2
    theirs = cast(Any, peft.AutoPeftModelForCausalLM.from_pretrained(tmp_path / "adapter"))
    ids = torch.tensor([[3, 4, ours.vocab_size - 1, 5]])
    assert_close(ours.model(input_ids=ids).logits, theirs(input_ids=ids).logits)


@pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings=True`:UserWarning")
def test_every_weight_that_is_trained_is_in_float32(base: Path, tmp_path: Path) -> None:
    save_adapter(base, tmp_path / "adapter", modules_to_save=["lm_head"])
    config = ModelConfig(model=str(tmp_path / "adapter"), device="cpu", dtype="bfloat16")
    trained = load_pretrained(config, train=True).trainable()
    assert any("lm_head" in name for name in trained)
    assert {weight.dtype for weight in trained.values()} == {torch.float32}


@pytest.mark.parametrize("rank", [0, 4])
def test_quantised_weights_are_not_trained_without_an_adapter(
    base: Path, monkeypatch: pytest.MonkeyPatch, rank: int
) -> None:
    """Libraries of quantisation need a GPU: what they leave in the configuration is set here."""
    load = transformers.AutoModelForCausalLM.from_pretrained

    def quantised(*values: Any, **options: Any) -> Any:
        model = load(*values, **options)
        model.config.quantization_config = {"quant_method": "gptq", "bits": 4}
        return model

    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", quantised)
    config = ModelConfig(model=str(base), device="cpu", lora=LoRAConfig(rank=rank))
    load_pretrained(config, train=False)
    if rank:
        assert load_pretrained(config, train=True).has_adapter
        return
    with pytest.raises(ValueError, match=r"is quantised.*--lora\.rank 16"):
        load_pretrained(config, train=True)


KINDS = {
    "ia3": peft.IA3Config(
        target_modules=["k_proj", "down_proj"], feedforward_modules=["down_proj"]
    ),
    "lokr": peft.LoKrConfig(r=2, target_modules=["q_proj"]),
    "dora": peft.LoraConfig(r=2, target_modules=["q_proj"], use_dora=True),
    "saved_module": peft.LoraConfig(r=2, target_modules=["q_proj"], modules_to_save=["lm_head"]),
    "embedding": peft.LoraConfig(r=2, target_modules=["embed_tokens"]),
}
"""Adapters that are not LoRA on linear layers alone, or that train more than it."""


@pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings=True`:UserWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_policy_and_reference_are_equal_at_the_start(policy: Policy, kind: str) -> None:
    """Also where the adapter was trained before, of whatever kind it is."""
    model = peft.get_peft_model(cast(Any, policy.model), KINDS[kind])
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(torch.randn_like(weight))
    trained = Policy(cast(Any, model).eval(), policy.tokenizer)
    assert_close(logits(reference_of(trained)), logits(trained))


def test_a_new_adapter_on_a_trained_one_is_no_base_model(base: Path) -> None:
    """Switched off, both would be."""
    ours = adapted(base)
    with torch.no_grad():
        for weight in ours.trainable().values():
            weight.normal_()
    model = cast(Any, ours.model)
    model.add_adapter("second", peft.LoraConfig(r=2, target_modules=["q_proj"]))
    model.base_model.set_adapter(["default", "second"])
    for name, weight in model.named_parameters():
        weight.requires_grad_("second" in name)
    assert_close(logits(reference_of(ours)), logits(ours))


@pytest.mark.parametrize("names", [("second",), ("default", "second")])
def test_an_adapter_that_would_not_be_loaded_again_is_not_trained(
    policy: Policy, env: SelfCorrectEnv, names: tuple[str, ...]
) -> None:
    """peft saves another one than "default" to a folder of its own."""
    lora = peft.LoraConfig(r=2, target_modules=["q_proj"])
    model: Any = peft.get_peft_model(cast(Any, policy.model), lora, adapter_name=names[0])
    for name in names[1:]:
        model.add_adapter(name, lora)
    model.set_adapter(names[-1])
    with pytest.raises(LearningError, match=r"named 'default'.*'second'.*merge_and_unload"):
        learn(Policy(model.eval(), policy.tokenizer), env)


def test_factors_that_are_frozen_stay_frozen(base: Path, env: SelfCorrectEnv) -> None:
    """As in LoRA-FA: peft unfreezes all of an adapter as it switches it on again."""
    ours = adapted(base)
    for name, weight in ours.model.named_parameters():
        if ".lora_A." in name:
            weight.requires_grad_(False)
    trained, before = set(ours.trainable()), dict(ours.model.state_dict())
    before = {name: weight.clone() for name, weight in before.items()}
    assert isinstance(reference_of(ours), AdapterOff)
    learn(ours, env)
    assert set(ours.trainable()) == trained
    changed = {n for n, w in ours.model.state_dict().items() if not torch.equal(w, before[n])}
    assert changed
    assert all(".lora_B." in name for name in changed)


def test_a_frozen_base_in_float16_is_not_trained(policy: Policy, env: SelfCorrectEnv) -> None:
    lora = peft.LoraConfig(r=2, target_modules=["q_proj"])
    model: Any = peft.get_peft_model(cast(Any, policy.model.half()), lora)
    with pytest.raises(LearningError, match=r"in float16.*bfloat16 or float32"):
        learn(Policy(model.eval(), policy.tokenizer), env)


@pytest.mark.filterwarnings("ignore:Unsupported layer type:UserWarning")
def test_adapted_norms_are_computed_by_transformers(policy: Policy) -> None:
    tuned = peft.LNTuningConfig(target_modules=["input_layernorm"])
    model: Any = peft.get_peft_model(cast(Any, policy.model), tuned)
    ours = Policy(model.eval(), policy.tokenizer)
    assert ours.forward_pass == "transformers (an adapter changes its norms)"
    context = ours.start([({"role": "user", "content": "1+1="},)], 2)
    assert context.sample(2, 1.0).mask.any()


def test_kl_is_measured_against_the_base(policy: Policy, base: Path, env: SelfCorrectEnv) -> None:
    """The first step's KL is that of identical policies; later ones are above 0."""
    kl = [row["t2/kl"] for row in learn(adapted(base), env)]
    assert kl[0] == pytest.approx(0.0, abs=1e-6)
    assert kl[-1] > 1e-6


def test_the_adapter_alone_is_saved_and_peft_loads_it(
    base: Path, env: SelfCorrectEnv, tmp_path: Path
) -> None:
    from peft import AutoPeftModelForCausalLM

    ours = adapted(base)
    learn(ours, env)
    ours.save_pretrained(tmp_path / "adapter")
    names = {path.name for path in (tmp_path / "adapter").iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors"} <= names
    assert "model.safetensors" not in names
    saved = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert saved["base_model_name_or_path"] == str(base)
    loaded = Policy.from_pretrained(tmp_path / "adapter")
    assert_close(logits(loaded), logits(ours))
    ids = torch.tensor([[3, 4, 5]])
    theirs = AutoPeftModelForCausalLM.from_pretrained(tmp_path / "adapter")
    assert_close(theirs(input_ids=ids).logits, ours.model(input_ids=ids).logits)


def test_an_adapter_finds_the_base_of_a_relative_path_from_another_folder(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(base.parent)
    adapted(Path(base.name)).save_pretrained(tmp_path / "adapter")
    monkeypatch.chdir(tmp_path)
    assert Policy.from_pretrained("adapter").has_adapter


def test_an_adapter_without_its_base_says_what_to_correct(base: Path, tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    adapted(base).save_pretrained(folder)
    file = folder / "adapter_config.json"
    file.write_text(file.read_text().replace(str(base), str(tmp_path / "gone")))
    with pytest.raises(OSError, match=r"base model of the adapter .* no folder or file .*gone"):
        Policy.from_pretrained(folder)


def test_an_adapter_plays_with_the_tokenizer_in_its_folder(base: Path, tmp_path: Path) -> None:
    ours = adapted(base)
    ours.tokenizer.chat_template = "{% for m in messages %}[{{ m['content'] }}]{% endfor %}"
    ours.save_pretrained(tmp_path / "adapter")
    loaded = Policy.from_pretrained(tmp_path / "adapter")
    assert loaded.tokenizer.chat_template == ours.tokenizer.chat_template
    ours.model.save_pretrained(tmp_path / "alone")  # peft saves no tokenizer
    alone = Policy.from_pretrained(tmp_path / "alone")
    assert alone.tokenizer.chat_template == Policy.from_pretrained(base).tokenizer.chat_template


def test_an_adapter_names_its_base_as_it_was_asked_for(policy: Policy, tmp_path: Path) -> None:
    """A cached model of the hub by its id, and with the revision."""
    folder = tmp_path / "models--me--base" / "snapshots" / "0123"
    policy.save_pretrained(folder)
    ours = adapted(folder, revision="v2")
    (settings,) = ours.model.peft_config.values()  # type: ignore[union-attr]
    assert (settings.base_model_name_or_path, settings.revision) == ("me/base", "v2")


def test_an_adapter_of_a_gguf_file_loads_again(tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "weights" / "base.gguf")
    ours = adapted(file)
    ours.save_pretrained(tmp_path / "adapter")
    again = Policy.from_pretrained(tmp_path / "adapter")
    assert again.has_adapter
    assert_close(logits(again), logits(ours))


FIND = """
import sys
from selfcorrect_agents.lm.model_files import find_model
print(find_model("me/adapter", "v1"))
"""


def test_an_adapter_on_the_hub_is_loaded_over_its_base(base: Path, tmp_path: Path) -> None:
    ours = adapted(base)
    with torch.no_grad():
        for weight in ours.trainable().values():
            weight.add_(0.1)
    ours.save_pretrained(tmp_path / "adapter")
    with serving("me/adapter", tmp_path / "adapter") as address:
        environment = {
            **os.environ,
            **{"HF_HUB_OFFLINE": "0", "HF_DATASETS_OFFLINE": "0"},
            **{"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "home")},
        }
        found = subprocess.run(
            [sys.executable, "-c", FIND],
            env=environment, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
    assert found.returncode == 0, found.stderr
    folder = Path(found.stdout.strip())
    assert folder.is_relative_to(tmp_path / "home")
    assert_close(logits(Policy.from_pretrained(folder)), logits(ours))


@pytest.mark.parametrize("lora", [False, True])
def test_a_run_that_is_cut_resumes_to_the_same_bits(
    base: Path, env: SelfCorrectEnv, tmp_path: Path, lora: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fresh() -> Policy:
        return adapted(base) if lora else Policy.from_pretrained(base)

    from selfcorrect_agents.training import trainer

    whole = fresh()
    history = learn(whole, env)
    save = trainer.save_checkpoint

    def killed(folder: Path, step: int, *args: Any, **options: Any) -> Path:
        saved = save(folder, step, *args, **options)
        if step == 2:
            raise KeyboardInterrupt
        return saved

    config = from_flat(SCoReConfig, {**SMALL, "checkpoint_every": 1})
    with monkeypatch.context() as patch:
        patch.setattr(trainer, "save_checkpoint", killed)
        with pytest.raises(KeyboardInterrupt):
            SCoRe(fresh()).learn(env, config, run=tmp_path / "run")
    resumed = fresh()
    again = SCoRe(resumed).learn(env, config, run=tmp_path / "run")
    assert [row["train/grad_norm"] for row in again] == [r["train/grad_norm"] for r in history]
    theirs = resumed.trainable()
    assert all(torch.equal(weight, theirs[name]) for name, weight in whole.trainable().items())
    weights = tmp_path / "run" / "checkpoints" / "step-000006" / "model"
    assert (weights / "adapter_model.safetensors").exists() is lora
    assert (weights / "model.safetensors").exists() is not lora


def test_an_adapter_on_an_adapter_is_refused(
    base: Path, env: SelfCorrectEnv, tmp_path: Path
) -> None:
    adapted(base).save_pretrained(tmp_path / "adapter")
    with pytest.raises(ValueError, match="is an adapter already"):
        adapted(tmp_path / "adapter")


def test_the_seed_decides_the_first_weights(base: Path) -> None:
    one, two = adapted(base), adapted(base)
    state = torch.random.get_rng_state()
    other = load_pretrained(
        ModelConfig(model=str(base), device="cpu", lora=LoRAConfig(rank=4, seed=1)), train=True
    )
    assert torch.equal(state, torch.random.get_rng_state())
    names = [name for name in one.trainable() if "lora_A" in name]
    assert all(torch.equal(one.trainable()[n], two.trainable()[n]) for n in names)
    assert not any(torch.equal(one.trainable()[n], other.trainable()[n]) for n in names)


@pytest.mark.parametrize("lora", [False, True])
def test_bfloat16_trains_float32_weights(
    policy: Policy, base: Path, env: SelfCorrectEnv, lora: bool
) -> None:
    config = ModelConfig(
        model=str(base), device="cpu", dtype="bfloat16", lora=LoRAConfig(rank=4 * lora)
    )
    ours = load_pretrained(config, train=True)
    assert {weight.dtype for weight in ours.trainable().values()} == {torch.float32}
    frozen = {w.dtype for w in ours.model.parameters() if not w.requires_grad}
    assert frozen == ({torch.bfloat16} if lora else set())
    assert_close(logits(ours), logits(policy), atol=0.05, rtol=0.05)
    assert not torch.equal(logits(ours), logits(policy))
    history = learn(ours, env)
    assert any(row["train/grad_norm"] > 0 for row in history)


def test_a_model_that_only_plays_is_stored_in_bfloat16(base: Path) -> None:
    config = ModelConfig(model=str(base), device="cpu", dtype="bfloat16")
    ours = load_pretrained(config)
    assert {weight.dtype for weight in ours.model.parameters()} == {torch.bfloat16}
    assert ours.start([({"role": "user", "content": "1+2="},)]).sample(3, 1.0).ids.shape[0] == 1


@pytest.mark.parametrize("lora", [False, True])
def test_activation_checkpointing_changes_no_gradient(
    base: Path, env: SelfCorrectEnv, lora: bool
) -> None:
    plain, checkpointed = (
        load_pretrained(
            ModelConfig(
                model=str(base),
                device="cpu",
                lora=LoRAConfig(rank=4 * lora),
                activation_checkpointing=on,
            ),
            train=True,
        )
        for on in (False, True)
    )
    calls = 0
    layer = checkpointed.model.get_decoder().layers[0].mlp.gate_proj  # type: ignore[operator]

    def count(*_: Any) -> None:
        nonlocal calls
        calls += torch.is_grad_enabled()

    layer.register_forward_pre_hook(count)  # the recomputation may stop inside of the layer
    ours, theirs = learn(checkpointed, env), learn(plain, env)
    assert [row["train/grad_norm"] for row in ours] == pytest.approx(
        [row["train/grad_norm"] for row in theirs], rel=1e-4
    )
    # each of the 6 steps runs the layer forward and once more in the backward pass; so does the
    # credit check for each score that reaches a turn: one in stage I, two in stage II; policy and
    # reference are compared with transformers once
    assert calls == 2 * (6 + 1 + 2) + 2


def test_an_adapter_that_was_loaded_to_play_can_be_trained_on(
    base: Path, env: SelfCorrectEnv, tmp_path: Path
) -> None:
    first = adapted(base)
    learn(first, env)
    first.save_pretrained(tmp_path / "adapter")
    again = Policy.from_pretrained(tmp_path / "adapter")
    assert isinstance(reference_of(again), FrozenCopy)
    learn(again, env)
    assert (logits(again) - logits(first)).abs().max() > 1e-3


def test_the_last_layers_alone_can_have_adapters(policy: Policy, base: Path) -> None:
    layers = policy.config.num_hidden_layers
    config = ModelConfig(model=str(base), device="cpu", lora=LoRAConfig(rank=4, layers=1))
    trained = load_pretrained(config, train=True).trainable()
    assert trained
    assert all(f".layers.{layers - 1}." in name for name in trained)


def test_more_adapted_layers_than_there_are_is_an_error(base: Path) -> None:
    config = ModelConfig(model=str(base), device="cpu", lora=LoRAConfig(rank=4, layers=99))
    with pytest.raises(ValueError, match=r"lora\.layers must be at most \d+"):
        load_pretrained(config, train=True)
