// One HTTP/2 connection with a client that calls (RFC 9113, prior knowledge), on the server's side: reads what comes,
// keeps both flow controls, and writes answers into a queue. Knows no socket, no loop and no Node, and of gRPC only
// which headers to boil down.
//
// Everything a peer can make us keep is bounded: a frame (16 KiB), a header list, streams, unread answers (then no new
// calls), and what it may do for nothing (`Budget`). What it sends is given on at once and not kept.
//
// Reading gives events to a sink, which may answer, reset or fail any stream from inside: no reference to a stream
// is used across an event.
#ifndef ILUVATAR_HTTP2_SESSION_H_
#define ILUVATAR_HTTP2_SESSION_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "http2/budget.h"
#include "http2/closed_streams.h"
#include "http2/frames.h"
#include "http2/hpack_decoder.h"
#include "http2/hpack_encoder.h"
#include "http2/request_head.h"
#include "transport/out_queue.h"
#include "transport/payload_store.h"

namespace iluvatar::http2 {

using transport::OutQueue;
using transport::PayloadRef;
using transport::PayloadStore;

// Shared by the connections of one server; bytes.
struct SessionOptions {
  uint32_t max_streams = 100;
  uint32_t max_header_bytes = 65536;
  // What a peer may send ahead on one stream, and on all of them.
  uint32_t stream_window = kDefaultWindow;
  uint32_t connection_window = kDefaultWindow;
  // Answers that wait for the peer's windows; above it no calls are taken.
  size_t max_waiting = 64u << 20;
  Paths paths;
};

// Beside the frame types of src/transport/frames.ts; as in src/transport/http2.ts.
enum class EventType : uint8_t {
  // A stream begins. With it its first DATA, if that came along.
  kRequest = 32,
  kData = 33,
  // The peer has given a stream up, which was not answered to its end.
  kReset = 34,
  kPing = 35,
  kPong = 36,
};
inline constexpr uint8_t kEventEnd = 1;
inline constexpr uint8_t kEventIsGrpc = 2;

struct Event {
  EventType type;
  uint8_t flags = 0;
  uint8_t timeout_unit = 0;
  uint32_t stream = 0;
  uint32_t path = 0;
  uint32_t timeout = 0;
};

class EventSink {
 public:
  virtual ~EventSink() = default;
  // The payload's meta is what RequestHead::rest() says, its body DATA. False: the connection is closed meanwhile.
  virtual bool OnEvent(const Event& event, PayloadRef payload) = 0;
};

class Session {
 public:
  // All outlive it. `out` is written to from any method.
  Session(const SessionOptions& options, PayloadStore& payloads, OutQueue& out, int64_t (*now_us)());
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Our SETTINGS, before anything else.
  void Greet();
  // False: the connection is to be closed; GOAWAY, if one is due, is in the queue.
  bool Consume(const uint8_t* data, size_t size, EventSink& sink);

  // The next of an answer: a header list (`name NUL value NUL …`; empty = none), DATA, and what ends it: a list of
  // trailers, or with `end` and without trailers the last of the two before. False when nobody is there for it any
  // more.
  bool Respond(uint32_t stream, std::string_view headers, std::string_view body, std::string_view trailers, bool end);
  // A whole answer of gRPC: a message of protocol buffers that begins with `field`, under the tag given, and ends with
  // `tail`.
  bool Answer(uint32_t stream, std::string_view headers, uint8_t tag, std::string_view field, std::string_view tail,
              std::string_view trailers);
  void Reset(uint32_t stream, ErrorCode code);
  void Ping();
  // "No new calls", while those on their way are still taken.
  void Announce();
  // "These were the last": what is open goes on, new streams are ignored, and it is finished when none is left.
  void Leave();
  // GOAWAY with its reason; whoever asks closes the connection.
  void Fail(ErrorCode code, std::string_view debug);

  // More of what waits goes into the queue, which was written. True when something did.
  bool Pump();
  bool finished() const { return leaving_ && streams_.empty(); }
  bool failed() const { return failed_; }
  size_t streams() const { return streams_.size(); }
  size_t waiting() const { return waiting_; }

 private:
  struct Stream {
    int64_t send_window = 0;
    int64_t receive_window = 0;
    uint32_t unacknowledged = 0;
    // Of content-length; −1 = not stated.
    int64_t expected = -1;
    bool remote_ended = false;
    // Its answer is complete, as far as its caller here is concerned.
    bool answered = false;
    // In `ready_`.
    bool listed = false;
    // `head` has not been given on.
    bool head_waits = false;
    // Bytes of DATA that wait, from `sent` on, and what ends the stream behind them.
    std::string waiting;
    size_t sent = 0;
    std::string trailers;
    Event head = {};
    std::string rest;
    size_t unsent() const { return waiting.size() - sent; }
  };
  using Streams = std::unordered_map<uint32_t, Stream>;

