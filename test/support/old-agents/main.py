"""A function as the original has them: a dictionary in, a dictionary out."""

import os
import time

cold = True


def main(args):
    global cold
    was_cold, cold = cold, False
    if args.get("raise"):
        raise RuntimeError("as asked")
    if args.get("die"):
        os._exit(int(args["die"]))
    if args.get("sleep"):
        time.sleep(args["sleep"])
    if args.get("memoryMb"):
        args["kept"] = len(b"x" * (args["memoryMb"] * 1024 * 1024))
    return {"body": {"greeting": "Hello %s" % args.get("name", "world"), "cold": was_cold, "uid": os.getuid(), "args": args}}
