"""The processors that a cell ran on, by their vector instructions."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from selfcorrect_env.evaluation import replacing

PROCESSOR_FILE = "processor.json"
"""Of a cell: {"instructions": ["AVX2"]}, more than one if it went on elsewhere."""


def add_processor(path: Path) -> None:
    """Add the vector instructions that torch uses in this process to a cell's file."""
    found = dict.fromkeys([*read_processors(path), torch.backends.cpu.get_cpu_capability()])
    with replacing(path) as temporary:
        temporary.write_text(json.dumps({"instructions": list(found)}) + "\n", "utf-8")


def read_processors(path: Path) -> list[str]:
    """Return the vector instructions that a cell ran with; empty where there is no file."""
    return list(json.loads(path.read_bytes())["instructions"]) if path.is_file() else []
