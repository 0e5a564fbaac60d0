"""``selfcorrect eval openai`` as a user runs it: without torch, interrupted, with bad options."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from stand_in_server import StandInServer

from selfcorrect_env.cli.main import main

SCRIPT = Path(sys.executable).with_name("selfcorrect")
NO_TORCH = (
    "import sys\n"
    "class Absent:\n"
    "    def find_spec(name, path=None, target=None):\n"
    "        if name.partition('.')[0] in ('torch', 'transformers', 'datasets', 'accelerate'):\n"
    "            raise ModuleNotFoundError(name)\n"
    "sys.meta_path.insert(0, Absent)\n"
    "from selfcorrect_env.cli.main import main\n"
    "sys.exit(main(sys.argv[1:]))"
)


def second_thoughts(messages):
    return "none" if len(messages) == 1 else str(2 * int(messages[0]["content"].split()[0]))


@pytest.fixture
def problems(tmp_path):
    path = tmp_path / "sums.jsonl"
    rows = [{"prompt": f"{i} + {i}", "reference": str(2 * i)} for i in range(30)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def words(server, problems, *more):
    return [
        *("eval", "openai", "--model", "m", "--base-url", server.url),
        *("--env", "SelfCorrect-Arithmetic-v0", "--problems", str(problems)),
        *("--verifier", "exact", "--prompts", "plain", *more),
    ]


def test_it_needs_no_torch_and_prints_json(problems):
    with StandInServer(second_thoughts) as server:
        sampled = ("--samples", "2", "--temperature", "0.6", "--top-p", "0.95", "--seed", "1")
        done = subprocess.run(
            [sys.executable, "-c", NO_TORCH, *words(server, problems, *sampled, "--json")],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["metrics"]["accuracy"][1]["value"] == 1.0
    assert report["samples"]["pass_at_k"][1]["value"] == 1.0
    assert report["usage"]["replies"] == 120
    assert report["measured"]["settings"]["model"] == "m"
    assert "timeout" not in report["measured"]["settings"]


def test_ctrl_c_keeps_every_answer_and_the_same_command_goes_on(problems, tmp_path):
    out = tmp_path / "run"
    with StandInServer(second_thoughts, latency=0.1) as server:
        command = [str(SCRIPT), *words(server, problems, "--out", str(out), "--concurrency", "4")]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        while sum(server.answered.values()) < 17:
            assert process.poll() is None
            time.sleep(0.01)
        server.latency = 60.0  # however late the signal comes, replies are left
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        assert "what was answered is in" in err
        kept = (out / "replies.jsonl").read_text().splitlines()
        asked, server.latency = len(server.requests), 0.0
        subprocess.run(command, check=True, capture_output=True)
        assert len(server.requests) - asked == 60 - len(kept)
    report = json.loads((out / "report.json").read_text())
    assert (report["metrics"]["episodes"], report["metrics"]["unjudged"]) == (30, 0)
    assert len(kept) >= 17 - 4  # up to four were on their way to the client


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--timeout", "0"], "timeout must be above 0"),
        (["--extra-body", "[1]"], "extra_body must be a JSON object"),
        (["--input-price", "1"], "input_price and output_price need each other"),
        (["--samples", "2"], "greedy replies are all alike"),
        (["--top-p", "0.9"], "--top-p has no part in greedy replies"),
        (["--template.date", "2020-01-01"], "a served model has the server's date"),
        (["--concurrency", "0"], "concurrency"),
        ([], "3 requests failed, the last one"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(problems, options, message, capsys):
    with StandInServer(second_thoughts) as server:
        command = words(server, problems, "--retries", "2", *options)
    assert main(command) == 2
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err
