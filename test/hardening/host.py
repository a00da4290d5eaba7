"""Attempts at what is outside of the container: files, the kernel's settings, devices, processes, networks and sockets, and its own token."""

import errno
import os
import signal
import socket
import stat
import struct

from attempts import Refused, attempt, create, entries, get, put

ENVIRONMENT = dict(os.environ)


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
