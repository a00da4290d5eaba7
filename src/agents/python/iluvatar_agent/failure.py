"""Turns an exception of user code into what its caller reads: one line, and a traceback that starts in the user's own code."""

import os
import sys
import traceback

_HERE = os.path.dirname(os.path.abspath(__file__))
_OURS = (_HERE, "<frozen importlib", os.path.dirname(_HERE) + os.sep)
# Frames between us and an `async def`: true, but they say nothing about the user's code.
_PLUMBING = ("asyncio" + os.sep + "base_events.py", "asyncio" + os.sep + "runners.py", "concurrent" + os.sep + "futures")
MESSAGE_LIMIT = 8 * 1024
TRACEBACK_LIMIT = 64 * 1024

_format_exception = traceback.format_exception
_format_exception_only = traceback.format_exception_only
_format_stack = traceback.format_stack
_type, _str, _getattr, _any, _isinstance = type, str, getattr, any, isinstance
_BaseException, _RecursionError = BaseException, RecursionError


def _ours(filename):
    return filename.startswith(_OURS) or _any(part in filename for part in _PLUMBING)


def describe(error):
    """(message, traceback) of an exception. Never raises: user exceptions may have a hostile __str__."""
    kind = _type(error)
    try:
        message = "".join(_format_exception_only(kind, error)).strip()
    except _BaseException:
        message = kind.__name__
    try:
        trace = error.__traceback__
        while trace is not None and _ours(trace.tb_frame.f_code.co_filename):
            trace = trace.tb_next
        text = "".join(_format_exception(kind, error, trace))
    except _BaseException:
        text = message
    return bounded(_last_line(message, kind), MESSAGE_LIMIT), bounded(text, TRACEBACK_LIMIT)


def _last_line(message, kind):
    # A SyntaxError prints its place and caret first; the sentence itself is the last line. Other messages are kept whole.
    return message.splitlines()[-1] if issubclass(kind, SyntaxError) and message else message


def where(frame):
    """The stack of user code that is running in `frame`, as a traceback."""
    try:
        lines = _format_stack(frame)
        entries = []
        for line in lines:
            name = line.split('"', 2)[1] if '"' in line else ""
            if not _ours(name):
                entries.append(line)
            elif entries and name.startswith(_HERE):
                entries.clear()  # everything above our own last frame is ours too
        return bounded("Traceback (most recent call last):\n" + "".join(entries), TRACEBACK_LIMIT)
    except _BaseException:
        return ""


def bounded(text, limit):
    """At most `limit` characters: the beginning and the end, where the interesting lines are."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return text[:half] + "\n… (%d characters left out) …\n" % (len(text) - 2 * half) + text[-half:]
