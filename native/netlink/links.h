// The requests that make, change, list and delete links, addresses and routes of one network namespace.
#ifndef ILUVATAR_NETLINK_LINKS_H_
#define ILUVATAR_NETLINK_LINKS_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "netlink/message.h"
#include "netlink/route_socket.h"

namespace iluvatar::netlink {

using Mac = std::array<uint8_t, 6>;

// An IPv4 address in network order with the length of its subnet's prefix.
struct Address {
  uint32_t ip = 0;
  uint8_t prefix_length = 0;
};

struct Link {
  std::string name;
  // "veth", "bridge", …; "" for hardware and lo.
  std::string kind;
  int index = 0;
  // Index of the bridge it is a port of; 0 = none.
  int master = 0;
  // Of a veth: the index of its other end, in the namespace where that is; 0 = none.
  int peer = 0;
  uint32_t group = 0;
  bool up = false;
  // As a port of a bridge.
  bool isolated = false;
  // Filled by ListAddresses.
  std::vector<Address> addresses;
};

// Each returns false for text that is no such thing.
bool ParseMac(std::string_view text, Mac* mac);
bool ParseIp(std::string_view text, uint32_t* ip);
// "10.0.0.1/22"
std::string FormatAddress(const Address& address);
// 1 to 15 characters, no '/', no space: what the kernel takes as the name of a link.
bool IsLinkName(std::string_view name);

// A bridge that is up. Its MAC is fixed: without one it would take the least of its ports', and change as they come and
// go.
Message NewBridge(const std::string& name, const Mac& mac);

// A veth pair: `name` here, up, as a port of the bridge with index `master` (0 = none); `peer`, down, with `peer_mac`
// in the namespace of `namespace_fd` (-1 = here too).
Message NewVeth(const std::string& name, int master, const std::string& peer, const Mac& peer_mac, int namespace_fd);

Message SetUp(int index, bool up, const std::string& subject);
// 0 = no longer a port of any bridge.
Message SetMaster(const std::string& name, int master);
// A port as containers have it: without addresses of IPv6 (which take a handshake on every link, heard by all), and
// fixed in what it receives: the bridge learns nothing from it, so that nobody draws another's packets to it, and
// floods nothing unknown to it. Who is behind it is said with AddForwarding. An isolated port reaches the bridge itself
// and ports that are not isolated, but no other isolated one.
Message SetPort(const std::string& name, bool isolated);
// No IPv6 address is made up for it when it comes up.
Message WithoutIpv6(int index, const std::string& subject);
Message SetGroup(const std::string& name, uint32_t group);
Message DeleteLink(const std::string& name);
// All links of the group at once: the kernel waits for its readers once instead of once a link (20 ms each).
Message DeleteGroup(uint32_t group);

Message AddAddress(int index, const Address& address, const std::string& subject);
Message AddDefaultRoute(int index, uint32_t gateway, const std::string& subject);

// Who has `ip` on a link, once and for all. The kernel neither asks nor counts such entries: those that it learns are
// limited to 1,024 for all namespaces together (net.ipv4.neigh.default.gc_thresh3). One that is there is replaced.
Message AddNeighbour(int index, uint32_t ip, const Mac& mac, const std::string& subject);
Message DeleteNeighbour(int index, uint32_t ip, const std::string& subject);
// Packets for `mac` leave the bridge by this port. Gone with the port.
Message AddForwarding(int port, const Mac& mac, const std::string& subject);

// ENODEV when there is none.
Status FindLink(RouteSocket* socket, const std::string& name, Link* link);

// Those whose name begins with `prefix`.
Status ListLinks(RouteSocket* socket, const std::string& prefix, std::vector<Link>* links);

// What each of them answers at, IPv4.
Status ListAddresses(RouteSocket* socket, std::vector<Link>* links);

// What an answer to GETLINK says; false = unreadable.
bool ParseLink(std::string_view body, Link* link);
// What an answer to GETADDR says; false = unreadable, or not of IPv4.
bool ParseAddress(std::string_view body, int* index, Address* address);

}  // namespace iluvatar::netlink

#endif  // ILUVATAR_NETLINK_LINKS_H_
