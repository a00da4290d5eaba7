"""A service manager's ear: prints each datagram that comes to the socket, one JSON value a line, with what was passed along."""
import array
import json
import os
import socket
import sys

address = sys.argv[1]
ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
ear.bind("\0" + address[1:] if address.startswith("@") else address)
print(json.dumps({"ready": True}), flush=True)
while True:
    data, ancillary, _, _ = ear.recvmsg(65536, socket.CMSG_SPACE(253 * 4))
    fds = array.array("i")
    for level, kind, payload in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(payload[: len(payload) - len(payload) % fds.itemsize])
    targets = [os.readlink(f"/proc/self/fd/{fd}") for fd in fds]
    for fd in fds:
        os.close(fd)
    print(json.dumps({"lines": data.decode().split("\n"), "files": targets}), flush=True)
