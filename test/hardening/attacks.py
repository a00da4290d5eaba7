"""The attacker: a function that tries what the code of a stranger would. Each attempt becomes a record {attempt, refused, how}: `how` is the name of the error
that refused it, or what came of it. What is expected of each is in attacks.ts."""

import errno
import os
import random
import signal
import socket
import stat
import struct
import subprocess
import threading
import time

BORN = random.SystemRandom().getrandbits(53)  # of this container: another in its place would have another
RAW = os.path.join(os.path.dirname(os.path.abspath(__file__)), "raw")
ENVIRONMENT = dict(os.environ)
CONNECTION = 3
calls = 0


class Refused(Exception):
    pass


def attempt(records, name, action):
    try:
        came = action()
    except OSError as error:
        how = errno.errorcode.get(error.errno, str(error))
        records.append({"attempt": name, "refused": True, "how": how})
    except Refused as error:
        records.append({"attempt": name, "refused": True, "how": str(error)})
    else:
        records.append({"attempt": name, "refused": False, "how": str(came)[:100]})


def put(path, text=b"attacked", flags=os.O_WRONLY):
    fd = os.open(path, flags | os.O_CLOEXEC, 0o644)
    try:
        os.write(fd, text)
    finally:
        os.close(fd)


def create(path):
    return put(path, flags=os.O_WRONLY | os.O_CREAT)


def get(path, size=64):
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.read(fd, size)
    finally:
        os.close(fd)
    if not found:
        raise Refused("empty")
    return found


def entries(path):
    found = os.listdir(path)
    if not found:
        raise Refused("empty")
    return sorted(found)


def files(args):
    records = []
    bound, outside = args["bound"], args["outside"]
    for folder in ("/", "/usr", "/usr/bin", "/etc", "/function", "/layers", "/iluvatar", "/iluvatar/sockets", "/dev", "/proc", "/sys", bound):
        name = "the bound folder" if folder == bound else folder
        attempt(records, "create a file in " + name, lambda: create(folder + "/made-by-an-attack"))
    attempt(records, "make a folder in /", lambda: os.mkdir("/made-by-an-attack"))
    for name, path in (
        ("a bound file", bound + "/open"),
        ("its code", os.path.abspath(__file__)),
        ("/usr/bin/env", "/usr/bin/env"),
        ("/etc/passwd", "/etc/passwd"),
        ("/proc/self/exe", "/proc/self/exe"),
        ("the program of pid 1", "/proc/1/exe"),
    ):
        attempt(records, "write " + name, lambda: put(path))
    attempt(records, "delete a bound file", lambda: os.unlink(bound + "/open"))
    attempt(records, "rename a bound file", lambda: os.rename(bound + "/open", bound + "/taken"))
    attempt(records, "truncate a bound file", lambda: os.truncate(bound + "/open", 0))
    attempt(records, "chmod of a bound file", lambda: os.chmod(bound + "/open", 0o777))
    attempt(records, "chown of a bound file", lambda: os.chown(bound + "/open", os.getuid(), os.getgid()))
    attempt(records, "utime of a bound file", lambda: os.utime(bound + "/open", (0, 0)))
    attempt(records, "setxattr of a bound file", lambda: os.setxattr(bound + "/open", "user.attacked", b"x"))
    attempt(records, "a hard link to a bound file", lambda: os.link(bound + "/open", "/tmp/open"))
    attempt(records, "rename /iluvatar/sockets", lambda: os.rename("/iluvatar/sockets", "/iluvatar/taken"))
    attempt(records, "read a secret bound file", lambda: get(bound + "/secret"))
    for name, path in (
        ("/etc/shadow", "/etc/shadow"),
        ("a file of the host", outside + "/file"),
        ("a file of the host through ..", "/function/../../../../../.." + outside + "/file"),
        ("a file of the host through /proc/self/root", "/proc/self/root/../.." + outside + "/file"),
        ("a file of the host through /proc/1/root", "/proc/1/root" + outside + "/file"),
        ("a file of the host through /proc/1/cwd", "/proc/1/cwd/../../../../.." + outside + "/file"),
    ):
        attempt(records, "read " + name, lambda: get(path))

    def through_link():
        os.symlink(outside, "/tmp/link")
        return create("/tmp/link/made-by-an-attack")

    attempt(records, "write through a link of its own", through_link)
    for folder in ("/root", "/home", "/var", "/run", "/boot", "/srv", "/.host", "/.store", "/.run", "/.old", args["dataDir"], args["engineFolder"]):
        name = {args["dataDir"]: "the worker's data folder", args["engineFolder"]: "the engine's folder"}.get(folder, folder)
        attempt(records, "list " + name, lambda: entries(folder))
    return records


