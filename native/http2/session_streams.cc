// What a session sends: answers, as far as the peer's windows and the queue let them, and the frames around them.
#include <algorithm>
#include <cstring>
#include <utility>

#include "http2/session.h"

namespace iluvatar::http2 {

namespace {

// What is queued for the socket at once; the rest waits in its streams, so that large answers take turns, and so that
// a queue above the high-water mark is the peer's doing.
constexpr size_t kQueuedBytes = 256 * 1024;
// Room that a stream keeps for what it has sent already.
constexpr size_t kSentKept = 64 * 1024;
// Of a message of gRPC: whether it is compressed, and its length.
constexpr size_t kMessagePrefix = 5;

}  // namespace

void Session::Put(const FrameHead& head, std::string_view payload) {
  uint8_t* room = out_.Reserve(kFrameHeaderBytes + payload.size());
  if (room == nullptr) {
    failed_ = true;
    return;
  }
  const uint32_t size = static_cast<uint32_t>(payload.size());
  const uint8_t bytes[kFrameHeaderBytes] = {static_cast<uint8_t>(size >> 16),
                                            static_cast<uint8_t>(size >> 8),
                                            static_cast<uint8_t>(size),
                                            head.kind,
                                            head.flags,
                                            static_cast<uint8_t>(head.stream >> 24),
                                            static_cast<uint8_t>(head.stream >> 16),
                                            static_cast<uint8_t>(head.stream >> 8),
                                            static_cast<uint8_t>(head.stream)};
  std::memcpy(room, bytes, sizeof(bytes));
  if (size > 0) std::memcpy(room + sizeof(bytes), payload.data(), size);
  out_.Commit(kFrameHeaderBytes + size);
}

void Session::PutGoaway(uint32_t last, ErrorCode code, std::string_view debug) {
  room_.clear();
  PutU32(last, &room_);
  PutU32(static_cast<uint32_t>(code), &room_);
  room_.append(debug);
  Put({0, frame_kind::kGoaway, 0, 0}, room_);
}

void Session::PutReset(uint32_t id, ErrorCode code) {
  room_.clear();
  PutU32(static_cast<uint32_t>(code), &room_);
  Put({0, frame_kind::kRstStream, 0, id}, room_);
}

void Session::WindowUpdate(uint32_t id, uint32_t bytes) {
  room_.clear();
  PutU32(bytes, &room_);
  Put({0, frame_kind::kWindowUpdate, 0, id}, room_);
}

void Session::PutHeaders(uint32_t id, std::string_view fields, bool end) {
  room_.clear();
  encoder_.Encode(fields, &room_);
  std::string_view block = room_;
  uint8_t kind = frame_kind::kHeaders;
  uint8_t flags = end ? frame_flag::kEndStream : 0;
  while (block.size() > kMaxFrameBytes) {
    Put({0, kind, flags, id}, block.substr(0, kMaxFrameBytes));
    block.remove_prefix(kMaxFrameBytes);
    kind = frame_kind::kContinuation;
    flags = 0;
  }
  Put({0, kind, static_cast<uint8_t>(flags | frame_flag::kEndHeaders), id}, block);
}

size_t Session::PutData(uint32_t id, Stream* stream, std::string_view bytes) {
  const int64_t window = std::min(send_window_, stream->send_window);
  if (window <= 0 || failed_) return 0;
  const size_t size = std::min({bytes.size(), static_cast<size_t>(window), size_t{kMaxFrameBytes}});
  Put({0, frame_kind::kData, 0, id}, bytes.substr(0, size));
  send_window_ -= static_cast<int64_t>(size);
  stream->send_window -= static_cast<int64_t>(size);
  return size;
}

bool Session::Respond(uint32_t id, std::string_view headers, std::string_view body, std::string_view trailers,
                      bool end) {
  const auto found = streams_.find(id);
  if (found == streams_.end() || found->second.answered || failed_) return false;
  Stream& stream = found->second;
  const bool headers_end = end && body.empty() && trailers.empty() && stream.unsent() == 0 && !headers.empty();
  if (!headers.empty()) PutHeaders(id, headers, headers_end);
  while (!body.empty() && stream.unsent() == 0 && out_.pending() < kQueuedBytes) {
    const size_t size = PutData(id, &stream, body);
    if (size == 0) break;
    body.remove_prefix(size);
  }
  if (!body.empty()) {
    stream.waiting.append(body);
    waiting_ += body.size();
    MakeReady(id, &stream);
  }
  if (!end) return true;
  stream.answered = true;
  stream.trailers = trailers;
  if (headers_end) {
    Ended(found);
  } else if (stream.unsent() == 0) {
    EndLocally(found);
  }
  return true;
}

bool Session::Answer(uint32_t id, std::string_view headers, uint8_t tag, std::string_view field, std::string_view tail,
                     std::string_view trailers) {
  message_.assign(kMessagePrefix, '\0');
  message_.push_back(static_cast<char>(tag));
  size_t rest = field.size();
  for (; rest >= 0x80; rest >>= 7) message_.push_back(static_cast<char>(0x80 | (rest & 0x7f)));
  message_.push_back(static_cast<char>(rest));
  message_.append(field);
  message_.append(tail);
  const uint32_t bytes = static_cast<uint32_t>(message_.size() - kMessagePrefix);
  for (int byte = 0; byte < 4; byte++) message_[1 + byte] = static_cast<char>(bytes >> (24 - 8 * byte));
  const bool there = Respond(id, headers, message_, trailers, true);
  // One large answer is not to be paid for as long as the connection lives.
  if (message_.capacity() > kSentKept) message_ = std::string();
  return there;
}

void Session::EndLocally(Streams::iterator found) {
  const Stream& stream = found->second;
  if (stream.trailers.empty()) {
    Put({0, frame_kind::kData, frame_flag::kEndStream, found->first}, {});
  } else {
    PutHeaders(found->first, stream.trailers, true);
  }
  Ended(found);
}

void Session::Ended(Streams::iterator found) {
  // What the peer still sends is not waited for: it may stop.
  const bool early = !found->second.remote_ended;
  if (early) PutReset(found->first, ErrorCode::kNone);
  Close(found, early);
}

void Session::Reset(uint32_t id, ErrorCode code) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  PutReset(id, code);
  Close(found, true);
}

