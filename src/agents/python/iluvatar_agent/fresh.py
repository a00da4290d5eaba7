"""Fresh randomness after a fork: nothing that two containers of one zygote hand out may be the same.

What this cannot change: the salt of str hashes (inherited, so an attacker who learns it in one container knows it in its siblings), and
generators that an imported library made and keeps (`random.Random()` at module level). Functions for which that matters opt out with `zygote: false`.
"""

import os
import sys

_MT19937_WORDS = 624
_MT19937_BYTES = 4 * _MT19937_WORDS


def forget():
    """Runs in a zygote before it forks: what has been drawn, and would be continued in each of its containers, is given up once for all."""
    _each(_FORGOTTEN)


def reseed():
    """Runs in the child, after PyOS_AfterFork_Child, which has seeded `random` already. Touches only what is loaded: each page written is memory of this container alone."""
    _each(_DRAWN)


def _each(renewals):
    modules = sys.modules
    for name, renew in renewals:
        module = modules.get(name)
        if module is not None:
            try:
                renew(module)
            except Exception as error:  # a library we do not know well enough must not cost the start
                os.write(2, ("iluvatar: %s could not be reseeded: %s\n" % (name, error)).encode())


def _uuid(module):
    # libuuid keeps clock and node in static memory, the same in all children; the Python way draws the clock sequence anew each time.
    module._generate_time_safe = None
    module._UuidCreate = None
    module._last_timestamp = None
    module._node = None


def _numpy(module):
    # The legacy global generator; default_rng() asks the system each time. Its whole state at once, since `seed()` runs through three times as much.
    try:
        module.set_state(("MT19937", sys.modules["numpy"].frombuffer(os.urandom(_MT19937_BYTES), "uint32"), _MT19937_WORDS))
    except ValueError:  # somebody has put another generator into its place
        module.seed()


def _ssl(module):
    # Since 1.1.1 OpenSSL notices a fork by itself; waking its generator here would cost a third of a container's start.
    if module.OPENSSL_VERSION_INFO < (1, 1, 1):
        module.RAND_add(os.urandom(32), 32.0)


def _tempfile(module):
    module._name_sequence = None
    module.tempdir = None


def _multiprocessing(module):
    module.current_process().authkey = os.urandom(32)


def _torch(module):
    module.manual_seed(int.from_bytes(os.urandom(7), "little"))


_FORGOTTEN = (("uuid", _uuid), ("tempfile", _tempfile))
_DRAWN = (
    ("numpy.random", _numpy),
    ("ssl", _ssl),
    ("multiprocessing.process", _multiprocessing),
    ("torch", _torch),
)
