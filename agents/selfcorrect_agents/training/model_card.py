"""The model card of a run: what was trained on what, how, and how it was measured."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from selfcorrect_agents.lm.template_config import TemplateConfig
from selfcorrect_agents.lm.token_caps import is_tiny
from selfcorrect_agents.training.resuming import read_run_config
from selfcorrect_agents.training.run_folder import BEST
from selfcorrect_env import CheckpointError
from selfcorrect_env.evaluation import Estimate, Report

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")

NOT_MEASURED = (
    "No evaluation was given. `selfcorrect eval METHOD --model … --out runs/eval` measures a model "
    "on held-out problems."
)


def model_card(
    run: str | Path, name: str, *, reports: Sequence[Report] = (), command: str | None = None
) -> str:
    """Return the card of a run's model as Markdown, with the hub's metadata in front.

    Args:
        run: the run folder.
        name: the model's name, for the title.
        reports: evaluations of the model.
        command: the command that trains it; None if it was trained from Python.

    Raises:
        CheckpointError: the folder holds no run.
    """
    run = Path(run)
    config = read_run_config(run)
    if "method" not in config or "learning" not in config:
        raise CheckpointError(f"{run} holds no run, but a model: name the folder of its run.")
    parts = [
        f"---\n{_metadata(config, name, reports, _adapter(run))}\n---",
        f"# {name.rpartition('/')[2]}",
        f"A language model that was trained with `{config['method']}` of selfcorrect-env "
        f"{version('selfcorrect-env')} to answer a problem, be asked to check its answer, and "
        "answer again.",
        "## Training",
        _table(("", ""), _facts(config, run)),
    ]
    if command is not None:
        parts.append(f"```bash\n{command}\n```")
    parts += ["## Evaluation", *(_measured(report) for report in reports)]
    if not reports:
        parts.append(NOT_MEASURED)
    settings = ((f"`{key}`", f"`{value}`") for key, value in config["learning"].items())
    parts += ["## Settings", _table(("setting", "value"), settings)]
    return "\n\n".join(parts) + "\n"


def _metadata(
    config: Mapping[str, Any], name: str, reports: Sequence[Report], adapter: Mapping[str, Any]
) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    results = [
        EvalResult(
            task_type="text-generation",
            dataset_type=report.measured.problem_set,
            dataset_name=report.measured.problem_set,
            dataset_split=report.measured.split,
            metric_type="accuracy",
            metric_name=f"accuracy@t{turn} ({report.measured.decoding})",
            metric_value=round(accuracy.value, 4),
        )
        for report in reports
        for turn, accuracy in enumerate(report.metrics.accuracy, start=1)
    ]
    base = str(config.get("model") or "")
    on_hub = HUB_ID.fullmatch(base) and not os.path.exists(base) and not is_tiny(base)
    data = ModelCardData(
        base_model=base if on_hub else None,
        library_name="peft" if adapter else "transformers",
        pipeline_tag="text-generation",
        tags=["selfcorrect-env", "self-correction", str(config["method"])],
        model_name=name,
        eval_results=results or None,
    )
    return data.to_yaml()


def _facts(config: Mapping[str, Any], run: Path) -> Iterable[tuple[str, str]]:
    yield "method", f"`{config['method']}`"
    yield "base model", f"`{config.get('model') or 'given in Python'}`"
    adapter, template = _adapter(run), _template(config)
    yield "trained", _trained(adapter)
    yield "precision of forward passes", str(config.get("precision", "unknown"))
    if template:
        yield "chat template", ", ".join(f"{name} {value!r}" for name, value in template.items())
    yield "problems", f"{config['problem_set']}, split {config['split']}"
    yield "fingerprint of the problems", f"`{config['fingerprint']}`"
    yield "verifier, prompts", f"{config['verifier']}, {config['prompts']}"
    yield "attempts", str(config["attempts"])
    for library in ("torch", "transformers"):
        yield library, str(config.get(library, "unknown"))
    best = run / BEST
    if best.is_file():
        found = json.loads(best.read_bytes())
        yield "step", f"{found['step']}, the best by {found['metric']} ({found['value']:.3f})"


def _adapter(run: Path) -> dict[str, Any]:
    """Return the configuration of the run's adapter; empty if all weights are trained."""
    file = run / "model" / "adapter_config.json"
    return json.loads(file.read_bytes()) if file.is_file() else {}


def _trained(adapter: Mapping[str, Any]) -> str:
    if not adapter:
        return "all weights"
    if adapter.get("peft_type") == "LORA":
        return f"LoRA of rank {adapter['r']}, alpha {adapter['lora_alpha']:g}"
    return f"an adapter of type {adapter.get('peft_type')}"


def _template(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the chat template was given, where it differs from the default."""
    options: Mapping[str, Any] = config.get("options") or {}
    given = config.get("template") or {
        key.partition(".")[2]: value
        for key, value in options.items()
        if key.startswith("template.")
    }
    plain = json.loads(json.dumps(asdict(TemplateConfig())))
    return {name: value for name, value in given.items() if value != plain.get(name)}


def _measured(report: Report) -> str:
    on, metrics = report.measured, report.metrics
    rows = [(f"accuracy@t{turn}", a) for turn, a in enumerate(metrics.accuracy, start=1)]
    if len(metrics.accuracy) > 1:
        rows += [
            (f"Δ(t1, t{len(metrics.accuracy)})", metrics.delta),
            ("wrong → right", metrics.delta_i_to_c),
            ("right → wrong", metrics.delta_c_to_i),
            ("same answer", metrics.unchanged_answers),
        ]
    if report.samples is not None:
        for name, of in (("pass", report.samples.pass_at_k), ("maj", report.samples.maj_at_k)):
            rows += [(f"{name}@{report.samples.k}, t{t}", e) for t, e in enumerate(of, start=1)]
    about = (
        f"{metrics.episodes} episodes of {on.problem_set}, split {on.split} (fingerprint "
        f"`{on.fingerprint}`), {metrics.unjudged} not judged, {on.decoding}; percent with 95% "
        "intervals."
    )
    if report.samples is not None:
        about += f" Every problem has {report.samples.k} episodes: accuracies are avg@k."
    notes = "\n\n".join(report.notes())
    table = _table(("metric", "%", "95% interval"), ((name, *_percent(e)) for name, e in rows))
    return "\n\n".join(filter(None, [about, table, notes]))


def _percent(estimate: Estimate) -> tuple[str, str]:
    low, high = (f"{100 * end:.1f}" for end in (estimate.low, estimate.high))
    return f"{100 * estimate.value:.1f}", f"[{low}, {high}]"


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    cells = ([" ".join(str(cell).replace("|", "\\|").split()) for cell in row] for row in lines)
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)
