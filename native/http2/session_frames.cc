// What each frame of a peer means, and which error it is when it means nothing (RFC 9113, 5 and 6).
#include <algorithm>
#include <cstring>
#include <utility>

#include "http2/session.h"

namespace iluvatar::http2 {

namespace {

// A list of 64 KiB comes in at most five frames; more of them are sent to keep us busy.
constexpr uint32_t kMaxBlockFrames = 32;
// Answers of a stream that its peer does not read, above which we take no more of it.
constexpr size_t kUnreadBytes = 256 * 1024;
constexpr size_t kSettingBytes = 6;
constexpr size_t kPriorityBytes = 5;

// Takes the padding off. False: there is more of it than frame.
bool Unpad(const FrameHead& head, const uint8_t** payload, size_t* size) {
  *size = head.size;
  if ((head.flags & frame_flag::kPadded) == 0) return true;
  if (*size == 0 || **payload >= *size) return false;
  *size -= 1u + **payload;
  *payload += 1;
  return true;
}

}  // namespace

bool Session::OnFrame(const FrameHead& head, const uint8_t* payload, EventSink& sink) {
  if (!settings_seen_) {
    if (head.kind != frame_kind::kSettings || (head.flags & frame_flag::kAck) != 0) {
      return Broken(ErrorCode::kProtocol, "the first frame is not SETTINGS");
    }
    settings_seen_ = true;
  }
  if (in_block_ && (head.kind != frame_kind::kContinuation || head.stream != block_head_.stream)) {
    return Broken(ErrorCode::kProtocol, "another frame inside a header block");
  }
  switch (head.kind) {
    case frame_kind::kData:
      return OnData(head, payload, sink);
    case frame_kind::kHeaders:
      return OnHeaders(head, payload, sink);
    case frame_kind::kPriority:
      return OnPriority(head, payload);
    case frame_kind::kRstStream:
      return OnReset(head, payload, sink);
    case frame_kind::kSettings:
      return OnSettings(head, payload);
    case frame_kind::kPushPromise:
      return Broken(ErrorCode::kProtocol, "a client cannot push");
    case frame_kind::kPing:
      return OnPing(head, payload, sink);
    case frame_kind::kGoaway:
      if (head.stream != 0) return Broken(ErrorCode::kProtocol, "GOAWAY on a stream");
      // It goes on reading what it has called.
      return head.size >= 8 ? Nuisance() : Broken(ErrorCode::kFrameSize, "GOAWAY is cut off");
    case frame_kind::kWindowUpdate:
      return OnWindowUpdate(head, payload, sink);
    case frame_kind::kContinuation:
      return OnContinuation(head, payload, sink);
    default:
      return Nuisance();
  }
}

bool Session::OnData(const FrameHead& head, const uint8_t* payload, EventSink& sink) {
  if (head.stream == 0 || head.stream > last_stream_ || head.stream % 2 == 0) {
    return Broken(ErrorCode::kProtocol, "DATA on a stream that was never open");
  }
  size_t size = 0;
  if (!Unpad(head, &payload, &size)) return Broken(ErrorCode::kProtocol, "more padding than frame");
  if (head.size > receive_window_) return Broken(ErrorCode::kFlowControl, "more than the connection's window");
  receive_window_ -= head.size;
  AcknowledgeConnection(head.size);
  const auto found = streams_.find(head.stream);
  if (found == streams_.end()) {
    // Sent before it knew of our end.
    if (closed_.Find(head.stream) == ClosedStreams::How::kByUs) return Nuisance();
    return StreamError(head.stream, ErrorCode::kStreamClosed, sink);
  }
  Stream& stream = found->second;
  if (stream.remote_ended) return StreamError(head.stream, ErrorCode::kStreamClosed, sink);
  if (head.size > stream.receive_window) return StreamError(head.stream, ErrorCode::kFlowControl, sink);
  const bool end = (head.flags & frame_flag::kEndStream) != 0;
  if (stream.expected >= 0) {
    stream.expected -= static_cast<int64_t>(size);
    if (stream.expected < 0 || (end && stream.expected != 0)) {
      return StreamError(head.stream, ErrorCode::kProtocol, sink);
    }
  }
  stream.receive_window -= head.size;
  stream.remote_ended = end;
  if (!end) {
    if (size == 0 && !Nuisance()) return false;
    stream.unacknowledged += head.size;
    Acknowledge(head.stream, &stream);
  }
  if (!stream.head_waits && (stream.answered || (size == 0 && !end))) return true;
  return GiveNext(head.stream, &stream, payload, size, end, sink);
}

bool Session::GiveNext(uint32_t id, Stream* stream, const uint8_t* data, size_t size, bool end, EventSink& sink) {
  Event event = {.type = EventType::kData, .stream = id};
  if (stream->head_waits) event = stream->head;
  stream->head_waits = false;
  const std::string rest = std::exchange(stream->rest, std::string());
  if (end) event.flags |= kEventEnd;
  return Give(event, rest, data, size, sink);
}

bool Session::Give(const Event& event, std::string_view rest, const uint8_t* data, size_t size, EventSink& sink) {
  PayloadRef payload;
  if (rest.size() + size > 0) {
    payload = payloads_.Allocate(static_cast<uint32_t>(rest.size()), size);
    if (!payload) return Broken(ErrorCode::kInternal, "out of memory");
    std::memcpy(payload->bytes(), rest.data(), rest.size());
    if (size > 0) std::memcpy(payload->body(), data, size);
  }
  return sink.OnEvent(event, std::move(payload)) && !failed_;
}

bool Session::OnHeaders(const FrameHead& head, const uint8_t* payload, EventSink& sink) {
  if (head.stream % 2 == 0) return Broken(ErrorCode::kProtocol, "HEADERS on no stream of a client");
  size_t size = 0;
  if (!Unpad(head, &payload, &size)) return Broken(ErrorCode::kProtocol, "more padding than frame");
  if ((head.flags & frame_flag::kPriority) != 0) {
    if (size < kPriorityBytes) return Broken(ErrorCode::kFrameSize, "HEADERS is cut off");
    if ((ReadU32(payload) & kLargestStream) == head.stream) {
      return Broken(ErrorCode::kProtocol, "a stream depends on itself");
    }
    payload += kPriorityBytes;
    size -= kPriorityBytes;
  }
  block_head_ = head;
  if ((head.flags & frame_flag::kEndHeaders) != 0) return OnBlock(payload, size, sink);
  in_block_ = true;
  block_frames_ = 1;
  block_.assign(reinterpret_cast<const char*>(payload), size);
  return true;
}

bool Session::OnContinuation(const FrameHead& head, const uint8_t* payload, EventSink& sink) {
  if (!in_block_) return Broken(ErrorCode::kProtocol, "CONTINUATION of nothing");
  if (++block_frames_ > kMaxBlockFrames || block_.size() + head.size > options_.max_header_bytes) {
    return Broken(ErrorCode::kEnhanceYourCalm, "the headers are too long");
  }
  block_.append(reinterpret_cast<const char*>(payload), head.size);
  if ((head.flags & frame_flag::kEndHeaders) == 0) return true;
  in_block_ = false;
  const std::string block = std::exchange(block_, std::string());
  return OnBlock(reinterpret_cast<const uint8_t*>(block.data()), block.size(), sink);
}

bool Session::OnBlock(const uint8_t* block, size_t size, EventSink& sink) {
  const uint32_t id = block_head_.stream;
  const auto found = streams_.find(id);
  const bool open = found != streams_.end();
  const ClosedStreams::How how = open || id > last_stream_ ? ClosedStreams::How::kUnknown : closed_.Find(id);
  if (open ? found->second.remote_ended : how == ClosedStreams::How::kKnown) {
    return Broken(ErrorCode::kStreamClosed, "HEADERS on a stream that has ended");
  }
  if (!open && id <= last_stream_ && how == ClosedStreams::How::kUnknown) {
    return Broken(ErrorCode::kProtocol, "the number of a stream is lower than the last one's");
  }
  // Whatever becomes of it, the table must follow.
  request_.Begin(open);
  if (!decoder_.Decode(block, size, request_)) return Broken(ErrorCode::kCompression, "the headers cannot be read");
  if (open) return OnTrailers(sink);
  if (how == ClosedStreams::How::kByUs) return Nuisance();
  return OnRequest(sink);
}

bool Session::OnRequest(EventSink& sink) {
  const uint32_t id = block_head_.stream;
  last_stream_ = id;
  if (leaving_) {
    // The client knows from GOAWAY that it was not taken.
    closed_.Add(id, true);
    return Nuisance();
  }
  request_.End(options_.paths);
  if (request_.malformed()) return StreamError(id, ErrorCode::kProtocol, sink);
  if (request_.too_large() || waiting_ > options_.max_waiting) {
    return StreamError(id, ErrorCode::kEnhanceYourCalm, sink);
  }
  if (streams_.size() >= options_.max_streams) {
    if (settings_known_) return StreamError(id, ErrorCode::kRefusedStream, sink);
    // It cannot know better yet.
    PutReset(id, ErrorCode::kRefusedStream);
    closed_.Add(id, true);
    return true;
  }
  const bool end = (block_head_.flags & frame_flag::kEndStream) != 0;
  if (end && request_.content_length() > 0) return StreamError(id, ErrorCode::kProtocol, sink);
  Stream& stream = streams_[id];
  stream.send_window = peer_window_;
  stream.receive_window = options_.stream_window;
  stream.expected = request_.content_length();
  stream.remote_ended = end;
  Event event;
  event.type = EventType::kRequest;
  event.flags = request_.is_grpc() ? kEventIsGrpc : 0;
  event.timeout_unit = request_.timeout_unit();
  event.timeout = request_.timeout();
  event.path = request_.path();
  event.stream = id;
  if (!end) {
    stream.head_waits = true;
    stream.head = event;
    stream.rest = request_.rest();
    heads_.push_back(id);
    return true;
  }
  event.flags |= kEventEnd;
  return Give(event, request_.rest(), nullptr, 0, sink);
}

bool Session::OnTrailers(EventSink& sink) {
  const uint32_t id = block_head_.stream;
  const auto found = streams_.find(id);
  Stream& stream = found->second;
  const bool end = (block_head_.flags & frame_flag::kEndStream) != 0;
  if (!end || request_.malformed() || stream.expected > 0) return StreamError(id, ErrorCode::kProtocol, sink);
  stream.remote_ended = true;
  if (!stream.head_waits && stream.answered) return true;
  return GiveNext(id, &stream, nullptr, 0, true, sink);
}

bool Session::GiveHeads(EventSink& sink) {
  for (size_t i = 0; i < heads_.size(); i++) {
    const auto found = streams_.find(heads_[i]);
    if (found == streams_.end() || !found->second.head_waits) continue;
    if (!GiveNext(found->first, &found->second, nullptr, 0, false, sink)) return false;
  }
  heads_.clear();
  return true;
}

bool Session::OnPriority(const FrameHead& head, const uint8_t* payload) {
  if (head.stream == 0) return Broken(ErrorCode::kProtocol, "PRIORITY on no stream");
  if (head.size != kPriorityBytes) return Broken(ErrorCode::kFrameSize, "PRIORITY has another size");
  if ((ReadU32(payload) & kLargestStream) == head.stream) {
    return Broken(ErrorCode::kProtocol, "a stream depends on itself");
  }
  return Nuisance();
}

bool Session::OnReset(const FrameHead& head, const uint8_t* /*payload*/, EventSink& sink) {
  if (head.stream == 0 || head.stream > last_stream_) {
    return Broken(ErrorCode::kProtocol, "RST_STREAM on a stream that was never open");
  }
  if (head.size != 4) return Broken(ErrorCode::kFrameSize, "RST_STREAM has another size");
  const auto found = streams_.find(head.stream);
  if (found == streams_.end()) return Nuisance();
  if (!resets_.Take(now_us_)) return Broken(ErrorCode::kEnhanceYourCalm, "too many calls are given up");
  const bool told = !found->second.answered && !found->second.head_waits;
  Close(found, false);
  if (!told) return true;
  Event event;
  event.type = EventType::kReset;
  event.stream = head.stream;
  return Give(event, {}, nullptr, 0, sink);
}

bool Session::StreamError(uint32_t id, ErrorCode code, EventSink& sink) {
  // A peer could make us give up its calls as well as give them up itself.
  if (!resets_.Take(now_us_)) return Broken(ErrorCode::kEnhanceYourCalm, "too many calls that are none");
  const auto found = streams_.find(id);
  const bool told = found != streams_.end() && !found->second.answered && !found->second.head_waits;
  PutReset(id, code);
  if (found == streams_.end()) {
    closed_.Add(id, true);
  } else {
    Close(found, true);
  }
  if (!told) return true;
  Event event;
  event.type = EventType::kReset;
  event.stream = id;
  return Give(event, {}, nullptr, 0, sink);
}

bool Session::OnSettings(const FrameHead& head, const uint8_t* payload) {
  if (head.stream != 0) return Broken(ErrorCode::kProtocol, "SETTINGS on a stream");
  if ((head.flags & frame_flag::kAck) != 0) {
    settings_known_ = true;
    return head.size == 0 ? Nuisance() : Broken(ErrorCode::kFrameSize, "an acknowledgement with settings");
  }
  if (head.size % kSettingBytes != 0) return Broken(ErrorCode::kFrameSize, "SETTINGS is cut off");
  for (size_t at = 0; at < head.size; at += kSettingBytes) {
    const uint16_t id = static_cast<uint16_t>(payload[at] << 8 | payload[at + 1]);
    if (!OnSetting(id, ReadU32(payload + at + 2))) return false;
  }
  Put({0, frame_kind::kSettings, frame_flag::kAck, 0}, {});
  return Nuisance();
}

bool Session::OnSetting(uint16_t id, uint32_t value) {
  switch (id) {
    case setting::kHeaderTableSize:
      encoder_.PeerTable(value);
      return true;
    case setting::kEnablePush:
      return value <= 1 || Broken(ErrorCode::kProtocol, "ENABLE_PUSH is neither 0 nor 1");
    case setting::kInitialWindowSize: {
      if (value > kLargestWindow) return Broken(ErrorCode::kFlowControl, "INITIAL_WINDOW_SIZE is too large");
      const int64_t change = int64_t{value} - int64_t{peer_window_};
      peer_window_ = value;
      for (auto& [stream_id, stream] : streams_) {
        stream.send_window += change;
        if (stream.send_window > kLargestWindow) return Broken(ErrorCode::kFlowControl, "a window is too large");
        if (stream.unsent() > 0) MakeReady(stream_id, &stream);
      }
      return true;
    }
    case setting::kMaxFrameSize:
      if (value < kMaxFrameBytes || value > kLargestFrameBytes) {
        return Broken(ErrorCode::kProtocol, "MAX_FRAME_SIZE is out of its range");
      }
      return true;
    default:
      return true;
  }
}

bool Session::OnPing(const FrameHead& head, const uint8_t* payload, EventSink& sink) {
  if (head.stream != 0) return Broken(ErrorCode::kProtocol, "PING on a stream");
  if (head.size != 8) return Broken(ErrorCode::kFrameSize, "PING has another size");
  Event event;
  if ((head.flags & frame_flag::kAck) != 0) {
    if (pings_out_ == 0) return Nuisance();
    pings_out_--;
    event.type = EventType::kPong;
  } else {
    Put({0, frame_kind::kPing, frame_flag::kAck, 0}, {reinterpret_cast<const char*>(payload), 8});
    event.type = EventType::kPing;
  }
  return Give(event, {}, nullptr, 0, sink);
}

bool Session::OnWindowUpdate(const FrameHead& head, const uint8_t* payload, EventSink& sink) {
  if (head.size != 4) return Broken(ErrorCode::kFrameSize, "WINDOW_UPDATE has another size");
  const uint32_t more = ReadU32(payload) & kLargestStream;
  if (head.stream == 0) {
    send_window_ += more;
    if (more == 0) return Broken(ErrorCode::kProtocol, "a window grows by nothing");
    return send_window_ <= kLargestWindow || Broken(ErrorCode::kFlowControl, "the window is too large");
  }
  if (head.stream > last_stream_ || head.stream % 2 == 0) {
    return Broken(ErrorCode::kProtocol, "WINDOW_UPDATE on a stream that was never open");
  }
  const auto found = streams_.find(head.stream);
  // Whoever reads an answer to its end may say so after it.
  if (found == streams_.end()) return true;
  Stream& stream = found->second;
  if (more == 0) return StreamError(head.stream, ErrorCode::kProtocol, sink);
  stream.send_window += more;
  if (stream.send_window > kLargestWindow) return StreamError(head.stream, ErrorCode::kFlowControl, sink);
  if (stream.unsent() > 0) MakeReady(head.stream, &stream);
  return true;
}

void Session::AcknowledgeConnection(uint32_t bytes) {
  unacknowledged_ += bytes;
  if (unacknowledged_ < options_.connection_window / 2) return;
  WindowUpdate(0, unacknowledged_);
  receive_window_ += std::exchange(unacknowledged_, 0);
}

void Session::Acknowledge(uint32_t id, Stream* stream) {
  if (stream->unacknowledged < options_.stream_window / 2 || stream->remote_ended) return;
  if (stream->unsent() > kUnreadBytes) return;
  WindowUpdate(id, stream->unacknowledged);
  stream->receive_window += std::exchange(stream->unacknowledged, 0);
}

}  // namespace iluvatar::http2
