"""The original's socket agent, from its description: it listens while gunicorn imports it, and never returns."""

import json
import os
import socket
import struct

from reply import answer

HEADER = struct.Struct("=QQ")
LENGTH = struct.Struct("=Q")
INVOKE = 1


def read(connection, size):
    data = b""
    while len(data) < size:
        chunk = connection.recv(size - len(data))
        if not chunk:
            raise EOFError
        data += chunk
    return data


def serve(connection):
    while True:
        command, size = HEADER.unpack(read(connection, HEADER.size))
        body = read(connection, size)
        reply = answer(body)[0] if command == INVOKE else {"Status": 0}
        text = json.dumps(reply).encode()
        connection.sendall(LENGTH.pack(len(text)) + text)


def serve_forever(path):
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen()
    while True:
        connection, _ = listener.accept()
        try:
            serve(connection)
        except EOFError:
            connection.close()


serve_forever(os.environ["__IL_SOCKET"])
