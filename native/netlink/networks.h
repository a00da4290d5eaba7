// Containers' networks put together from links and namespaces: a bridge with an address, and namespaces with one end of
// a veth pair in them, the other a port of the bridge. Every call blocks for as long as the kernel takes (1 ms a
// namespace), opens its own socket and leaves nothing half-made: what fails is undone.
#ifndef ILUVATAR_NETLINK_NETWORKS_H_
#define ILUVATAR_NETLINK_NETWORKS_H_

#include <string>
#include <vector>

#include "netlink/links.h"
#include "netlink/namespaces.h"

namespace iluvatar::netlink {

struct NamespaceRequest {
  // Where it is mounted; must not exist.
  std::string path;
  // Name of the end on the host.
  std::string host_link;
  // Name of the end inside.
  std::string link;
  Mac mac = {};
  Address address;
  // Of the default route; network order.
  uint32_t gateway = 0;
  // The bridge's.
  Mac gateway_mac = {};
  // Ports of the bridge that are isolated do not reach each other.
  bool isolated = true;
};

Status CreateBridge(const std::string& name, const Mac& mac, const Address& address);

// One status per request, in order. Host and container know each other's MAC from the beginning, for good, and the
// bridge who is behind which port: nobody has to ask, and nobody else can answer.
std::vector<Status> CreateNamespaces(const std::string& bridge, const std::vector<NamespaceRequest>& requests);

// Namespaces with nothing but loopback, up, mounted at these paths. One status per path, in order.
std::vector<Status> CreateBareNamespaces(const std::vector<std::string>& paths);

// Who was at these addresses of the bridge is no longer known; network order. What is gone already is fine.
Status ForgetNeighbours(const std::string& bridge, const std::vector<uint32_t>& addresses);

// Deletes links all at once, of any kind, wherever they stand; those that are gone already are fine. `deleted` counts.
Status DeleteLinks(const std::vector<std::string>& names, size_t* deleted);

// Links first, so that their addresses are free on return, then the mounts. The first failure is returned when
// everything has been tried.
Status RemoveNamespaces(const std::vector<std::string>& paths, const std::vector<std::string>& host_links);

}  // namespace iluvatar::netlink

#endif  // ILUVATAR_NETLINK_NETWORKS_H_
