// The long-lived process behind a group's socket. It owns the containers' processes and ends when it has had none, and
// nobody to talk to, for some seconds.
#ifndef ILUVATAR_SHIM_DAEMON_H_
#define ILUVATAR_SHIM_DAEMON_H_

#include <string>

#include "system/status.h"

namespace iluvatar::shim {

// Where its listening socket is when it is executed.
inline constexpr int kListeningFd = 3;

// Serves until there is nothing more to do. `socket`: path of the listening socket, taken away at the end; `events`:
// path of containerd's ttrpc socket; `name_space`: of containerd's.
system::Status RunDaemon(const std::string& socket, const std::string& events, const std::string& name_space);

}  // namespace iluvatar::shim

#endif  // ILUVATAR_SHIM_DAEMON_H_