def proc(_):
    records = []
    for path in (
        "sysrq-trigger",
        "sys/kernel/core_pattern",
        "sys/kernel/modprobe",
        "sys/kernel/hostname",
        "sys/kernel/randomize_va_space",
        "sys/kernel/ns_last_pid",
        "sys/vm/drop_caches",
        "sys/vm/overcommit_memory",
        "sys/net/ipv4/ip_forward",
        "sys/net/ipv4/ip_unprivileged_port_start",
        "sys/fs/file-max",
        "sys/fs/binfmt_misc/register",
        "sys/user/max_user_namespaces",
        "irq/0/smp_affinity",
        "mtrr",
        "1/mem",
        "1/oom_score_adj",
        "1/comm",
        "1/uid_map",
        "1/attr/current",
        "self/uid_map",
        "self/projid_map",
        "self/attr/exec",
    ):
        # What is written is harmless should it be let through: the value that is there.
        def rewrite():
            value = get("/proc/" + path, 4096) if os.access("/proc/" + path, os.R_OK) and not path.endswith("/mem") else b"0"
            put("/proc/" + path, value)

        attempt(records, "write /proc/" + path, rewrite)
    for path in ("kcore", "kmsg", "keys", "timer_list", "sched_debug", "slabinfo", "vmallocinfo", "pagetypeinfo", "iomem", "1/mem", "1/environ", "1/maps", "1/auxv", "1/syscall", "1/stack"):
        attempt(records, "read /proc/" + path, lambda: get("/proc/" + path))

    def kernel_addresses():
        shown = {line.split()[0] for line in get("/proc/kallsyms", 65536).decode().splitlines()[:-1]}
        if shown == {"0" * 16}:
            raise Refused("zeros")
        return sorted(shown)[-1]

    attempt(records, "addresses of the kernel", kernel_addresses)
    attempt(records, "own memory of physical addresses", lambda: physical())
    for link in ("root", "cwd", "exe", "fd/0", "ns/mnt", "ns/net"):
        attempt(records, "follow /proc/1/" + link, lambda: os.stat("/proc/1/" + link))
    attempt(records, "go before others when memory runs out", lambda: put("/proc/self/oom_score_adj", b"-1000"))
    attempt(records, "be spared when memory runs out", lambda: put("/proc/self/oom_score_adj", b"0"))
    for path in ("/sys/kernel/uevent_helper", "/sys/kernel/mm/transparent_hugepage/enabled", "/sys/power/state", "/sys/fs/cgroup/cgroup.procs", "/sys/kernel/debug/x", "/sys/firmware/x"):
        attempt(records, "write " + path, lambda: put(path, b"x"))
    attempt(records, "write a file of its cgroup", cgroups)
    return records


def physical():
    with open("/proc/self/pagemap", "rb") as pages:
        place = id(ENVIRONMENT) // 4096 * 8
        pages.seek(place)
        frame = struct.unpack("<Q", pages.read(8))[0] & ((1 << 55) - 1)
    if frame == 0:
        raise Refused("zeros")
    return frame


