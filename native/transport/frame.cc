#include "transport/frame.h"

#include <algorithm>
#include <cstring>

namespace iluvatar::transport {

const char* FrameErrorCode(FrameError error) {
  switch (error) {
    case FrameError::kNone:
      return "end";
    case FrameError::kMagic:
      return "ERR_FRAME_MAGIC";
    case FrameError::kType:
      return "ERR_FRAME_TYPE";
    case FrameError::kTooLarge:
      return "ERR_FRAME_TOO_LARGE";
    case FrameError::kTruncated:
      return "ERR_FRAME_TRUNCATED";
    case FrameError::kVersion:
      return "ERR_PROTOCOL_VERSION";
    case FrameError::kNoHello:
      return "ERR_NO_HELLO";
    case FrameError::kUnexpectedReply:
      return "ERR_UNEXPECTED_REPLY";
    case FrameError::kOutOfMemory:
      return "ENOMEM";
    case FrameError::kHttp2:
      return "ERR_HTTP2";
  }
  return "ERR_FRAME_MAGIC";
}

const char* FrameErrorMessage(FrameError error) {
  switch (error) {
    case FrameError::kNone:
      return "the peer closed the connection";
    case FrameError::kMagic:
      return "the stream is not frames: a frame must begin with 0xF1";
    case FrameError::kType:
      return "a frame of unknown or misplaced type";
    case FrameError::kTooLarge:
      return "a frame's meta or body is larger than the configured maximum";
    case FrameError::kTruncated:
      return "the stream ended inside a frame";
    case FrameError::kVersion:
      return "the peer speaks no protocol version in common with ours (1)";
    case FrameError::kNoHello:
      return "the first frame must be HELLO";
    case FrameError::kUnexpectedReply:
      return "the agent sent a reply that nothing was asked for";
    case FrameError::kOutOfMemory:
      return "no memory for the frame's payload";
    case FrameError::kHttp2:
      return "the peer broke the rules of HTTP/2";
  }
  return "";
}

FrameReader::Progress FrameReader::Consume(const uint8_t* data, size_t size) {
  size_t used = 0;
  if (header_filled_ < header_bytes()) {
    if (size == 0) return {0, false, FrameError::kNone};
    // Checked before the header is whole: garbage shorter than a header must not be waited on.
    if (dialect_ == Dialect::kFramed && header_filled_ == 0 && data[0] != kFrameMagic)
      return {0, false, FrameError::kMagic};
    used = std::min(size, header_bytes() - header_filled_);
    // A legacy length lands in body_length, a framed header fills the whole struct.
    uint8_t* target = dialect_ == Dialect::kFramed ? reinterpret_cast<uint8_t*>(&header_)
                                                   : reinterpret_cast<uint8_t*>(&header_.body_length);
    std::memcpy(target + header_filled_, data, used);
    header_filled_ += used;
    if (header_filled_ < header_bytes()) return {used, false, FrameError::kNone};
    FrameError error = BeginPayload();
    if (error != FrameError::kNone) return {used, false, error};
  }
  if (!payload_) return {used, true, FrameError::kNone};
  const size_t rest = std::min(size - used, payload_->total() - payload_filled_);
  if (rest > 0) std::memcpy(payload_->bytes() + payload_filled_, data + used, rest);
  payload_filled_ += rest;
  return {used + rest, payload_filled_ == payload_->total(), FrameError::kNone};
}

FrameError FrameReader::BeginPayload() {
  if (dialect_ == Dialect::kFramed) {
    if (!IsFrameType(header_.type)) return FrameError::kType;
    if (awaits_hello_) {
      if (header_.type != frame_type::kHello && header_.type != frame_type::kError) return FrameError::kNoHello;
      if (header_.body_length > 0) return FrameError::kTooLarge;
    }
    if (header_.meta_length > kMaxMetaBytes) return FrameError::kTooLarge;
  }
  if (header_.body_length > max_body_bytes_) return FrameError::kTooLarge;
  payload_filled_ = 0;
  if (header_.meta_length == 0 && header_.body_length == 0) return FrameError::kNone;
  payload_ = store_.Allocate(header_.meta_length, header_.body_length);
  return payload_ ? FrameError::kNone : FrameError::kOutOfMemory;
}

RoomInPayload FrameReader::Room() {
  if (!payload_) return {nullptr, 0};
  return {payload_->bytes() + payload_filled_, payload_->total() - payload_filled_};
}

size_t FrameReader::Missing() const {
  if (header_filled_ == 0) return 0;
  return payload_ ? payload_->total() - payload_filled_ : header_bytes() - header_filled_;
}

bool FrameReader::Filled(size_t size) {
  payload_filled_ += size;
  return payload_ && payload_filled_ == payload_->total();
}

PayloadRef FrameReader::TakePayload() {
  header_filled_ = 0;
  payload_filled_ = 0;
  return std::move(payload_);
}

}  // namespace iluvatar::transport
