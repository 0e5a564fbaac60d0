"""``selfcorrect quickstart``: a small language model learns to correct its answers, in minutes."""

from __future__ import annotations

from dataclasses import dataclass

from selfcorrect_env.cli import UsageError, output_folder, parse

ABOUT = """\
Train a small language model to correct its answers, with SCoRe and with plain multi-turn RL.

For each seed, a tiny Llama-style model (the first 20 come with the package, others are pre-trained
in a minute or two) is trained on an arithmetic task with two attempts: with plain multi-turn RL
that rewards both attempts, with plain multi-turn RL that rewards the second one alone (figure 6 of
the paper), and with SCoRe, each for the same number of episodes. Prints the metrics of each seed on
held-out problems, sampled and greedy, which seeds learn to correct themselves and when, and the
learning curves.

The folder keeps every run; after an interruption, the same command resumes. It is also a folder of
'selfcorrect compare': run that with its compare.toml to add methods, seeds and settings.

Examples:
  selfcorrect quickstart
  selfcorrect quickstart --seeds 0 1 2 3 4 --jobs 4 --out runs/five
  selfcorrect quickstart --hidden-size 128"""


@dataclass(frozen=True, kw_only=True)
class QuickstartOptions:
    """The size of the comparison, and the folder of its results."""

    seeds: tuple[int, ...] = (0, 1, 2)
    """For each seed, one base model and one run of each method."""
    hidden_size: int = 64
    """Width of the tiny model. Learning rates fall and steps rise in proportion to it."""
    n: int = 2000
    """Measure on the first N held-out problems, at most 4,000."""
    jobs: int = 2
    """Processes at a time, each with one thread."""
    out: str = "runs/quickstart"
    """The folder of the results."""
    json: bool = False
    """Print the comparison as one JSON object instead of tables."""

    def __post_init__(self) -> None:
        if self.hidden_size < 1:
            raise ValueError(f"hidden_size must be at least 1, got {self.hidden_size}.")


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status."""
    options = parse(QuickstartOptions, argv, prog="selfcorrect quickstart", about=ABOUT)
    if not options.seeds or options.jobs < 1 or not 1 <= options.n <= 4000:
        raise UsageError("--seeds needs a seed, --jobs at least 1, --n from 1 to 4000.")
    folder = output_folder(options.out)
    from selfcorrect_agents.cli.quickstart_run import quickstart  # torch, not needed for --help

    return quickstart(options, folder)
