"""SCoRe on a service with Tinker's API: the released client against a stand-in for the service.

The stand-in speaks the client's protocol over HTTP, and computes what the service documents with a
tiny model: samples with log-probabilities, the importance-sampling loss summed over tokens, AdamW.
No real service was tried.
"""

import copy
import gc
import json
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from selfcorrect_agents import Objective, Policy, Sampling, SCoReConfig, collect
from selfcorrect_agents.lm.learner import Learner, adamw
from selfcorrect_agents.lm.player import Player
from selfcorrect_agents.lm.tiny import TinyConfig, build_model, build_tokenizer
from selfcorrect_agents.lm.turns import TurnEnds
from selfcorrect_agents.methods.score.score import stage_one, stage_two
from selfcorrect_agents.rl.loss import Batch, turn_advantages
from selfcorrect_agents.rl.rollout import Rollout
from selfcorrect_agents.rl.update import update
from selfcorrect_agents.training.config import Optimization
from selfcorrect_env import Problem, ProblemSet, SelfCorrectEnv

pytest.importorskip("tinker")

import tinker
from tinker.proto import tinker_public_pb2 as protocol

from selfcorrect_agents.adapters.tinker import TinkerLearner, TinkerSampler, TinkerSCoRe
from selfcorrect_agents.adapters.tinker.learner import data, reference_logps

torch.set_num_threads(1)

pytestmark = [
    # the client leaves connections open, even where it is closed
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored:pytest.PytestUnraisableExceptionWarning"),
]


def untrained(seed: int = 0) -> Policy:
    tokenizer = build_tokenizer()
    model = build_model(TinyConfig(hidden_size=16, layers=1, heads=2, seed=seed), tokenizer)
    return Policy(model.eval(), tokenizer)


def read(tensor: Any) -> Tensor:
    kinds = {protocol.DTYPE_INT64: np.int64, protocol.DTYPE_FLOAT32: np.float32}
    return torch.tensor(np.frombuffer(tensor.dense, kinds[tensor.dtype]).copy())


