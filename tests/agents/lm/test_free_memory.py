"""Bytes that are free in a control group, read from files as the kernel writes them."""

from pathlib import Path

import pytest
import torch

from selfcorrect_agents.lm.free_memory import (
    free_in_group,
    free_memory,
    groups_from,
    own_groups,
)

Names = tuple[str, str, str]
V2 = ("memory.max", "memory.current", "inactive_file")
V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def group(folder: Path, names: Names, limit: str, used: int, cached: int) -> Path:
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\nactive_file 7\n{names[2]} {cached}\nfile 9\n")
    return folder


@pytest.mark.parametrize("names", [V2, V1])
def test_files_that_can_be_dropped_count_as_free(tmp_path: Path, names: Names) -> None:
    assert free_in_group(group(tmp_path, names, "1000", 900, 600), *names) == 700
    assert free_in_group(group(tmp_path, names, "1000", 1100, 0), *names) == 0
    assert free_in_group(group(tmp_path, names, "1000", 200, 600), *names) == 1000


def test_without_a_limit_or_a_group_there_is_nothing_to_say(tmp_path: Path) -> None:
    assert free_in_group(tmp_path / "none", *V2) is None
    assert free_in_group(group(tmp_path, V2, "max", 900, 600), *V2) is None


def test_without_statistics_the_cache_is_not_known(tmp_path: Path) -> None:
    folder = group(tmp_path, V2, "1000", 900, 600)
    (folder / "memory.stat").unlink()
    assert free_in_group(folder, *V2) == 100


def test_a_group_within_others_has_their_limits_too(tmp_path: Path) -> None:
    """As of a job of Slurm, or of ``systemd-run --scope -p MemoryMax=4G``."""
    file = tmp_path / "cgroup"
    file.write_text("12:cpu,cpuacct:/a\n4:memory:/jobs/7\n0::/user.slice/job:7.scope\n")
    assert own_groups(file)["memory"] == "/jobs/7"
    assert own_groups(file)[""] == "/user.slice/job:7.scope"
    assert own_groups(tmp_path / "none") == {}
    own = tmp_path / "user.slice" / "job:7.scope"
    assert groups_from(tmp_path, "/user.slice/job:7.scope") == [own, own.parent, tmp_path]
    assert groups_from(tmp_path, "/") == [tmp_path]


def test_this_machine_has_memory() -> None:
    assert free_memory(torch.device("cpu")) > 0
