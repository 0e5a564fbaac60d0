"""A stand-in for ``docker run``: checks the options, and runs the command on this machine.

The first argument is a file to which it appends the names of the containers that it starts.
"""

from __future__ import annotations

import os
import sys

WITH_VALUE = {
    "--network": "none",
    "--tmpfs": "/tmp:size=16m,mode=1777",
    "--memory": None,
    "--memory-swap": None,
    "--cpus": "1",
    "--pids-limit": "64",
    "--cap-drop": "ALL",
    "--security-opt": "no-new-privileges",
    "--user": "65534:65534",
}
ALONE = {"--rm", "-i", "--read-only"}


def main(log: str, verb: str, *words: str) -> None:
    if verb != "run":
        raise SystemExit(f"no such command: {verb}")
    rest, seen = list(words), set()
    while rest[0].startswith("-"):
        option = rest.pop(0)
        seen.add(option)
        if option not in ALONE:
            value = rest.pop(0)
            if WITH_VALUE[option] not in (None, value):
                raise SystemExit(f"{option} is {value}")
    missing = {*WITH_VALUE, *ALONE} - seen
    if missing:
        raise SystemExit(f"not isolated: {missing}")
    image, program, *arguments = rest
    if (image, program) != ("python:3.11-slim", "python3"):
        raise SystemExit(f"no image {image} with {program}")
    with open(log, "a") as file:
        file.write(f"{os.getpid()}\n")
    os.environ.clear()
    os.chdir("/")
    os.execv(sys.executable, [sys.executable, *arguments])


if __name__ == "__main__":
    main(*sys.argv[1:])
