"""Where models come from: a .gguf file with random weights, and a hub that has one repository."""

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import gguf
import numpy as np

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def write_gguf(file: Path) -> Path:
    """Write a small model in the manner of Qwen 2, without a chat template."""
    file.parent.mkdir(parents=True)
    words = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *map(chr, range(33, 127)), "12"]
    writer = gguf.GGUFWriter(file, "qwen2")
    writer.add_context_length(64)
    writer.add_embedding_length(16)
    writer.add_block_count(1)
    writer.add_feed_forward_length(32)
    writer.add_head_count(2)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(1e4)
    writer.add_vocab_size(len(words))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(words)
    writer.add_token_types([3, 3, 3] + [1] * (len(words) - 3))
    writer.add_token_merges(["1 2"])
    writer.add_eos_token_id(0)
    writer.add_pad_token_id(0)
    shapes = {
        "token_embd.weight": (len(words), 16),
        "output.weight": (len(words), 16),
        "output_norm.weight": (16,),
        "blk.0.attn_norm.weight": (16,),
        "blk.0.ffn_norm.weight": (16,),
        **{f"blk.0.attn_{name}.weight": (16, 16) for name in ("q", "k", "v", "output")},
        **{f"blk.0.attn_{name}.bias": (16,) for name in "qkv"},
        **{f"blk.0.ffn_{name}.weight": (32, 16) for name in ("gate", "up")},
        "blk.0.ffn_down.weight": (16, 32),
    }
    numbers = np.random.default_rng(0)
    for name, shape in shapes.items():
        writer.add_tensor(name, numbers.normal(0, 0.3, shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


@contextlib.contextmanager
def serving(name: str, folder: Path) -> Iterator[str]:
    """Serve a folder as the repository of that name, by the hub's protocol; yield the address."""
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path.startswith(f"/api/models/{name}/tree/"):
                self.answer(json.dumps([described(file) for file in files]).encode())
            elif path.startswith(f"/api/models/{name}"):
                siblings = [{"rfilename": file} for file in files]
                found = {"id": name, "sha": COMMIT, "siblings": siblings}
                self.answer(json.dumps(found).encode())
            elif path.rpartition("/")[2] in files:
                self.answer(files[path.rpartition("/")[2]])
            else:
                self.answer(b"{}", 404)

        do_HEAD = do_GET  # noqa: N815 - the names are the server's

        def answer(self, data: bytes, status: int = 200) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Content-Type", "application/json")
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{hashlib.sha1(data).hexdigest()}"')
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    def described(file: str) -> dict[str, object]:
        oid = hashlib.sha1(files[file]).hexdigest()
        return {"type": "file", "path": file, "oid": oid, "size": len(files[file])}

    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
