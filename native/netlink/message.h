// One netlink request in the making: header, fixed part, attributes, nests. Pure.
#ifndef ILUVATAR_NETLINK_MESSAGE_H_
#define ILUVATAR_NETLINK_MESSAGE_H_

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>

namespace iluvatar::netlink {

class Message {
 public:
  // `flags` beyond NLM_F_REQUEST. `what` and `subject` say in errors what was tried, and on which link.
  template <typename Body>
  Message(uint16_t type, uint16_t flags, const Body& body, const char* what, std::string subject)
      : what_(what), subject_(std::move(subject)) {
    struct nlmsghdr header = {};
    header.nlmsg_type = type;
    header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
    Append(&header, sizeof header);
    Append(&body, sizeof body);
  }

  Message& Bytes(uint16_t type, const void* data, size_t size);
  Message& Text(uint16_t type, std::string_view text);
  Message& U8(uint16_t type, uint8_t value) { return Bytes(type, &value, sizeof value); }
  Message& U32(uint16_t type, uint32_t value) { return Bytes(type, &value, sizeof value); }

  // Everything appended until the matching End is inside.
  size_t Begin(uint16_t type);
  void End(size_t nest);

  // A fixed part inside a nest (a veth's peer has one).
  void Append(const void* data, size_t size);

  // The request with its length and number filled in.
  std::string Finish(uint32_t sequence) const;

  const char* what() const { return what_; }
  const std::string& subject() const { return subject_; }

 private:
  std::string bytes_;
  const char* what_;
  std::string subject_;
};

// Calls back for each message of a datagram; false = it is cut or nonsense, and what came before was handled.
bool EachMessage(std::string_view datagram, const std::function<void(const nlmsghdr&, std::string_view)>& each);

// Calls back for each attribute (type without its flag bits); false as above.
bool EachAttribute(std::string_view attributes, const std::function<void(uint16_t, std::string_view)>& each);

}  // namespace iluvatar::netlink

#endif  // ILUVATAR_NETLINK_MESSAGE_H_
