// See networks.h.
#include "netlink/networks.h"

#include <sys/random.h>

#include <algorithm>
#include <functional>

namespace iluvatar::netlink {
namespace {

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

// Inside: the link up, the address, the default route and who is at its other end. `port` is the link's end on the
// host.
Status Configure(const NamespaceRequest& request, RouteSocket* inside, int* port) {
  Link link;
  if (Status status = FindLink(inside, request.link, &link); !status.ok()) return status;
  *port = link.peer;
  std::vector<Message> messages = {WithoutIpv6(link.index, request.link), SetUp(link.index, true, request.link),
                                   AddAddress(link.index, request.address, request.link)};
  if (request.gateway != 0) {
    messages.push_back(AddDefaultRoute(link.index, request.gateway, request.link));
    messages.push_back(AddNeighbour(link.index, request.gateway, request.gateway_mac, request.link));
  }
  return inside->Run(messages);
}

// Runs the requests that `messages` makes for every namespace that is well, all in one go; the first failure of each
// becomes its status. The result tells whether the socket itself worked.
Status ForEachWell(RouteSocket* host, std::vector<Namespace>* spaces,
                   const std::function<std::vector<Message>(size_t)>& messages) {
  std::vector<Message> all;
  std::vector<size_t> owners;
  for (size_t i = 0; i < spaces->size(); ++i) {
    if (!(*spaces)[i].status.ok()) continue;
    for (Message& message : messages(i)) {
      all.push_back(std::move(message));
      owners.push_back(i);
    }
  }
  std::vector<Status> outcomes;
  Status exchanged = host->Exchange(all, &outcomes);
  for (size_t k = 0; k < owners.size(); ++k) {
    Status& status = (*spaces)[owners[k]].status;
    if (status.ok()) status = std::move(outcomes[k]);
  }
  return exchanged;
}

}  // namespace

Status CreateBridge(const std::string& name, const Mac& mac, const Address& address) {
  RouteSocket host;
  if (Status status = host.Open(); !status.ok()) return status;
  if (Status status = host.Run({NewBridge(name, mac)}); !status.ok()) return status;
  Link bridge;
  Status status = FindLink(&host, name, &bridge);
  if (status.ok()) {
    status = host.Run({WithoutIpv6(bridge.index, name), AddAddress(bridge.index, address, name)});
  }
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
  // What could not be made is somebody else's, or not there.
  std::vector<bool> mounted;
  for (const Namespace& space : spaces) mounted.push_back(space.status.ok());

  const Status exchanged = ForEachWell(&host, &spaces, [&](size_t i) -> std::vector<Message> {
    const NamespaceRequest& request = requests[i];
    return {NewVeth(request.host_link, master.index, request.link, request.mac, spaces[i].fd.get())};
  });
  // Where the socket broke down nobody knows whether the link was made. One that was refused is somebody else's.
  std::vector<bool> linked;
  for (size_t i = 0; i < spaces.size(); ++i) {
    linked.push_back(mounted[i] && (spaces[i].status.ok() || !exchanged.ok()));
  }
  std::vector<int> ports(requests.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    if (spaces[i].status.ok()) spaces[i].status = Configure(requests[i], &spaces[i].socket, &ports[i]);
  }
  (void)ForEachWell(&host, &spaces, [&](size_t i) -> std::vector<Message> {
    const NamespaceRequest& request = requests[i];
    return {SetPort(request.host_link, request.isolated), AddForwarding(ports[i], request.mac, request.host_link),
            AddNeighbour(master.index, request.address.ip, request.mac, request.host_link)};
  });

  std::vector<std::string> undone;
  std::vector<uint32_t> unknown;
  for (size_t i = 0; i < requests.size(); ++i) {
    if (spaces[i].status.ok()) continue;
    if (linked[i]) {
      undone.push_back(requests[i].host_link);
      unknown.push_back(requests[i].address.ip);
    }
    if (mounted[i]) (void)RemoveNamespace(requests[i].path);
  }
  size_t deleted = 0;
  if (!undone.empty()) {
    (void)ForgetNeighbours(bridge, unknown);
    (void)DeleteLinks(undone, &deleted);
  }

  std::vector<Status> results;
  for (Namespace& space : spaces) results.push_back(std::move(space.status));
  return results;
}

std::vector<Status> CreateBareNamespaces(const std::vector<std::string>& paths) {
  std::vector<Status> results;
  for (Namespace& space : MakeNamespaces(paths)) results.push_back(std::move(space.status));
  return results;
}

Status ForgetNeighbours(const std::string& bridge, const std::vector<uint32_t>& addresses) {
  RouteSocket host;
  if (Status status = host.Open(); !status.ok()) return status;
  Link link;
  if (Status status = FindLink(&host, bridge, &link); !status.ok()) {
    // Gone, with all that it knew.
    return status.error == ENODEV ? Status::Ok() : std::move(status);
  }
  std::vector<Message> messages;
  for (const uint32_t ip : addresses) messages.push_back(DeleteNeighbour(link.index, ip, bridge));
  std::vector<Status> outcomes;
  if (Status status = host.Exchange(messages, &outcomes); !status.ok()) return status;
  for (Status& outcome : outcomes) {
    if (!outcome.ok() && outcome.error != ENOENT) return std::move(outcome);
  }
  return Status::Ok();
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
