"""A zygote lives the life of an agent some times over, before it forks any.

What a container writes to is a page copied, and paid for while somebody waits. Done once here, it is inherited: code specialised by the interpreter (it
rewrites what has run often), caches of method look-ups, memory from the allocator. It halves what an agent copies of what it runs through.
"""

import os
import sys
from _signal import SIG_DFL, SIGUSR2
from _signal import signal as handle_signal
from _socket import SHUT_WR, socketpair

from . import serve
from .codec import json_text
from .fresh import reseed
from .wire import ASSIGN, INVOKE, SMALL, Connection, frame

# The interpreter rewrites a function after eight calls, and what it has rewritten once more after a few.
ROUNDS = 24
FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "rehearsal")


def rehearse(spawn):
    """`spawn`: does what a fork does to this process."""
    before = (sys.stdout, sys.__stdout__, sys.stderr, sys.__stderr__, sys.argv, sys.path[:], sys.dont_write_bytecode)
    main, folder = sys.modules["__main__"], os.getcwd()
    buffer = bytearray(SMALL)
    try:
        for _ in range(ROUNDS):
            spawn()
            reseed()
            _live(buffer, serve.installed_capture())
            sys.path[:] = before[5]
    finally:
        handle_signal(SIGUSR2, SIG_DFL)
        (sys.stdout, sys.__stdout__, sys.stderr, sys.__stderr__, sys.argv, sys.path[:], sys.dont_write_bytecode) = before
        sys.modules["__main__"] = main
        sys.path_importer_cache.pop(FOLDER, None)
        os.chdir(folder)


def _live(buffer, capture):
    """From the wait for ASSIGN to the end of the connection, with ourselves as the worker."""
    worker, agent = socketpair()
    reads, writes = os.pipe()
    assign = {
        "function": "rehearsal@1",
        "runtime": "python3",
        "code": FOLDER,
        "layers": [],
        "entry": "rehearsed:main",
        "env": {},
        "tmpMb": 64,
        "maxBody": SMALL,
        "outputBytes": SMALL,
        "concurrency": 1,
        "seed": "00",
        "legacy": None,
        "argv": None,
    }
    worker.sendall(frame(INVOKE, b"", b"{}"))
    worker.shutdown(SHUT_WR)
    os.write(writes, frame(ASSIGN, json_text(assign), b""))
    os.close(writes)
    serve.live(Connection(agent.detach(), buffer), reads, "", capture)
    worker.close()
    del sys.modules["rehearsed"]
