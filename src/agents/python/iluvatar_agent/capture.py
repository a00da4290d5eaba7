"""Captured output: what user code writes to sys.stdout and sys.stderr while an invocation runs goes, bounded, into its result.

Outside an invocation (module load that succeeded, threads that go on) it goes to the real descriptors, and so to the worker's log. Writes below
Python (os.write, C libraries, child processes) always do.
"""

import io
import os
import sys

_write = os.write
_bytes, _len, _memoryview = bytes, len, memoryview
_OSError = OSError


class Sink:
    """Both streams of one invocation."""

    __slots__ = ("limit", "parts", "sizes", "cut")

    def __init__(self, limit):
        self.limit = limit
        self.clear()

    def clear(self):
        self.parts = ([], [])
        self.sizes = [0, 0]
        self.cut = False

    @property
    def used(self):
        return self.sizes[0] != 0 or self.sizes[1] != 0 or self.cut

    def add(self, index, data):
        room = self.limit - self.sizes[index]
        if _len(data) > room:
            self.cut = True
            data = data[:room]
            if not data:
                return
        self.sizes[index] += _len(data)
        self.parts[index].append(data)

    def text(self, index):
        return b"".join(self.parts[index]).decode("utf-8", "replace")


class Capture:
    """Where output goes now. `sink` is None between invocations. With several at once, each thread's context has its own."""

    def __init__(self):
        self.sink = None
        self.variable = None

    def current(self):
        sink = self.sink
        return sink if sink is not None or self.variable is None else self.variable.get(None)

    def install(self):
        """Takes the place of sys.stdout and sys.stderr."""
        sys.stdout = sys.__stdout__ = _stream(self, 0, "<stdout>")
        sys.stderr = sys.__stderr__ = _stream(self, 1, "<stderr>")

    def use_contexts(self):
        """For several invocations at once: output of threads that a handler starts without its context goes to the log."""
        from contextvars import ContextVar

        self.variable = ContextVar("iluvatar_output")


class _Raw(io.RawIOBase):
    """The binary stream below a captured text stream (`sys.stdout.buffer`). Closing it does nothing: the next invocation needs it."""

    def __init__(self, capture, index):
        io.RawIOBase.__init__(self)
        self._capture = capture
        self._index = index

    def write(self, data):
        data = _bytes(data)
        sink = self._capture.current()
        if sink is not None:
            sink.add(self._index, data)
        else:
            write_all(self._index + 1, data)
        return _len(data)

    def writable(self):
        return True

    def fileno(self):
        return self._index + 1

    def close(self):
        pass


def write_all(fd, data):
    """Best effort: user code may have closed the descriptor."""
    view = _memoryview(data)
    try:
        while view:
            view = view[_write(fd, view) :]
    except _OSError:
        pass


def _stream(capture, index, name):
    raw = _Raw(capture, index)
    raw.name = name
    # write_through: nothing may wait in the text layer when the reply is made.
    return io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", write_through=True)
