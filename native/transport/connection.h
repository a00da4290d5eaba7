// One stream socket that speaks the framed protocol; or the old agents' protocol, or HTTP/2 with a client, towards
// JavaScript as if they were framed. Owns the handshake, the answering of PING and the reading and writing; knows no
// loop and no Node, so that it can be tested on a socketpair.
#ifndef ILUVATAR_TRANSPORT_CONNECTION_H_
#define ILUVATAR_TRANSPORT_CONNECTION_H_

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "http2/session.h"
#include "system/unique_fd.h"
#include "transport/frame.h"
#include "transport/legacy_queue.h"
#include "transport/out_queue.h"

namespace iluvatar::transport {

using system::UniqueFd;

struct TrafficCounters {
  uint64_t frames_in = 0;
  uint64_t frames_out = 0;
  uint64_t reads = 0;
  uint64_t writes = 0;
  // Requests sent on open connections and not answered yet.
  uint64_t in_flight = 0;
};

// What all connections of a loop share. Outlives them.
struct ConnectionShared {
  PayloadStore payloads;
  BlockPool blocks;
  TrafficCounters counters;
  uint64_t max_body_bytes = kDefaultMaxBodyBytes;
  size_t high_water_bytes = 1u << 20;
};

class Connection;

class FrameSink {
 public:
  virtual ~FrameSink() = default;
  // False: the connection was closed meanwhile, what was read already is thrown away. HELLO is delivered too; PING is
  // not.
  virtual bool OnFrame(Connection& connection, const FrameHeader& header, PayloadRef payload) = 0;
};

// Where the caller writes the parts of a frame it has begun. `meta` is nullptr when the dialect has no place for it.
// One byte behind the last part is writable, since Node-API ends strings with a NUL.
struct FrameRoom {
  uint8_t* meta;
  uint8_t* body;
};

enum class ReadResult : uint8_t {
  // Nothing more for now, or it had its turn.
  kOpen,
  // See failure() and error_number().
  kClosed,
};

class Connection : private http2::EventSink {
 public:
  Connection(ConnectionShared& shared, UniqueFd fd, Dialect dialect);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() override;

  int fd() const { return fd_.get(); }
  Dialect dialect() const { return dialect_; }

  // Queues our HELLO (nothing in the legacy dialect).
  void Greet(std::string_view meta);
  // In place of Greet: both HELLOs have passed on this socket, in other hands. Framed dialect only.
  void Resume(uint64_t peer_max_body_bytes);

  // HTTP/2 dialect only, and in place of Greet.
  void Serve(std::shared_ptr<const http2::SessionOptions> options);
  // nullptr in the other dialects.
  http2::Session* session() const { return session_.get(); }

  // One turn of reading: up to four buffers full, each frame given to the sink. Pausing takes effect after the buffer
  // at hand; a frame that it has begun is still read, to its last byte and not one further.
  ReadResult Read(uint8_t* scratch, size_t scratch_bytes, FrameSink& sink);

  // Begins a frame whose header states its lengths; the caller fills the room and calls EndFrame. False: no memory, or
  // the legacy dialect has no such message.
  bool BeginFrame(const FrameHeader& header, FrameRoom* room);
  void EndFrame();
  // A whole frame, its body taken from a received payload without copying (unless small).
  bool SendPayload(const FrameHeader& header, std::string_view meta, PayloadRef payload);
  bool SendFrame(const FrameHeader& header, std::string_view meta, std::string_view body);

  WriteResult Write();
  // Bytes not yet given to the kernel.
  size_t pending() const { return out_.pending() + legacy_.waiting_bytes(); }
  // Throws away what has come: closed with bytes unread, a socket takes back what it has said last. Bounded.
  void Discard(uint8_t* scratch, size_t scratch_bytes);
  // The other end sees its end, whoever else has a copy of the socket.
  void ShutDown() { shutdown(fd_.get(), SHUT_RDWR); }
  // Gives up the socket and what was not written.
  void Drop() {
    out_.Clear();
    fd_.reset();
  }
  // All that was to be said is written, and the peer has been told that nothing follows: it closes.
  bool finished() const { return session_ != nullptr && session_->finished() && out_.pending() == 0; }
  void ShutDownWriting() { shutdown(fd_.get(), SHUT_WR); }
  bool has_output() const { return out_.pending() > 0; }

  // Greeted, no byte of a begun frame read, none unsent, and not inside Read: another process can go on from here.
  // Never true in the legacy dialect, whose replies belong to requests that are remembered here alone.
  bool between_frames() const {
    return hello_seen_ && !reading_ && failure_ == FrameError::kNone && reader_.Missing() == 0 && out_.pending() == 0;
  }
  // Gives up the socket without closing it.
  int Release() { return fd_.release(); }

  // Largest body the peer accepts; UINT64_MAX before its HELLO and when it states none.
  uint64_t peer_max_body_bytes() const { return peer_max_body_bytes_; }

  bool paused() const { return paused_; }
  // Not paused, or paused in the middle of a frame. What is read of HTTP/2 makes output by itself: whoever does not
  // take that is not read either.
  bool wants_bytes() const {
    if (session_ != nullptr) return !paused_ && out_.pending() <= shared_.high_water_bytes;
    return !paused_ || reader_.Missing() > 0;
  }
  void set_paused(bool paused) { paused_ = paused; }

  FrameError failure() const { return failure_; }
  // errno of a failed read or write; 0 = none.
  int error_number() const { return error_number_; }

 private:
  bool OnEvent(const http2::Event& event, PayloadRef payload) override;
  ReadResult ReadSession(uint8_t* scratch, size_t scratch_bytes, FrameSink& sink);
  ReadResult ReadTurn(uint8_t* scratch, size_t scratch_bytes, FrameSink& sink);
  // False when the reading must stop; failure() then says whether by an error.
  bool Dispatch(FrameSink& sink);
  bool Greeted(const FrameHeader& header);
  bool DispatchLegacy(FrameSink& sink);
  ReadResult Fail(FrameError error);
  void CountSent(uint8_t type);
  void CountReceived(uint8_t type);
  bool WriteLegacyRequest(const LegacyRequest& request);

  ConnectionShared& shared_;
  UniqueFd fd_;
  FrameReader reader_;
  OutQueue out_;
  LegacyQueue legacy_;
  std::shared_ptr<const http2::SessionOptions> session_options_;
  std::unique_ptr<http2::Session> session_;
  // Of the turn of reading at hand.
  FrameSink* sink_ = nullptr;
  uint64_t peer_max_body_bytes_ = UINT64_MAX;
  size_t begun_bytes_ = 0;
  uint64_t in_flight_ = 0;
  int error_number_ = 0;
  Dialect dialect_;
  FrameError failure_ = FrameError::kNone;
  bool hello_seen_ = false;
  bool paused_ = false;
  // Inside Read, or ended by it: bytes may have left the kernel that no frame has been made of.
  bool reading_ = false;
  bool begun_waiting_ = false;
  uint8_t begun_type_ = 0;
};

}  // namespace iluvatar::transport

#endif  // ILUVATAR_TRANSPORT_CONNECTION_H_
