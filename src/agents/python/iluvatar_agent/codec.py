"""JSON at the edge of the function: arguments in, result out, at the price of the C accelerator alone.

json.loads and json.dumps make a decoder's or encoder's worth of objects per call; the accelerators they end in are called directly here.
"""

import json
from json import decoder, encoder

_decode = json.JSONDecoder().decode
_str, _len, _type, _repr = str, len, type, repr
_TypeError, _ValueError = TypeError, ValueError
_StopIteration, _UnicodeEncodeError = StopIteration, UnicodeEncodeError


class Unserialisable(Exception):
    """A result that JSON cannot say."""


def _no_constant(name):
    raise _ValueError("%s is not JSON" % name)


_decoder = json.JSONDecoder(parse_constant=_no_constant)
_decode = _decoder.decode
_scan = _decoder.scan_once


def arguments(body):
    """The value of a body (bytes-like). ValueError or RecursionError say what is wrong with it."""
    text = _str(body, "utf-8")
    try:
        value, stop = _scan(text, 0)
    except _StopIteration:
        return _decode(text)  # white space in front, or a real error with its own sentence
    return value if stop == _len(text) else _decode(text)


def _refuse(value):
    kind = _type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else "%s.%s" % (kind.__module__, kind.__qualname__)
    raise _TypeError("the result contains a value of type %s, which JSON cannot say" % name)


def make_result_encoder():
    """A function from a value to UTF-8 JSON. It keeps state while it runs, so each thread needs its own.

    TypeError, ValueError (NaN, infinities, circular), RecursionError say what is wrong.
    """
    c_make_encoder = encoder.c_make_encoder
    if c_make_encoder is None:
        slow = json.JSONEncoder(default=_refuse, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
        return lambda value: slow(value).encode("utf-8")
    markers = {}
    readable = c_make_encoder(markers, _refuse, encoder.encode_basestring, None, ":", ",", False, False, False)
    escaped = c_make_encoder(markers, _refuse, encoder.encode_basestring_ascii, None, ":", ",", False, False, False)
    join = "".join

    def encode(value):
        if value is None:
            return b"null"
        try:
            return join(readable(value, 0)).encode()
        except _UnicodeEncodeError:
            return join(escaped(value, 0)).encode()  # a lone surrogate: JSON can say it, UTF-8 cannot
        finally:
            markers.clear()  # a failed run leaves its containers marked, and the next would call them circular

    return encode


def meta(fields):
    """The meta of a frame. Always within its limit: long texts give way."""
    data = json_text(fields)
    while _len(data) > 1 << 20:
        longest = max((name for name in fields if _type(fields[name]) is _str), key=lambda name: _len(fields[name]))
        fields[longest] = fields[longest][: _len(fields[longest]) // 2]
        data = json_text(fields)
    return data


_dumps = json.JSONEncoder(separators=(",", ":")).encode
parse_meta = decoder.JSONDecoder().decode


def json_text(value):
    return _dumps(value).encode("ascii")
