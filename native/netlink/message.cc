// See message.h.
#include "netlink/message.h"

#include <algorithm>
#include <cstddef>

namespace iluvatar::netlink {
namespace {

constexpr size_t Aligned(size_t size) { return (size + 3) & ~size_t{3}; }

}  // namespace

void Message::Append(const void* data, size_t size) {
  bytes_.append(static_cast<const char*>(data), size);
  bytes_.resize(Aligned(bytes_.size()), '\0');
}

Message& Message::Bytes(uint16_t type, const void* data, size_t size) {
  struct nlattr attribute = {};
  attribute.nla_type = type;
  attribute.nla_len = static_cast<uint16_t>(sizeof attribute + size);
  bytes_.append(reinterpret_cast<const char*>(&attribute), sizeof attribute);
  Append(data, size);
  return *this;
}

Message& Message::Text(uint16_t type, std::string_view text) {
  const std::string terminated(text);
  return Bytes(type, terminated.c_str(), terminated.size() + 1);
}

size_t Message::Begin(uint16_t type) {
  const size_t at = bytes_.size();
  struct nlattr attribute = {};
  attribute.nla_type = type;
  bytes_.append(reinterpret_cast<const char*>(&attribute), sizeof attribute);
  return at;
}

void Message::End(size_t nest) {
  const uint16_t length = static_cast<uint16_t>(bytes_.size() - nest);
  std::memcpy(bytes_.data() + nest + offsetof(struct nlattr, nla_len), &length, sizeof length);
}

std::string Message::Finish(uint32_t sequence) const {
  std::string bytes = bytes_;
  struct nlmsghdr header;
  std::memcpy(&header, bytes.data(), sizeof header);
  header.nlmsg_len = static_cast<uint32_t>(bytes.size());
  header.nlmsg_seq = sequence;
  std::memcpy(bytes.data(), &header, sizeof header);
  return bytes;
}

bool EachMessage(std::string_view datagram, const std::function<void(const nlmsghdr&, std::string_view)>& each) {
  while (!datagram.empty()) {
    struct nlmsghdr header;
    if (datagram.size() < sizeof header) return false;
    std::memcpy(&header, datagram.data(), sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > datagram.size()) return false;
    each(header, datagram.substr(sizeof header, header.nlmsg_len - sizeof header));
    datagram.remove_prefix(std::min(Aligned(header.nlmsg_len), datagram.size()));
  }
  return true;
}

bool EachAttribute(std::string_view attributes, const std::function<void(uint16_t, std::string_view)>& each) {
  while (!attributes.empty()) {
    struct nlattr attribute;
    if (attributes.size() < sizeof attribute) return false;
    std::memcpy(&attribute, attributes.data(), sizeof attribute);
    if (attribute.nla_len < sizeof attribute || attribute.nla_len > attributes.size()) return false;
    each(attribute.nla_type & NLA_TYPE_MASK, attributes.substr(sizeof attribute, attribute.nla_len - sizeof attribute));
    attributes.remove_prefix(std::min(Aligned(attribute.nla_len), attributes.size()));
  }
  return true;
}

}  // namespace iluvatar::netlink
