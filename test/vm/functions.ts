/** Functions that use up what they are given, for the machine. */

/** Holds, or has held, so many MiB; and says which process it is. */
export const MEMORY = {
  'main.py': `import os

kept = []

def main(args):
    block = bytearray(b"x") * (args.get("mb", 0) << 20)
    if args.get("keep"):
        kept.append(block)
    return {"pid": os.getpid(), "mb": len(block) >> 20}
`,
};

/** Runs so many processes that only run, and says which cores it may use. */
export const SPIN = {
  'main.py': `import os, time

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
`,
};

export const ADD = { 'index.mjs': 'export function main(args) {\n  return { sum: args.a + args.b };\n}\n' };

/** Takes its time, and says what it was given. */
export const SLOW = {
  'main.py': `import time

def main(args):
    time.sleep(args.get("seconds", 0))
    return args
`,
};
