"""Compresses a text with gzip and checks that it comes back unchanged."""

import base64
import gzip
import hashlib
import time

cold = True

WORDS = ("river", "stone", "amber", "north", "cloud", "ember", "glass", "tide")


def make_text(size, seed):
    """`size` bytes of words, the same ones for the same seed."""
    state = seed & 0x7FFFFFFF
    parts = []
    length = 0
    while length < size:
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        word = WORDS[(state >> 16) % len(WORDS)]
        parts.append(word)
        length += len(word) + 1
    return " ".join(parts).ljust(size).encode()[:size]


def main(args):
    global cold
    was_cold, cold = cold, False
    size = int(float(args.get("size_kb", 512)) * 1024)
    level = int(args.get("level", 6))
    text = make_text(size, int(args.get("seed", 1)))
    start = time.time()
    compressed = gzip.compress(text, compresslevel=level, mtime=0)
    middle = time.time()
    if gzip.decompress(compressed) != text:
        raise ValueError("the text did not survive")
    end = time.time()
    body = {
        "bytes": size,
        "compressed_bytes": len(compressed),
        "sha256": hashlib.sha256(text).hexdigest(),
        "compress_time": middle - start,
        "decompress_time": end - middle,
        "cold": was_cold,
        "start": start,
        "end": end,
        "latency": end - start,
    }
    if args.get("include"):
        body["compressed"] = base64.b64encode(compressed).decode()
    return {"body": body}
