"""A zygote: a warm Python interpreter from which containers are forked. Started by the worker as `python3 -I zygote.py`.

Environment: ILUVATAR_ZYGOTE, one JSON object: `library` (path of libiluvatar_cell.so), `spawner` (the configuration that cell_library.h
describes), `imports` (modules to have ready), `path` (folders for sys.path).

A fork copies one thread only, so nothing here may start another. Numeric libraries would (BLAS pools): they are held to one thread
while they are loaded, and so stay at one in functions that start from here. A function that wants more opts out with `zygote: false`. An import
that starts threads all the same makes the zygote fail, with that said, rather than containers that hang on a lock nobody holds.

Imports run with this process's rights, before any container exists: a zygote with a function's packages trusts these packages.
"""

import gc
import os
import sys

BLAS_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "NUMEXPR_NUM_THREADS")

if __name__ == "__main__":
    _here = os.path.dirname(os.path.abspath(__file__))
    sys.path.insert(0, _here)

# Everything an agent will need, so that its pages are shared by all containers.
import asyncio  # noqa: E402,F401
import contextvars  # noqa: E402,F401
import inspect  # noqa: E402,F401
import json  # noqa: E402
from importlib import import_module  # noqa: E402
from pkgutil import get_importer  # noqa: E402

from iluvatar_agent import concurrent, serve  # noqa: E402,F401
from iluvatar_agent.cell_library import IN_AGENT, IN_ZYGOTE, CellLibrary, SpawnerError, single_threaded  # noqa: E402
from iluvatar_agent.fresh import forget, reseed  # noqa: E402
from iluvatar_agent.hooks import NeedlessHooks  # noqa: E402
from iluvatar_agent.rehearsal import ROUNDS, rehearse  # noqa: E402
from iluvatar_agent.wire import SMALL  # noqa: E402


class ImportFailed(Exception):
    """A module of the list is missing, broken, or unfit for a zygote."""


def load(names, path):
    """Imports `names`, with `path` searched first."""
    sys.path[:0] = [folder for folder in path if folder not in sys.path]
    # Only while they are imported: programs that a function starts shall not find these variables.
    set_by_us = [name for name in BLAS_THREADS if name not in os.environ]
    for name in set_by_us:
        os.environ[name] = "1"
    try:
        for name in names:
            try:
                import_module(name)
            except BaseException as error:  # sys.exit() in a module body is a failed import too
                raise ImportFailed("%s: %s: %s" % (name, type(error).__name__, error)) from None
    finally:
        for name in set_by_us:
            os.environ.pop(name, None)
    for _ in range(ROUNDS):
        reseed()  # the part of the rehearsal that depends on them
    if not single_threaded():
        raise ImportFailed("importing %s starts threads: such a process cannot be forked safely" % ", ".join(names))


def settle(hooks):
    """What is here now stays as it is: all that comes is forked from it."""
    hooks.off()
    forget()
    gc.collect()
    gc.freeze()  # a collection in a container would otherwise write to, and so copy, every page with an object on it


def layer_path(name, store):
    """Where a layer of the store is, here and in the container (docs/protocol.md)."""
    if os.path.isabs(name):
        return name
    return os.path.join(store, name) if store else "/layers/" + os.path.basename(name)


def become_agent(library, hooks, buffer, capture):
    """Runs in a container, whose library has said HELLO. Does not return."""
    hooks.on()
    reseed()
    meta = library.meta()
    if '"env":{}' not in meta:
        os.environ.update(json.loads(meta).get("env") or {})
    serve.run_agent(None, library.store, buffer, capture)


def become_zygote(library, hooks):
    """Runs in a child zygote: the packages of the request, then a spawner of its own. False: it could not, and the worker knows."""
    hooks.on()
    request = json.loads(library.meta())
    try:
        load(request.get("imports") or [], [layer_path(name, library.store) for name in request.get("path") or []])
    except ImportFailed as error:
        library.ready(str(error))
        return False
    settle(hooks)
    library.ready()
    return True


def main():
    config = json.loads(os.environ.pop("ILUVATAR_ZYGOTE"))
    buffer = bytearray(SMALL)
    library = CellLibrary(config["library"])
    # Before the prepared root is entered: there the agent's own files and the worker's folders are out of sight.
    load(config.get("imports") or [], config.get("path") or [])
    rehearse(library.rehearse_spawn)
    library.open(json.dumps(config["spawner"]))
    # The finder of what will be there; it does not look before it is asked.
    if not library.store:
        get_importer("/function")
    # Nothing of ours is written through it: what goes wrong here is written to the descriptor.
    capture = serve.installed_capture()
    hooks = NeedlessHooks()
    settle(hooks)
    library.ready()
    while library.next():
        what = library.spawn()
        if what == IN_AGENT:
            become_agent(library, hooks, buffer, capture)
        if what == IN_ZYGOTE and not become_zygote(library, hooks):
            return 1
    return 0


if __name__ == "__main__":
    sys.path[:] = [folder for folder in sys.path if folder and os.path.abspath(folder) != _here]
    sys.dont_write_bytecode = True
    try:
        status = main()
    except (SpawnerError, ImportFailed, OSError, ValueError, KeyError) as failure:
        os.write(2, ("zygote: %s: %s\n" % (type(failure).__name__, failure)).encode())
        status = 1
    os._exit(status)