class StandIn:
    """What a service does, with one tiny model and its snapshots."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.tokenizer = "tiny"
        self.results: dict[str, Any] = {}
        self.number = 0
        self.reset()

    def reset(self) -> None:
        self.base = untrained()
        self.trained = copy.deepcopy(self.base.model)
        self.optimizer = torch.optim.AdamW(self.trained.parameters(), lr=0.0)
        self.snapshots = {"base": self.base.model}
        self.sessions: dict[str, Any] = {}
        self.asked: list[tuple[str, Any]] = []

    def logps(self, model: Any, ids: Tensor, targets: Tensor) -> Tensor:
        logits = model(input_ids=ids[None]).logits[0]
        return logits.log_softmax(dim=-1).gather(1, targets[:, None])[:, 0]

    # -- the requests that answer with a promise --------------------------------------------
    def create_model(self, request: Any) -> Any:
        return {"model_id": "model", "type": "create_model"}

    def save_weights_for_sampler(self, request: Any) -> Any:
        name = request.get("path") or f"step{len(self.snapshots)}"
        self.snapshots[name] = copy.deepcopy(self.trained)
        session = f"session-{name}"
        self.sessions[session] = self.snapshots[name]
        return {"path": f"tinker://{name}", "sampling_session_id": session,
                "type": "save_weights_for_sampler"}  # fmt: skip

    @torch.no_grad()
    def asample(self, request: Any) -> Any:
        model = self.sessions[request["sampling_session_id"]]
        prompt = [i for chunk in request["prompt"]["chunks"] for i in chunk["tokens"]]
        params = request["sampling_params"]
        generator = torch.Generator().manual_seed(params.get("seed", 0))
        sequences = []
        for _ in range(request["num_samples"]):
            ids, logps, stopped = list(prompt), [], False
            while not stopped and len(logps) < params["max_tokens"]:
                logits = model(input_ids=torch.tensor([ids])).logits[0, -1]
                temperature = params.get("temperature", 1.0)
                dist = (logits / (temperature or 1.0)).log_softmax(dim=-1)
                token = int(dist.argmax()) if temperature == 0 else int(
                    torch.multinomial(dist.exp(), 1, generator=generator)
                )  # fmt: skip
                ids.append(token)
                logps.append(float(dist[token]))
                stopped = token in params.get("stop", ())
            sequences.append(
                protocol.SampledSequence(
                    tokens=np.array(ids[len(prompt) :], np.int32).tobytes(),
                    logprobs=np.array(logps, np.float32).tobytes(),
                    stop_reason=protocol.STOP_REASON_STOP
                    if stopped
                    else protocol.STOP_REASON_LENGTH,
                )
            )
        result = protocol.SampleResponse(sequences=sequences)
        if request.get("prompt_logprobs"):
            ids = torch.tensor(prompt)
            known = [float("nan"), *self.logps(model, ids[:-1], ids[1:]).tolist()]
            result.prompt_logprobs = np.array(known, np.float32).tobytes()
        return result

    def forward_backward(self, body: bytes) -> Any:
        request = protocol.ForwardBackwardRequest.FromString(body)
        assert request.loss_fn == "importance_sampling"
        total = torch.zeros(())
        for datum in request.data:
            ids = [np.frombuffer(part.encoded_text.tokens, np.int32) for part in datum.model_input]
            tokens = torch.tensor(np.concatenate(ids).astype(np.int64))
            inputs = {name: read(value) for name, value in datum.loss_fn_inputs.items()}
            logps = self.logps(self.trained, tokens, inputs["target_tokens"])
            total = total - ((logps - inputs["logprobs"]).exp() * inputs["advantages"]).sum()
        total.backward()
        return protocol.ForwardBackwardOutput(
            loss_fn_output_type="ArrayRecord", metrics={"loss:sum": float(total.detach())}
        )

    def optim_step(self, request: Any) -> Any:
        params = request.get("adam_params") or request["optim_params"]
        if params["grad_clip_norm"]:
            torch.nn.utils.clip_grad_norm_(self.trained.parameters(), params["grad_clip_norm"])
        for group in self.optimizer.param_groups:
            group.update(
                lr=params["learning_rate"], betas=(params["beta1"], params["beta2"]),
                eps=params["eps"], weight_decay=params["weight_decay"],
            )  # fmt: skip
        self.optimizer.step()
        self.optimizer.zero_grad()
        return {"metrics": {}}

    # -- the requests that answer at once ---------------------------------------------------
    def create_sampling_session(self, request: Any) -> Any:
        name = (request.get("model_path") or "base").removeprefix("tinker://")
        session = f"session-{name}-{len(self.sessions)}"
        self.sessions[session] = self.snapshots[name]
        return {"sampling_session_id": session, "type": "create_sampling_session"}

    def at_once(self, path: str, request: Any) -> Any:
        if path == "create_session":
            return {"session_id": "s", "type": "create_session"}
        if path == "get_info":
            data = {"model_name": "tiny", "arch": "llama", "tokenizer_id": self.tokenizer}
            return {"model_id": "model", "type": "get_info", "model_data": data}
        if path == "session_heartbeat":
            return {"type": "session_heartbeat"}
        if path == "create_sampling_session":
            return self.create_sampling_session(request)
        return {}


PROMISED = ("create_model", "save_weights_for_sampler", "asample", "forward_backward", "optim_step")


def handler(service: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            try:
                self.answer(self.answered())
            except Exception as error:  # the client retries what is only cut off
                self.answer({"error": repr(error)}, 422)

        def answered(self) -> Any:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.rsplit("/", 1)[-1]
            raw = path == "forward_backward"
            request = body if raw else json.loads(body or b"{}")
            with service.lock:
                service.asked.append((path, request))
                if path == "retrieve_future":
                    answer = service.results.pop(request["request_id"])
                elif path in PROMISED:
                    service.number += 1
                    number = str(service.number)
                    service.results[number] = getattr(service, path)(request)
                    answer = {"request_id": number, "model_id": "model"}
                    if path == "asample":
                        ids = [f"{number}-{i}" for i in range(request["num_samples"])]
                        answer["sample_sequence_ids"] = ids
                else:
                    answer = service.at_once(path, request)
            return answer

        def do_GET(self) -> None:
            self.answer({})

        def answer(self, content: Any, status: int = 200) -> None:
            packed = not isinstance(content, dict)
            body = content.SerializeToString() if packed else json.dumps(content).encode()
            self.send_response(status)
            kind = "x-protobuf" if packed else "json"
            self.send_header("Content-Type", f"application/{kind}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    stand_in = StandIn()
    changed = {"TINKER_API_KEY": "tml-none", "TINKER_TELEMETRY": "0"}
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), handler(stand_in)) as server,
        pytest.MonkeyPatch.context() as patch,
    ):
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        changed["TINKER_BASE_URL"] = f"http://127.0.0.1:{server.server_port}"
        for name, value in changed.items():
            patch.setenv(name, value)
        yield stand_in
        server.shutdown()
        thread.join()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(scope="module")
def connected(server: StandIn) -> Iterator[tinker.ServiceClient]:
    client = tinker.ServiceClient()
    yield client
    client.close("success").result()


@pytest.fixture
def service(server: StandIn) -> StandIn:
    """The stand-in with the model untrained and nothing asked yet."""
    server.reset()
    return server


# -- the parts -----------------------------------------------------------------------------
@pytest.fixture
def env() -> SelfCorrectEnv:
    return SelfCorrectEnv("arithmetic", split="train", size=40)


@pytest.fixture
def client(service: StandIn, connected: tinker.ServiceClient) -> tinker.TrainingClient:
    return connected.create_lora_training_client("tiny", rank=4).result()


def played(client: tinker.TrainingClient, env: SelfCorrectEnv, policy: Policy) -> Rollout:
    chat = policy.chat
    ends = TurnEnds(chat.pad_id, chat.eos_ids, chat.turn_end)
    sampler = TinkerSampler(client.save_weights_and_get_sampling_client().result(), ends, seed=3)
    player, episodes = Player(chat, sampler), env.vectorised(8)
    return collect(player, episodes, [0, 1], samples=4, max_new_tokens=5)


def test_both_turns_are_sampled_token_for_token(
    client: tinker.TrainingClient, env: SelfCorrectEnv
) -> None:
    policy = untrained()
    rollout = played(client, env, policy)
    scored = policy.logits(rollout.ids, rollout.attention_mask, rollout.columns).log_softmax(-1)
    logps = scored.gather(-1, rollout.sampled[..., None])[..., 0]
    assert_close(rollout.logps[rollout.mask], logps[rollout.mask], atol=1e-5, rtol=1e-5)
    instruction = [{"role": "user", "content": env.prompts.correction}]
    for row in range(len(rollout)):
        real = rollout.ids[row, rollout.attention_mask[row]].tolist()
        one, two = (
            rollout.sampled[row, rollout.mask[row] & (rollout.turn == t)].tolist() for t in (0, 1)
        )
        prompt = policy.chat.prompt_ids(env.prompts.first(rollout.episodes[row].problem))
        ended = one[-1:] if one[-1] in policy.chat.eos_ids else []
        assert real == [*prompt, *one, *policy.chat.follow_up(ended, instruction), *two]
    assert len({tuple(row) for row in rollout.sampled.tolist()}) > 1


def test_a_datum_has_each_turns_advantage_at_its_tokens(
    client: tinker.TrainingClient, env: SelfCorrectEnv
) -> None:
    rollout = played(client, env, untrained())
    rollout.judged[3] = False
    found = data(rollout, torch.arange(16.0).view(8, 2) * 7)
    assert len(found) == 7
    rows = [row for row in range(8) if row != 3]
    for datum, row in zip(found, rows, strict=True):
        real = rollout.ids[row, rollout.attention_mask[row]]
        assert datum.model_input.to_ints() == real[:-1].tolist()
        inputs = {name: value.to_torch() for name, value in datum.loss_fn_inputs.items()}
        assert inputs["target_tokens"].tolist() == real[1:].tolist()
        counts = [int((rollout.mask[row] & (rollout.turn == t)).sum()) for t in (0, 1)]
        nonzero = inputs["advantages"][inputs["logprobs"] != 0].tolist()
        assert nonzero == [2.0 * row] * counts[0] + [2.0 * row + 1] * counts[1]


@pytest.mark.parametrize("stage", [1, 2])
def test_a_step_is_that_of_our_trainer(
    service: StandIn, connected: tinker.ServiceClient, client: tinker.TrainingClient,
    env: SelfCorrectEnv, stage: int,
) -> None:  # fmt: skip
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in service.trained.parameters():
            weight.add_(0.1 * torch.randn(weight.shape))
    policy = untrained()
    policy.model.load_state_dict(service.trained.state_dict())
    rollout = played(client, env, policy)
    scores = torch.randint(0, 2, rollout.scores.shape).float()
    rollout = replace(rollout, scores=scores)
    rollout.judged[3] = False
    config = SCoReConfig(beta_1=0.3, beta_2=0.5, objective=Objective(kl="k1_reward"))
    theory = (stage_one if stage == 1 else stage_two)(config)
    batch = Batch(rollout=rollout, rewards=theory.rewards(scores), betas=theory.betas)

    base = connected.create_sampling_client(base_model="tiny").result()
    kl = rollout.turn_sum(rollout.logps - reference_logps(base, rollout))
    advantages = turn_advantages(batch, config.objective, kl * torch.tensor(theory.betas))
    metrics = TinkerLearner(client, max_grad_norm=0.3).step(rollout, advantages, 1e-2)
    assert_close(
        metrics["loss:sum"], -float(loss_at_ratio_one(rollout, advantages)), atol=1e-4, rtol=1e-3
    )

    learner = Learner(policy.model, adamw(policy.model, 1e-2), max_grad_norm=0.3)
    before = policy.model.lm_head.weight.detach().clone()
    update(policy, untrained(), learner, [batch], config.objective)
    assert (policy.model.lm_head.weight - before).abs().max() > 1e-3
    theirs = service.trained.state_dict()
    close = [
        torch.isclose(theirs[name], weight, atol=2e-4, rtol=1e-3).flatten()
        for name, weight in policy.model.state_dict().items()
    ]
    # Adam's first step has the same length for every gradient, also for those that are all rounding
    assert torch.cat(close).float().mean() > 0.998


def loss_at_ratio_one(rollout: Rollout, advantages: Tensor) -> Tensor:
    """The mean over judged episodes of the sum of their tokens' advantages."""
    per_token = torch.where(rollout.mask, advantages[:, rollout.turn], 0.0)
    return per_token[rollout.judged].sum() / rollout.judged.sum()


