"""Freed tensors leave the process. In a process of its own: the setting is the process's."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys
import torch
from selfcorrect_agents.lm.allocator import return_freed_memory

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

if sys.argv[1] == "fixed":
    assert return_freed_memory()
del_me = torch.ones(7 << 20)
del del_me  # without the setting, blocks up to this size now stay in the heap
kept = [torch.ones(1 << 12) for _ in range(8_000)]  # fills the gaps that the imports left
start = resident()
large = []
for _ in range(40):
    large.append(torch.ones(2 << 20))
    kept.append(torch.ones(1 << 12))
grown = resident() - start
large.clear()
print(grown, resident() - start)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the setting is that of Linux's C library")
def test_freed_tensors_leave_the_process() -> None:
    held = {}
    for setting in ("fixed", "default"):
        command = [sys.executable, "-c", PROGRAM, setting]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        grown, held[setting] = map(int, done.stdout.split())
        assert grown > 300_000_000
    assert held["fixed"] < 20_000_000
    assert held["default"] > 200_000_000
