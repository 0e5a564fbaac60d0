"""The completion script, in a real bash; the other shells' scripts as text."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from selfcorrect_env.cli import completion
from selfcorrect_env.cli.doctor import DoctorOptions
from selfcorrect_env.cli.list import ListOptions

SCRIPT = Path(sys.executable).parent / "selfcorrect"

TRY = """
source "$1"
complete_function=$(complete -p selfcorrect | sed 's/.*-F \\([^ ]*\\).*/\\1/')
while IFS= read -r line; do
  read -ra COMP_WORDS <<< "$line"
  [[ "$line" == *' ' ]] && COMP_WORDS+=("")
  COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_LINE=$line COMP_POINT=${#line} COMPREPLY=()
  $complete_function < /dev/null
  echo "${COMPREPLY[*]}"
done
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_commands_options_and_names(tmp_path: Path) -> None:
    with (tmp_path / "script").open("w") as file:
        subprocess.run([SCRIPT, "completion", "bash"], stdout=file, check=True)
    (tmp_path / "try").write_text(TRY)
    lines = {
        "selfcorrect ": {"list", "eval", "train", "doctor", "completion"},
        "selfcorrect list --": {"--help", "--json", "--quiet", "--debug"},
        "selfcorrect train score --beta-2": {"--beta-2"},
        "selfcorrect eval gol": {"gold"},
        "selfcorrect eval base --env SelfCorrect-MATH": {
            "SelfCorrect-MATH-v0",
            "SelfCorrect-MATH500-v0",
        },
        "selfcorrect compare --decod": {"--decodings"},
    }
    done = subprocess.run(
        ["bash", "try", "./script"],
        cwd=tmp_path,
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    for (line, expected), found in zip(lines.items(), done.stdout.splitlines(), strict=True):
        assert expected <= {*found.split()}, line
        if not line.endswith(" "):  # nothing but what begins with the word
            assert all(word.startswith(line.split()[-1]) for word in found.split()), found


@pytest.mark.parametrize(
    ("shell", "words"), [("zsh", "#compdef selfcorrect"), ("fish", "complete --no-files")]
)
def test_other_shells_have_a_script(shell: str, words: str) -> None:
    written = completion.script(shell, {"list": ListOptions, "doctor": DoctorOptions})
    assert words in written
    assert "--json" in written
