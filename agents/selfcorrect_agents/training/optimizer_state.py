"""An optimiser's state on disk: tensors in safetensors, all other values in JSON; no pickle."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

VALUES = "optimizer.json"
SHARDS = "optimizer-*.safetensors"
SHARD = 5_000_000_000
"""Bytes of one file at most, unless a single tensor has more."""


def write_state(folder: Path, state: Mapping[str, Any]) -> None:
    """Write what `torch.optim.Optimizer.state_dict` returned.

    Args:
        folder: gets ``optimizer.json`` and files ``optimizer-00001.safetensors`` ….
        state: ``{"state": {weight: {name: tensor, number or dict}}, "param_groups": [...]}``.
    """
    from safetensors.torch import save_file

    tensors: dict[str, Tensor] = {}
    values = _without_tensors(state["state"], "", tensors)
    for number, shard in enumerate(_shards(tensors), start=1):
        # a copy: weights may share a tensor, such as a table of quantised values
        copies = {name: tensor.contiguous().clone() for name, tensor in shard.items()}
        save_file(copies, folder / f"optimizer-{number:05d}.safetensors")
    rest = {"state": values, "param_groups": state["param_groups"]}
    (folder / VALUES).write_text(json.dumps(rest) + "\n")


def read_state(folder: Path) -> dict[str, Any]:
    """Return what `write_state` wrote, or an ``optimizer.pt`` of an earlier version."""
    from safetensors.torch import load_file

    if not (folder / VALUES).is_file():
        return torch.load(folder / "optimizer.pt", weights_only=True)
    rest = json.loads((folder / VALUES).read_bytes())
    state: dict[int, dict[str, Any]] = {int(key): value for key, value in rest["state"].items()}
    for path in sorted(folder.glob(SHARDS)):
        for place, tensor in load_file(path).items():
            weight, *inner, name = place.split("/")
            entries = state[int(weight)]
            for key in inner:
                entries = entries[key]
            entries[name] = tensor
    return {"state": state, "param_groups": rest["param_groups"]}


def _without_tensors(
    entries: Mapping[Any, Any], place: str, tensors: dict[str, Tensor]
) -> dict[str, Any]:
    """Return nested values without the tensors, which are put into ``tensors`` by their place."""
    values: dict[str, Any] = {}
    for name, value in entries.items():
        if isinstance(value, Tensor):
            tensors[f"{place}{name}"] = value
        elif isinstance(value, Mapping):
            values[str(name)] = _without_tensors(value, f"{place}{name}/", tensors)
        else:
            values[str(name)] = value
    return values


def _shards(tensors: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Yield the tensors in groups of at most `SHARD` bytes; at least one group, perhaps empty."""
    shard: dict[str, Tensor] = {}
    size = 0
    for name, tensor in tensors.items():
        if shard and size + tensor.nbytes > SHARD:
            yield shard
            shard, size = {}, 0
        shard[name] = tensor
        size += tensor.nbytes
    yield shard
