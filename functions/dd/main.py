"""Copies a file with dd."""

import hashlib
import os
import re
import subprocess
import tempfile
import time

cold = True


def make_file(path, size, seed):
    """`size` bytes that no copy of zeroes could be taken for."""
    state = seed & 0x7FFFFFFF
    block = bytearray()
    for _ in range(4096):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        block.append((state >> 16) & 255)
    with open(path, "wb") as file:
        for offset in range(0, size, len(block)):
            file.write(block[: min(len(block), size - offset)])


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def main(args):
    global cold
    was_cold, cold = cold, False
    block_size = int(args.get("bs", 4096))
    count = int(args.get("count", 256))
    with tempfile.TemporaryDirectory() as folder:
        source, target = os.path.join(folder, "in"), os.path.join(folder, "out")
        make_file(source, block_size * count, int(args.get("seed", 1)))
        start = time.time()
        done = subprocess.run(
            ["dd", f"if={source}", f"of={target}", f"bs={block_size}", f"count={count}"],
            stderr=subprocess.PIPE,
            text=True,
            check=True,
            env={**os.environ, "LC_ALL": "C"},
        )
        end = time.time()
        records = re.search(r"^(\d+)\+(\d+) records out", done.stderr, re.M)
        return {
            "body": {
                "bytes": os.path.getsize(target),
                "records": int(records.group(1)) if records else 0,
                "sha256": digest(target),
                "same": digest(target) == digest(source),
                "cold": was_cold,
                "start": start,
                "end": end,
                "latency": end - start,
            }
        }
