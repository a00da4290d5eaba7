#include "transport/unix_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

namespace iluvatar::transport {

namespace {

bool MakeAddress(const std::string& path, sockaddr_un* address, socklen_t* length) {
  std::memset(address, 0, sizeof(*address));
  address->sun_family = AF_UNIX;
  // A NUL inside would bind another name than the caller reads in its logs.
  if (path.empty() || path.size() >= sizeof(address->sun_path) || path.find('\0') != std::string::npos) return false;
  std::memcpy(address->sun_path, path.data(), path.size());
  *length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return true;
}

UniqueFd NewSocket(int type) { return UniqueFd(socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)); }

// Nobody listens on this file any more. Anything but a socket is not ours to replace, though connecting to it is
// refused just the same.
bool IsStale(const std::string& path, const sockaddr_un& address, socklen_t length, int type) {
  struct stat file;
  if (lstat(path.c_str(), &file) != 0 || !S_ISSOCK(file.st_mode)) return false;
  UniqueFd probe = NewSocket(type);
  if (!probe.valid()) return false;
  if (connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), length) == 0) return false;
  return errno == ECONNREFUSED;
}

}  // namespace

void RemoveBoundPath(const BoundPath& bound) {
  struct stat now;
  if (bound.path.empty() || lstat(bound.path.c_str(), &now) != 0) return;
  if (now.st_dev == bound.device && now.st_ino == bound.inode) unlink(bound.path.c_str());
}

Status ListenUnix(const std::string& path, unsigned mode, int backlog, UniqueFd* fd, BoundPath* bound, int type) {
  sockaddr_un address;
  socklen_t length = 0;
  if (!MakeAddress(path, &address, &length)) return {path.empty() ? EINVAL : ENAMETOOLONG, "bind"};
  UniqueFd made = NewSocket(type);
  if (!made.valid()) return {errno, "socket"};
  // The file takes its first permissions from the socket: without this, it would be open to all between bind and chmod.
  if (fchmod(made.get(), mode) != 0) return {errno, "fchmod"};
  if (bind(made.get(), reinterpret_cast<sockaddr*>(&address), length) != 0) {
    if (errno != EADDRINUSE) return {errno, "bind"};
    if (!IsStale(path, address, length, type)) return {EADDRINUSE, "bind"};
    if (unlink(path.c_str()) != 0 && errno != ENOENT) return {errno, "unlink"};
    if (bind(made.get(), reinterpret_cast<sockaddr*>(&address), length) != 0) return {errno, "bind"};
  }
  struct stat file;
  // lstat before chmod, so that a failure from here on can take the file off again.
  if (lstat(path.c_str(), &file) != 0) return {errno, "stat"};
  BoundPath result = {path, file.st_dev, file.st_ino};
  // The umask may have taken away what the caller asked for.
  if (chmod(path.c_str(), mode) != 0 || listen(made.get(), backlog) != 0) {
    const int error = errno;
    RemoveBoundPath(result);
    return {error, "listen"};
  }
  *bound = result;
  *fd = std::move(made);
  return {};
}

Status CopyListener(int listening, UniqueFd* fd) {
  int domain = 0;
  int accepts = 0;
  socklen_t size = sizeof(domain);
  if (getsockopt(listening, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0) return {errno, "getsockopt"};
  if (getsockopt(listening, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &size) != 0) return {errno, "getsockopt"};
  if (domain != AF_UNIX || accepts == 0) return {EINVAL, "getsockopt"};
  UniqueFd copy(fcntl(listening, F_DUPFD_CLOEXEC, 0));
  if (!copy.valid()) return {errno, "fcntl"};
  const int flags = fcntl(copy.get(), F_GETFL);
  if (flags < 0 || fcntl(copy.get(), F_SETFL, flags | O_NONBLOCK) != 0) return {errno, "fcntl"};
  *fd = std::move(copy);
  return {};
}

Status ConnectUnix(const std::string& path, UniqueFd* fd, int type) {
  sockaddr_un address;
  socklen_t length = 0;
  if (!MakeAddress(path, &address, &length)) return {path.empty() ? EINVAL : ENAMETOOLONG, "connect"};
  UniqueFd made = NewSocket(type);
  if (!made.valid()) return {errno, "socket"};
  while (connect(made.get(), reinterpret_cast<sockaddr*>(&address), length) != 0) {
    if (errno != EINTR) return {errno, "connect"};
  }
  *fd = std::move(made);
  return {};
}

Status AdoptSocket(int fd) {
  int type = 0;
  socklen_t size = sizeof(type);
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0) return {errno, "getsockopt"};
  if (type != SOCK_STREAM) return {EINVAL, "getsockopt"};
  sockaddr_storage peer;
  socklen_t length = sizeof(peer);
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &length) != 0) return {errno, "getpeername"};
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return {errno, "fcntl"};
  if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) return {errno, "fcntl"};
  return {};
}

Status ReadPeer(int fd, PeerCredentials* peer) {
  ucred credentials;
  socklen_t size = sizeof(credentials);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return {errno, "getsockopt"};
  *peer = {credentials.pid, credentials.uid, credentials.gid};
  return {};
}

}  // namespace iluvatar::transport