void Session::Close(Streams::iterator found, bool by_us) {
  waiting_ -= found->second.unsent();
  if (found->second.listed) ready_.erase(std::find(ready_.begin(), ready_.end(), found->first));
  closed_.Add(found->first, by_us);
  streams_.erase(found);
}

void Session::MakeReady(uint32_t id, Stream* stream) {
  if (stream->listed) return;
  stream->listed = true;
  ready_.push_back(id);
}

bool Session::Pump() {
  bool any = false;
  while (!ready_.empty() && send_window_ > 0 && out_.pending() < kQueuedBytes && !failed_) {
    const uint32_t id = ready_.front();
    ready_.pop_front();
    const auto found = streams_.find(id);
    if (found == streams_.end()) continue;
    Stream& stream = found->second;
    stream.listed = false;
    const size_t size = PutData(id, &stream, std::string_view(stream.waiting).substr(stream.sent));
    // Its own window is shut: it is listed again when that opens.
    if (size == 0) continue;
    any = true;
    waiting_ -= size;
    stream.sent += size;
    if (stream.unsent() > 0) {
      MakeReady(id, &stream);
      if (stream.sent > kSentKept && stream.sent > stream.waiting.size() / 2) {
        stream.waiting.erase(0, std::exchange(stream.sent, 0));
      }
      continue;
    }
    stream.waiting.clear();
    stream.sent = 0;
    if (stream.answered) {
      EndLocally(found);
    } else {
      Acknowledge(id, &stream);
    }
  }
  return any;
}

}  // namespace iluvatar::http2
