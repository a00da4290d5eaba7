"""
Stands in for systemd: holds listening sockets, and starts a program that inherits them, as often as a line on standard input asks for it.

usage: activate.py NAME=ADDRESS... -- PROGRAM [ARGUMENT...]     ADDRESS: a path, "host:port", or "file" for what is no socket
"""
import json
import os
import socket
import sys
import threading

split = sys.argv.index("--")
descriptors = []
names = []
addresses = []
for pair in sys.argv[1:split]:
    name, _, address = pair.partition("=")
    names.append(name)
    if address == "file":
        descriptors.append(os.open("/dev/null", os.O_RDONLY))
        continue
    if address.startswith("/"):
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.bind(address)
    else:
        host, _, port = address.rpartition(":")
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, int(port)))
        addresses.append(":".join(map(str, made.getsockname())))
    made.listen(64)
    descriptors.append(made.detach())
print(json.dumps({"listening": addresses}), flush=True)


def start():
    pid = os.fork()
    if pid == 0:
        # Out of the way first: a number may be one of those that are to be taken.
        high = [os.dup(fd) for fd in descriptors]
        high = [os.dup2(fd, 100 + index) for index, fd in enumerate(high)]
        for index, fd in enumerate(high):
            os.dup2(fd, 3 + index, inheritable=True)
        os.closerange(3 + len(high), 200)
        os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(high)), LISTEN_FDNAMES=":".join(names))
        os.dup2(2, 1)
        os.execv(sys.argv[split + 1], sys.argv[split + 1 :])
    print(json.dumps({"started": pid}), flush=True)

    def reap():
        _, status = os.waitpid(pid, 0)
        print(json.dumps({"ended": os.waitstatus_to_exitcode(status)}), flush=True)

    threading.Thread(target=reap, daemon=True).start()


for line in sys.stdin:
    start()
