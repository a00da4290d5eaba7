"""What a function is told of the trace that its invocation is part of: the environment variables TRACEPARENT and TRACESTATE, as OpenTelemetry has them.

Set while an invocation runs that is part of one; only where a container runs one invocation at a time, since an environment is its whole process's.
"""

import os

from .codec import parse_meta

_NAMES = (("traceparent", "TRACEPARENT"), ("tracestate", "TRACESTATE"))


def tell(meta):
    """`meta`: of INVOKE, bytes-like; empty = the invocation is part of none. Returns whether there is something to be taken back."""
    fields = parse_meta(str(meta, "utf-8")) if meta else {}
    environment, told = os.environ, False
    for field, name in _NAMES:
        value = fields.get(field)
        if value:
            environment[name] = value
            told = True
        else:
            environment.pop(name, None)
    return told
