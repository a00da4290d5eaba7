// Network namespaces: made on a thread of their own, since a thread that has entered one is good for nothing else, and
// kept alive by a bind mount, as `ip netns` does, so that another process can enter them by name.
#ifndef ILUVATAR_NETLINK_NAMESPACES_H_
#define ILUVATAR_NETLINK_NAMESPACES_H_

#include <functional>
#include <string>
#include <vector>

#include "netlink/route_socket.h"
#include "system/unique_fd.h"

namespace iluvatar::netlink {

// A namespace being set up, its loopback up: the descriptor names it in requests, the socket was opened inside it.
struct Namespace {
  system::UniqueFd fd;
  RouteSocket socket;
  Status status;
};

// One namespace for each path, mounted there (the file is made; it must not exist). What fails is undone and says so in
// its `status`.
std::vector<Namespace> MakeNamespaces(const std::vector<std::string>& paths);

// Takes the mount and the file away; the kernel takes the namespace apart, in the background, once no process is in it.
// One that is gone already is fine.
Status RemoveNamespace(const std::string& path);

// Runs `work` inside the namespace mounted at `path`, on a thread of its own.
Status InNamespace(const std::string& path, const std::function<Status()>& work);

}  // namespace iluvatar::netlink

#endif  // ILUVATAR_NETLINK_NAMESPACES_H_