  // False: failed, or the sink said so; in all that return it.
  bool Read(const uint8_t* data, size_t size, EventSink& sink);
  bool OnPartial(EventSink& sink);
  size_t Wanted() const;
  // Fails the connection; false, to be returned.
  bool Broken(ErrorCode code, std::string_view why);
  // A frame that costs us and changes nothing.
  bool Nuisance();

  // session_frames.cc
  bool OnFrame(const FrameHead& head, const uint8_t* payload, EventSink& sink);
  bool OnData(const FrameHead& head, const uint8_t* payload, EventSink& sink);
  bool OnHeaders(const FrameHead& head, const uint8_t* payload, EventSink& sink);
  bool OnContinuation(const FrameHead& head, const uint8_t* payload, EventSink& sink);
  bool OnBlock(const uint8_t* block, size_t size, EventSink& sink);
  bool OnRequest(EventSink& sink);
  bool OnTrailers(EventSink& sink);
  bool OnPriority(const FrameHead& head, const uint8_t* payload);
  bool OnReset(const FrameHead& head, const uint8_t* payload, EventSink& sink);
  bool OnSettings(const FrameHead& head, const uint8_t* payload);
  bool OnSetting(uint16_t id, uint32_t value);
  bool OnPing(const FrameHead& head, const uint8_t* payload, EventSink& sink);
  bool OnWindowUpdate(const FrameHead& head, const uint8_t* payload, EventSink& sink);
  bool Give(const Event& event, std::string_view rest, const uint8_t* data, size_t size, EventSink& sink);
  // The next of a stream: its head, if that waits, else DATA. The stream may be gone afterwards.
  bool GiveNext(uint32_t id, Stream* stream, const uint8_t* data, size_t size, bool end, EventSink& sink);
  bool GiveHeads(EventSink& sink);
  // Ends that stream alone.
  bool StreamError(uint32_t id, ErrorCode code, EventSink& sink);
  void AcknowledgeConnection(uint32_t bytes);
  void Acknowledge(uint32_t id, Stream* stream);

  // session_streams.cc
  void Put(const FrameHead& head, std::string_view payload);
  void PutHeaders(uint32_t id, std::string_view fields, bool end);
  void PutReset(uint32_t id, ErrorCode code);
  void PutGoaway(uint32_t last, ErrorCode code, std::string_view debug);
  void WindowUpdate(uint32_t id, uint32_t bytes);
  // One frame; how much of `bytes` is in it.
  size_t PutData(uint32_t id, Stream* stream, std::string_view bytes);
  void MakeReady(uint32_t id, Stream* stream);
  void EndLocally(Streams::iterator found);
  void Ended(Streams::iterator found);
  void Close(Streams::iterator found, bool by_us);

  const SessionOptions& options_;
  PayloadStore& payloads_;
  OutQueue& out_;
  int64_t (*now_us_)();

  HpackDecoder decoder_;
  HpackEncoder encoder_;
  RequestHead request_;
  Streams streams_;
  ClosedStreams closed_;
  // Streams whose answers wait for a window or for room in the queue.
  std::deque<uint32_t> ready_;
  // Streams whose head waits for its DATA until everything that was read is looked at.
  std::vector<uint32_t> heads_;
  size_t waiting_ = 0;

  // The beginning of a frame (or of the preface) whose rest has not come.
  std::string partial_;
  // A header block without its end: on which stream, and what HEADERS said.
  std::string block_;
  FrameHead block_head_ = {};
  uint32_t block_frames_ = 0;
  bool in_block_ = false;

  int64_t send_window_ = kDefaultWindow;
  int64_t receive_window_ = kDefaultWindow;
  uint32_t unacknowledged_ = 0;
  uint32_t peer_window_ = kDefaultWindow;
  uint32_t last_stream_ = 0;
  // Pings of ours that are not answered.
  uint32_t pings_out_ = 0;
  Budget nuisances_;
  Budget resets_;
  bool preface_seen_ = false;
  bool settings_seen_ = false;
  // The peer has acknowledged ours.
  bool settings_known_ = false;
  bool leaving_ = false;
  bool failed_ = false;
  // Blocks and frames are put together here.
  std::string room_;
  std::string message_;
};

}  // namespace iluvatar::http2

#endif  // ILUVATAR_HTTP2_SESSION_H_
