// See wire.h.
#include "sandbox/wire.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "system/unique_fd.h"

namespace iluvatar::sandbox {
namespace {

namespace types = transport::frame_type;

// A worker that has not even accepted by then will not miss our last words.
constexpr int kHelloPatienceMs = 5000;

// 1 when all came, 0 at an end before the first byte, -errno otherwise.
int ReadExactly(int fd, char* to, size_t size) {
  size_t done = 0;
  while (done < size) {
    const ssize_t got = read(fd, to + done, size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -errno;
    if (got == 0) return done == 0 ? 0 : -EPROTO;
    done += static_cast<size_t>(got);
  }
  return 1;
}

}  // namespace

std::string Encode(const FrameFields& fields, std::string_view meta, std::string_view body) {
  transport::FrameHeader header = {};
  header.magic = transport::kFrameMagic;
  header.type = fields.type;
  header.status = fields.status;
  header.flags = fields.flags;
  header.request_id = fields.request_id;
  header.body_length = body.size();
  header.meta_length = static_cast<uint32_t>(meta.size());
  header.x0 = fields.x0;
  header.x1 = fields.x1;
  header.x2 = fields.x2;
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
  bytes.append(meta);
  bytes.append(body);
  return bytes;
}

int ReadFrame(int fd, Frame* frame) {
  const int got = ReadExactly(fd, reinterpret_cast<char*>(&frame->header), sizeof frame->header);
  if (got <= 0) return got;
  const transport::FrameHeader& header = frame->header;
  if (header.magic != transport::kFrameMagic || !transport::IsFrameType(header.type)) return -EPROTO;
  if (header.meta_length > transport::kMaxMetaBytes || header.body_length > kMaxControlBody) return -EPROTO;
  frame->meta.resize(header.meta_length);
  frame->body.resize(header.body_length);
  for (std::string* part : {&frame->meta, &frame->body}) {
    if (part->empty()) continue;
    const int rest = ReadExactly(fd, part->data(), part->size());
    if (rest <= 0) return rest == 0 ? -EPROTO : rest;
  }
  return 1;
}

int ReadRequest(int fd, Frame* frame) {
  for (;;) {
    const int got = ReadFrame(fd, frame);
    if (got <= 0) return got;
    const transport::FrameHeader& header = frame->header;
    if (header.type == types::kHello) {
      if (header.x1 > transport::kProtocolVersion || header.x0 < transport::kLowestProtocolVersion) {
        SendAll(fd, Encode({.type = types::kError},
                           R"({"code":"ERR_PROTOCOL_VERSION","message":"no protocol version in common"})"));
        return -EPROTO;
      }
    } else if (header.type == types::kPing) {
      const int sent = SendAll(fd, Encode({.type = types::kPong, .request_id = header.request_id}, {}));
      if (sent < 0) return sent;
    } else if (header.type == types::kError) {
      return -EPROTO;
    } else {
      return 1;
    }
  }
}

int SendAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return -errno;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return 0;
}

void EndConnection(int fd, bool heard) {
  struct pollfd readable = {fd, POLLIN, 0};
  if (!heard) poll(&readable, 1, kHelloPatienceMs);
  // From here on the peer's writes fail at its side instead of arriving unread.
  shutdown(fd, SHUT_RD);
  char ignored[4096];
  while (recv(fd, ignored, sizeof ignored, MSG_DONTWAIT) > 0) {
  }
}

int ConnectUnix(const std::string& path) {
  struct sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return -ENAMETOOLONG;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  system::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return -errno;
  while (connect(fd.get(), reinterpret_cast<struct sockaddr*>(&address), sizeof address) != 0) {
    if (errno != EINTR) return -errno;
  }
  return fd.release();
}

std::string Hello(std::string_view meta) {
  return Encode({.type = types::kHello,
                 .x0 = transport::kProtocolVersion,
                 .x1 = transport::kLowestProtocolVersion,
                 .x2 = static_cast<uint32_t>(kMaxControlBody / 1024)},
                meta);
}

}  // namespace iluvatar::sandbox
