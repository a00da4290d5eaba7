"""The original's sign of readiness."""

import sys


def when_ready(_server):
    print("MGK_GUN_READY_KMG", file=sys.stderr, flush=True)
