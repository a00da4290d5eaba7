// The connections of an EventLoop: adopting sockets, reading, writing, closing.
#include <uv.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include "transport/event_loop.h"
#include "transport/peer.h"

namespace iluvatar::transport {

namespace {

// Ids stay below 2^31, so that V8 keeps them as small integers.
constexpr uint32_t kSlotBits = 20;
constexpr uint32_t kSlotMask = (1u << kSlotBits) - 1;
constexpr uint32_t kGenerations = 1u << 11;
// Turns of reading what a broken connection still holds: 64 of up to 256 KiB are more than any socket buffer.
constexpr int kLastReads = 64;

}  // namespace

EventLoop::Peer* EventLoop::FindPeer(uint32_t id) const {
  const uint32_t index = id & kSlotMask;
  if (index >= slots_.size() || slots_[index].generation != id >> kSlotBits) return nullptr;
  return slots_[index].peer;
}

Connection* EventLoop::FindConnection(uint32_t id) {
  Peer* peer = FindPeer(id);
  return peer == nullptr || peer->closing ? nullptr : peer;
}

Status EventLoop::Connect(const std::string& path, std::string_view hello, Dialect dialect, uint32_t* id) {
  UniqueFd fd;
  Status status = ConnectUnix(path, &fd);
  if (!status.ok()) return status;
  Peer* peer = nullptr;
  status = Adopt(std::move(fd), dialect, &peer);
  if (!status.ok()) return status;
  Greet(peer, hello);
  *id = peer->id;
  return {};
}

Status EventLoop::Attach(int fd, std::string_view hello, Dialect dialect, uint32_t* id) {
  UniqueFd owned(fd);
  Status status = AdoptSocket(fd);
  if (!status.ok()) return status;
  Peer* peer = nullptr;
  status = Adopt(std::move(owned), dialect, &peer);
  if (!status.ok()) return status;
  Greet(peer, hello);
  *id = peer->id;
  return {};
}

Status EventLoop::AttachGreeted(int fd, uint64_t peer_max_body_bytes, uint32_t* id) {
  UniqueFd owned(fd);
  Status status = AdoptSocket(fd);
  if (!status.ok()) return status;
  Peer* peer = nullptr;
  status = Adopt(std::move(owned), Dialect::kFramed, &peer);
  if (!status.ok()) return status;
  peer->Resume(peer_max_body_bytes);
  *id = peer->id;
  return {};
}

uint32_t EventLoop::AddServer(http2::SessionOptions options) {
  servers_.push_back(std::make_shared<const http2::SessionOptions>(std::move(options)));
  return static_cast<uint32_t>(servers_.size() - 1);
}

Status EventLoop::Serve(int fd, uint32_t server, uint32_t* id) {
  UniqueFd owned(fd);
  if (server >= servers_.size()) return {EINVAL, "accept"};
  Status status = AdoptSocket(fd);
  if (!status.ok()) return status;
  Peer* peer = nullptr;
  status = Adopt(std::move(owned), Dialect::kHttp2, &peer);
  if (!status.ok()) return status;
  peer->Serve(servers_[server]);
  MarkDirty(peer);
  *id = peer->id;
  return {};
}

int EventLoop::Detach(uint32_t id, uint32_t handled) {
  Peer* peer = FindPeer(id);
  if (peer == nullptr || peer->closing) return -1;
  // What was sent last may not have met its flush yet. A failure is left to that.
  if (peer->has_output()) peer->Write();
  if (!peer->between_frames() || HasUndelivered(id, handled)) return -1;
  Forget(peer);
  UpdateReference();
  return peer->Release();
}

bool EventLoop::HasUndelivered(uint32_t id, uint32_t handled) const {
  const auto is_frame = [id](const uint32_t* record) { return record[0] == id && record[1] < kConnectionOpen; };
  for (uint32_t i = delivering_ ? handled : 0; i < event_count_; i++) {
    if (is_frame(options_.events + size_t{kEventWords} * i)) return true;
  }
  for (size_t at = 0; at < deferred_.size(); at += kEventWords) {
    if (is_frame(deferred_.data() + at)) return true;
  }
  return false;
}

void EventLoop::Greet(Peer* peer, std::string_view hello) {
  peer->Greet(hello);
  MarkDirty(peer);
}

Status EventLoop::Adopt(UniqueFd fd, Dialect dialect, Peer** made) {
  if (free_slots_.empty() && slots_.size() > kSlotMask) return {EMFILE, "connect"};
  const int number = fd.get();
  std::unique_ptr<Peer> peer(new (std::nothrow) Peer(shared_, std::move(fd), dialect));
  if (!peer) return {ENOMEM, "connect"};
  const int error = uv_poll_init(loop_, &peer->poll, number);
  if (error != 0) return {-error, "uv_poll_init"};
  open_handles_++;
  uint32_t index;
  if (free_slots_.empty()) {
    index = static_cast<uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    index = free_slots_.back();
    free_slots_.pop_back();
  }
  peer->loop = this;
  peer->poll.data = peer.get();
  peer->id = (slots_[index].generation << kSlotBits) | index;
  uv_unref(reinterpret_cast<uv_handle_t*>(&peer->poll));
  slots_[index].peer = peer.get();
  open_connections_++;
  UpdateReference();
  UpdatePoll(peer.get());
  *made = peer.release();
  return {};
}

void EventLoop::UpdatePoll(Peer* peer) {
  int events = peer->want_write ? UV_WRITABLE : 0;
  if (peer->wants_bytes() && !peer->closing) events |= UV_READABLE;
  if (events == peer->polled) return;
  peer->polled = events;
  if (events == 0) {
    uv_poll_stop(&peer->poll);
  } else {
    uv_poll_start(&peer->poll, events, OnConnectionReady);
  }
}

void EventLoop::OnConnectionReady(uv_poll_t* handle, int status, int events) {
  Peer* peer = static_cast<Peer*>(handle->data);
  EventLoop* self = peer->loop;
  if (status < 0) {
    // libuv saw POLLERR and stopped polling; what was received before the error is still to be read.
    peer->polled = 0;
    self->FinishBroken(peer, 0);
    return;
  }
  if ((events & UV_READABLE) != 0) self->ReadFrom(peer);
  if ((events & UV_WRITABLE) != 0 && !self->closed_ && !peer->gone) self->MarkDirty(peer);
}

void EventLoop::ReadFrom(Peer* peer) {
  if (peer->closing) return;
  const ReadResult result = peer->Read(scratch_.get(), kScratchBytes, *this);
  if (closed_ || peer->gone) return;
  if (result == ReadResult::kClosed) {
    const uint32_t reason = ReasonOf(*peer);
    if (closed_ || peer->gone) return;
    // One attempt for the ERROR frame or a last answer; a peer that does not read loses it.
    peer->Write();
    if (peer->session() != nullptr) peer->Discard(scratch_.get(), kScratchBytes);
    ClosePeer(peer, reason);
    return;
  }
  // Paused, and the frame that it was in the middle of has come to its end.
  if (peer->paused()) UpdatePoll(peer);
  if (peer->has_output() || peer->finished()) MarkDirty(peer);
}

bool EventLoop::OnFrame(Connection& connection, const FrameHeader& header, PayloadRef payload) {
  Peer& peer = static_cast<Peer&>(connection);
  uint32_t token = 0;
  if (payload) {
    token = shared_.payloads.Publish(std::move(payload));
    if (token == 0) {
      CloseConnection(peer.id);
      return false;
    }
  }
  uint32_t* record = NextRecord();
  if (record == nullptr) return false;  // closed meanwhile, and all payloads with it
  record[0] = peer.id;
  record[1] = header.type;
  record[2] = header.status;
  record[3] = header.flags;
  record[4] = header.request_id;
  record[5] = header.x0;
  record[6] = header.x1;
  record[7] = header.x2;
  record[8] = header.meta_length;
  record[9] = static_cast<uint32_t>(header.body_length);
  record[10] = token;
  record[11] = 0;
  return !peer.closing && !peer.gone;
}

uint32_t EventLoop::ReasonOf(const Connection& connection) {
  if (connection.failure() != FrameError::kNone) {
    return AddReason(FrameErrorCode(connection.failure()), FrameErrorMessage(connection.failure()));
  }
  const int error = connection.error_number();
  return error == 0 ? 0 : AddReason(uv_err_name(-error), uv_strerror(-error));
}

bool EventLoop::Sent(uint32_t id, uint8_t type) {
  Peer* peer = FindPeer(id);
  if (peer == nullptr) return false;
  // An agent that gets an INVOKE has nothing to do until it is there, while the rest of this delivery may take long:
  // the first of a round goes out at once. Where we are the client requests are pipelined, and better written together.
  if (type == frame_type::kInvoke && peer->accepted && !peer->dirty && peer->written_round != round_) {
    peer->written_round = round_;
    if (peer->Write() == WriteResult::kDone) return true;
  }
  MarkDirty(peer);
  if (peer->pending() <= options_.high_water_bytes) return true;
  // Try before complaining: the socket may well take it. A failure is dealt with by the flush that follows.
  peer->Write();
  if (peer->pending() <= options_.high_water_bytes) return true;
  peer->owes_drained = true;
  return false;
}

void EventLoop::CloseConnection(uint32_t id) {
  Peer* peer = FindPeer(id);
  if (peer == nullptr || peer->closing) return;
  peer->closing = true;
  UpdatePoll(peer);
  MarkDirty(peer);
}

void EventLoop::Abort(uint32_t id) {
  Peer* peer = FindPeer(id);
  if (peer == nullptr) return;
  peer->Write();
  peer->Discard(scratch_.get(), kScratchBytes);
  ClosePeer(peer, 0);
}

void EventLoop::Touched(uint32_t id) {
  Peer* peer = FindPeer(id);
  if (peer != nullptr) MarkDirty(peer);
}

void EventLoop::Pause(uint32_t id) {
  Peer* peer = FindPeer(id);
  if (peer == nullptr) return;
  peer->set_paused(true);
  UpdatePoll(peer);
}

void EventLoop::Resume(uint32_t id) {
  Peer* peer = FindPeer(id);
  if (peer == nullptr) return;
  peer->set_paused(false);
  UpdatePoll(peer);
}

void EventLoop::MarkDirty(Peer* peer) {
  if (peer->dirty) return;
  peer->dirty = true;
  dirty_.push_back(peer->id);
}

void EventLoop::FlushDirty() {
  round_++;
  if (dirty_.empty()) return;
  // Flushing may deliver, and the receiver may send: that lands in the other list.
  std::swap(dirty_, flushing_);
  for (size_t i = 0; i < flushing_.size() && !closed_; i++) {
    Peer* peer = FindPeer(flushing_[i]);
    if (peer == nullptr) continue;
    peer->dirty = false;
    Flush(peer);
  }
  flushing_.clear();
}

void EventLoop::Flush(Peer* peer) {
  const WriteResult result = peer->Write();
  if (result == WriteResult::kFailed) {
    FinishBroken(peer, peer->error_number());
    return;
  }
  if (result == WriteResult::kDone && peer->closing) {
    ClosePeer(peer, 0);
    return;
  }
  if (peer->finished() && !peer->lingering) {
    // Not closed: what the peer has sent meanwhile, unread, would reset the connection, and with it answers on their
    // way.
    peer->lingering = true;
    peer->ShutDownWriting();
    Emit(peer->id, kConnectionFinished, 0);
    if (closed_ || peer->gone) return;
  }
  peer->want_write = result == WriteResult::kBlocked;
  UpdatePoll(peer);
  if (peer->owes_drained && peer->pending() <= options_.high_water_bytes) {
    peer->owes_drained = false;
    if (!peer->closing) Emit(peer->id, kConnectionDrained, 0);
  }
}

void EventLoop::FinishBroken(Peer* peer, int error) {
  // The peer is gone, but what it said before it went may still be unread.
  ReadResult result = ReadResult::kOpen;
  for (int turn = 0; turn < kLastReads && result == ReadResult::kOpen && !peer->closing && !peer->paused(); turn++) {
    result = peer->Read(scratch_.get(), kScratchBytes, *this);
    if (closed_ || peer->gone) return;
  }
  uint32_t reason = 0;
  if (result == ReadResult::kClosed) {
    reason = ReasonOf(*peer);
  } else if (error != 0 && !peer->closing) {
    reason = AddReason(uv_err_name(-error), uv_strerror(-error));
  }
  if (!closed_ && !peer->gone) ClosePeer(peer, reason);
}

void EventLoop::Forget(Peer* peer) {
  const uint32_t index = peer->id & kSlotMask;
  peer->gone = true;
  Slot& slot = slots_[index];
  slot.peer = nullptr;
  slot.generation = slot.generation + 1 == kGenerations ? 1 : slot.generation + 1;
  free_slots_.push_back(index);
  open_connections_--;
  uv_close(reinterpret_cast<uv_handle_t*>(&peer->poll), [](uv_handle_t* handle) {
    Peer* gone = static_cast<Peer*>(handle->data);
    EventLoop* loop = gone->loop;
    delete gone;
    loop->HandleGone();
  });
}

void EventLoop::ClosePeer(Peer* peer, uint32_t reason) {
  const uint32_t id = peer->id;
  Forget(peer);
  // Somebody else may hold a copy of the socket, so that closing this one would not be noticed at the other end. Not
  // when all of it goes at once: then the other end is to live on, if somebody does.
  if (!closed_) peer->ShutDown();
  // After uv_close, which takes the descriptor out of the epoll set.
  peer->Drop();
  if (closed_) return;
  UpdateReference();
  Emit(id, kConnectionClosed, reason);
}

}  // namespace iluvatar::transport
