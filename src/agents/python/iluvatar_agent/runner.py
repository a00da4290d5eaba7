"""Runs one invocation at a time: arguments in, the user's function, result out; every way in which that can fail has an answer here.

This is the warm path. It is written for few bytecodes, and everything it uses is bound before user code is loaded.
"""

import os
import sys
from time import monotonic_ns

from .capture import Sink, write_all
from .codec import arguments, make_result_encoder, meta
from .failure import describe, where
from .wire import (
    EXIT_CONNECTION_TAKEN,
    EXIT_TIMEOUT,
    INVALID,
    OK,
    OUT_OF_MEMORY,
    RESULT,
    TIMEOUT,
    TOO_LARGE,
    USER_ERROR,
    ConnectionTaken,
)

OUTPUT_CUT = 4
IDLE, RUNNING, REPLYING = 0, 1, 2
_EMPTY = b""
_getpid, _exit = os.getpid, os._exit
_len, _hasattr, _type, _isinstance, _min, _str = len, hasattr, type, isinstance, min, str
_BaseException, _MemoryError, _RecursionError = BaseException, MemoryError, RecursionError
_SystemExit, _ValueError, _TypeError = SystemExit, ValueError, TypeError
_NEVER_AWAITED = frozenset((dict, list, str, int, float, bool, tuple, _type(None)))


class Limits:
    """What ASSIGN says about one function. Bytes; `memory_by_rlimit`: MiB, 0 = a cgroup holds the limit."""

    __slots__ = ("max_body", "output_bytes", "memory_by_rlimit")

    def __init__(self, assign):
        self.max_body = int(assign.get("maxBody") or 64 * 1024 * 1024)
        output = assign.get("outputBytes")
        self.output_bytes = 64 * 1024 if output is None else int(output)
        self.memory_by_rlimit = int(assign.get("rlimitDataMb") or 0)


class Awaiter:
    """The event loop that handlers are awaited on: one, kept, so that clients a handler opened stay usable in its next call."""

    __slots__ = ("_loop",)

    def __init__(self):
        self._loop = None

    def wait(self, awaitable):
        loop = self._loop
        if loop is None or loop.is_closed():
            import asyncio

            loop = self._loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)

        async def result():
            return await awaitable

        return loop.run_until_complete(result())


