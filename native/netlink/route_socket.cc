// See route_socket.h.
#include "netlink/route_socket.h"

#include <sys/socket.h>

#include <algorithm>
#include <cstring>

namespace iluvatar::netlink {
namespace {

// Each answer takes about 1 KiB of the socket's buffer until it is read, and they all come before sendmsg returns: more
// at once would overflow its default size.
constexpr size_t kRequestsAtOnce = 32;
constexpr size_t kReceiveBytes = 64 * 1024;
constexpr int kMostDumps = 10;
constexpr int kMostErrno = 4095;
// The kernel answers a request before it returns from sending; waiting this long means that it never will.
constexpr struct timeval kPatience = {30, 0};

}  // namespace

Status ErrorOf(const Message& request, std::string_view answer, uint16_t flags) {
  struct nlmsgerr error;
  if (answer.size() < sizeof error) return {EBADMSG, request.what(), request.subject()};
  std::memcpy(&error, answer.data(), sizeof error);
  if (error.error == 0) return Status::Ok();
  if (error.error > 0 || error.error < -kMostErrno) return {EBADMSG, request.what(), request.subject()};
  std::string subject = request.subject();
  if ((flags & NLM_F_ACK_TLVS) != 0) {
    // The request follows, only its header when NLM_F_CAPPED, and then the attributes.
    size_t skipped = sizeof error;
    if ((flags & NLM_F_CAPPED) == 0 && error.msg.nlmsg_len >= sizeof error.msg) {
      skipped += NLMSG_ALIGN(error.msg.nlmsg_len - sizeof error.msg);
    }
    if (skipped < answer.size()) {
      EachAttribute(answer.substr(skipped), [&](uint16_t type, std::string_view value) {
        if (type == NLMSGERR_ATTR_MSG) subject += " (" + std::string(value.substr(0, value.find('\0'))) + ")";
      });
    }
  }
  return {-error.error, request.what(), std::move(subject)};
}

Status RouteSocket::Open() {
  fd_.reset(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd_.valid()) return Status::Errno("socket", "netlink");
  const int on = 1;
  // Words beside errors, and errors without a copy of the request. Kernels without them (before 4.12) say less.
  setsockopt(fd_.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  setsockopt(fd_.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  if (setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience) != 0) {
    return Status::Errno("setsockopt", "netlink");
  }
  struct sockaddr_nl address = {};
  address.nl_family = AF_NETLINK;
  if (bind(fd_.get(), reinterpret_cast<struct sockaddr*>(&address), sizeof address) != 0) {
    return Status::Errno("bind", "netlink");
  }
  buffer_.resize(kReceiveBytes);
  return Status::Ok();
}

Status RouteSocket::Send(const std::string& bytes) {
  struct sockaddr_nl kernel = {};
  kernel.nl_family = AF_NETLINK;
  for (;;) {
    const ssize_t sent =
        sendto(fd_.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<struct sockaddr*>(&kernel), sizeof kernel);
    if (sent >= 0) return Status::Ok();
    if (errno != EINTR) return Status::Errno("sendto", "netlink");
  }
}

Status RouteSocket::Receive(std::string_view* datagram) {
  for (;;) {
    // MSG_TRUNC: the length as sent, so that a cut datagram is noticed.
    const ssize_t got = recv(fd_.get(), buffer_.data(), buffer_.size(), MSG_TRUNC);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Status::Errno("recv", "netlink");
    if (static_cast<size_t>(got) > buffer_.size()) return {EMSGSIZE, "recv", "netlink"};
    *datagram = std::string_view(buffer_).substr(0, static_cast<size_t>(got));
    return Status::Ok();
  }
}

Status RouteSocket::Exchange(const std::vector<Message>& requests, std::vector<Status>* outcomes) {
  outcomes->clear();
  for (size_t at = 0; at < requests.size(); at += kRequestsAtOnce) {
    const size_t count = std::min(kRequestsAtOnce, requests.size() - at);
    if (Status status = ExchangeSome(&requests[at], count, outcomes); !status.ok()) {
      // Nobody knows what became of the rest.
      while (outcomes->size() < requests.size()) outcomes->push_back(status);
      return status;
    }
  }
  return Status::Ok();
}

Status RouteSocket::ExchangeSome(const Message* requests, size_t count, std::vector<Status>* outcomes) {
  const uint32_t first = sequence_ + 1;
  std::string bytes;
  for (size_t i = 0; i < count; ++i) bytes += requests[i].Finish(++sequence_);
  if (Status status = Send(bytes); !status.ok()) return status;
  std::vector<Status> answers(count);
  for (size_t left = count; left > 0;) {
    std::string_view datagram;
    if (Status status = Receive(&datagram); !status.ok()) return status;
    const bool whole = EachMessage(datagram, [&](const nlmsghdr& header, std::string_view body) {
      const uint32_t index = header.nlmsg_seq - first;
      if (header.nlmsg_type != NLMSG_ERROR || index >= count || left == 0) return;
      answers[index] = ErrorOf(requests[index], body, header.nlmsg_flags);
      --left;
    });
    if (!whole) return {EBADMSG, "recv", "netlink"};
  }
  for (Status& answer : answers) outcomes->push_back(std::move(answer));
  return Status::Ok();
}

Status RouteSocket::Run(const std::vector<Message>& requests) {
  std::vector<Status> outcomes;
  if (Status status = Exchange(requests, &outcomes); !status.ok()) return status;
  for (Status& outcome : outcomes) {
    if (!outcome.ok()) return std::move(outcome);
  }
  return Status::Ok();
}

Status RouteSocket::Dump(const Message& request, const std::function<void(const nlmsghdr&, std::string_view)>& each) {
  for (int round = 0; round < kMostDumps; ++round) {
    bool interrupted = false;
    if (Status status = DumpOnce(request, each, &interrupted); !status.ok() || !interrupted) return status;
  }
  // Somebody makes or removes something all the time. What has been there since before was in one of the rounds: the
  // kernel would have to have passed over it in each.
  return Status::Ok();
}

Status RouteSocket::DumpOnce(const Message& request, const std::function<void(const nlmsghdr&, std::string_view)>& each,
                             bool* interrupted) {
  return Exchange(request, [&](const nlmsghdr& header, std::string_view body) {
    if ((header.nlmsg_flags & NLM_F_DUMP_INTR) != 0) *interrupted = true;
    if (header.nlmsg_type == NLMSG_DONE) return true;
    each(header, body);
    return false;
  });
}

Status RouteSocket::Ask(const Message& request, const std::function<void(const nlmsghdr&, std::string_view)>& answer) {
  // With NLM_F_ACK the acknowledgement comes last, and a failure has nothing else.
  return Exchange(request, [&](const nlmsghdr& header, std::string_view body) {
    answer(header, body);
    return false;
  });
}

Status RouteSocket::Exchange(const Message& request,
                             const std::function<bool(const nlmsghdr&, std::string_view)>& each) {
  const uint32_t sequence = ++sequence_;
  if (Status status = Send(request.Finish(sequence)); !status.ok()) return status;
  Status outcome;
  for (bool done = false; !done;) {
    std::string_view datagram;
    if (Status status = Receive(&datagram); !status.ok()) return status;
    const bool whole = EachMessage(datagram, [&](const nlmsghdr& header, std::string_view body) {
      if (header.nlmsg_seq != sequence) return;
      if (header.nlmsg_type == NLMSG_ERROR) {
        done = true;
        outcome = ErrorOf(request, body, header.nlmsg_flags);
      } else if (each(header, body)) {
        done = true;
      }
    });
    if (!whole) return {EBADMSG, "recv", "netlink"};
  }
  return outcome;
}

}  // namespace iluvatar::netlink
