"""The smallest zygote: what cell_library.h asks of one, and an agent that does as its function's `entry` says. For tests of the library alone."""

import ctypes
import json
import os
import socket
import struct
import sys

HEADER = struct.Struct("<BBBBIQIIII")
READY = 19


def send(sock, kind, status, meta):
    text = json.dumps(meta).encode()
    sock.sendall(HEADER.pack(0xF1, kind, status, 0, 0, 0, len(text), *((1, 1, 1024) if kind == 1 else (0, 0, 0))) + text)


def agent(meta):
    sock = socket.socket(fileno=3)
    with os.fdopen(4, "rb") as pipe:
        header = HEADER.unpack(pipe.read(HEADER.size))
        assign = json.loads(pipe.read(header[6]))
        assert pipe.read() == b"", "the supervisor closes the pipe after ASSIGN"
    scope = {"assign": assign, "meta": meta, "json": json, "os": os, "sys": sys}
    try:
        scope["result"] = None
        exec(assign["entry"], scope)
        send(sock, READY, 0, {"result": scope["result"]})
    except BaseException as error:
        send(sock, READY, 12, {"message": repr(error)})
    # Until the worker ends the connection; its HELLO comes first.
    while sock.recv(4096):
        pass


def main():
    library = ctypes.PyDLL(sys.argv[1])
    library.iluvatar_spawner_open.restype = ctypes.c_void_p
    library.iluvatar_spawner_meta.restype = ctypes.c_char_p
    error = ctypes.create_string_buffer(1024)
    opened = library.iluvatar_spawner_open(sys.argv[2].encode(), error, len(error))
    if not opened:
        sys.exit(error.value.decode())
    handle = ctypes.c_void_p(opened)
    if library.iluvatar_spawner_ready(handle, None) < 0:
        sys.exit("cannot connect")
    while library.iluvatar_spawner_next(handle) > 0:
        ctypes.pythonapi.PyOS_BeforeFork()
        what = library.iluvatar_spawn(handle)
        if what <= 0:
            ctypes.pythonapi.PyOS_AfterFork_Parent()
            continue
        ctypes.pythonapi.PyOS_AfterFork_Child()
        meta = json.loads(library.iluvatar_spawner_meta(handle))
        if what == 1:
            agent(meta)
            os._exit(0)
        failure = None
        for name in meta["imports"]:
            try:
                __import__(name)
            except BaseException as caught:
                failure = repr(caught).encode()
        if library.iluvatar_spawner_ready(handle, failure) < 0 or failure:
            os._exit(1)
    os._exit(0)


main()
