// Life of a session, and bytes into frames; what frames mean is in session_frames.cc, what is sent in
// session_streams.cc.
#include "http2/session.h"

#include <algorithm>
#include <utility>

namespace iluvatar::http2 {

namespace {

// As SETTINGS_HEADER_TABLE_SIZE is when nothing is said.
constexpr size_t kTableBytes = 4096;
// What a burst of a peer that is only unlucky may come to, and what it may do without end; each second.
constexpr uint32_t kNuisances = 2000;
constexpr uint32_t kNuisancesPerSecond = 100;
// Deadlines of many calls pass together.
constexpr uint32_t kResets = 1000;
constexpr uint32_t kResetsPerSecond = 100;
// Kept for the next frame that comes in pieces.
constexpr size_t kKeptRoom = 1024;

void PutSetting(uint16_t id, uint32_t value, std::string* out) {
  out->push_back(static_cast<char>(id >> 8));
  out->push_back(static_cast<char>(id));
  PutU32(value, out);
}

}  // namespace

Session::Session(const SessionOptions& options, PayloadStore& payloads, OutQueue& out, int64_t (*now_us)())
    : options_(options),
      payloads_(payloads),
      out_(out),
      now_us_(now_us),
      decoder_(kTableBytes),
      request_(options.max_header_bytes),
      nuisances_(kNuisances, kNuisancesPerSecond),
      resets_(std::max(kResets, 2 * options.max_streams), kResetsPerSecond) {}

void Session::Greet() {
  room_.clear();
  PutSetting(setting::kMaxConcurrentStreams, options_.max_streams, &room_);
  PutSetting(setting::kInitialWindowSize, options_.stream_window, &room_);
  PutSetting(setting::kMaxHeaderListSize, options_.max_header_bytes, &room_);
  Put({0, frame_kind::kSettings, 0, 0}, room_);
  if (options_.connection_window > kDefaultWindow) {
    WindowUpdate(0, options_.connection_window - kDefaultWindow);
    receive_window_ = options_.connection_window;
  }
}

bool Session::Consume(const uint8_t* data, size_t size, EventSink& sink) {
  if (failed_ || !Read(data, size, sink) || !GiveHeads(sink)) return false;
  Pump();
  return !failed_;
}

bool Session::Read(const uint8_t* data, size_t size, EventSink& sink) {
  while (size > 0) {
    const size_t wanted = Wanted();
    if (partial_.empty() && preface_seen_ && size >= kFrameHeaderBytes) {
      const FrameHead head = ReadFrameHead(data);
      const size_t whole = kFrameHeaderBytes + head.size;
      if (head.size > kMaxFrameBytes) return Broken(ErrorCode::kFrameSize, "a frame is too large");
      if (whole <= size) {
        if (!OnFrame(head, data + kFrameHeaderBytes, sink)) return false;
        data += whole;
        size -= whole;
        continue;
      }
    }
    const size_t taken = std::min(size, wanted - partial_.size());
    partial_.append(reinterpret_cast<const char*>(data), taken);
    data += taken;
    size -= taken;
    if (!OnPartial(sink)) return false;
  }
  return true;
}

size_t Session::Wanted() const {
  if (!preface_seen_) return kPreface.size();
  if (partial_.size() < kFrameHeaderBytes) return kFrameHeaderBytes;
  return kFrameHeaderBytes + ReadFrameHead(reinterpret_cast<const uint8_t*>(partial_.data())).size;
}

bool Session::OnPartial(EventSink& sink) {
  if (!preface_seen_) {
    // At the first wrong byte: who speaks another protocol may not come to 24.
    if (!kPreface.starts_with(partial_)) return Broken(ErrorCode::kProtocol, "this is no HTTP/2 client");
    preface_seen_ = partial_.size() == kPreface.size();
    if (preface_seen_) partial_.clear();
    return true;
  }
  if (partial_.size() < kFrameHeaderBytes) return true;
  const FrameHead head = ReadFrameHead(reinterpret_cast<const uint8_t*>(partial_.data()));
  if (head.size > kMaxFrameBytes) return Broken(ErrorCode::kFrameSize, "a frame is too large");
  if (partial_.size() < kFrameHeaderBytes + head.size) return true;
  std::string frame = std::exchange(partial_, std::string());
  if (!OnFrame(head, reinterpret_cast<const uint8_t*>(frame.data()) + kFrameHeaderBytes, sink)) return false;
  if (frame.capacity() <= kKeptRoom) {
    frame.clear();
    partial_ = std::move(frame);
  }
  return true;
}

void Session::Ping() {
  pings_out_++;
  Put({0, frame_kind::kPing, 0, 0}, std::string_view("\0\0\0\0\0\0\0\0", 8));
}

void Session::Announce() { PutGoaway(kLargestStream, ErrorCode::kNone, {}); }

void Session::Leave() {
  if (leaving_) return;
  leaving_ = true;
  PutGoaway(last_stream_, ErrorCode::kNone, {});
}

void Session::Fail(ErrorCode code, std::string_view debug) {
  if (failed_) return;
  failed_ = true;
  PutGoaway(last_stream_, code, debug);
}

bool Session::Broken(ErrorCode code, std::string_view why) {
  Fail(code, why);
  return false;
}

bool Session::Nuisance() {
  if (nuisances_.Take(now_us_)) return true;
  return Broken(ErrorCode::kEnhanceYourCalm, "too many frames that say nothing");
}

}  // namespace iluvatar::http2
