"""``selfcorrect push RUN REPO``: uploads a run's model with its card to the Hugging Face hub."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from selfcorrect_agents.flat_config import flat
from selfcorrect_env import SelfCorrectError
from selfcorrect_env.cli import parse, print_json

ABOUT = """\
Upload the trained model of a run to the Hugging Face hub, with a model card that says how it was
trained and how it was measured, and with the run's configuration, metrics and curves.

The token is that of 'hf auth login' or HF_TOKEN.

Examples:
  selfcorrect push runs/score me/my-model --report runs/eval --dry-run
  selfcorrect push runs/score me/my-model --report runs/eval --private"""

REPEATED = ("option", "template.args")
"""Options that are given once for each of their values."""


@dataclass(frozen=True, kw_only=True)
class PushOptions:
    """Which run, and where to."""

    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """The folder of a run that has ended."""
    repo: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="REPO")]
    """The repository on the hub, owner/name; it is made if it does not exist."""
    report: tuple[str, ...] = ()
    """Folders of evaluations of the model (eval --out), for the card."""
    private: bool = False
    """Make a private repository, if it does not exist."""
    dry_run: bool = False
    """Print the card and list the files; send nothing."""
    json: bool = False
    """Print one JSON object: the repository, its address, the card and the sizes of the files."""


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status."""
    options = parse(PushOptions, argv, prog="selfcorrect push", about=ABOUT)
    from selfcorrect_agents.training.hub import CARD, push, upload_of  # slow to import
    from selfcorrect_agents.training.resuming import read_run_config

    command = train_command(read_run_config(options.run))
    upload = upload_of(options.run, options.repo, reports=options.report, command=command)
    url = None if options.dry_run else push(upload, private=options.private)
    if options.json:
        sizes = {name: path.stat().st_size for name, path in upload.files.items()}
        print_json({"repo": options.repo, "url": url, "card": upload.card, "files": sizes})
    elif url is None:
        print(upload.card)
        print(f"{options.repo} would get {CARD} and:")
        for name, path in upload.files.items():
            print(f"  {path.stat().st_size:>13,} bytes  {name}")
    else:
        print(url)
    return 0


def train_command(config: Mapping[str, Any]) -> str | None:
    """Return the command of a run, quoted for a shell; None if it was trained from Python.

    It names every option that differs from its default, or from the run's preset.
    """
    from selfcorrect_agents.cli.train import TrainOptions
    from selfcorrect_agents.training.method_lookup import learning_of
    from selfcorrect_agents.training.presets import preset, with_preset_model

    options = config.get("options")
    if not isinstance(options, Mapping):
        return None
    name = options.get("preset") or "tiny"
    try:
        learning = flat(preset(learning_of(config["method"]), name))
        ours = flat(with_preset_model(TrainOptions(preset=name), name, str(options["model"])))
    except SelfCorrectError:  # of a method or a preset that is not here
        learning, ours = {}, flat(TrainOptions())
    words = ["selfcorrect", "train", str(config["method"]), "--preset", name]
    words += _flags(options, {**ours, "preset": name})
    words += _flags(config["learning"], learning)
    return shlex.join(words)


def _flags(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> Iterator[str]:
    for key, value in values.items():
        default = defaults.get(key)
        default = list(default) if isinstance(default, tuple) else default
        if value == default or value is None:
            continue
        flag = key.replace("_", "-")
        if isinstance(value, bool):
            yield f"--{flag}" if value else f"--no-{flag}"
            continue
        values_of = value if isinstance(value, list | tuple) else [value]
        if key in REPEATED:
            for each in values_of:
                yield from (f"--{flag}", str(each))
        else:
            yield from (f"--{flag}", *map(str, values_of))
