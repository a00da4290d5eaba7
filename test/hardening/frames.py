"""What a function says to the worker that is not its to say: frames on its agent's connection, and output without end."""

import os
import socket
import struct
import time

CONNECTION = 3


def frame(kind, request_id=0, meta=b"", body=b"", status=0, numbers=(0, 0, 0), announced=None):
    return struct.pack("<4BIQIIII", 0xF1, kind, status, 0, request_id, len(body) if announced is None else announced, len(meta), *numbers) + meta + body


def forge(args):
    """Frames on its own connection to the worker, which its agent holds as descriptor 3."""
    what, other = args["what"], args.get("other", 0)
    mine = args.get("mine", 0)
    sent = {
        "a result of another function": lambda: frame(6, other, body=b'"forged"'),
        "a result twice": lambda: frame(6, mine, body=b'"first"') + frame(6, mine, body=b'"second"'),
        "ready again": lambda: frame(19),
        "hello again": lambda: frame(1, meta=b'{"role":"worker","name":"w"}', numbers=(1, 1, 1024)),
        "a hello of a spawner": lambda: frame(1, meta=b'{"role":"spawner","name":"python3"}', numbers=(1, 1, 1024)),
        "an exit": lambda: frame(20, numbers=(0, 0, 0)),
        "a spawn": lambda: frame(16, 1, meta=b'{"uid":0}'),
        "an assign": lambda: frame(18, 1, meta=b'{"function":"other@1"}'),
        "an invocation": lambda: frame(5, 1, meta=b'{"function":"neighbour"}'),
        "a call of the control plane": lambda: frame(8, 1, meta=b'{"method":"unregister","params":{"name":"neighbour"}}'),
        "an unknown type": lambda: frame(99),
        "a body over the limit": lambda: frame(6, mine, announced=1 << 40),
        "a meta over the limit": lambda: struct.pack("<4BIQIIII", 0xF1, 6, 0, 0, mine, 0, 1 << 30, 0, 0, 0),
        "half a frame": lambda: frame(6, mine, body=b"x" * 100)[:60],
        "garbage": lambda: os.urandom(4096),
        "a meta that is no text": lambda: frame(6, mine, meta=b"\xff\xfe{[" * 10, body=b'"odd"'),
        "a meta that is deep": lambda: frame(6, mine, meta=b"[" * 500_000, body=b'"odd"'),
        "an unknown status": lambda: frame(6, mine, status=200, body=b'"odd"'),
    }[what]()
    connection = socket.socket(fileno=os.dup(CONNECTION))
    connection.sendall(sent)
    if what == "half a frame":
        os._exit(0)
    time.sleep(60)


def flood(args):
    """LOG frames and pings as fast as the worker takes them."""
    piece = frame(21, body=b"f" * args["size"], numbers=(1, 0, 0)) if args["what"] == "log" else frame(3, 7)
    connection = socket.socket(fileno=os.dup(CONNECTION))
    data = piece * max(1, 65536 // len(piece))
    sent = 0
    while sent < args["bytes"]:
        connection.sendall(data)
        sent += len(data)
    return sent


def shout(args):
    """Output past Python, by the gigabyte."""
    written = 0
    block = b"s" * 65535 + b"\n"
    if args.get("long"):
        block = b"s" * 65536
    while written < args["bytes"]:
        written += os.write(args["fd"], block)
    return written
