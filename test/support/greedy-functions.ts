/** Python functions that use up what they are given, for suites of limits wherever these are set. */

/** Holds, or has held, so many MiB; and says which process it is. */
export const MEMORY = `import os

kept = []

def main(args):
    block = bytearray(b"x") * (args.get("mb", 0) << 20)
    if args.get("keep"):
        kept.append(block)
    return {"pid": os.getpid(), "mb": len(block) >> 20}
`;

/** Runs so many processes that only run, and says which cores it may use. */
export const SPIN = `import os, time

def main(args):
    until = time.monotonic() + args.get("seconds", 0)
    children = [os.fork() for _ in range(args.get("spinners", 0))]
    if 0 in children:
        while time.monotonic() < until:
            pass
        os._exit(0)
    for pid in children:
        os.waitpid(pid, 0)
    return sorted(os.sched_getaffinity(0))
`;
