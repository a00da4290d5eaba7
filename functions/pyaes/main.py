"""Encrypts and decrypts with AES in counter mode, in pure Python."""

import base64
import hashlib
import time

import pyaes

cold = True


def main(args):
    global cold
    was_cold, cold = cold, False
    length = int(args.get("length", 4_096))
    iterations = int(args.get("iterations", 2))
    key = bytes.fromhex(args.get("key", "a1f6258c877d5fcd8964484538bfc92c"))
    text = bytes(i * 31 % 251 for i in range(length))
    start = time.time()
    for _ in range(iterations):
        encrypted = pyaes.AESModeOfOperationCTR(key).encrypt(text)
        if pyaes.AESModeOfOperationCTR(key).decrypt(encrypted) != text:
            raise ValueError("the text did not survive")
    end = time.time()
    body = {
        "bytes": length,
        "iterations": iterations,
        "sha256": hashlib.sha256(encrypted).hexdigest(),
        "cold": was_cold,
        "start": start,
        "end": end,
        "latency": end - start,
    }
    if args.get("include"):
        body["encrypted"] = base64.b64encode(encrypted).decode()
    return {"body": body}
