"""Every reference agent by its name: built from its Config by ``selfcorrect eval``, and judged."""

from pathlib import Path

import pytest

from selfcorrect_agents.lm.policy import Policy
from selfcorrect_env import Report
from selfcorrect_env.cli.main import main
from selfcorrect_env.evaluation.agent_factory import find_agent, installed_agents, summary
from selfcorrect_env.testing import check_agent

NAMES = [name for name in installed_agents() if summary(name).startswith("Reference")]


def test_there_are_seven() -> None:
    assert len(NAMES) == 7


@pytest.mark.parametrize("name", NAMES)
def test_eval_plays_it(
    name: str, taught: Policy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["eval", name, "--env", "SelfCorrect-Arithmetic-v0", "--n", "6"]
    if find_agent(name).config is not None:
        taught.save_pretrained(tmp_path / "model")
        words += ["--model", str(tmp_path / "model"), "--max-new-tokens", "6"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 0
    assert f"{name} " in capsys.readouterr().out
    agent = Report.load(tmp_path / "run").agent
    assert agent == (f"{name} (oracle)" if name in ("gold", "oracle_gated") else name)


@pytest.mark.parametrize("name", ["copy", "resample", "always_flip", "null", "majority"])
def test_the_contract_of_agents(name: str, policy: Policy) -> None:
    """Also with first and later attempts mixed in one batch."""
    factory = find_agent(name)
    if factory.config is None:
        agent = factory.build(None)
    else:
        further = {"answers": "code"} if name in ("always_flip", "majority") else {}
        agent = factory.build.__self__(policy, max_new_tokens=4, **further)  # type: ignore[attr-defined]
    check_agent(agent)
