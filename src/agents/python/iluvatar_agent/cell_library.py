"""ctypes door to libiluvatar_cell.so (native/sandbox/cell_library.h): what turns a warm interpreter into a spawner of containers."""

import ctypes
import os

REQUEST_END, REQUEST_SPAWN, REQUEST_ZYGOTE = 0, 1, 2
IN_SPAWNER, IN_AGENT, IN_ZYGOTE = 0, 1, 2
_CLONE_THREAD = 0x00010000


class SpawnerError(Exception):
    """The library refused; the message is its sentence."""


class CellLibrary:
    """One spawner. `open` once, then `ready`, then `next` and `spawn` in turns."""

    def __init__(self, path):
        # PyDLL keeps the GIL: two of these calls fork, and a child without it could not run Python.
        library = ctypes.PyDLL(path)
        handle = ctypes.c_void_p
        self._open = library.iluvatar_spawner_open
        self._open.restype, self._open.argtypes = handle, [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t]
        self._ready = library.iluvatar_spawner_ready
        self._ready.restype, self._ready.argtypes = ctypes.c_int, [handle, ctypes.c_char_p]
        self._next = library.iluvatar_spawner_next
        self._next.restype, self._next.argtypes = ctypes.c_int, [handle]
        self._spawn = library.iluvatar_spawn
        self._spawn.restype, self._spawn.argtypes = ctypes.c_int, [handle]
        self._meta = library.iluvatar_spawner_meta
        self._meta.restype, self._meta.argtypes = ctypes.c_char_p, [handle]
        self._store = library.iluvatar_spawner_store
        self._store.restype, self._store.argtypes = ctypes.c_char_p, [handle]
        python = ctypes.pythonapi
        self._before, self._after_parent, self._after_child = (
            python.PyOS_BeforeFork,
            python.PyOS_AfterFork_Parent,
            python.PyOS_AfterFork_Child,
        )
        for function in (self._before, self._after_parent, self._after_child):
            function.restype, function.argtypes = None, []
        self._handle = None
        self.store = ""

    def open(self, config_json):
        """Enters the prepared root. SpawnerError says why it could not."""
        error = ctypes.create_string_buffer(1024)
        self._handle = self._open(config_json.encode("utf-8"), error, len(error))
        if self._handle is None:
            raise SpawnerError(error.value.decode("utf-8", "replace"))
        self.store = self._store(self._handle).decode("utf-8")

    def ready(self, failure=None):
        """Connects and says HELLO; a child zygote that failed says why instead."""
        code = self._ready(self._handle, None if failure is None else failure.encode("utf-8", "replace"))
        if code < 0:
            raise SpawnerError("cannot reach the worker: %s" % os.strerror(-code))

    def next(self):
        """Waits for a request; False when the worker has gone."""
        code = self._next(self._handle)
        if code < 0:
            raise SpawnerError("the connection to the worker broke: %s" % os.strerror(-code))
        return code != REQUEST_END

    def spawn(self):
        """Carries out the request: IN_SPAWNER, IN_AGENT or IN_ZYGOTE says which process this now is."""
        self._before()
        what = self._spawn(self._handle)
        if what <= IN_SPAWNER:  # negative: it failed, and the worker has been told
            self._after_parent()
            return IN_SPAWNER
        self._after_child()
        return what

    def rehearse_spawn(self):
        """What `spawn` does for Python in a container, without one: a process with one thread is the same before and after."""
        self._before()
        self._after_child()

    def meta(self):
        """The current request's meta, JSON text."""
        return self._meta(self._handle).decode("utf-8")


def single_threaded():
    """Whether this process has one thread, native ones counted too. Asked of the kernel this way because a zygote's root may have no /proc."""
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.unshare(_CLONE_THREAD) == 0