class Runner:
    """One invocation at a time; with concurrency above 1 there is one of these per thread."""

    def __init__(self, connection, handler, limits, capture, lock=None):
        self._connection = connection
        self._call = handler.call
        self._wait = Awaiter().wait
        self._limits = limits
        self._capture = capture
        self._sink = Sink(limits.output_bytes)
        self._encode = make_result_encoder()
        self._lock = lock
        self._pid = _getpid()
        self._started = 0
        self.state = IDLE
        self.request_id = 0
        self.timeout_ms = 0
        self.given_up = False

    def run(self, request_id, timeout_ms, body):
        """Answers one INVOKE."""
        sink = self._sink
        self.request_id = request_id
        self.timeout_ms = timeout_ms
        self._started = started = monotonic_ns()
        self.state = RUNNING
        status, fields, output = OK, None, _EMPTY
        try:
            value = arguments(body) if body else {}
        except _BaseException as error:
            status, fields = INVALID, {"message": "the arguments are not valid JSON: %s" % (_str(error) or _type(error).__name__)}
        else:
            if self._lock is None:
                self._capture.sink = sink
            else:
                self._capture.variable.set(sink)
            try:
                result = self._call(value)
                if _type(result) not in _NEVER_AWAITED and _hasattr(result, "__await__"):
                    result = self._wait(result)
            except _BaseException as error:
                status, fields = self._failed(error)
            else:
                try:
                    output = self._encode(result)
                except _BaseException as error:
                    status, fields = self._unserialisable(error)
                result = None
            value = None
            if _getpid() != self._pid:
                self._leave_fork(fields)
            self._capture.sink = None
            if _len(output) > self._limits.max_body:
                status, fields = TOO_LARGE, {
                    "message": "the result has %d bytes; at most %d are allowed" % (_len(output), self._limits.max_body)
                }
                output = _EMPTY
        self.state = REPLYING
        self._reply(status, fields, output, monotonic_ns() - started)
        self.state = IDLE

    def _reply(self, status, fields, output, run_ns):
        sink = self._sink
        flags, head = 0, _EMPTY
        if sink.used:
            fields = fields or {}
            for index, name in ((0, "stdout"), (1, "stderr")):
                if sink.sizes[index]:
                    fields[name] = sink.text(index)
            flags = OUTPUT_CUT if sink.cut else 0
            sink.clear()
        if fields is not None:
            head = meta(fields)
        run_us = _min(run_ns // 1000, 0xFFFFFFFF)
        connection = self._connection
        if self._lock is None:
            connection.check()
            connection.send(RESULT, status, flags, self.request_id, 0, 0, run_us, head, output)
        else:
            with self._lock:
                if self.given_up:
                    return  # answered already, and the process is about to end
                connection.check()
                connection.send(RESULT, status, flags, self.request_id, 0, 0, run_us, head, output)

    def _failed(self, error):
        message, trace = describe(error)
        if _isinstance(error, _SystemExit):
            message = "the function called sys.exit(%s)" % ("" if error.code is None else repr(error.code))
        if _isinstance(error, _MemoryError) and self._limits.memory_by_rlimit:
            evidence = {"limit": "RLIMIT_DATA", "limitMb": self._limits.memory_by_rlimit}
            return OUT_OF_MEMORY, {"message": message or "MemoryError", "traceback": trace, "evidence": evidence}
        return USER_ERROR, {"message": message, "traceback": trace}

    def _unserialisable(self, error):
        if _isinstance(error, _RecursionError):
            return USER_ERROR, {"message": "the result is nested too deeply for JSON"}
        if _isinstance(error, (_TypeError, _ValueError)):
            return USER_ERROR, {"message": "the result cannot be serialised: %s" % error}
        message, trace = describe(error)
        return USER_ERROR, {"message": "the result cannot be serialised: %s" % message, "traceback": trace}

    def _leave_fork(self, fields):
        """A child of os.fork came back out of the handler. Its parent answers; two answers on one connection would ruin both."""
        if fields is not None:
            write_all(2, (fields.get("traceback") or fields["message"]).encode("utf-8", "replace"))
        _exit(0 if fields is None else 1)

    def give_up(self, status, message, frame):
        """Answers the running invocation from outside (a signal handler): with where it was. The process is to end afterwards.

        With several at once the caller holds the lock.
        """
        fields = {"message": message}
        trace = where(frame) if frame is not None else ""
        if trace:
            fields["traceback"] = trace
        self.state = REPLYING  # a second signal must not begin a second answer
        self._lock, lock = None, self._lock
        self._reply(status, fields, _EMPTY, monotonic_ns() - self._started)
        self._lock = lock
        self.given_up = True

    def elapsed_ms(self):
        return (monotonic_ns() - self._started) // 1_000_000


def on_timeout(runner):
    """The SIGUSR2 handler for one invocation at a time. Runs between two bytecodes of the main thread; code stuck in C is left to SIGKILL."""

    def handle(_signal, frame):
        if _getpid() != runner._pid or runner.state == REPLYING:
            return  # a reply is half written: it is worth more than ours, and SIGKILL follows anyway
        try:
            if runner.state == RUNNING:
                runner.give_up(TIMEOUT, "timed out after %d ms" % runner.elapsed_ms(), frame)
        except ConnectionTaken:
            _exit(EXIT_CONNECTION_TAKEN)
        finally:
            _exit(EXIT_TIMEOUT)

    return handle


def stack_of(thread_id):
    """Where another thread is."""
    return sys._current_frames().get(thread_id)
