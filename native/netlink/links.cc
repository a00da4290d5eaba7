// See links.h.
#include "netlink/links.h"

#include <arpa/inet.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/veth.h>
#include <net/if.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace iluvatar::netlink {
namespace {

constexpr uint16_t kNew = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
// IFLA_BRPORT_ISOLATED, missing from headers older than Linux 4.18.
constexpr uint16_t kPortIsolated = 33;

struct ifinfomsg LinkHeader(int index, unsigned flags, unsigned change) {
  struct ifinfomsg header = {};
  header.ifi_family = AF_UNSPEC;
  header.ifi_index = index;
  header.ifi_flags = flags;
  header.ifi_change = change;
  return header;
}

struct ifinfomsg Up() { return LinkHeader(0, IFF_UP, IFF_UP); }

Message Change(const std::string& name, const char* what) {
  Message message(RTM_SETLINK, NLM_F_ACK, LinkHeader(0, 0, 0), what, name);
  message.Text(IFLA_IFNAME, name);
  return message;
}

void NoIpv6(Message* message) {
  const size_t families = message->Begin(IFLA_AF_SPEC);
  const size_t inet6 = message->Begin(AF_INET6);
  message->U8(IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
  message->End(inet6);
  message->End(families);
}

struct ndmsg NeighbourHeader(uint8_t family, int index, uint16_t state, uint8_t flags) {
  struct ndmsg header = {};
  header.ndm_family = family;
  header.ndm_ifindex = index;
  header.ndm_state = state;
  header.ndm_flags = flags;
  return header;
}

uint32_t ReadU32(std::string_view value) {
  uint32_t number = 0;
  if (value.size() >= sizeof number) std::memcpy(&number, value.data(), sizeof number);
  return number;
}

std::string ReadText(std::string_view value) { return std::string(value.substr(0, value.find('\0'))); }

}  // namespace

bool ParseMac(std::string_view text, Mac* mac) {
  const std::string terminated(text);
  unsigned bytes[6];
  int read = 0;
  const int count = std::sscanf(terminated.c_str(), "%2x:%2x:%2x:%2x:%2x:%2x%n", &bytes[0], &bytes[1], &bytes[2],
                                &bytes[3], &bytes[4], &bytes[5], &read);
  if (count != 6 || static_cast<size_t>(read) != text.size()) return false;
  for (size_t i = 0; i < mac->size(); ++i) (*mac)[i] = static_cast<uint8_t>(bytes[i]);
  return true;
}

bool ParseIp(std::string_view text, uint32_t* ip) {
  const std::string terminated(text);
  struct in_addr address;
  if (inet_pton(AF_INET, terminated.c_str(), &address) != 1) return false;
  *ip = address.s_addr;
  return true;
}

std::string FormatAddress(const Address& address) {
  char text[INET_ADDRSTRLEN] = "";
  inet_ntop(AF_INET, &address.ip, text, sizeof text);
  return std::string(text) + '/' + std::to_string(address.prefix_length);
}

bool IsLinkName(std::string_view name) {
  return !name.empty() && name.size() < IFNAMSIZ && name != "." && name != ".." &&
         std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 127 && c != '/' && c != ':'; });
}

Message NewBridge(const std::string& name, const Mac& mac) {
  Message message(RTM_NEWLINK, kNew, Up(), "create bridge", name);
  message.Text(IFLA_IFNAME, name).Bytes(IFLA_ADDRESS, mac.data(), mac.size());
  const size_t info = message.Begin(IFLA_LINKINFO);
  message.Text(IFLA_INFO_KIND, "bridge");
  const size_t data = message.Begin(IFLA_INFO_DATA);
  // Snooping of multicast costs timers a port and gives nothing here.
  message.U8(IFLA_BR_MCAST_SNOOPING, 0);
  message.End(data);
  message.End(info);
  return message;
}

Message NewVeth(const std::string& name, int master, const std::string& peer, const Mac& peer_mac, int namespace_fd) {
  Message message(RTM_NEWLINK, kNew, Up(), "create veth", name);
  message.Text(IFLA_IFNAME, name).U32(IFLA_NUM_TX_QUEUES, 1).U32(IFLA_NUM_RX_QUEUES, 1);
  if (master != 0) message.U32(IFLA_MASTER, static_cast<uint32_t>(master));
  const size_t info = message.Begin(IFLA_LINKINFO);
  message.Text(IFLA_INFO_KIND, "veth");
  const size_t data = message.Begin(IFLA_INFO_DATA);
  const size_t other = message.Begin(VETH_INFO_PEER);
  // Down: a peer cannot be brought up before it has its other end.
  const struct ifinfomsg header = LinkHeader(0, 0, 0);
  message.Append(&header, sizeof header);
  message.Text(IFLA_IFNAME, peer).Bytes(IFLA_ADDRESS, peer_mac.data(), peer_mac.size());
  // Else one for each CPU that the machine could have, all of them in sysfs, and none of use to a link without a queue.
  message.U32(IFLA_NUM_TX_QUEUES, 1).U32(IFLA_NUM_RX_QUEUES, 1);
  if (namespace_fd >= 0) message.U32(IFLA_NET_NS_FD, static_cast<uint32_t>(namespace_fd));
  message.End(other);
  message.End(data);
  message.End(info);
  return message;
}

