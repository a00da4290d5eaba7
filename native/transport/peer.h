// What the event loop keeps beside a connection or a listener: its uv handle and where it stands. Private to
// event_loop*.cc.
#ifndef ILUVATAR_TRANSPORT_PEER_H_
#define ILUVATAR_TRANSPORT_PEER_H_

#include "transport/event_loop.h"

namespace iluvatar::transport {

struct EventLoop::Peer final : Connection {
  Peer(ConnectionShared& shared, UniqueFd fd, Dialect dialect) : Connection(shared, std::move(fd), dialect) {}

  uv_poll_t poll;
  EventLoop* loop = nullptr;
  uint32_t id = 0;
  // What uv polls for.
  int polled = 0;
  bool dirty = false;
  // It connected to us, as agents do.
  bool accepted = false;
  // The round in which a frame was last written without waiting for the flush.
  uint64_t written_round = 0;
  bool want_write = false;
  // `send` said no; a DRAINED record is owed.
  bool owes_drained = false;
  // Closed by its owner, still writing.
  bool closing = false;
  // HTTP/2: nothing more is written, and its end is waited for.
  bool lingering = false;
  // Its uv handle is being closed: nothing may be done with it any more.
  bool gone = false;
};

struct EventLoop::Listener {
  uv_poll_t poll;
  EventLoop* loop = nullptr;
  UniqueFd fd;
  BoundPath bound;
  uint32_t id = 0;
  bool gone = false;
};

}  // namespace iluvatar::transport

#endif  // ILUVATAR_TRANSPORT_PEER_H_
