"""Solves a dense system of linear equations, as LINPACK does."""

import time

import numpy as np

cold = True


def main(args):
    global cold
    was_cold, cold = cold, False
    n = int(args.get("n", 200))
    generator = np.random.default_rng(int(args.get("seed", 1)))
    a = generator.random((n, n)) - 0.5
    b = a.sum(axis=1)
    start = time.time()
    x = np.linalg.solve(a, b)
    end = time.time()
    latency = end - start
    operations = 2.0 * n**3 / 3.0 + 2.0 * n**2
    body = {
        "n": n,
        # b is the sum of each row, so the solution is all ones.
        "largest_error": float(np.abs(x - 1.0).max()),
        "residual": float(np.abs(a @ x - b).max()),
        "mflops": operations / max(latency, 1e-9) / 1e6,
        "cold": was_cold,
        "start": start,
        "end": end,
        "latency": latency,
    }
    if args.get("include"):
        body.update(a=a.tolist(), b=b.tolist(), x=x.tolist())
    return {"body": body}