Message SetUp(int index, bool up, const std::string& subject) {
  const struct ifinfomsg header = LinkHeader(index, up ? IFF_UP : 0, IFF_UP);
  return {RTM_SETLINK, NLM_F_ACK, header, up ? "bring link up" : "take link down", subject};
}

Message SetMaster(const std::string& name, int master) {
  Message message = Change(name, "set bridge of link");
  message.U32(IFLA_MASTER, static_cast<uint32_t>(master));
  return message;
}

Message SetPort(const std::string& name, bool isolated) {
  // NEWLINK of a link that exists: only there does the kernel read what concerns a port of a bridge.
  Message message(RTM_NEWLINK, NLM_F_ACK, LinkHeader(0, 0, 0), "set bridge port", name);
  message.Text(IFLA_IFNAME, name);
  NoIpv6(&message);
  const size_t info = message.Begin(IFLA_LINKINFO);
  message.Text(IFLA_INFO_SLAVE_KIND, "bridge");
  const size_t data = message.Begin(IFLA_INFO_SLAVE_DATA);
  message.U8(IFLA_BRPORT_LEARNING, 0).U8(IFLA_BRPORT_UNICAST_FLOOD, 0).U8(kPortIsolated, isolated ? 1 : 0);
  message.End(data);
  message.End(info);
  return message;
}

Message WithoutIpv6(int index, const std::string& subject) {
  Message message(RTM_SETLINK, NLM_F_ACK, LinkHeader(index, 0, 0), "leave out IPv6", subject);
  NoIpv6(&message);
  return message;
}

Message SetGroup(const std::string& name, uint32_t group) {
  Message message = Change(name, "set group of link");
  message.U32(IFLA_GROUP, group);
  return message;
}

Message DeleteLink(const std::string& name) {
  Message message(RTM_DELLINK, NLM_F_ACK, LinkHeader(0, 0, 0), "delete link", name);
  message.Text(IFLA_IFNAME, name);
  return message;
}

Message DeleteGroup(uint32_t group) {
  Message message(RTM_DELLINK, NLM_F_ACK, LinkHeader(0, 0, 0), "delete links", "group " + std::to_string(group));
  message.U32(IFLA_GROUP, group);
  return message;
}

Message AddAddress(int index, const Address& address, const std::string& subject) {
  struct ifaddrmsg header = {};
  header.ifa_family = AF_INET;
  header.ifa_prefixlen = address.prefix_length;
  header.ifa_index = static_cast<uint32_t>(index);
  Message message(RTM_NEWADDR, kNew, header, "add address", subject);
  message.U32(IFA_LOCAL, address.ip).U32(IFA_ADDRESS, address.ip);
  if (address.prefix_length < 31) {
    message.U32(IFA_BROADCAST, address.ip | htonl(0xFFFFFFFFu >> address.prefix_length));
  }
  return message;
}

Message AddDefaultRoute(int index, uint32_t gateway, const std::string& subject) {
  struct rtmsg header = {};
  header.rtm_family = AF_INET;
  header.rtm_table = RT_TABLE_MAIN;
  header.rtm_protocol = RTPROT_BOOT;
  header.rtm_scope = RT_SCOPE_UNIVERSE;
  header.rtm_type = RTN_UNICAST;
  Message message(RTM_NEWROUTE, kNew, header, "add default route", subject);
  message.U32(RTA_GATEWAY, gateway).U32(RTA_OIF, static_cast<uint32_t>(index));
  return message;
}

Message AddNeighbour(int index, uint32_t ip, const Mac& mac, const std::string& subject) {
  Message message(RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE,
                  NeighbourHeader(AF_INET, index, NUD_PERMANENT, 0), "add neighbour", subject);
  message.U32(NDA_DST, ip).Bytes(NDA_LLADDR, mac.data(), mac.size());
  return message;
}

Message DeleteNeighbour(int index, uint32_t ip, const std::string& subject) {
  Message message(RTM_DELNEIGH, NLM_F_ACK, NeighbourHeader(AF_INET, index, 0, 0), "delete neighbour", subject);
  message.U32(NDA_DST, ip);
  return message;
}

