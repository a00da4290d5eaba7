// Frames on blocking sockets, one at a time: all that spawners and supervisors need of docs/protocol.md. The
// transport's codec is incremental and pooled for the worker's loop; here a process has one peer and nothing else to
// do.
#ifndef ILUVATAR_SANDBOX_WIRE_H_
#define ILUVATAR_SANDBOX_WIRE_H_

#include <string>
#include <string_view>

#include "transport/frame_format.h"

namespace iluvatar::sandbox {

// Control frames carry no body to speak of; a larger one is garbage.
inline constexpr uint64_t kMaxControlBody = 1u << 20;

struct Frame {
  transport::FrameHeader header;
  std::string meta;
  std::string body;
};

struct FrameFields {
  uint8_t type;
  uint8_t status = 0;
  uint8_t flags = 0;
  uint32_t request_id = 0;
  uint32_t x0 = 0;
  uint32_t x1 = 0;
  uint32_t x2 = 0;
};

// Header, meta and body as they go over the wire.
std::string Encode(const FrameFields& fields, std::string_view meta, std::string_view body = {});

// 1 a frame, 0 end of stream between frames, -errno otherwise (EPROTO: not a frame of this protocol, or an end inside
// one). Reads from sockets and pipes.
int ReadFrame(int fd, Frame* frame);

// As ReadFrame, with HELLO checked, PING answered, and both kept from the caller; ERROR is -EPROTO.
int ReadRequest(int fd, Frame* frame);

// 0 or -errno. Waits until all is sent, never raises SIGPIPE.
int SendAll(int fd, std::string_view bytes);

// To be called before the process ends: closing a unix socket with unread bytes in it resets the connection, and the
// peer then loses what was sent to it last. Waits a bounded time for the worker's HELLO unless it was `heard`, since
// nothing that comes later matters to us.
void EndConnection(int fd, bool heard);

// Connects to a unix stream socket: a descriptor (close-on-exec) or -errno.
int ConnectUnix(const std::string& path);

// HELLO with this meta.
std::string Hello(std::string_view meta);

}  // namespace iluvatar::sandbox

#endif  // ILUVATAR_SANDBOX_WIRE_H_
