// See service_manager.h.
#include "system/service_manager.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "system/unique_fd.h"

namespace iluvatar::system {
namespace {

constexpr size_t kPathOffset = offsetof(sockaddr_un, sun_path);

// The length counts for abstract names: a final NUL would be a part of them.
bool MakeAddress(const std::string& text, sockaddr_un* address, socklen_t* length) {
  std::memset(address, 0, sizeof(*address));
  address->sun_family = AF_UNIX;
  if (text.size() < 2 || (text[0] != '/' && text[0] != '@')) return false;
  if (text.size() >= sizeof(address->sun_path) || text.find('\0') != std::string::npos) return false;
  std::memcpy(address->sun_path, text.data(), text.size());
  const bool abstract = text[0] == '@';
  if (abstract) address->sun_path[0] = '\0';
  *length = static_cast<socklen_t>(kPathOffset + text.size() + (abstract ? 0 : 1));
  return true;
}

std::string TextOf(const sockaddr_storage& address, socklen_t length) {
  char host[INET6_ADDRSTRLEN] = {};
  if (address.ss_family == AF_INET) {
    const auto& internet = reinterpret_cast<const sockaddr_in&>(address);
    inet_ntop(AF_INET, &internet.sin_addr, host, sizeof(host));
    return std::string(host) + ":" + std::to_string(ntohs(internet.sin_port));
  }
  if (address.ss_family == AF_INET6) {
    const auto& internet = reinterpret_cast<const sockaddr_in6&>(address);
    inet_ntop(AF_INET6, &internet.sin6_addr, host, sizeof(host));
    return "[" + std::string(host) + "]:" + std::to_string(ntohs(internet.sin6_port));
  }
  if (address.ss_family != AF_UNIX || length <= kPathOffset) return {};
  const char* path = reinterpret_cast<const sockaddr_un&>(address).sun_path;
  const size_t size = length - kPathOffset;
  return path[0] == '\0' ? "@" + std::string(path + 1, size - 1) : std::string(path, strnlen(path, size));
}

bool OptionOf(int fd, int option, int* value) {
  socklen_t size = sizeof(*value);
  return getsockopt(fd, SOL_SOCKET, option, value, &size) == 0;
}

}  // namespace

Status Notify(const std::string& address, std::string_view state, std::span<const int> descriptors) {
  sockaddr_un to;
  socklen_t length = 0;
  if (!MakeAddress(address, &to, &length) || state.empty() || descriptors.size() > kMaxNotifyDescriptors) {
    return {EINVAL, "sendmsg", address};
  }
  UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return Status::Errno("socket");
  iovec text = {const_cast<char*>(state.data()), state.size()};
  msghdr message = {};
  message.msg_name = &to;
  message.msg_namelen = length;
  message.msg_iov = &text;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxNotifyDescriptors * sizeof(int))] = {};
  if (!descriptors.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size_bytes());
  }
  while (sendmsg(socket.get(), &message, MSG_NOSIGNAL) < 0) {
    if (errno != EINTR) return Status::Errno("sendmsg", address);
  }
  return Status::Ok();
}

Status InspectSocket(int fd, InheritedSocket* socket) {
  int type = 0;
  int listening = 0;
  if (!OptionOf(fd, SO_TYPE, &type) || !OptionOf(fd, SO_DOMAIN, &socket->family)) return Status::Errno("getsockopt");
  if (!OptionOf(fd, SO_ACCEPTCONN, &listening)) return Status::Errno("getsockopt");
  socket->stream = type == SOCK_STREAM;
  socket->listening = listening != 0;
  sockaddr_storage address = {};
  socklen_t length = sizeof(address);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) return Status::Errno("getsockname");
  socket->address = TextOf(address, length);
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return Status::Errno("fcntl");
  if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) return Status::Errno("fcntl");
  return Status::Ok();
}

Status Duplicate(int fd, int* copy) {
  *copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  return *copy < 0 ? Status::Errno("fcntl") : Status::Ok();
}

Status Close(int fd) {
  // After EINTR it is closed all the same.
  return close(fd) == 0 || errno == EINTR ? Status::Ok() : Status::Errno("close");
}

Status LockFile(int fd, bool* locked) {
  *locked = flock(fd, LOCK_EX | LOCK_NB) == 0;
  if (!*locked && errno != EWOULDBLOCK) return Status::Errno("flock");
  return Status::Ok();
}

}  // namespace iluvatar::system