Message AddForwarding(int port, const Mac& mac, const std::string& subject) {
  // NOARP: an entry that does not age and is somebody behind the port. PERMANENT would be the bridge's own address.
  Message message(RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE,
                  NeighbourHeader(AF_BRIDGE, port, NUD_NOARP, NTF_MASTER), "add forwarding entry", subject);
  message.Bytes(NDA_LLADDR, mac.data(), mac.size());
  return message;
}

bool ParseLink(std::string_view body, Link* link) {
  struct ifinfomsg header;
  if (body.size() < sizeof header) return false;
  std::memcpy(&header, body.data(), sizeof header);
  *link = {};
  link->index = header.ifi_index;
  link->up = (header.ifi_flags & IFF_UP) != 0;
  bool whole = true;
  std::string master_kind;
  const bool read = EachAttribute(body.substr(sizeof header), [&](uint16_t type, std::string_view value) {
    if (type == IFLA_IFNAME) link->name = ReadText(value);
    if (type == IFLA_MASTER) link->master = static_cast<int>(ReadU32(value));
    if (type == IFLA_LINK) link->peer = static_cast<int>(ReadU32(value));
    if (type == IFLA_GROUP) link->group = ReadU32(value);
    if (type != IFLA_LINKINFO) return;
    bool inner_whole = true;
    whole = EachAttribute(value, [&](uint16_t inner, std::string_view text) {
      if (inner == IFLA_INFO_KIND) link->kind = ReadText(text);
      if (inner == IFLA_INFO_SLAVE_KIND) master_kind = ReadText(text);
      if (inner != IFLA_INFO_SLAVE_DATA || master_kind != "bridge") return;
      inner_whole = EachAttribute(text, [&](uint16_t field, std::string_view flag) {
        if (field == kPortIsolated) link->isolated = !flag.empty() && flag[0] != 0;
      });
    });
    whole = whole && inner_whole;
  });
  return read && whole && !link->name.empty();
}

bool ParseAddress(std::string_view body, int* index, Address* address) {
  struct ifaddrmsg header;
  if (body.size() < sizeof header) return false;
  std::memcpy(&header, body.data(), sizeof header);
  if (header.ifa_family != AF_INET) return false;
  *index = static_cast<int>(header.ifa_index);
  *address = {0, header.ifa_prefixlen};
  bool found = false;
  const bool read = EachAttribute(body.substr(sizeof header), [&](uint16_t type, std::string_view value) {
    // Not IFA_ADDRESS, which on a link between two is the other's.
    if (type != IFA_LOCAL || value.size() < sizeof address->ip) return;
    address->ip = ReadU32(value);
    found = true;
  });
  return read && found;
}

Status FindLink(RouteSocket* socket, const std::string& name, Link* link) {
  Message request(RTM_GETLINK, NLM_F_ACK, LinkHeader(0, 0, 0), "find link", name);
  request.Text(IFLA_IFNAME, name);
  bool found = false;
  const Status status = socket->Ask(request, [&](const nlmsghdr& header, std::string_view body) {
    if (header.nlmsg_type == RTM_NEWLINK) found = ParseLink(body, link);
  });
  if (!status.ok()) return status;
  return found ? Status::Ok() : Status{EBADMSG, "find link", name};
}

Status ListLinks(RouteSocket* socket, const std::string& prefix, std::vector<Link>* links) {
  const Message request(RTM_GETLINK, NLM_F_DUMP, LinkHeader(0, 0, 0), "list links", prefix);
  const Status status = socket->Dump(request, [&](const nlmsghdr& header, std::string_view body) {
    Link link;
    if (header.nlmsg_type != RTM_NEWLINK || !ParseLink(body, &link)) return;
    // A list that is asked for again may show one twice.
    const auto same = [&](const Link& known) { return known.index == link.index; };
    if (link.name.compare(0, prefix.size(), prefix) != 0 || std::any_of(links->begin(), links->end(), same)) return;
    links->push_back(std::move(link));
  });
  return status;
}

Status ListAddresses(RouteSocket* socket, std::vector<Link>* links) {
  struct ifaddrmsg header = {};
  header.ifa_family = AF_INET;
  return socket->Dump(Message(RTM_GETADDR, NLM_F_DUMP, header, "list addresses", ""),
                      [&](const nlmsghdr& answer, std::string_view body) {
                        int index = 0;
                        Address address;
                        if (answer.nlmsg_type != RTM_NEWADDR || !ParseAddress(body, &index, &address)) return;
                        // As above.
                        const auto same = [&](const Address& known) {
                          return known.ip == address.ip && known.prefix_length == address.prefix_length;
                        };
                        for (Link& link : *links) {
                          std::vector<Address>& known = link.addresses;
                          if (link.index == index && std::none_of(known.begin(), known.end(), same))
                            known.push_back(address);
                        }
                      });
}

}  // namespace iluvatar::netlink
