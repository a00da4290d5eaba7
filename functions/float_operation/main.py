"""Floating point: sines, cosines and square roots of 0 .. n-1."""

import math
import time

cold = True


def float_operations(n):
    total = 0.0
    for i in range(n):
        total += math.sin(i) + math.cos(i) + math.sqrt(i)
    return total


def main(args):
    global cold
    was_cold, cold = cold, False
    n = int(args.get("n", 100_000))
    start = time.time()
    total = float_operations(n)
    end = time.time()
    return {"body": {"n": n, "sum": total, "cold": was_cold, "start": start, "end": end, "latency": end - start}}
