// Unix sockets with a path: made, bound, connected, accepted. Every descriptor is close-on-exec and non-blocking;
// `type` is that of socket(2).
#ifndef ILUVATAR_TRANSPORT_UNIX_SOCKET_H_
#define ILUVATAR_TRANSPORT_UNIX_SOCKET_H_

#include <sys/socket.h>
#include <sys/types.h>

#include <cstdint>
#include <string>

#include "system/unique_fd.h"

namespace iluvatar::transport {

using system::UniqueFd;

// Failure of one system call; `error` 0 = success. `syscall` is a literal.
struct Status {
  int error = 0;
  const char* syscall = "";
  bool ok() const { return error == 0; }
};

// A bound path, removed again only while it is still the same file: a successor may have taken the name.
struct BoundPath {
  std::string path;
  uint64_t device = 0;
  uint64_t inode = 0;
};
void RemoveBoundPath(const BoundPath& bound);

// A file left behind by a dead process (connecting says ECONNREFUSED) is replaced; a live one gives EADDRINUSE. The
// file never has more permissions than `mode`.
Status ListenUnix(const std::string& path, unsigned mode, int backlog, UniqueFd* fd, BoundPath* bound,
                  int type = SOCK_STREAM);

// A close-on-exec, non-blocking copy of a unix stream socket that listens. ENOTSOCK and EINVAL for anything else.
Status CopyListener(int listening, UniqueFd* fd);

// EAGAIN when the listener's backlog is full: this never waits.
Status ConnectUnix(const std::string& path, UniqueFd* fd, int type = SOCK_STREAM);

// Makes a descriptor from elsewhere like ours. ENOTSOCK and EINVAL for anything but a connected stream socket.
Status AdoptSocket(int fd);

struct PeerCredentials {
  pid_t pid;
  uid_t uid;
  gid_t gid;
};
Status ReadPeer(int fd, PeerCredentials* peer);

}  // namespace iluvatar::transport

#endif  // ILUVATAR_TRANSPORT_UNIX_SOCKET_H_
