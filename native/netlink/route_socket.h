// A route netlink socket. It belongs to the network namespace in which it was opened, whatever thread uses it later: so
// one that was opened inside a container's namespace configures it from outside.
#ifndef ILUVATAR_NETLINK_ROUTE_SOCKET_H_
#define ILUVATAR_NETLINK_ROUTE_SOCKET_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "netlink/message.h"
#include "system/status.h"
#include "system/unique_fd.h"

namespace iluvatar::netlink {

using system::Status;

class RouteSocket {
 public:
  Status Open();

  // Sends many requests in few datagrams and waits for the answer to each; `outcomes` has one per request, in order. A
  // failed one does not keep those after it from being tried. The result tells whether the socket itself worked.
  Status Exchange(const std::vector<Message>& requests, std::vector<Status>* outcomes);

  // As Exchange for requests of which all must work: the first failure.
  Status Run(const std::vector<Message>& requests);

  // A request with many answers. Asked again, a few times, when the kernel says that the list changed meanwhile: `each`
  // may then be told one twice, and may have been told one that has gone.
  Status Dump(const Message& request, const std::function<void(const nlmsghdr&, std::string_view)>& each);

  // A request with one answer besides its acknowledgement.
  Status Ask(const Message& request, const std::function<void(const nlmsghdr&, std::string_view)>& answer);

 private:
  Status Send(const std::string& bytes);
  Status Receive(std::string_view* datagram);
  Status ExchangeSome(const Message* requests, size_t count, std::vector<Status>* outcomes);
  Status DumpOnce(const Message& request, const std::function<void(const nlmsghdr&, std::string_view)>& each,
                  bool* interrupted);
  // One request and its answers. `each` gets what is no error and returns true for the last.
  Status Exchange(const Message& request, const std::function<bool(const nlmsghdr&, std::string_view)>& each);

  system::UniqueFd fd_;
  uint32_t sequence_ = 0;
  std::string buffer_;
};

// The kernel's answer to `request`: its errno, what was tried, the link, and the kernel's own words where it has any.
Status ErrorOf(const Message& request, std::string_view answer, uint16_t flags);

}  // namespace iluvatar::netlink

#endif  // ILUVATAR_NETLINK_ROUTE_SOCKET_H_
