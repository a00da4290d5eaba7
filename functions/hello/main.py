"""Says hello: the smallest function."""

import time

cold = True


def main(args):
    global cold
    was_cold, cold = cold, False
    start = time.time()
    name = args.get("name", "world")
    greeting = f"Hello, {name}!"
    end = time.time()
    return {"body": {"greeting": greeting, "cold": was_cold, "start": start, "end": end, "latency": end - start}}
