"""Loading models from files and hubs according to a `ModelConfig`, with LoRA adapters of peft."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch

from selfcorrect_agents.lm.model_config import LoRAConfig, ModelConfig
from selfcorrect_agents.lm.model_files import ADAPTER_FILE, TOKENIZERS, find_model, load_tokenizer
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.quantised import is_quantised, needs_adapter

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def load_pretrained(config: ModelConfig, *, train: bool = False) -> Policy:
    """Load the model and the tokenizer that ``config`` names.

    Args:
        config: its ``model`` is a folder, the path of a ``.gguf`` file, or a hub id (of an adapter:
            the folder that `find_model` returns).
        train: whether the weights are going to be trained. With bfloat16 they are then kept in
            float32, and forward passes compute in bfloat16 by autocast. A base model under new
            adapters is frozen and stored in bfloat16.

    Raises:
        OSError: there is no such model, or the hub cannot be reached.
        ValueError: the tokenizer has no end-of-sequence token, its chat template refuses what
            ``config.template`` gives it, or quantised weights are to be trained.
    """
    device, dtype = device_of(config), dtype_of(config)
    adapter = _adapter_config(config)
    frozen = config.lora.rank > 0 or adapter is not None or not train
    stored = dtype if frozen else torch.float32
    where = config if adapter is None else _found_base(adapter, config)
    model, tokenizer = _load_base(where, stored)
    cast(torch.nn.Module, model).to(device)
    if adapter is not None:
        model = _load_adapter(model, config.model)
        tokenizer = _own_tokenizer(config.model) or tokenizer
    elif config.lora.rank:
        model = _add_adapter(model, config)
    if train and not hasattr(model, "peft_config") and is_quantised(model.config):
        raise ValueError(needs_adapter(config.model))
    if config.activation_checkpointing:
        checkpoint_activations(model)
    mixed = dtype != torch.float32 and (train or hasattr(model, "peft_config"))
    return Policy(
        model.eval(),
        tokenizer,
        autocast=dtype if mixed else None,
        template=config.template,
    )


def device_of(config: ModelConfig) -> torch.device:
    """Return the device that ``config`` names; "auto" is a GPU if there is one."""
    if config.device != "auto":
        return torch.device(config.device)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def dtype_of(config: ModelConfig) -> torch.dtype:
    """Return the precision of the forward pass; "auto" is bfloat16 on a GPU that computes in it."""
    if config.dtype != "auto":
        return getattr(torch, config.dtype)
    device = device_of(config)
    return torch.bfloat16 if device.type == "cuda" and has_bfloat16(device) else torch.float32


def has_bfloat16(device: torch.device) -> bool:
    """Return whether a GPU computes in bfloat16: AMD's, and NVIDIA's since compute capability 8.

    Older ones (T4, V100) emulate it, which ``torch.cuda.is_bf16_supported()`` counts as support.
    """
    return torch.version.hip is not None or torch.cuda.get_device_capability(device)[0] >= 8


def load_weights(model: PreTrainedModel, folder: Path) -> None:
    """Take over the weights that ``save_pretrained`` of this very model wrote.

    Raises:
        OSError: the folder holds no such weights.
    """
    if (folder / ADAPTER_FILE).is_file():
        from peft import set_peft_model_state_dict
        from safetensors.torch import load_file

        weights = load_file(folder / "adapter_model.safetensors")
        set_peft_model_state_dict(cast(Any, model), weights)
        return
    from transformers import AutoModelForCausalLM

    # a frozen part may be in bfloat16, and what is trained in float32: nothing is rounded
    precisions = {weight.dtype for weight in model.parameters()}
    dtype = torch.float32 if torch.float32 in precisions else next(iter(precisions))
    saved = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
    model.load_state_dict(saved.state_dict())


def _load_base(config: ModelConfig, dtype: torch.dtype) -> tuple[PreTrainedModel, Any]:
    from transformers import AutoModelForCausalLM

    path, options = Path(config.model), dict[str, Any]()
    if config.revision is not None:
        options["revision"] = config.revision
    if path.suffix == ".gguf":
        path, options["gguf_file"] = path.parent, path.name
    source = path if path.is_dir() else config.model
    tokenizer = load_tokenizer(source, **options)
    if "gguf_file" in options:
        from transformers import GgufConfig

        options["quantization_config"] = GgufConfig(dequantize=True)
    if config.attention is not None:
        options["attn_implementation"] = config.attention
    return AutoModelForCausalLM.from_pretrained(source, dtype=dtype, **options), tokenizer


def base_of_adapter(folder: str | Path) -> str | None:
    """Return the name of the base model if ``folder`` holds an adapter of peft; else None."""
    found = _peft_config(folder)
    return None if found is None else str(found.base_model_name_or_path)


def _peft_config(folder: str | Path) -> Any:
    """Return the configuration of the adapter in a folder; None if there is none."""
    if not (Path(folder) / ADAPTER_FILE).is_file():
        return None
    from peft import PeftConfig

    return PeftConfig.from_pretrained(str(folder))


def _found_base(base: str, config: ModelConfig) -> ModelConfig:
    """Return ``config`` with the base model of its adapter, in the revision that it names.

    Raises:
        OSError: it is not where the adapter's file says.
    """
    revision = config.revision or _peft_config(config.model).revision
    try:
        return replace(config, model=find_model(base, revision), revision=revision)
    except OSError as error:
        raise OSError(
            f"the base model of the adapter {config.model!r}: {error}. Correct "
            f"base_model_name_or_path in its {ADAPTER_FILE}"
        ) from error


def _own_tokenizer(folder: str) -> Any:
    """Return the tokenizer in the folder of an adapter, with its template; None without one."""
    vocabularies = (file for file in TOKENIZERS if file != "tokenizer_config.json")
    if not any((Path(folder) / file).is_file() for file in vocabularies):
        return None
    return load_tokenizer(folder)


def _adapter_config(config: ModelConfig) -> str | None:
    """The base model's name if ``config.model`` is the folder of an adapter; else None."""
    base = base_of_adapter(config.model)
    if base is not None and config.lora.rank:
        raise ValueError(
            f"{config.model!r} is an adapter already; lora.rank would add a second one. "
            "Leave lora.rank at 0, or name the base model."
        )
    return base


