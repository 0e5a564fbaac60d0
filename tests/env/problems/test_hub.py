"""The decision between cache, hub and neither, in processes of their own and over real sockets."""

import hashlib
import http.server
import json
import os
import socket
import subprocess
import sys
import threading

import pytest

pytest.importorskip("datasets")

from selfcorrect_env.errors import HubUnavailableError, ProblemSetWarning
from selfcorrect_env.problems.hub import PINNED, cached_rows, hub_rows

COMMIT = PINNED["openai/gsm8k"]
ROWS = [{"question": f"{i} + 1?", "answer": f"Add.\n#### {i + 1}"} for i in range(3)]
FILE = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
CARD = b"""---
configs:
- config_name: main
  data_files:
  - split: test
    path: main/test.jsonl
---
"""
REPORT = """
import json, sys, time, warnings
import numpy, gymnasium, selfcorrect_env, huggingface_hub
from selfcorrect_env.problems.sources import load_problems
start, outcome = time.monotonic(), {}
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    try:
        problems = load_problems(sys.argv[1])
        outcome = {"name": problems.name, "references": [p.reference for p in problems]}
    except Exception as error:
        outcome = {"error": type(error).__name__, "text": str(error)}
outcome["seconds"] = time.monotonic() - start
outcome["warnings"] = [str(w.message) for w in caught if w.category.__name__ == "ProblemSetWarning"]
outcome["datasets"] = "datasets" in sys.modules
print(json.dumps(outcome))
"""


AGAIN = """
from selfcorrect_env.errors import ProblemSetError
start = time.monotonic()
for name in ("math", "hendrycks", "math"):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            load_problems(name)
        except ProblemSetError as error:
            outcome["again"] = str(error)
outcome["again_seconds"] = time.monotonic() - start
print(json.dumps(outcome))
"""


def load(name, folder, code=REPORT, **variables):
    """Load a set in a new process that knows only this hub and this empty cache."""
    hidden = ("HF_", "SELFCORRECT_", "TRANSFORMERS_OFFLINE")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(hidden)}
    environment |= {"HF_HOME": str(folder), "NO_PROXY": "127.0.0.1", **variables}
    run = subprocess.run(
        [sys.executable, "-c", code, name],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


@pytest.fixture
def silent():
    """The address of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def refusing():
    """An address where no server listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return f"http://127.0.0.1:{port}"


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of the hub's protocol as loading one data set takes."""

    def do_GET(self):
        path = self.path.partition("?")[0]
        if "openai/gsm8k" not in path:
            return self.answer(b"{}", 404)
        if path.endswith(f"/tree/{COMMIT}/main"):
            oid = hashlib.sha1(FILE).hexdigest()
            rows = [{"type": "file", "path": "main/test.jsonl", "oid": oid, "size": len(FILE)}]
            return self.answer(json.dumps(rows).encode())
        if path.startswith("/api/datasets/openai/gsm8k"):
            return self.answer(json.dumps({"id": "openai/gsm8k", "sha": COMMIT}).encode())
        if path.endswith("main/test.jsonl"):
            return self.answer(FILE)
        if path.endswith("README.md"):
            return self.answer(CARD)
        return self.answer(b"{}", 404)

    do_HEAD = do_GET  # noqa: N815 - the names are the server's

    def answer(self, data, status=200):
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha1(data).hexdigest()}"')
        if status == 404:
            self.send_header("X-Error-Code", "EntryNotFound")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture
