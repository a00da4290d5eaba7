// What a service manager (systemd) and a daemon say to each other: notifications as datagrams, sockets as inherited
// descriptors, and the lock of a pid file. What the environment says is read by the caller.
#ifndef ILUVATAR_SYSTEM_SERVICE_MANAGER_H_
#define ILUVATAR_SYSTEM_SERVICE_MANAGER_H_

#include <sys/socket.h>

#include <span>
#include <string>
#include <string_view>

#include "system/status.h"

namespace iluvatar::system {

// As many as the kernel takes in one message (SCM_MAX_FD).
inline constexpr size_t kMaxNotifyDescriptors = 253;

// Sends one datagram to `address`: a path, or "@name" for an abstract one. `descriptors` go with it and stay the
// caller's. Never waits: EAGAIN when the receiver's queue is full. EINVAL for any other kind of address.
Status Notify(const std::string& address, std::string_view state, std::span<const int> descriptors);

struct InheritedSocket {
  // AF_UNIX, AF_INET, …
  int family = 0;
  bool stream = false;
  bool listening = false;
  // Of a unix socket: its path, "@name", or empty. Of an internet one: "127.0.0.1:80" or "[::1]:80".
  std::string address;
};

// Looks at a descriptor that somebody else opened, and makes it close-on-exec and non-blocking: a child that inherited
// it would keep the socket open behind the worker's back. ENOTSOCK or EBADF where it is no socket.
Status InspectSocket(int fd, InheritedSocket* socket);

// A close-on-exec copy: for an owner who closes what he is given.
Status Duplicate(int fd, int* copy);
Status Close(int fd);

// Locks an open file for as long as it is open, here and in whoever inherits the descriptor. `*locked` false when
// another process has it.
Status LockFile(int fd, bool* locked);

}  // namespace iluvatar::system

#endif  // ILUVATAR_SYSTEM_SERVICE_MANAGER_H_