def cgroups():
    """Every file of every cgroup that is in sight."""
    mounts = []
    with open("/proc/self/mountinfo", encoding="utf-8") as table:
        for line in table:
            before, after = line.split(" - ")
            if after.startswith("cgroup"):
                mounts.append(before.split()[4])
    if not mounts:
        raise Refused("no cgroup in sight")
    written, said = [], set()
    for mount in mounts:
        for folder, folders, names in os.walk(mount):
            for name in names:
                try:
                    os.close(os.open(os.path.join(folder, name), os.O_WRONLY))
                    written.append(os.path.join(folder, name))
                except OSError as error:
                    said.add(errno.errorcode[error.errno])
            try:
                os.mkdir(os.path.join(folder, "made-by-an-attack"))
                written.append(folder)
            except OSError as error:
                said.add(errno.errorcode[error.errno])
    if not written:
        raise Refused(" ".join(sorted(said)))
    return written


DEVICES = {"null", "zero", "full", "random", "urandom", "tty", "console", "ptmx"}


def devices(_):
    records = []
    for name in ("mem", "kmem", "port", "kmsg", "sda", "vda", "loop-control", "loop0", "fuse", "kvm", "net/tun", "mapper/control", "snapshot", "vhost-net", "userfaultfd", "cpu/0/msr", "uinput"):
        attempt(records, "open /dev/" + name, lambda: os.close(os.open("/dev/" + name, os.O_RDONLY | os.O_NONBLOCK)))

    def others():
        found = []
        for folder, _, names in os.walk("/dev"):
            for name in names:
                path = os.path.join(folder, name)
                mode = os.lstat(path).st_mode
                if (stat.S_ISCHR(mode) or stat.S_ISBLK(mode)) and name not in DEVICES:
                    found.append(path)
        if not found:
            raise Refused("no other device")
        return found

    attempt(records, "find a device that is not harmless", others)
    return records


def others(_):
    """Processes in sight that are neither this one, its threads nor its children, and signals to them."""
    records = []
    mine = {os.getpid()}
    strangers = [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) not in mine | {1}]

    def seen():
        if not strangers:
            raise Refused("nobody else")
        return strangers

    attempt(records, "see a process of another", seen)
    for number in (signal.SIGKILL, signal.SIGSTOP, 0):
        attempt(records, "signal %d to pid 70000" % number, lambda: os.kill(70000, number))
    return records


def signals(_):
    """Every signal to pid 1. Those that come back are ignored: what is asked is whether pid 1 lives."""
    survived = []
    for number in range(1, 65):
        if number not in (signal.SIGKILL, signal.SIGSTOP, 32, 33):
            signal.signal(number, signal.SIG_IGN)
    for number in range(1, 65):
        try:
            os.kill(1, number)
            survived.append(number)
        except OSError as error:
            if error.errno != errno.EPERM:
                raise
    time.sleep(0.2)
    os.kill(1, 0) if survived else None
    return {"born": BORN, "delivered": len(survived)}


def network(args):
    records = []

    def links():
        with open("/proc/net/dev", encoding="utf-8") as table:
            found = [line.split(":")[0].strip() for line in table.readlines()[2:]]
        if found == ["lo"]:
            raise Refused("only lo")
        return found

    attempt(records, "find a link", links)

    def reach(kind, address):
        with socket.socket(kind, socket.SOCK_STREAM) as client:
            client.settimeout(2)
            client.connect(address)
            return client.recv(64)

    attempt(records, "connect to the host at 127.0.0.1", lambda: reach(socket.AF_INET, ("127.0.0.1", args["port"])))
    attempt(records, "connect to the host at ::1", lambda: reach(socket.AF_INET6, ("::1", args["port"])))
    for index, address in enumerate(args["addresses"][:1]):
        attempt(records, "connect to the host at its address", lambda: reach(socket.AF_INET, (address, args["port"])))

    def datagram():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            return client.sendto(b"x", ("192.0.2.1", 53))

    attempt(records, "send a datagram out", datagram)
    attempt(records, "connect to an abstract socket of the host", lambda: reach(socket.AF_UNIX, "\0" + args["abstract"]))
    for name, path in sorted(args["sockets"].items()):
        attempt(records, "connect to " + name, lambda: reach(socket.AF_UNIX, path))

    def own_socket():
        for path in ("/iluvatar/sockets/agents.sock", ENVIRONMENT.get("ILUVATAR_AGENTS_SOCKET", "/.host/run/agents.sock")):
            try:
                return reach(socket.AF_UNIX, path)
            except OSError as error:
                last = error
        raise last

    attempt(records, "call the worker again", own_socket)
    return records


