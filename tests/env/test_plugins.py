"""One look-up of names: ours, entry points, import paths; broken packages do not affect others."""

import sys
from pathlib import Path

import pytest

from selfcorrect_env import SelfCorrectEnv, UnknownNameError
from selfcorrect_env.cli.list import listing
from selfcorrect_env.errors import (
    AgentError,
    PluginWarning,
    ProblemSetError,
    PromptsError,
    SelfCorrectError,
    UnknownProblemSetError,
    UsageError,
    VerifierError,
)
from selfcorrect_env.evaluation.agent_factory import find_agent
from selfcorrect_env.plugins import Registry, import_attribute, is_import_path
from selfcorrect_env.problems.sources import source
from selfcorrect_env.prompts import get_prompts
from selfcorrect_env.verifiers import get_verifier

MODULE = """
from selfcorrect_env import Prompts

shout = Prompts("shout", "{prompt}!", "AGAIN!")
number = 3

def judge(problem, response):
    return response == problem.reference

def sums(split):
    from selfcorrect_env import ProblemSet
    return ProblemSet.from_records([{"prompt": "1 + 1", "reference": 2}], name="sums", split=split)

def agent(conversation):
    return "2"
"""

ENTRY_POINTS = """
[selfcorrect_env.prompts]
their-shout = their_parts:shout
their-number = their_parts:number
their-gone = their_parts:gone
math = their_parts:shout
[selfcorrect_env.verifiers]
their-judge = their_parts:judge
their-broken = their_broken:judge
[selfcorrect_env.problems]
their-sums = their_parts:sums
their-broken = their_broken:sums
[selfcorrect_env.agents]
their-agent = their_parts:agent
their-broken = their_broken:agent
[selfcorrect_env.commands]
their-broken = their_broken:main
"""


def install(folder: Path, name: str, entry_points: str) -> None:
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entry_points)


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    (tmp_path / "their_parts.py").write_text(MODULE)
    (tmp_path / "their_broken.py").write_text("raise RuntimeError('no licence')\n")
    install(tmp_path, "their_parts", ENTRY_POINTS)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in ("their_parts", "their_broken"):
        sys.modules.pop(name, None)


LOADS = [
    (get_prompts, PromptsError),
    (get_verifier, VerifierError),
    (source, ProblemSetError),
    (find_agent, AgentError),
]


@pytest.mark.parametrize(("load", "error"), LOADS)
def test_every_kind_has_the_same_errors(load, error) -> None:
    with pytest.raises(UnknownNameError, match=r"^Unknown [a-z ]+ 'nobody'\. Known: .*, "):
        load("nobody")
    for path, cause in (
        ("no_such_module:thing", "No module named 'no_such_module'"),
        ("math:no_such_thing", "has no attribute 'no_such_thing'"),
    ):
        with pytest.raises(error, match=f"'{path}' cannot be imported: .*{cause}"):
            load(path)


@pytest.mark.parametrize(("load", "error"), LOADS[1:])
def test_a_package_that_raises_at_import_is_named(plugin, load, error) -> None:
    with pytest.raises(error, match=r"'their-broken' cannot be imported: RuntimeError: no licence"):
        load("their-broken")


def test_only_a_problem_sets_name_is_a_problem_set_error() -> None:
    assert issubclass(UnknownProblemSetError, ProblemSetError)
    for load, kind in ((get_prompts, "plain"), (get_verifier, "exact"), (find_agent, "base")):
        with pytest.raises(UnknownNameError) as caught:
            load(f"{kind}x")
        assert not isinstance(caught.value, ProblemSetError)
        assert f"Did you mean '{kind}'?" in str(caught.value)
        assert isinstance(caught.value, KeyError)
        assert isinstance(caught.value, ValueError)
    with pytest.raises(UnknownProblemSetError):
        source("arithmetics")


def test_prompts_by_entry_point_and_by_import_path(plugin) -> None:
    assert get_prompts("their-shout") == get_prompts("their_parts:shout")
    assert get_prompts("math").name == "math"  # our names are ours
    env = SelfCorrectEnv("arithmetic", prompts="their-shout", split="test")
    assert env.reset(seed=0)[0][0]["content"].endswith("=!")
    with pytest.raises(PromptsError, match="must be a Prompts, got int"):
        get_prompts("their-number")
    with pytest.raises(PromptsError, match="'their-gone' cannot be imported"):
        get_prompts("their-gone")


def test_problem_sets_by_import_path(plugin) -> None:
    env = SelfCorrectEnv("their_parts:sums", verifier="their_parts:judge", split="train")
    assert (env.problems.name, env.problems.split) == ("sums", "train")


def test_the_list_names_parts_of_other_packages_and_imports_none(plugin) -> None:
    listed = listing()
    assert listed["prompts"]["their-shout"] == "their_parts:shout, from their_parts."
    assert listed["verifiers"]["their-judge"] == "their_parts:judge, from their_parts."
    assert listed["problem sets"]["their-broken"] == "their_broken:sums, from their_parts."
    assert "their-agent" in listed["agents"]
    assert "their_parts" not in sys.modules
    assert "their_broken" not in sys.modules


@pytest.mark.parametrize("content", [b"[selfcorrect_env.agents]\nno equals sign\n", b"\xff\xfe[\n"])
def test_unreadable_entry_points_hide_only_their_own_package(plugin, content) -> None:
    install(plugin, "damaged", "")
    (plugin / "damaged-1.0.dist-info" / "entry_points.txt").write_bytes(content)
    with pytest.warns(PluginWarning, match="package 'damaged' cannot be read"):
        listed = listing()
    assert "their-agent" in listed["agents"]
    assert "their-shout" in listed["prompts"]


def test_import_paths() -> None:
    assert import_attribute("os:path.join")("a", "b") == str(Path("a") / "b")
    for name in ("a:b", "a.b:c.d", "_a1:_b2"):
        assert is_import_path(name)
    for name in ("a", "a:", ":b", "C:\\x", "https://x", "a:b:c", "1a:b", "a b:c", "a.:b", ""):
        assert not is_import_path(name)


def test_a_registry_of_ones_own() -> None:
    things = {"one": 1, "pi": "math:pi"}
    registry = Registry("thing", "no.group", things, UsageError)
    assert registry.load("one") == 1
    assert registry.load("pi") == pytest.approx(3.14159, abs=1e-5)
    with pytest.raises(UsageError, match="Thing 'math:tau2' cannot be imported"):
        registry.load("math:tau2")
    with pytest.raises(SelfCorrectError, match=r"Unknown thing 'on'\. Did you mean 'one'\?"):
        registry.load("on")
