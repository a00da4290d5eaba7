// See networks.h.
#include "netlink/networks.h"

#include <sys/random.h>

#include <algorithm>

namespace iluvatar::netlink {
namespace {

constexpr int kLoopback = 1;
constexpr int kMostGroups = 100;

// A group that no link is in: it is ours for the moment between marking links with it and deleting them.
Status UnusedGroup(RouteSocket* socket, uint32_t* group) {
  std::vector<Link> links;
  if (Status status = ListLinks(socket, "", &links); !status.ok()) return status;
  for (int round = 0; round < kMostGroups; ++round) {
    if (getrandom(group, sizeof *group, 0) != sizeof *group) return Status::Errno("getrandom");
    // Away from the small numbers that people use.
    *group |= 0x40000000u;
    if (std::none_of(links.begin(), links.end(), [&](const Link& link) { return link.group == *group; })) {
      return Status::Ok();
    }
  }
  return {EBUSY, "delete links", "no unused group"};
}

// Inside: both links up, the address, the default route.
Status Configure(const NamespaceRequest& request, RouteSocket* inside) {
  if (Status status = inside->Run({SetUp(kLoopback, true, "lo")}); !status.ok()) return status;
  Link link;
  if (Status status = FindLink(inside, request.link, &link); !status.ok()) return status;
  std::vector<Message> messages = {SetUp(link.index, true, request.link),
                                   AddAddress(link.index, request.address, request.link)};
  if (request.gateway != 0) messages.push_back(AddDefaultRoute(link.index, request.gateway, request.link));
  return inside->Run(messages);
}

}  // namespace

Status CreateBridge(const std::string& name, const Mac& mac, const Address& address) {
  RouteSocket host;
  if (Status status = host.Open(); !status.ok()) return status;
  if (Status status = host.Run({NewBridge(name, mac)}); !status.ok()) return status;
  Link bridge;
  Status status = FindLink(&host, name, &bridge);
  if (status.ok()) status = host.Run({AddAddress(bridge.index, address, name)});
  if (!status.ok()) (void)host.Run({DeleteLink(name)});
  return status;
}

std::vector<Status> CreateNamespaces(const std::string& bridge, const std::vector<NamespaceRequest>& requests) {
  RouteSocket host;
  Status status = host.Open();
  Link master;
  if (status.ok()) status = FindLink(&host, bridge, &master);
  if (!status.ok()) return std::vector<Status>(requests.size(), status);

  std::vector<std::string> paths;
  for (const NamespaceRequest& request : requests) paths.push_back(request.path);
  std::vector<Namespace> spaces = MakeNamespaces(paths);

  // Two requests each, in one go for all whose namespace could be made.
  std::vector<Message> messages;
  std::vector<size_t> made;
  for (size_t i = 0; i < requests.size(); ++i) {
    if (!spaces[i].status.ok()) continue;
    const NamespaceRequest& request = requests[i];
    messages.push_back(NewVeth(request.host_link, master.index, request.link, request.mac, spaces[i].fd.get()));
    messages.push_back(SetIsolated(request.host_link, request.isolated));
    made.push_back(i);
  }
  std::vector<Status> outcomes;
  const Status exchanged = host.Exchange(messages, &outcomes);
  std::vector<std::string> undone;
  for (size_t k = 0; k < made.size(); ++k) {
    const size_t i = made[k];
    Status& result = spaces[i].status;
    const bool linked = outcomes[2 * k].ok();
    result = linked ? outcomes[2 * k + 1] : outcomes[2 * k];
    if (result.ok()) result = Configure(requests[i], &spaces[i].socket);
    if (result.ok()) continue;
    // Where the socket broke down nobody knows whether the link was made. One that was refused is somebody else's.
    if (linked || !exchanged.ok()) undone.push_back(requests[i].host_link);
    (void)RemoveNamespace(requests[i].path);
  }
  size_t deleted = 0;
  if (!undone.empty()) (void)DeleteLinks(undone, &deleted);

  std::vector<Status> results;
  for (Namespace& space : spaces) results.push_back(std::move(space.status));
  return results;
}

Status DeleteLinks(const std::vector<std::string>& names, size_t* deleted) {
  *deleted = 0;
  if (names.empty()) return Status::Ok();
  RouteSocket host;
  if (Status status = host.Open(); !status.ok()) return status;
  uint32_t group = 0;
  if (Status status = UnusedGroup(&host, &group); !status.ok()) return status;
  std::vector<Message> marks;
  for (const std::string& name : names) marks.push_back(SetGroup(name, group));
  std::vector<Status> outcomes;
  if (Status status = host.Exchange(marks, &outcomes); !status.ok()) return status;
  Status failure;
  for (Status& outcome : outcomes) {
    if (outcome.ok()) {
      ++*deleted;
    } else if (outcome.error != ENODEV && failure.ok()) {
      failure = std::move(outcome);
    }
  }
  if (*deleted > 0) {
    Status status = host.Run({DeleteGroup(group)});
    // ENODEV: their namespaces' ends took them along meanwhile.
    if (!status.ok() && status.error != ENODEV) return status;
  }
  return failure;
}

Status RemoveNamespaces(const std::vector<std::string>& paths, const std::vector<std::string>& host_links) {
  size_t deleted = 0;
  Status failure = DeleteLinks(host_links, &deleted);
  for (const std::string& path : paths) {
    Status status = RemoveNamespace(path);
    if (failure.ok()) failure = std::move(status);
  }
  return failure;
}

}  // namespace iluvatar::netlink
