"""Find a model and its tokenizer.

`find_model` checks that a model exists before transformers, which would retry for over a minute.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from selfcorrect_env import HubUnavailableError
from selfcorrect_env.problems import ask_hub, offline_variable

ADAPTER_FILE = "adapter_config.json"
"""The file that marks a folder, or a repository of the hub, as an adapter of peft."""

WEIGHTS = ("config.json", ADAPTER_FILE)
TOKENIZERS = (
    *("tokenizer.json", "tokenizer_config.json", "tokenizer.model"),
    *("vocab.json", "vocab.txt", "spiece.model"),
)
ADAPTER_FILES = ["adapter_*", "*token*", "vocab.*", "merges.txt", "spiece.model", "*.jinja"]
"""Patterns of the files of an adapter that are loaded from the hub."""


def find_model(name: str, revision: str | None = None) -> str:
    """Return what to load for ``name``: a path, or a Hugging Face id that the hub has.

    A cached model is found without the hub. An adapter on the hub is downloaded, and its folder
    returned: its base model is loaded first, as for an adapter in a folder.

    Args:
        name: a folder, the path of a .gguf file, or a Hugging Face id.
        revision: branch, tag or commit of a Hugging Face id.

    Raises:
        OSError: there is no such model, or the hub does not answer within seconds.
    """
    path = Path(os.path.expanduser(name))
    if os.path.exists(path):
        _check_path(path, name)
        return str(path)
    if _looks_like_a_path(name, path):
        raise FileNotFoundError(f"there is no folder or file {name!r}")
    cached = _cached_folder(name, revision)
    try:
        files = _ask(name, revision)
    except HubUnavailableError as error:
        if cached is None:
            raise OSError(
                f"there is no folder of that name, it is not cached, and {error}"
            ) from error
        return str(cached)
    return _adapter_folder(name, revision) if ADAPTER_FILE in files else name


def load_tokenizer(source: str | Path, **options: Any) -> Any:
    """Return ``AutoTokenizer.from_pretrained``, with the chat template of the model's files.

    If mistral-common is installed, transformers would take it for models of Mistral that have a
    ``tekken.json``: it has no chat template.
    """
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(source, mistral_format=False, **options)


def _adapter_folder(name: str, revision: str | None) -> str:
    import huggingface_hub

    return str(
        huggingface_hub.snapshot_download(name, revision=revision, allow_patterns=ADAPTER_FILES)
    )


def _check_path(path: Path, name: str) -> None:
    if path.is_file():
        if path.suffix != ".gguf":
            raise OSError(f"{name!r} is a file; a model is a folder or a .gguf file")
        return
    if any(path.glob("*.gguf")) and not any((path / file).is_file() for file in WEIGHTS):
        raise OSError(f"the folder {name!r} holds .gguf files; name one of them")
    if not any((path / file).is_file() for file in WEIGHTS):
        raise OSError(f"the folder {name!r} holds no model (no config.json)")
    if (path / ADAPTER_FILE).is_file():
        return  # without a tokenizer of its own it has its base model's
    if not any((path / file).is_file() for file in TOKENIZERS):
        raise OSError(
            f"the folder {name!r} holds no tokenizer (no tokenizer.json); save one there: "
            f"tokenizer.save_pretrained({name!r})"
        )


def _looks_like_a_path(name: str, path: Path) -> bool:
    """Whether ``name`` can't be a Hugging Face id: those are NAME or OWNER/NAME."""
    is_id = re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)?", name)
    return is_id is None or path.suffix == ".gguf"


def _cached_folder(name: str, revision: str | None) -> Path | None:
    """Return the folder of a cached model, or None."""
    import huggingface_hub

    for file in WEIGHTS:
        found = huggingface_hub.try_to_load_from_cache(name, file, revision=revision)
        if isinstance(found, str):
            return Path(found).parent
    return None


def _ask(name: str, revision: str | None) -> list[str]:
    """Return the names of the files that the hub has of a model."""
    variable = offline_variable()
    if variable is not None:
        raise HubUnavailableError(f"{variable} is set")
    import huggingface_hub

    files: list[str] = []

    def request(seconds: float) -> None:
        info = huggingface_hub.HfApi().model_info(name, revision=revision, timeout=seconds)
        files.extend(file.rfilename for file in info.siblings or [])

    ask_hub(request, name)
    return files
