"""The attacker: a function that tries what the code of a stranger would. Each attempt becomes a record {attempt, refused, how}: `how` is the name of the error
that refused it, or what came of it. What is expected of each is in attacks.ts."""

import errno
import os
import random
import signal
import subprocess
import threading
import time

from attempts import Refused, attempt, create, put
from frames import flood, forge, shout
from host import devices, files, network, others, proc, token

BORN = random.SystemRandom().getrandbits(53)  # of this container: another in its place would have another
RAW = os.path.join(os.path.dirname(os.path.abspath(__file__)), "raw")
calls = 0


def signals(_):
    """Every signal to pid 1. Those that come back are ignored: what is asked is whether pid 1 lives."""
    survived = []
    # The C library keeps 32 and 33 to itself: they cannot be ignored, and would end this program, as it could itself.
    numbers = [number for number in range(1, 65) if number not in (32, 33)]
    for number in numbers:
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_IGN)
    for number in numbers:
        try:
            os.kill(1, number)
            survived.append(number)
        except OSError as error:
            if error.errno != errno.EPERM:
                raise
    time.sleep(0.2)
    os.kill(1, 0) if survived else None
    return {"born": BORN, "delivered": len(survived)}


def raw(args):
    done = subprocess.run([RAW, args["what"]], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    records = []
    for line in done.stdout.splitlines():
        name, how = line.rsplit(": ", 1)
        records.append({"attempt": name, "refused": how != "0", "how": "it worked" if how == "0" else how})
    if done.returncode != 0:
        records.append({"attempt": "the program of raw calls", "refused": False, "how": "ended with %d %s" % (done.returncode, done.stderr)})
    return records


def identity(args):
    """Rights that a program's file would give."""
    records = []
    own = "uid %d %d %d %d" % (os.getuid(), os.geteuid(), os.getgid(), os.getegid())

    def run(path):
        lines = subprocess.run([path, "identity", args["bound"] + "/secret"], capture_output=True, text=True, check=True).stdout.splitlines()
        if lines[0] == own and int(lines[1].split()[1], 16) == 0:
            raise Refused("no rights")
        return lines

    def copied():
        with open(RAW, "rb") as source:
            create("/tmp/copy") or put("/tmp/copy", source.read())
        os.chmod("/tmp/copy", 0o6755)
        return run("/tmp/copy")

    attempt(records, "a setuid program of root", lambda: run(args["bound"] + "/setuid"))
    attempt(records, "a setgid program of root", lambda: run(args["bound"] + "/setgid"))
    attempt(records, "a program with capabilities", lambda: run(args["bound"] + "/capable"))
    attempt(records, "a setuid program of its own", copied)
    return records


def fill(path):
    written = 0
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while written < 1 << 30:
            written += os.write(fd, b"x" * 65536)
    finally:
        os.close(fd)
        os.unlink(path)
    return written


def full(args):
    """Fills what it may write, and finds it usable after."""
    records = []
    for folder in ("/tmp", "/dev/shm", "/iluvatar/sockets"):
        attempt(records, "fill " + folder, lambda: fill(folder + "/fill"))

    def many():
        made = 0
        os.mkdir("/tmp/many")
        try:
            for made in range(1_000_000):
                os.close(os.open("/tmp/many/%d" % made, os.O_CREAT | os.O_WRONLY))
        finally:
            for index in range(made + 1):
                try:
                    os.unlink("/tmp/many/%d" % index)
                except OSError:
                    break
            os.rmdir("/tmp/many")
        return made

    if args.get("many"):
        attempt(records, "make files without end", many)

    def sparse():
        with open("/tmp/sparse", "wb") as file:
            file.truncate(1 << 40)
            file.seek(1 << 39)
            file.write(b"x")
        held = os.stat("/tmp/sparse").st_blocks * 512
        os.unlink("/tmp/sparse")
        return "holds %d" % held

    attempt(records, "a sparse file of a terabyte", sparse)

    def deep():
        here = os.open("/tmp", os.O_RDONLY)
        for _ in range(3000):
            os.mkdir("d" * 200, dir_fd=here)
            below = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
        os.close(here)
        return "made"

    attempt(records, "folders 3000 deep", deep)
    attempt(records, "/tmp is fine again", lambda: put("/tmp/after", b"x" * 4096, os.O_WRONLY | os.O_CREAT))
    return records


def daemons(args):
    for _ in range(args["count"]):
        subprocess.run([RAW, "daemon", args["mark"]], check=True)
    if args.get("thread"):
        threading.Thread(target=time.sleep, args=(3600,), daemon=False).start()
    return True


def bomb(args):
    made, how = subprocess.run([RAW, "forks", str(args["most"])], capture_output=True, text=True, check=True).stdout.split()
    return {"made": int(made), "how": how}


def alive(_):
    global calls
    calls += 1
    return {"born": BORN, "pid": os.getpid(), "calls": calls}


def wait(args):
    time.sleep(args["seconds"])
    return "my own"


GROUPS = {
    "files": files,
    "proc": proc,
    "devices": devices,
    "others": others,
    "network": network,
    "token": token,
    "raw": raw,
    "identity": identity,
    "full": full,
    "signals": signals,
    "daemons": daemons,
    "bomb": bomb,
    "forge": forge,
    "flood": flood,
    "shout": shout,
    "alive": alive,
    "wait": wait,
}


def main(args):
    return GROUPS[args["do"]](args)
