#!/usr/bin/python3
"""A program in the place of an agent, from before the worker knows anybody: what it says at the socket of its own container. Prints what became of each attempt."""

import json
import os
import socket
import struct
import time

HELLO, RESULT, READY = 1, 6, 19
path, token, container = os.environ["ILUVATAR_AGENTS_SOCKET"], os.environ["ILUVATAR_TOKEN"], os.environ["ILUVATAR_CONTAINER"]


def frame(kind, meta=b"", numbers=(1, 1, 1024), announced=0):
    return struct.pack("<4BIQIIII", 0xF1, kind, 0, 0, 0, announced, len(meta), *numbers) + meta


def hello(**said):
    return frame(HELLO, json.dumps({"role": "agent", "container": container, "token": token, **said}).encode())


def call():
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(5)
    client.connect(path)
    return client


def closed(client):
    """Whether the worker ends the connection."""
    try:
        while client.recv(65536):
            pass
        return True
    except TimeoutError:
        return False
    except OSError:
        return True


def attempt(name, sent):
    client = call()
    try:
        client.sendall(sent)
        print(name, "refused" if closed(client) else "LET THROUGH", flush=True)
    except OSError:
        print(name, "refused", flush=True)
    client.close()


attempt("a guessed token", hello(token="0" * len(token)))
attempt("a short token", hello(token=""))
attempt("another container", hello(container="c0"))
attempt("another role", hello(role="spawner", name="python3"))
attempt("no hello", frame(READY))
attempt("a result", frame(RESULT))
attempt("a body before hello", frame(HELLO, b"{}", announced=60 << 20) + b"x" * (8 << 20))
attempt("garbage", os.urandom(4096))
held = []
for _ in range(300):
    try:
        held.append(call())
    except OSError:
        break
time.sleep(0.2)
print("open", sum(not ended for ended in ([c.settimeout(0.02) or closed(c) for c in held])), flush=True)
for client in held:
    client.close()
time.sleep(0.1)
agent = call()
agent.sendall(hello())
agent.sendall(frame(READY, numbers=(0, 0, 0)))
time.sleep(0.5)
try:
    attempt("the true token again", hello())
except OSError:
    print("the true token again refused", flush=True)
time.sleep(60)
