"""What the standard library does after a fork, and a fork of a zygote can do without.

These hooks put locks right which another thread may have held, and forget other threads. A zygote has one thread, which holds none of them. They cost
a container a twentieth of its start, so that they are off while a zygote forks, and on where user code may fork.
"""

import sys

_NEEDLESS = (("threading", "_after_fork"), ("logging", "_after_at_fork_child_reinit_locks"))


def _nothing():
    pass


class NeedlessHooks:
    """The interpreter keeps the function it was given and there is no way to take it back: what changes is the function's code."""

    def __init__(self):
        self._off = []

    def off(self):
        for module, name in _NEEDLESS:
            function = getattr(sys.modules.get(module), name, None)
            code = getattr(function, "__code__", None)
            # Another version's may be something else, and then it stays as it is.
            if code is None or code is _nothing.__code__ or code.co_freevars or code.co_argcount:
                continue
            self._off.append((function, code))
            function.__code__ = _nothing.__code__

    def on(self):
        for function, code in self._off:
            function.__code__ = code
        self._off.clear()
