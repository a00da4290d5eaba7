/**
 * The functions that the conformance suite runs, written for each kind of backend: one that does what its arguments say, four whose code cannot be loaded, and one that never finishes
 * loading.
 */
export interface Dialect {
  /** The file that a traceback names. */
  readonly file: string;
  readonly main: Tree;
  readonly broken: Readonly<Record<'import' | 'syntax' | 'entry' | 'exit', Tree>>;
  readonly slow: Tree;
}

type Tree = Readonly<Record<string, string>>;

const PYTHON = `
import os, signal, sys, time

calls = 0

def main(args):
    global calls
    calls += 1
    what = args.get("do", "echo")
    if what == "echo":
        return {"args": args, "calls": calls}
    if what == "print":
        print("to stdout")
        print("to stderr", file=sys.stderr)
        return None
    if what == "write":
        os.write(1, b"straight to fd 1\\n")
        return None
    if what == "raise":
        raise ValueError("the user's own")
    if what == "exit":
        os._exit(args.get("code", 3))
    if what == "signal":
        os.kill(os.getpid(), args["signal"])
    if what == "eat":
        held = []
        while True:
            held.append(bytearray(1024 * 1024))
    if what == "sleep":
        time.sleep(args.get("seconds", 30))
        return "slept"
    if what == "stubborn":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
        while True:
            time.sleep(1)
    if what == "garbage":
        os.write(3, b"this is no frame at all, whoever reads it")
        time.sleep(30)
    if what == "close":
        os.closerange(3, 1024)
        time.sleep(30)
    if what == "environment":
        return dict(os.environ)
    if what == "large":
        return "x" * args["bytes"]
    return "?"
`;

/** For every backend that runs real code. */
export const python: Dialect = {
  file: 'main.py',
  main: { 'main.py': PYTHON },
  broken: {
    import: { 'main.py': 'import nothing_of_that_name\ndef main(a): pass\n' },
    syntax: { 'main.py': 'def main(a) pass\n' },
    entry: { 'main.py': 'other = 1\n' },
    exit: { 'main.py': 'import os\nos._exit(7)\n' },
  },
  slow: { 'main.py': 'import time\ntime.sleep(60)\n' },
};

const FILE = 'simulated.json';

function simulatedTree(description: object): Tree {
  return { [FILE]: JSON.stringify(description) };
}

/** The same, as descriptions of what happens. */
export const simulated: Dialect = {
  file: FILE,
  main: simulatedTree({
    create: { meanUs: 3000 },
    load: { samplesUs: [500, 1000] },
    run: 100,
    memoryMb: 12,
    result: { args: '$args', calls: '$calls' },
    outcomes: {
      print: { stdout: 'to stdout\n', stderr: 'to stderr\n', result: null },
      write: { written: { stdout: 'straight to fd 1\n' }, result: null },
      raise: { errorClass: 'user_error', message: "ValueError: the user's own", traceback: `in ${FILE}` },
      exit: { exit: { code: 3 } },
      signal: { exit: { signal: 'SIGSEGV' } },
      eat: { run: 20_000, exit: { outOfMemory: true } },
      sleep: { run: 30_000_000, result: 'slept', traceback: `asleep in ${FILE}` },
      stubborn: { run: 60_000_000, obeys: false },
      environment: { result: '$environment' },
      large: { result: { $repeat: 'x', times: '$args.bytes' } },
    },
  }),
  broken: {
    import: simulatedTree({ loading: { message: 'no module named nothing_of_that_name' } }),
    syntax: simulatedTree({ loading: { message: 'invalid syntax', traceback: 'line 1' } }),
    entry: simulatedTree({ load: 1000, loading: { message: 'it has no main' } }),
    exit: simulatedTree({ create: 5000, loading: { message: 'it ended with code 7 while its code was loaded' } }),
  },
  slow: simulatedTree({ load: 60_000_000 }),
};
