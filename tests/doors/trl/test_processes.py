"""TRL's trainer in several processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close
from trl_steps import (
    PROBLEMS,
    SAMPLES,
    flat,
    moved,
    played,
)

from selfcorrect_agents.adapters.trl.rollouts import columns_of
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_env import SelfCorrectEnv

LAUNCHED = '''
import sys, torch
torch.set_num_threads(1)
from selfcorrect_agents.adapters.trl import EpisodeRollouts, SCoReGRPOConfig, SCoReGRPOTrainer
from selfcorrect_env import SelfCorrectEnv

folder, played, weights, rows = sys.argv[1:]


class Replay(EpisodeRollouts):
    """The same episodes in any number of processes: each takes its rows of them."""

    def __call__(self, prompts, trainer):
        start = trainer.accelerator.process_index * len(prompts)
        columns = torch.load(played)
        return {name: values[start : start + len(prompts)] for name, values in columns.items()}


def trained(replayed):
    args = SCoReGRPOConfig(
        output_dir=weights + "-out", stage_one_steps=1, stage_two_steps=1, beta_1=0.3, beta_2=0.5,
        learning_rate=1e-2, optim="sgd", use_cpu=True, bf16=False, activation_checkpointing=False,
        report_to="none", save_strategy="no", disable_tqdm=True, num_generations=4,
        per_device_train_batch_size=int(rows), max_completion_length=6, logging_steps=1,
    )
    env = SelfCorrectEnv("arithmetic", split="train", size=40)
    trainer = SCoReGRPOTrainer(folder, env, args=args)
    if replayed:
        trainer.rollouts["train"] = Replay(env)
    trainer.train()
    return trainer


trainer = trained(True)
state = trainer.accelerator.unwrap_model(trainer.model).state_dict()
if trainer.accelerator.is_main_process:
    torch.save({"state": state, "log": trainer.state.log_history}, weights)
assert trained(False).state.global_step == 2
print("processes", trainer.accelerator.num_processes)
'''


@pytest.mark.slow
def test_two_processes_take_the_step_of_one(
    folder: str, env: SelfCorrectEnv, tmp_path: Path
) -> None:
    """Baselines are over all processes: a problem's samples lie in both of them."""
    policy = moved(folder)
    torch.save(columns_of(played(policy, env)), tmp_path / "played")
    script = tmp_path / "launched.py"
    script.write_text(LAUNCHED)
    results = []
    for processes in (1, 2):
        weights = tmp_path / f"weights{processes}"
        launch = [
            *(sys.executable, "-m", "accelerate.commands.launch", "--num_machines", "1"),
            *("--num_processes", str(processes), "--mixed_precision", "no"),
            *("--dynamo_backend", "no", *(["--multi_gpu"] * (processes > 1)), str(script)),
        ]
        rows = SAMPLES * PROBLEMS // processes
        done = subprocess.run(
            [*launch, folder, str(tmp_path / "played"), str(weights), str(rows)],
            env={**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.count(f"processes {processes}") == processes
        results.append(torch.load(weights, weights_only=True))
    one, two = (flat(result["state"].values()) for result in results)
    start = flat(Policy.from_pretrained(folder).model.state_dict().values())
    assert (one - start).abs().max() > 1e-3
    assert_close(two, one, atol=1e-6, rtol=1e-5)
    for key in ("grad_norm", "t1/accuracy", "t2/reward", "t1/kl", "unjudged"):
        of_one, of_two = ([row[key] for row in r["log"] if key in row] for r in results)
        assert of_two == pytest.approx(of_one, rel=1e-4, abs=1e-6)
