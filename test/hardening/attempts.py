"""An attempt and its record, and the ways to files that attempts go."""

import errno
import os


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