def token(_):
    """What it finds of its token, and of others' secrets."""
    records = []

    def find(path):
        found = [entry for entry in get(path, 65536).split(b"\0") if b"TOKEN" in entry or b"ILUVATAR_ASSIGN" in entry]
        if not found:
            raise Refused("not there")
        return found[0].split(b"=")[0].decode()

    attempt(records, "its token in os.environ", lambda: find_in(os.environ))
    attempt(records, "its token in /proc/self/environ", lambda: find("/proc/self/environ"))
    attempt(records, "its token in /proc/1/environ", lambda: find("/proc/1/environ"))
    return records


def find_in(environment):
    found = [name for name in environment if "TOKEN" in name]
    if not found:
        raise Refused("not there")
    return found


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


def frame(kind, request_id=0, meta=b"", body=b"", status=0, numbers=(0, 0, 0), announced=None):
    return struct.pack("<4BIQIIII", 0xF1, kind, status, 0, request_id, len(body) if announced is None else announced, len(meta), *numbers) + meta + body


def forge(args):
    """Frames on its own connection to the worker, which its agent holds as descriptor 3."""
    what, other = args["what"], args.get("other", 0)
    mine = args.get("mine", 0)
    sent = {
        "a result of another function": lambda: frame(6, other, body=b'"forged"'),
        "a result twice": lambda: frame(6, mine, body=b'"first"') + frame(6, mine, body=b'"second"'),
        "ready again": lambda: frame(19),
        "hello again": lambda: frame(1, meta=b'{"role":"worker","name":"w"}', numbers=(1, 1, 1024)),
        "a hello of a spawner": lambda: frame(1, meta=b'{"role":"spawner","name":"python3"}', numbers=(1, 1, 1024)),
        "an exit": lambda: frame(20, numbers=(0, 0, 0)),
        "a spawn": lambda: frame(16, 1, meta=b'{"uid":0}'),
        "an assign": lambda: frame(18, 1, meta=b'{"function":"other@1"}'),
        "an invocation": lambda: frame(5, 1, meta=b'{"function":"neighbour"}'),
        "a call of the control plane": lambda: frame(8, 1, meta=b'{"method":"unregister","params":{"name":"neighbour"}}'),
        "an unknown type": lambda: frame(99),
        "a body over the limit": lambda: frame(6, mine, announced=1 << 40),
        "a meta over the limit": lambda: struct.pack("<4BIQIIII", 0xF1, 6, 0, 0, mine, 0, 1 << 30, 0, 0, 0),
        "half a frame": lambda: frame(6, mine, body=b"x" * 100)[:60],
        "garbage": lambda: os.urandom(4096),
        "a meta that is no text": lambda: frame(6, mine, meta=b"\xff\xfe{[" * 10, body=b'"odd"'),
        "a meta that is deep": lambda: frame(6, mine, meta=b"[" * 500_000, body=b'"odd"'),
        "an unknown status": lambda: frame(6, mine, status=200, body=b'"odd"'),
    }[what]()
    connection = socket.socket(fileno=os.dup(CONNECTION))
    connection.sendall(sent)
    if what == "half a frame":
        os._exit(0)
    time.sleep(60)


def flood(args):
    """LOG frames and pings as fast as the worker takes them."""
    piece = frame(21, body=b"f" * args["size"], numbers=(1, 0, 0)) if args["what"] == "log" else frame(3, 7)
    connection = socket.socket(fileno=os.dup(CONNECTION))
    data = piece * max(1, 65536 // len(piece))
    sent = 0
    while sent < args["bytes"]:
        connection.sendall(data)
        sent += len(data)
    return sent


def shout(args):
    """Output past Python, by the gigabyte."""
    written = 0
    block = b"s" * 65535 + b"\n"
    if args.get("long"):
        block = b"s" * 65536
    while written < args["bytes"]:
        written += os.write(args["fd"], block)
    return written


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
