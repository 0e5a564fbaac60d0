"""Uploading a run's model with its card to the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfcorrect_agents.errors import LearningError
from selfcorrect_agents.training.model_card import model_card
from selfcorrect_agents.training.run_folder import model_is_older
from selfcorrect_env.evaluation import REPORT_FILE, Report, hash_of_files

CARD = "README.md"
"""The name of the card in a repository of the hub."""

OF_RUN = ("config.json", "metrics.jsonl", "curves.svg", "best.json", "first_episode.txt")
"""Files of a run that are uploaded beside the model, to the folder ``run/``."""


@dataclass(frozen=True, slots=True)
class Upload:
    """What a run's repository on the hub will hold."""

    repo: str
    """``owner/name``."""
    card: str
    """The text of README.md."""
    files: dict[str, Path]
    """Path in the repository -> file here, without the card."""


def upload_of(
    run: str | Path,
    repo: str,
    *,
    reports: Sequence[str | Path] = (),
    command: str | None = None,
) -> Upload:
    """Return what is to be uploaded of a run; nothing is sent.

    Args:
        run: the run folder.
        repo: ``owner/name`` on the hub.
        reports: folders of evaluations of the model (``selfcorrect eval --out``).
        command: the command that trains the model, for the card.

    Raises:
        LearningError: ``repo`` is no name of a repository, the run has no trained model yet, or
            went on after it was written, or a report is of another model.
        CheckpointError: the folder holds no run, or a report can't be read.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise LearningError(f"{repo!r} is no owner/name of the hub: {error}") from error
    if "/" not in repo:
        raise LearningError(f"{repo!r} has no owner: give owner/name, such as me/{repo}.")
    run = Path(run)
    measured = [Report.load(folder) for folder in reports]
    card = model_card(run, repo, reports=measured, command=command)
    model = run / "model"
    if not model.is_dir():
        raise LearningError(
            f"{run} has no trained model yet; it is written when the run ends (--resume finishes "
            "a run that was stopped)."
        )
    if model_is_older(run):
        raise LearningError(
            f"{model} was written before the run went on, so its settings and curves would not be "
            "the model's. Finish the run (--resume), then push."
        )
    for folder, report in zip(reports, measured, strict=True):
        _check_measured(report, folder, model)
    files = {
        str(path.relative_to(model)): path
        for path in sorted(model.rglob("*"))
        if path.is_file() and path.name != CARD  # peft and transformers write an empty one
    }
    files |= {f"run/{name}": run / name for name in OF_RUN if (run / name).is_file()}
    for number, folder in enumerate(reports, start=1):
        files[f"run/report-{number}.json"] = Path(folder) / REPORT_FILE
    return Upload(repo, card, files)


def _check_measured(report: Report, folder: str | Path, model: Path) -> None:
    """Refuse a report that says that other files than the run's model were measured.

    The command ``selfcorrect eval`` writes their hash; a report without one is taken as it is.
    """
    other = report.measured.settings.get("model_sha256")
    if other is not None and other != hash_of_files(model):
        raise LearningError(
            f"{folder} is an evaluation of another model: its files are not those of {model}. "
            "Measure that one (selfcorrect eval --model), or leave the report out."
        )


def push(upload: Upload, *, private: bool = False) -> str:
    """Make the repository, unless it exists, and upload everything in one commit.

    The hub's address and the token are huggingface_hub's: ``HF_ENDPOINT``, ``HF_TOKEN`` or
    ``hf auth login``.

    Returns:
        The address of the repository.

    Raises:
        LearningError: the hub refuses it, or can't be reached; the message is the hub's.
    """
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError

    # the library's HTTP client differs by version; all of its errors have this base
    of_client: Any = next(base for base in HfHubHTTPError.__mro__ if base.__name__ == "HTTPError")
    refusals: tuple[type[Exception], ...] = (
        *(of_client, HFValidationError, LocalTokenNotFoundError),
        *(OSError, ValueError),
    )
    api = HfApi()
    operations = [CommitOperationAdd(CARD, upload.card.encode())]
    operations += [CommitOperationAdd(name, str(path)) for name, path in upload.files.items()]
    try:
        address = api.create_repo(upload.repo, private=private or None, exist_ok=True)
        api.create_commit(upload.repo, operations, commit_message="Model and card of a run")
    except refusals as error:
        text = " ".join(str(error).split())
        raise LearningError(f"{upload.repo} was not uploaded: {text}") from error
    return str(address)
