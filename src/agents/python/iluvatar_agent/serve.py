"""The agent's life: HELLO, wait for ASSIGN, load the user's code, say READY, answer INVOKE until the connection ends."""

import os
import traceback
from _signal import SIG_IGN, SIGUSR2
from _signal import signal as handle_signal  # the C function: `signal.signal` wraps it in conversions to enumerations
from time import monotonic_ns

from .capture import Capture, Sink, write_all
from .codec import json_text, meta, parse_meta
from .failure import describe, where
from .loader import MissingEntry, load, prepare
from .runner import Limits, Runner, on_timeout
from .trace import tell
from .wire import (
    ASSIGN,
    BODY_LIMIT,
    ERROR,
    EXIT_CONNECTION_TAKEN,
    EXIT_END,
    EXIT_INTERNAL,
    EXIT_START_FAILED,
    EXIT_TIMEOUT,
    HELLO,
    INVOKE,
    PING,
    PONG,
    PROTOCOL_VERSION,
    READY,
    START_FAILED,
    Connection,
    ConnectionTaken,
    ProtocolError,
    read_frame,
)

CONNECTION_FD, ASSIGN_FD = 3, 4
_exit, _format_exc = os._exit, traceback.format_exc


def run_agent(hello, store="", buffer=None, capture=None):
    """Never returns: the process ends with the agent. `hello`: who to say we are, None = that has been said for us. `store`: where code and
    layers lie when nothing is mounted; "" = at their fixed places. `capture`: what a zygote has installed already."""
    code = EXIT_INTERNAL
    try:
        connection = Connection(CONNECTION_FD, buffer)
        if hello is not None:
            text = json_text(hello)
            connection.send(HELLO, 0, 0, 0, PROTOCOL_VERSION, PROTOCOL_VERSION, BODY_LIMIT // 1024, text, b"")
        code = live(connection, ASSIGN_FD, store, capture or installed_capture())
    except ConnectionTaken as error:
        write_all(2, ("iluvatar: %s\n" % error).encode())
        code = EXIT_CONNECTION_TAKEN
    except BaseException:
        write_all(2, ("iluvatar: the agent failed\n%s" % _format_exc()).encode())
    finally:
        _exit(code)  # not sys.exit: threads that the user's code left running would hold it up


def installed_capture():
    capture = Capture()
    capture.install()
    return capture


def live(connection, assign_fd, store, capture):
    """From the wait for ASSIGN to the end of the connection; returns the exit code."""
    frame = read_frame(assign_fd)
    if frame is None:
        return EXIT_END  # given up before it was used
    os.close(assign_fd)
    kind, meta_bytes, _ = frame
    if kind != ASSIGN:
        raise ProtocolError("ERR_FRAME_TYPE", "frame type %d instead of ASSIGN" % kind)
    assign = parse_meta(meta_bytes.decode("utf-8"))
    limits = Limits(assign)
    handler = _load(connection, assign, store, limits, capture)
    if handler is None:
        return EXIT_START_FAILED
    concurrency = int(assign.get("concurrency") or 1)
    try:
        if concurrency > 1:
            return _serve_many(connection, handler, limits, capture, concurrency)
        return _serve(connection, handler, limits, capture)
    except ProtocolError as error:
        text = json_text({"code": error.code, "message": str(error)})
        connection.send(ERROR, 0, 0, 0, 0, 0, 0, text, b"")
        return EXIT_INTERNAL


def _load(connection, assign, store, limits, capture):
    """The user's handler, announced by READY; None when it could not be loaded, which READY has then said."""
    started = monotonic_ns()
    sink = Sink(limits.output_bytes)
    capture.sink = sink

    def failed(message, trace):
        fields = {"message": message, "traceback": trace, "stdout": sink.text(0), "stderr": sink.text(1)}
        _ready(connection, START_FAILED, started, meta({name: text for name, text in fields.items() if text}))

    def overdue(_signal, frame):
        failed("loading the code was given up after %d ms" % ((monotonic_ns() - started) // 1_000_000), where(frame))
        _exit(EXIT_TIMEOUT)

    handle_signal(SIGUSR2, overdue)
    pid = os.getpid()
    handler = None
    try:
        handler = load(assign.get("entry"), prepare(assign, store))
    except MissingEntry as error:
        failed(str(error), "")
    except BaseException as error:
        failed(*describe(error))
    if os.getpid() != pid:
        _exit(EXIT_START_FAILED)  # a fork made while loading came back out of the module
    handle_signal(SIGUSR2, SIG_IGN)
    if handler is None:
        return None
    # What was printed while loading belongs to no invocation: it goes to the log.
    capture.sink = None
    for index in (0, 1):
        if sink.sizes[index]:
            write_all(index + 1, b"".join(sink.parts[index]))
    _ready(connection, 0, started, b"")
    return handler


def _ready(connection, status, started, meta_bytes):
    connection.check()
    load_us = min((monotonic_ns() - started) // 1000, 0xFFFFFFFF)
    connection.send(READY, status, 0, 0, load_us, 0, 0, meta_bytes, b"")


def _serve(connection, handler, limits, capture):
    runner = Runner(connection, handler, limits, capture)
    handle_signal(SIGUSR2, on_timeout(runner))
    receive, run, invoke = connection.receive, runner.run, INVOKE
    told = False
    while True:
        frame = receive()
        if frame is None:
            return EXIT_END
        kind, request_id, x0, x1, meta, body = frame
        if kind == invoke:
            if meta or told:
                told = tell(meta)
            run(request_id, x0, body)
        else:
            _control(connection, kind, request_id, x0, x1)


def _serve_many(connection, handler, limits, capture, concurrency):
    from .concurrent import Pool

    pool = Pool(concurrency, connection, handler, limits, capture)
    handle_signal(SIGUSR2, pool.on_timeout(os.getpid()))
    while True:
        frame = connection.receive()
        if frame is None:
            return EXIT_END
        kind, request_id, x0, x1, _, body = frame
        if kind == INVOKE:
            pool.submit(request_id, x0, body)
        else:
            with pool.lock:
                _control(connection, kind, request_id, x0, x1)


def _control(connection, kind, request_id, x0, x1):
    if kind == PING:
        connection.send(PONG, 0, 0, request_id, 0, 0, 0, b"", b"")
    elif kind == HELLO:
        if x1 > PROTOCOL_VERSION or x0 < PROTOCOL_VERSION:
            raise ProtocolError("ERR_PROTOCOL_VERSION", "the worker speaks %d to %d, this agent %d" % (x1, x0, PROTOCOL_VERSION))
    elif kind != ERROR:  # after ERROR the end of the stream follows by itself
        raise ProtocolError("ERR_FRAME_TYPE", "an agent does not take frames of type %d" % kind)