# -- a run ---------------------------------------------------------------------------------
def digit_seven(problem: object, response: str) -> bool:
    return response.startswith("7")


def settings(**changed: Any) -> SCoReConfig:
    given: dict[str, Any] = {
        "sampling": Sampling(problems_per_step=2, samples=4, max_new_tokens=3),
        "optimization": Optimization(learning_rate=1e-2),
        "objective": Objective(kl="k1_reward"),
        "stage_one_steps": 1,
        "stage_two_steps": 1,
    }
    return SCoReConfig(**{**given, **changed})


@pytest.mark.slow
def test_it_learns_the_second_turn(service: StandIn, connected: tinker.ServiceClient) -> None:
    env = SelfCorrectEnv("arithmetic", split="train", size=100, verifier=digit_seven)
    config = settings(
        sampling=Sampling(problems_per_step=3, samples=6, max_new_tokens=2),
        optimization=Optimization(learning_rate=4e-2),
        stage_one_steps=8, stage_two_steps=0, beta_1=0.0, beta_2=0.5,
    )  # fmt: skip
    run = TinkerSCoRe(connected, "tiny", env, config, tokenizer=untrained().tokenizer)
    log = list(run.steps())
    assert log[0]["t2/accuracy"] < 0.3
    assert sum(row["t2/accuracy"] for row in log[-3:]) / 3 > 0.6
    assert sum(row["t1/accuracy"] for row in log[-3:]) / 3 < 0.4
    assert abs(log[0]["t1/kl"]) < 1e-4 < abs(log[-1]["t1/kl"])