def hub():
    """The address of a hub that has three rows of GSM8K."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_silent_hub_does_not_hold_up_the_built_in_set(silent, tmp_path):
    outcome = load("math", tmp_path, HF_ENDPOINT=silent)
    assert outcome["name"] == "procedural-MATH"
    assert outcome["seconds"] < 15
    (warning,) = outcome["warnings"]
    assert "did not answer within 2.5 s" in warning
    assert not outcome["datasets"]


def test_a_silent_hub_is_waited_for_once(silent, tmp_path):
    outcome = load("math", tmp_path, code=REPORT + AGAIN, HF_ENDPOINT=silent)
    assert "did not answer within 2.5 s" in outcome["again"]
    assert outcome["again_seconds"] < 8


@pytest.mark.parametrize("name", ["hendrycks", "gsm8k"])
def test_a_silent_hub_is_an_error_in_time_for_the_others(silent, tmp_path, name):
    outcome = load(name, tmp_path, HF_ENDPOINT=silent)
    assert outcome["seconds"] < 15
    assert "Three ways" in outcome["text"]


def test_a_silent_hub_is_an_error_in_time_for_any_data_set(silent, tmp_path):
    code = REPORT.replace(
        "load_problems(sys.argv[1])", "selfcorrect_env.ProblemSet.from_dataset(sys.argv[1])"
    )
    outcome = load("somebody/something", tmp_path, code=code, HF_ENDPOINT=silent)
    assert outcome["seconds"] < 15
    assert "did not answer within 2.5 s" in outcome["text"]
    assert "no file or folder of this name" in outcome["text"]
    assert not outcome["datasets"]


def test_a_refusing_hub(refusing, tmp_path):
    outcome = load("math", tmp_path, HF_ENDPOINT=refusing)
    assert outcome["name"] == "procedural-MATH"
    assert outcome["seconds"] < 15
    assert "refused" in outcome["warnings"][0]


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"])
def test_offline_makes_no_request(silent, tmp_path, variable):
    outcome = load("math", tmp_path, HF_ENDPOINT=silent, **{variable: "1"})
    assert outcome["name"] == "procedural-MATH"
    assert outcome["seconds"] < 8
    assert f"{variable} is set" in outcome["warnings"][0]


def test_a_hub_without_the_data_set(hub, tmp_path):
    outcome = load("math", tmp_path, HF_ENDPOINT=hub)
    assert outcome["name"] == "procedural-MATH"
    assert "the hub did not return HuggingFaceH4/MATH-500" in outcome["warnings"][0]


def test_a_hub_that_has_it_and_then_the_cache(hub, silent, tmp_path):
    outcome = load("gsm8k", tmp_path, HF_ENDPOINT=hub)
    assert outcome["references"] == ["1", "2", "3"]
    assert outcome["datasets"]
    assert "published with 1,319" in outcome["warnings"][0]

    again = load("gsm8k", tmp_path, HF_ENDPOINT=silent)
    assert again["references"] == ["1", "2", "3"]
    assert not again["datasets"]  # read from the cache, without its import
    moved = {"HF_HOME": "/nowhere", "HF_DATASETS_CACHE": str(tmp_path / "datasets")}
    assert load("gsm8k", tmp_path, HF_ENDPOINT=silent, **moved)["references"] == ["1", "2", "3"]

    (arrow,) = tmp_path.rglob("*.arrow")
    arrow.write_bytes(arrow.read_bytes()[:100])
    broken = load("gsm8k", tmp_path, HF_ENDPOINT=silent)
    assert "cannot be read" in broken["text"]
    assert arrow.name in broken["text"]


def put_into_cache(folder, repo, config, revision, split, rows):
    """Leave a copy as `datasets` does: it lowers a name, and keeps its owner's capitals."""
    from datasets.arrow_writer import ArrowWriter

    owner, name = repo.split("/")
    place = folder / "datasets" / f"{owner}___{name.lower()}" / config / "0.0.0" / revision
    place.mkdir(parents=True)
    with ArrowWriter(path=str(place / f"{name.lower()}-{split}.arrow")) as writer:
        for row in rows:
            writer.write(row)
        writer.finalize()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and a hub that is switched off."""
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("HF_DATASETS_CACHE", raising=False)
    return tmp_path


def test_the_cache_of_math_is_found_in_the_hubs_spelling(cache):
    rows = [{"problem": "x", "answer": "1"}, {"problem": "y", "answer": "2"}]
    put_into_cache(cache, "HuggingFaceH4/MATH-500", "default", "abc", "test", rows)
    assert cached_rows("HuggingFaceH4/MATH-500", "test") == rows
    assert cached_rows("HuggingFaceH4/MATH-500", "test", revision="a" * 40) is None
    assert cached_rows("HuggingFaceH4/MATH-500", "train") is None
    assert cached_rows("nlile/hendrycks-MATH-benchmark", "test") is None


def test_the_pinned_revision_is_preferred_to_a_newer_copy(cache):
    put_into_cache(cache, "openai/gsm8k", "main", COMMIT, "test", [{"answer": "pinned"}])
    put_into_cache(cache, "openai/gsm8k", "main", "b" * 40, "test", [{"answer": "newer"}])
    assert hub_rows(("openai/gsm8k",), "test", "main") == [{"answer": "pinned"}]
    assert hub_rows(("openai/gsm8k",), "test", "main", "b" * 40) == [{"answer": "newer"}]
    assert cached_rows("openai/gsm8k", "test", "main") == [{"answer": "newer"}]


@pytest.mark.parametrize(("held", "said"), [("b" * 40, "b" * 40), ("0f1e", "an unknown revision")])
def test_another_revision_is_taken_with_a_warning(cache, held, said):
    put_into_cache(cache, "openai/gsm8k", "main", held, "test", [{"answer": "other"}])
    with pytest.warns(ProblemSetWarning, match=f"{COMMIT}.*HF_HUB_OFFLINE is set.*{said}"):
        assert hub_rows(("openai/gsm8k",), "test", "main") == [{"answer": "other"}]


@pytest.mark.parametrize("revision", ["main", "c" * 40])
def test_a_revision_that_was_asked_for_is_never_replaced(cache, revision):
    put_into_cache(cache, "openai/gsm8k", "main", COMMIT, "test", [{"answer": "pinned"}])
    with pytest.raises(HubUnavailableError, match="HF_HUB_OFFLINE is set"):
        hub_rows(("openai/gsm8k",), "test", "main", revision)