def _load_adapter(model: PreTrainedModel, folder: str) -> PreTrainedModel:
    from peft import PeftModel

    rows, resizable = _vocabulary_of(folder, model), cast(Any, model)
    if rows > resizable.get_input_embeddings().weight.shape[0]:  # tokens were added before training
        resizable.resize_token_embeddings(rows, mean_resizing=False)
    with _without_peft_warning():
        adapted = PeftModel.from_pretrained(model, folder, is_trainable=True)  # as full weights are
    for weight in adapted.parameters():
        if weight.requires_grad:  # whole modules as well, which peft leaves in the base's precision
            weight.data = weight.data.float()
    return cast("PreTrainedModel", adapted)


def _vocabulary_of(folder: str, model: PreTrainedModel) -> int:
    """Return the rows of the embedding or of the output layer in an adapter's file; 0 for none."""
    from safetensors import safe_open

    file = Path(folder) / "adapter_model.safetensors"
    if not file.is_file():
        return 0
    ends = model.get_input_embeddings(), model.get_output_embeddings()
    names = {f".{name}.weight" for name, module in model.named_modules() if module in ends}
    with safe_open(file, framework="pt") as saved:
        found = [key for key in saved.keys() if key.endswith(tuple(names))]  # noqa: SIM118
        return max((saved.get_slice(key).get_shape()[0] for key in found), default=0)


def checkpoint_activations(model: PreTrainedModel) -> None:
    """Recompute the activations of the model's layers in the backward pass."""
    # transformers 5.24 renamed the method, which checkpoints without re-entrance by default
    enable = getattr(model, "activation_checkpointing_enable", None)
    if enable is not None:
        enable()
    else:
        model.gradient_checkpointing_enable({"use_reentrant": False})


def _linear_names(model: PreTrainedModel) -> list[str]:
    """Return the names of all linear layers but the output layer, such as q_proj.

    They are those of peft's "all-linear", which peft refuses for some of the layers.
    """
    from transformers.pytorch_utils import Conv1D

    output = model.get_output_embeddings()
    named = model.named_modules()
    linear = {
        name.rpartition(".")[2]
        for name, module in named
        if isinstance(module, (torch.nn.Linear, Conv1D)) and module is not output
    }
    return sorted(linear)


def _add_adapter(model: PreTrainedModel, config: ModelConfig) -> PreTrainedModel:
    adapted = with_lora(model, config.lora)
    for settings in cast(Any, adapted).peft_config.values():
        settings.base_model_name_or_path = _recorded_name(config.model)
        settings.revision = config.revision
    return adapted


def _recorded_name(model: str) -> str:
    """Return the name of a base model that an adapter's file records.

    A path is absolute, of a .gguf file as well, whose folder transformers takes as the name. The
    folder of a cached hub model is its id, which other machines have as well.
    """
    path = Path(model)
    if cached := re.search(r"/models--([^/]+)/snapshots/[^/]+$", path.as_posix()):
        return cached[1].replace("--", "/")
    return str(path.resolve()) if path.exists() else model


def with_lora(model: PreTrainedModel, lora: LoRAConfig) -> PreTrainedModel:
    """Return a model of peft with new adapters.

    Raises:
        ValueError: the model has fewer layers than are to have adapters, or none of the modules.
    """
    from peft import LoraConfig, get_peft_model

    layers = int(model.config.get_text_config().num_hidden_layers)
    if lora.layers > layers:
        raise ValueError(
            f"lora.layers must be at most {layers}, the model's layers, got {lora.layers}."
        )
    adapted = list(range(layers - lora.layers, layers)) if lora.layers else None
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=cast(int, lora.alpha),
        lora_dropout=0.0,
        target_modules=list(lora.target_modules)
        or (_linear_names(model) if adapted else "all-linear"),
        layers_to_transform=adapted,
        task_type="CAUSAL_LM",
    )
    with torch.random.fork_rng(devices=[]), _without_peft_warning():
        torch.manual_seed(lora.seed)
        return cast("PreTrainedModel", get_peft_model(model, config))


@contextmanager
def _without_peft_warning() -> Iterator[None]:
    """Hide warnings of peft 0.21 that no user can act on: of what it sets and transformers asks."""
    with warnings.catch_warnings():
        message = ".*is_gradient_checkpointing.* is deprecated"
        warnings.filterwarnings("ignore", message, category=FutureWarning)
        warnings.filterwarnings("ignore", "fan_in_fan_out is set to False .* `Conv1D`")
        warnings.filterwarnings("ignore", "The following (rank|alpha)_pattern keys did not match")
        yield