def test_nothing_of_the_reference_is_sent(
    service: StandIn, connected: tinker.ServiceClient
) -> None:
    tokenizer = untrained().tokenizer
    problems = ProblemSet(
        [Problem(id=str(i), prompt=f"{i}+{i}=", reference=f"={i + 70}") for i in range(3)],
        name="marked",
    )
    env = SelfCorrectEnv(problems, verifier=digit_seven, prompts="arithmetic")
    run = TinkerSCoRe(connected, "tiny", env, settings(), tokenizer=tokenizer)
    list(run.steps())
    asked = [request for path, request in service.asked if path == "asample"]
    first = [
        tokenizer.decode([i for chunk in request["prompt"]["chunks"] for i in chunk["tokens"]])
        for request in asked[:2]
    ]
    assert first
    assert not [text for text in first for i in range(3) if f"={i + 70}" in text]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"objective": Objective()}, "kl must be 'k1_reward'"),
        ({"objective": Objective(kl="k1_reward", unit="token")}, "unit must be 'sequence'"),
        ({"oversample": 2}, "oversample must be 1 at a service"),
        ({"sampling": Sampling(temperature=0.5)}, "temperature must be 1.0 at a service"),
        ({"warm_start_steps": 1}, "warm_start_steps must be 0 at a service"),
    ],
)
def test_what_a_service_cannot_do_is_refused(
    service: StandIn, connected: tinker.ServiceClient, env: SelfCorrectEnv,
    changed: dict[str, Any], message: str,
) -> None:  # fmt: skip
    with pytest.raises(ValueError, match=message):
        TinkerSCoRe(connected, "tiny", env, settings(**changed))
    assert [path for path, _ in service.asked if path == "create_model"] == []


