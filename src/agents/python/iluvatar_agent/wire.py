"""Frames of docs/protocol.md over one blocking stream socket: reading, writing, and noticing that the socket is not ours any more.

Everything used here is bound at import: user code shares this process and may replace or delete what it likes.
"""

import os
from _socket import socket as Socket  # the C type: `socket` itself would import selectors and enum
from struct import Struct

PROTOCOL_VERSION = 1
HELLO, ERROR, PING, PONG, INVOKE, RESULT = 1, 2, 3, 4, 5, 6
ASSIGN, READY = 18, 19

OK, USER_ERROR, TIMEOUT, OUT_OF_MEMORY = 0, 1, 2, 3
INVALID, UNAVAILABLE, TOO_LARGE, START_FAILED = 7, 8, 11, 12

# Exit codes of an agent; the backend turns them into sentences.
EXIT_END = 0
EXIT_START_FAILED = 1
EXIT_INTERNAL = 70
EXIT_CONNECTION_TAKEN = 121
EXIT_TIMEOUT = 124

MAGIC = 0xF1
HEADER_BYTES = 32
META_LIMIT = 1 << 20
BODY_LIMIT = 1 << 30
SMALL = 64 * 1024

_header = Struct("<4BIQIIII")
_unpack_from = _header.unpack_from
_pack = _header.pack
_bytes, _len, _min, _bytearray, _memoryview = bytes, len, min, bytearray, memoryview
_OSError = OSError
_SOL_SOCKET, _SO_COOKIE = 1, 57


class ConnectionTaken(Exception):
    """User code closed our descriptor, or something else of its own now has that number."""


class ProtocolError(Exception):
    """The peer broke the protocol; `code` is one of the protocol's ERR_ names."""

    def __init__(self, code, message):
        Exception.__init__(self, message)
        self.code = code


class Connection:
    """One end of a connection. `receive` is for one thread; `send` for one at a time (callers hold a lock where there are several)."""

    __slots__ = ("fd", "_socket", "_recv_into", "_sendall", "_getsockopt", "_buffer", "_start", "_end", "_identity")

    def __init__(self, fd, buffer=None):
        """`buffer`: a bytearray made before a fork is shared with the parent until written, which keeps a container small."""
        try:
            os.set_blocking(fd, True)
            self._socket = Socket(fileno=fd)
        except OSError as error:
            raise ConnectionTaken("descriptor %d is not a socket: %s" % (fd, error)) from None
        self.fd = fd
        self._recv_into = self._socket.recv_into
        self._sendall = self._socket.sendall
        self._getsockopt = self._socket.getsockopt
        self._buffer = bytearray(SMALL) if buffer is None else buffer
        self._start = self._end = 0
        self._identity = self.identity()

    def identity(self):
        """The kernel's name of the socket behind the descriptor: never reused, so that another socket with our number is noticed."""
        try:
            return self._getsockopt(_SOL_SOCKET, _SO_COOKIE, 8)
        except _OSError as error:
            raise ConnectionTaken("the connection's descriptor was closed or replaced: %s" % error) from None

    def check(self):
        """Raises ConnectionTaken unless the descriptor still is the connection we were given."""
        if self.identity() != self._identity:
            raise ConnectionTaken("the connection's descriptor was replaced by another socket")

    def receive(self):
        """The next frame as (type, request id, x0, x1, meta, body), or None at the end of the stream. Meta and body are bytes-like."""
        buffer = self._buffer
        start, end = self._start, self._end
        if start == end:
            start, end = 0, self._read(buffer)
            if end == 0:
                return None
        if end - start < HEADER_BYTES:
            start, end = self._gather(start, end, HEADER_BYTES)
            if end - start < HEADER_BYTES:
                return None
        magic, kind, _, _, request_id, body_length, meta_length, x0, x1, _ = _unpack_from(buffer, start)
        if magic != MAGIC:
            raise ProtocolError("ERR_FRAME_MAGIC", "a frame starts with 0x%02x" % magic)
        if meta_length > META_LIMIT or body_length > BODY_LIMIT:
            raise ProtocolError("ERR_FRAME_TOO_LARGE", "a frame announces %d + %d bytes" % (meta_length, body_length))
        meta_at = start + HEADER_BYTES
        body_at = meta_at + meta_length
        stop = body_at + body_length
        if stop - start > _len(buffer):
            return self._receive_large(kind, request_id, x0, x1, meta_at, end, meta_length, body_length)
        if stop > end:
            start, end = self._gather(start, end, stop - start)
            meta_at, body_at, stop = HEADER_BYTES, HEADER_BYTES + meta_length, HEADER_BYTES + meta_length + body_length
            if stop > end:
                return None
        self._start, self._end = stop, end
        return kind, request_id, x0, x1, buffer[meta_at:body_at], buffer[body_at:stop]

    def _read(self, target):
        try:
            return self._recv_into(target)
        except _OSError as error:
            if error.errno in (104, 32):  # ECONNRESET, EPIPE: the worker is gone
                return 0
            raise ConnectionTaken("the connection cannot be read: %s" % error) from None

    def _gather(self, start, end, needed):
        """Moves what is there to the front and reads until `needed` bytes are; fewer mean that the stream ended inside a frame."""
        buffer = self._buffer
        have = end - start
        buffer[0:have] = buffer[start:end]
        view = _memoryview(buffer)
        while have < needed:
            count = self._read(view[have:])
            if count == 0:
                break
            have += count
        return 0, have

    def _receive_large(self, kind, request_id, x0, x1, at, end, meta_length, body_length):
        """A frame bigger than the buffer: read straight into memory of its own, once."""
        payload = _bytearray(meta_length + body_length)
        view = _memoryview(payload)
        have = end - at
        view[0:have] = self._buffer[at:end]
        self._start = self._end = 0
        while have < _len(payload):
            count = self._read(view[have:])
            if count == 0:
                return None
            have += count
        return kind, request_id, x0, x1, view[:meta_length], view[meta_length:]

    def send(self, kind, status, flags, request_id, x0, x1, x2, meta, body):
        """Writes one frame, whole. A peer that has gone is not an error: `receive` says so next."""
        head = _pack(MAGIC, kind, status, flags, request_id, _len(body), _len(meta), x0, x1, x2)
        try:
            if _len(body) <= SMALL:
                self._sendall(head + meta + body)
            else:
                self._sendall(head + meta)
                self._sendall(body)
        except _OSError as error:
            if error.errno not in (104, 32):
                raise ConnectionTaken("the connection cannot be written: %s" % error) from None


def frame(kind, meta, body):
    """A frame with nothing in its fixed fields."""
    return _pack(MAGIC, kind, 0, 0, 1, _len(body), _len(meta), 0, 0, 0) + meta + body


def read_frame(fd):
    """One frame from a pipe, read to its last byte and no further: (type, meta, body), or None when the pipe ends first."""

    def exactly(count):
        parts = []
        while count > 0:
            part = os.read(fd, _min(count, 1 << 20))
            if not part:
                return None
            parts.append(part)
            count -= _len(part)
        return b"".join(parts)

    head = exactly(HEADER_BYTES)
    if head is None:
        return None
    magic, kind, _, _, _, body_length, meta_length, _, _, _ = _header.unpack(head)
    if magic != MAGIC or meta_length > META_LIMIT or body_length > BODY_LIMIT:
        raise ProtocolError("ERR_FRAME_MAGIC", "no frame on descriptor %d" % fd)
    meta = exactly(meta_length)
    body = exactly(body_length)
    return None if meta is None or body is None else (kind, meta, body)
