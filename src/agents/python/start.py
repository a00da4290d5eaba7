"""The entry point of an image with a Python function: connects to the worker, and is the agent with the two descriptors of docs/protocol.md.

Environment: ILUVATAR_AGENTS_SOCKET, the worker's socket; ILUVATAR_CONTAINER and ILUVATAR_TOKEN for the agent's HELLO; ILUVATAR_ASSIGN, JSON whose fields
take the place of those in /iluvatar/assign.json, which the image holds.
"""

import fcntl
import json
import os
import sys
from _socket import AF_UNIX, SOCK_STREAM
from _socket import socket as Socket

SOCKET = "/iluvatar/sockets/agents.sock"
ASSIGN_FILE = "/iluvatar/assign.json"
FIRST_FREE = 10  # above the descriptors that have a meaning


def assign_frame():
    from iluvatar_agent.wire import ASSIGN, MAGIC, Struct

    assign = {}
    if os.path.exists(ASSIGN_FILE):
        with open(ASSIGN_FILE, encoding="utf-8") as file:
            assign = json.load(file)
    assign.update(json.loads(os.environ.pop("ILUVATAR_ASSIGN", "{}")))
    meta = json.dumps(assign).encode()
    return Struct("<4BIQIIII").pack(MAGIC, ASSIGN, 0, 0, 0, 0, len(meta), 0, 0, 0) + meta


def place(fd, number):
    os.dup2(fd, number)
    os.close(fd)


def begin():
    path = os.environ.pop("ILUVATAR_AGENTS_SOCKET", SOCKET)
    frame = assign_frame()
    connection = Socket(AF_UNIX, SOCK_STREAM)
    try:
        connection.connect(path)
    except OSError as error:
        raise SystemExit("iluvatar: the worker cannot be reached at %s: %s" % (path, error)) from None
    # A file and not a pipe: it takes a frame of any size before anybody reads.
    assign = os.memfd_create("assign")
    os.write(assign, frame)
    os.lseek(assign, 0, os.SEEK_SET)
    fds = (os.open(os.devnull, os.O_RDONLY), connection.detach(), assign)
    # Out of the way first: one of them may sit where another has to go.
    moved = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, FIRST_FREE) for fd in fds]
    for fd in fds:
        os.close(fd)
    for fd, number in zip(moved, (0, 3, 4)):
        place(fd, number)


if __name__ == "__main__":
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path.insert(0, here)
    from iluvatar_agent.serve import run_agent

    begin()
    # The user's `import agent` must not find the files beside this one.
    sys.path[:] = [entry for entry in sys.path if entry and os.path.abspath(entry) != here]
    container, token = os.environ.pop("ILUVATAR_CONTAINER", ""), os.environ.pop("ILUVATAR_TOKEN", "")
    run_agent({"role": "agent", "container": container, "token": token, "pid": os.getpid()})
