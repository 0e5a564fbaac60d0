"""Model cards, and uploads to a local server that speaks the hub's protocol."""

import base64
import json
import os
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from selfcorrect_agents.cli.push import train_command
from selfcorrect_agents.cli.train import _parse
from selfcorrect_agents.errors import LearningError
from selfcorrect_agents.lm.loading import load_policy
from selfcorrect_agents.lm.model_config import LoRAConfig, ModelConfig
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.template_config import TemplateConfig
from selfcorrect_agents.methods.multiturn_rl import MultiTurnRL, MultiTurnRLConfig
from selfcorrect_agents.training.config import flat, from_flat
from selfcorrect_agents.training.hub import upload_of
from selfcorrect_agents.training.presets import preset
from selfcorrect_env import CheckpointError, SelfCorrectEnv, evaluate
from selfcorrect_env.cli.main import main

SMALL = {"problems_per_step": 4, "samples": 4, "max_new_tokens": 4, "steps": 2}


@pytest.fixture
def run(policy: Policy, env: SelfCorrectEnv, tmp_path: Path) -> Path:
    MultiTurnRL(policy).learn(env, from_flat(MultiTurnRLConfig, SMALL), run=tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def report(policy: Policy, tmp_path: Path) -> Path:
    test = SelfCorrectEnv("arithmetic", split="test", size=20)
    agent = MultiTurnRL(policy, max_new_tokens=4, temperature=1.0)
    evaluate(agent, test, samples=2, out=tmp_path / "eval")
    return tmp_path / "eval"


def test_the_card_says_how_it_was_trained_and_measured(run: Path, report: Path) -> None:
    card = upload_of(run, "me/mine", reports=[report], command="selfcorrect train m").card
    _, front, body = card.split("---\n", 2)
    metadata = yaml.safe_load(front)
    assert metadata["library_name"] == "transformers"
    (model,) = metadata["model-index"]
    found = {m["name"]: m["value"] for result in model["results"] for m in result["metrics"]}
    stored = json.loads((report / "report.json").read_text())
    accuracies = [e["value"] for e in stored["metrics"]["accuracy"]]
    assert list(found.values()) == [round(value, 4) for value in accuracies]
    first = stored["metrics"]["accuracy"][0]
    low, high = (f"{100 * first[end]:.1f}" for end in ("low", "high"))
    assert f"| accuracy@t1 | {100 * first['value']:.1f} | [{low}, {high}] |" in body
    config = json.loads((run / "config.json").read_text())
    for expected in (
        *("`multiturn_rl`", config["fingerprint"], stored["measured"]["fingerprint"]),
        *("T = 1, at most 4 tokens", "pass@2, t2", "`learning_rate` | `0.0005`"),
        *("selfcorrect train m", config["torch"]),
        *("| trained | all weights |", "| precision of forward passes | float32 |"),
        "Every problem has 2 episodes: accuracies are avg@k.",
    ):
        assert expected in body, expected
    assert "not measured" not in body


def test_the_card_of_an_adapter_says_what_it_is(policy: Policy, tmp_path: Path) -> None:
    policy.save_pretrained(tmp_path / "base")
    config = ModelConfig(
        model=str(tmp_path / "base"),
        device="cpu",
        lora=LoRAConfig(rank=2, alpha=4.0),
        template=TemplateConfig(system="Be brief."),
    )
    loaded = load_policy(config, train=True)
    learning = from_flat(MultiTurnRLConfig, SMALL)
    MultiTurnRL(loaded).learn("SelfCorrect-Arithmetic-v0", learning, run=tmp_path / "run")
    loaded.save_pretrained(tmp_path / "run/model")
    card = upload_of(tmp_path / "run", "me/mine").card
    assert "library_name: peft" in card
    assert "| trained | LoRA of rank 2, alpha 4 |" in card
    assert "| chat template | system 'Be brief.' |" in card


def test_a_name_that_is_none_is_refused_before_anything_is_sent(run: Path) -> None:
    with pytest.raises(LearningError, match="'not a repo!' is no owner/name"):
        upload_of(run, "not a repo!")
    with pytest.raises(LearningError, match="'mine' has no owner: give owner/name"):
        upload_of(run, "mine")


def test_a_model_from_before_its_run_went_on_is_refused(
    run: Path, policy: Policy, env: SelfCorrectEnv
) -> None:
    """The card would have the settings and the curves of a longer run."""
    upload_of(run, "me/mine")
    metrics = (run / "metrics.jsonl").read_text()
    (run / "metrics.jsonl").write_text(metrics + metrics.splitlines()[-1] + "\n")
    with pytest.raises(LearningError, match=r"written before the run went on.*--resume"):
        upload_of(run, "me/mine")
    (run / "metrics.jsonl").write_text(metrics)
    upload_of(run, "me/mine")
    config = json.loads((run / "config.json").read_text())
    config["learning"]["steps"] = 5  # resumed to so many, and stopped before a step was logged
    (run / "config.json").write_text(json.dumps(config))
    with pytest.raises(LearningError, match="written before the run went on"):
        upload_of(run, "me/mine")


def test_a_report_of_another_model_is_refused(run: Path, tmp_path: Path) -> None:
    """The card would publish its accuracies as this model's."""
    words = ["--env", "SelfCorrect-Arithmetic-v0", "--n", "2", "--max-new-tokens", "4", "--quiet"]
    other = tmp_path / "other"
    shutil.copytree(run / "model", other)
    (other / "generation_config.json").write_text("{}\n")
    for model, name in ((run / "model", "own"), (other, "others")):
        main(["eval", "base", "--model", str(model), "--out", str(tmp_path / name), *words])
    assert "accuracy@t1" in upload_of(run, "me/mine", reports=[tmp_path / "own"]).card
    with pytest.raises(LearningError, match="others is an evaluation of another model"):
        upload_of(run, "me/mine", reports=[tmp_path / "own", tmp_path / "others"])


def test_what_is_uploaded_is_the_model_and_the_record_of_its_run(run: Path) -> None:
    upload = upload_of(run, "me/mine")
    assert {"config.json", "model.safetensors", "tokenizer.json", "run/config.json"} <= {
        *upload.files
    }
    assert upload.files["config.json"] == run / "model/config.json"
    assert "No evaluation was given" in upload.card


def test_a_run_without_a_model_is_refused(run: Path, tmp_path: Path) -> None:
    (run / "model").rename(tmp_path / "elsewhere")
    with pytest.raises(LearningError, match="no trained model yet"):
        upload_of(run, "me/mine")
    with pytest.raises(CheckpointError, match=r"nothing holds no run"):
        upload_of(tmp_path / "nothing", "me/mine")


def test_the_folder_of_a_model_is_no_run(run: Path) -> None:
    with pytest.raises(CheckpointError, match=r"model holds no run, but a model"):
        upload_of(run / "model", "me/mine")


def test_an_adapter_of_another_kind_is_named(run: Path) -> None:
    adapter = {"peft_type": "IA3", "target_modules": ["q_proj"]}
    (run / "model/adapter_config.json").write_text(json.dumps(adapter))
    assert "| trained | an adapter of type IA3 |" in upload_of(run, "me/mine").card


def test_the_command_has_what_differs_from_the_preset() -> None:
    learning = flat(preset(MultiTurnRLConfig, "one-gpu", steps=7, schedule="cosine"))
    options = {"preset": "one-gpu", "env": "SelfCorrect-GSM8K-v0", "model": "me/lm", "option": []}
    config = {"method": "multiturn_rl", "options": options, "learning": learning}
    assert train_command(config) == (
        "selfcorrect train multiturn_rl --preset one-gpu --env SelfCorrect-GSM8K-v0 --model me/lm "
        "--schedule cosine --steps 7"
    )
    assert train_command({"method": "multiturn_rl", "learning": learning}) is None
    several = {**options, "option": ["level=2", "size=500"], "trackers": ["wandb", "mlflow"]}
    command = train_command({**config, "options": several})
    assert command is not None
    assert "--option level=2 --option size=500 --trackers wandb mlflow" in command
    run, _ = _parse("multiturn_rl", MultiTurnRLConfig, shlex.split(command)[3:])
    assert run.option == ("level=2", "size=500")


# -- the server -----------------------------------------------------------------------------------
class Hub(BaseHTTPRequestHandler):
    """Makes repositories and takes commits, as the hub's API does; keeps what it was sent."""

    made: dict[str, Any]
    files: dict[str, bytes]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Authorization") != "Bearer hf_right":
            return self.answer(401, {"error": "Invalid credentials"})
        if self.path == "/api/repos/create":
            self.made.update(json.loads(body))
            return self.answer(200, {"url": f"http://{self.headers['Host']}/me/mine"})
        if self.path == "/api/validate-yaml":
            return self.answer(200, {"errors": [], "warnings": []})
        if self.path.endswith("/preupload/main"):
            names = [file["path"] for file in json.loads(body)["files"]]
            modes = [{"path": n, "uploadMode": "regular", "shouldIgnore": False} for n in names]
            return self.answer(200, {"files": modes})
        assert self.path == "/api/models/me/mine/commit/main", self.path
        for line in body.splitlines():
            entry = json.loads(line)
            if entry["key"] == "file":
                self.files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
        url = f"http://{self.headers['Host']}/me/mine/commit/abc"
        return self.answer(200, {"success": True, "commitOid": "abc", "commitUrl": url})

    def answer(self, status: int, content: dict[str, Any]) -> None:
        text = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[tuple[str, type[Hub]]]:
    handler = type("OneHub", (Hub,), {"made": {}, "files": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", handler
    server.shutdown()
    server.server_close()
    thread.join()


def pushed(address: str, token: str, tmp_path: Path, *words: str) -> subprocess.CompletedProcess:  # type: ignore[type-arg]
    """Run the command in a process of its own: huggingface_hub reads the address at import."""
    hf = {"HF_ENDPOINT": address, "HF_TOKEN": token, "HF_HOME": str(tmp_path / "hf")}
    code = "import selfcorrect_env.cli.main as c; raise SystemExit(c.main())"
    return subprocess.run(
        [sys.executable, "-c", code, "push", *words],
        env={**os.environ, **hf, "HF_HUB_OFFLINE": "0"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_run_is_pushed(run: Path, hub: tuple[str, type[Hub]], tmp_path: Path) -> None:
    address, handler = hub
    done = pushed(address, "hf_right", tmp_path, str(run), "me/mine", "--private")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{address}/me/mine"
    assert handler.made["name"] == "mine"
    upload = upload_of(run, "me/mine")
    assert handler.files.pop("README.md").decode() == upload.card
    assert {name: path.read_bytes() for name, path in upload.files.items()} == handler.files


def test_a_refusal_is_one_line(run: Path, hub: tuple[str, type[Hub]], tmp_path: Path) -> None:
    done = pushed(hub[0], "hf_wrong", tmp_path, str(run), "me/mine")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "me/mine was not uploaded" in done.stderr
    assert hub[1].files == {}


def test_a_hub_that_is_not_there_is_one_line(run: Path, tmp_path: Path) -> None:
    done = pushed("http://127.0.0.1:9", "hf_right", tmp_path, str(run), "me/mine")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "me/mine was not uploaded" in done.stderr


def test_a_dry_run_sends_nothing(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["push", str(run), "me/mine", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "# mine" in said
    assert "model.safetensors" in said
    assert main(["push", str(run), "me/mine", "--dry-run", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["repo"], printed["url"]) == ("me/mine", None)
    assert printed["files"]["model.safetensors"] > 0
    assert printed["card"] in said
