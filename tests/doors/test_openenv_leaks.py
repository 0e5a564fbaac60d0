"""Nothing of a reference goes over the wire, in any environment that can be made offline.

Two checks. With real problems: no secret text of the problem (the reference, accepted answers, any
text of its metadata that the prompt does not show) is in a payload. With marked problems: a marker
replaces every secret text, which covers short references and verdicts of a failing verifier.
"""

import json
import warnings
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openenv.core.env_server.serialization import serialize_observation

from selfcorrect_env import (
    Problem,
    ProblemSet,
    ProblemSetWarning,
    SelfCorrectEnv,
    SelfCorrectError,
    Verdict,
)
from selfcorrect_env.registration import ENVIRONMENTS
from selfcorrect_env.serving.openenv import SelfCorrectAction, ServedEnvironment
from selfcorrect_env.serving.plain import plain_env

MARKER = "Xq7vZ-reference-Zv7qX"
SHORTEST = 8
"""Characters of a secret that cannot be in a payload by chance."""

pytestmark = pytest.mark.filterwarnings("default")

REPLIES = st.text(max_size=40) | st.sampled_from(
    ["", "7", r"\boxed{7}", "<answer>7</answer>", "```python\ndef f(x):\n    return x\n```", "1/0"]
)


@cache
def environment(id: str) -> SelfCorrectEnv | None:
    """Return the environment, or None if its data set is not on this machine."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ProblemSetWarning)
            return plain_env(id)
    except SelfCorrectError:
        return None


OFFLINE = [id for id in ENVIRONMENTS if environment(id) is not None]


def texts(value: Any) -> Iterator[str]:
    """Yield every text in a JSON-able value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key in value:
            yield from texts(value[key])
    elif isinstance(value, list | tuple):
        for item in value:
            yield from texts(item)


def marked(value: Any, shown: str) -> Any:
    """Replace every text in a JSON-able value by the marker, unless the prompt shows it."""
    if isinstance(value, str):
        return value if value in shown else MARKER
    if isinstance(value, dict):
        return {key: marked(item, shown) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [marked(item, shown) for item in value]
    return value


def payloads(env: SelfCorrectEnv, replies: list[str], index: int) -> str:
    """Play an episode and return all that a client can get, as JSON."""
    served = ServedEnvironment({"test": env}, "name")
    sent: list[Any] = [served.get_metadata().model_dump(), served.list_splits()]
    sent += [served.get_task("test", index), served.get_task_range("test", index, index + 1)]
    sent.append(serialize_observation(served.reset(index=index)))
    for reply in replies[: env.attempts]:
        sent.append(serialize_observation(served.step(SelfCorrectAction(reply=reply))))
        sent.append(served.state.model_dump())
    return json.dumps(sent, ensure_ascii=False)


def inside(text: str, payload: str) -> bool:
    return json.dumps(text, ensure_ascii=False)[1:-1] in payload


def test_environments_of_every_kind_are_there() -> None:
    assert {"SelfCorrect-Arithmetic-v0", "SelfCorrect-MATH-v0", "SelfCorrect-Code-v0"} <= set(
        OFFLINE
    )
    assert len(OFFLINE) >= 5


@pytest.mark.parametrize("id", OFFLINE)
@settings(max_examples=8, suppress_health_check=list(HealthCheck))
@given(
    index=st.integers(0, 50), replies=st.lists(REPLIES, min_size=2, max_size=2), marks=st.booleans()
)
def test_no_payload_has_a_secret(id: str, index: int, replies: list[str], marks: bool) -> None:
    env = environment(id)
    assert env is not None
    problem = env.problems[index]
    shown = " ".join(m["content"] for m in env.prompts.first(problem)) + problem.id
    if marks:
        metadata = marked(dict(problem.metadata), shown)
        problem = replace(problem, reference=MARKER, metadata=metadata)
    alone = ProblemSet([problem], name="one", split="test")
    one = SelfCorrectEnv(alone, verifier=env.verifier, prompts=env.prompts, attempts=env.attempts)
    payload = payloads(one, replies, 0)
    if marks:
        assert MARKER not in payload
        return
    secrets = {problem.reference, *problem.accepted, *texts(dict(problem.metadata))}
    for secret in secrets:
        if len(secret) >= SHORTEST and secret not in shown and secret not in "".join(replies):
            assert not inside(secret, payload), secret


def test_the_cause_of_a_failing_verifier_stays_on_the_server(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Failing:
        name = "failing"

        def verify(self, problem: Problem, response: str) -> Verdict:
            raise ValueError(f"cannot compare with {problem.reference}")

        def verify_batch(self, problems: Any, responses: Any) -> list[Verdict]:
            return [self.verify(p, r) for p, r in zip(problems, responses, strict=True)]

    env = SelfCorrectEnv([{"prompt": "1 + 1 = ?", "reference": MARKER}], verifier=Failing())
    payload = payloads(env, ["2", "2"], 0)
    assert MARKER not in payload
    assert MARKER in caplog.text
    last = json.loads(payload)[-2]
    assert last["reward"] is None
    assert last["metadata"]["rewards"] == [None, None]
    assert last["metadata"]["verdict"]["judged"] is False
    assert last["metadata"]["transition"] is None


def test_the_search_finds_a_leak() -> None:
    """The check itself: a prompt that quotes the reference is found."""
    prompt = f"The answer is {MARKER}"
    env = SelfCorrectEnv([{"prompt": prompt, "reference": MARKER}], verifier="exact")
    assert MARKER in payloads(env, ["2", "2"], 0)