def test_without_tinker_the_error_names_the_extra() -> None:
    code = "import sys; sys.modules['tinker'] = None; import selfcorrect_agents.adapters.tinker"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip().endswith("pip install 'selfcorrect-env[tinker]'.")


SMALL = {
    "problems_per_step": 2, "samples": 4, "max_new_tokens": 3,
    "stage_one_steps": 1, "stage_two_steps": 1,
}  # fmt: skip
"""The sizes of a run that takes a second."""

PAGE = Path(__file__).resolve().parents[2] / "docs" / "trainers" / "tinker.md"


def test_the_page_has_a_complete_run(
    service: StandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With two short steps, the stand-in's model, and an environment that needs no hub."""
    section = PAGE.read_text(encoding="utf-8").partition("## A complete run\n")[2]
    code = section.partition("```python\n")[2].partition("```")[0]
    assert len(code.splitlines()) < 15
    untrained().tokenizer.save_pretrained(tmp_path / "tiny")
    for written, tried in (
        ("Qwen/Qwen3-8B", str(tmp_path / "tiny")),
        ("SelfCorrect-MATH-v0", "SelfCorrect-Arithmetic-v0"),
        ("SelfCorrect-MATH500-v0", "SelfCorrect-Arithmetic-v0"),
        ("n=200", "n=4"),
        ("eval_every=0", "eval_every=0, **SMALL"),
    ):
        assert code.count(written) == 1, written
        code = code.replace(written, tried)
    service.tokenizer = str(tmp_path / "tiny")
    exec(compile(code, str(PAGE), "exec"), {"SMALL": SMALL})
    assert "Δ(t1, t2)" in capsys.readouterr().out
