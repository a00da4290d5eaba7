// See protocol.h.
#include "keeper/protocol.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace iluvatar::keeper {
namespace {

constexpr size_t kControlBytes = CMSG_SPACE(kMaxDescriptors * sizeof(int));

bool HasText(Type type) { return type == Type::kHold || type == Type::kItem; }
bool HasKey(Type type) { return HasText(type) || type == Type::kDrop || type == Type::kFull; }

bool IsType(uint8_t type) {
  return (type >= static_cast<uint8_t>(Type::kHold) && type <= static_cast<uint8_t>(Type::kQuit)) ||
         (type >= static_cast<uint8_t>(Type::kItem) && type <= static_cast<uint8_t>(Type::kFull));
}

bool IsSound(const Message& message) {
  if (message.key.size() > kMaxKeyBytes || message.key.empty() == HasKey(message.type)) return false;
  if (message.text.size() > kMaxTextBytes || message.descriptors > kMaxDescriptors) return false;
  return HasText(message.type) || (message.text.empty() && message.descriptors == 0);
}

// Takes over every descriptor of the datagram; returns how many.
size_t TakeDescriptors(msghdr* header, Received* received) {
  size_t count = 0;
  for (cmsghdr* each = CMSG_FIRSTHDR(header); each != nullptr; each = CMSG_NXTHDR(header, each)) {
    if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_RIGHTS) continue;
    const size_t here = (each->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < here; i++) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(each) + i * sizeof(int), sizeof(int));
      // More than this do not fit into the control buffer.
      if (count < kMaxDescriptors) received->descriptors[count++].reset(fd);
    }
  }
  return count;
}

}  // namespace

bool Parse(std::string_view datagram, Message* message) {
  if (datagram.size() < kHeaderBytes || datagram.size() > kMaxMessageBytes) return false;
  uint8_t header[kHeaderBytes];
  std::memcpy(header, datagram.data(), kHeaderBytes);
  if (header[0] != kVersion || !IsType(header[1])) return false;
  const size_t key = header[3];
  const size_t text = header[4] | header[5] << 8 | header[6] << 16 | static_cast<size_t>(header[7]) << 24;
  if (datagram.size() - kHeaderBytes != key + text) return false;
  message->type = static_cast<Type>(header[1]);
  message->descriptors = header[2];
  message->key = datagram.substr(kHeaderBytes, key);
  message->text = datagram.substr(kHeaderBytes + key);
  return IsSound(*message);
}

void WriteHeader(const Message& message, std::span<char, kHeaderBytes> header) {
  const auto text = static_cast<uint32_t>(message.text.size());
  header[0] = static_cast<char>(kVersion);
  header[1] = static_cast<char>(message.type);
  header[2] = static_cast<char>(message.descriptors);
  header[3] = static_cast<char>(message.key.size());
  for (int i = 0; i < 4; i++) header[4 + i] = static_cast<char>(text >> (8 * i));
}

Receipt Receive(int fd, Received* received) {
  for (UniqueFd& each : received->descriptors) each.reset();
  received->descriptors_lost = false;
  iovec vector = {received->bytes.data(), received->bytes.size()};
  alignas(cmsghdr) char control[kControlBytes];
  msghdr header = {};
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof(control);
  ssize_t got = -1;
  do {
    got = recvmsg(fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    // ECONNRESET is told once, before what the peer had sent: it went without having read all that was sent to it.
  } while (got < 0 && (errno == EINTR || errno == ECONNRESET));
  if (got < 0) return errno == EAGAIN ? Receipt::kNothing : Receipt::kEnd;
  const size_t taken = TakeDescriptors(&header, received);
  if (got == 0) {
    // An empty datagram looks the same: whoever sends one has no more to say.
    errno = 0;
    return Receipt::kEnd;
  }
  const bool cut = (header.msg_flags & MSG_CTRUNC) != 0;
  if ((header.msg_flags & MSG_TRUNC) != 0) return Receipt::kMalformed;
  if (!Parse({received->bytes.data(), static_cast<size_t>(got)}, &received->message)) return Receipt::kMalformed;
  // As many as it said is the only good number; fewer may be this process's own limit.
  if (taken == received->message.descriptors) return cut ? Receipt::kMalformed : Receipt::kMessage;
  if (taken > received->message.descriptors || !cut) return Receipt::kMalformed;
  for (UniqueFd& each : received->descriptors) each.reset();
  received->descriptors_lost = true;
  return Receipt::kMessage;
}

int Send(int fd, const Message& message, std::span<const int> descriptors) {
  if (!IsSound(message) || descriptors.size() != message.descriptors) return EINVAL;
  char start[kHeaderBytes];
  WriteHeader(message, start);
  iovec vectors[] = {{start, kHeaderBytes},
                     {const_cast<char*>(message.key.data()), message.key.size()},
                     {const_cast<char*>(message.text.data()), message.text.size()}};
  msghdr header = {};
  header.msg_iov = vectors;
  header.msg_iovlen = 3;
  alignas(cmsghdr) char control[kControlBytes] = {};
  if (!descriptors.empty()) {
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(rights), descriptors.data(), descriptors.size_bytes());
  }
  while (sendmsg(fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

bool IsPassing(int error) {
  // ETOOMANYREFS: more descriptors of this user are under way than one process may have open.
  return error == EAGAIN || error == ETOOMANYREFS || error == ENOBUFS || error == ENOMEM;
}

}  // namespace iluvatar::keeper
