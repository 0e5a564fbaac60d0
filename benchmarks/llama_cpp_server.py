"""An OpenAI-compatible server of a .gguf file, on the CPU: llama.cpp, through xllamacpp.

    python scripts/peer_environments.py xllamacpp
    .peers/xllamacpp/bin/python benchmarks/llama_cpp_server.py model.gguf

It prints its address, such as http://127.0.0.1:40123/v1, and serves until its standard input ends.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="a .gguf file")
    parser.add_argument("--slots", type=int, default=4, help="requests at a time")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--context", type=int, default=4096, help="tokens of each slot")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    options = parser.parse_args()

    import xllamacpp

    server = xllamacpp.Server(parameters(options))
    print(f"{server.listening_address}/v1", flush=True)
    sys.stdin.read()


def parameters(options: argparse.Namespace) -> Any:
    """Return xllamacpp's parameters of a server."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = options.model
    params.n_parallel = options.slots
    params.n_ctx = options.slots * options.context
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = options.threads
    params.hostnames = ["127.0.0.1"]
    params.port = options.port
    return params


if __name__ == "__main__":
    main()
