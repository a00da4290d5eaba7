// Frames of HTTP/2 (RFC 9113) as bytes: their header, and the numbers in them. Plain data, usable without Node.
#ifndef ILUVATAR_HTTP2_FRAMES_H_
#define ILUVATAR_HTTP2_FRAMES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace iluvatar::http2 {

inline constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
inline constexpr size_t kFrameHeaderBytes = 9;
// What every peer takes and we never ask to be raised.
inline constexpr uint32_t kMaxFrameBytes = 16384;
inline constexpr uint32_t kLargestFrameBytes = (1u << 24) - 1;
inline constexpr uint32_t kDefaultWindow = 65535;
inline constexpr int64_t kLargestWindow = 0x7fffffff;
inline constexpr uint32_t kLargestStream = 0x7fffffff;

namespace frame_kind {
inline constexpr uint8_t kData = 0;
inline constexpr uint8_t kHeaders = 1;
inline constexpr uint8_t kPriority = 2;
inline constexpr uint8_t kRstStream = 3;
inline constexpr uint8_t kSettings = 4;
inline constexpr uint8_t kPushPromise = 5;
inline constexpr uint8_t kPing = 6;
inline constexpr uint8_t kGoaway = 7;
inline constexpr uint8_t kWindowUpdate = 8;
inline constexpr uint8_t kContinuation = 9;
}  // namespace frame_kind

namespace frame_flag {
inline constexpr uint8_t kAck = 1;
inline constexpr uint8_t kEndStream = 1;
inline constexpr uint8_t kEndHeaders = 4;
inline constexpr uint8_t kPadded = 8;
inline constexpr uint8_t kPriority = 0x20;
}  // namespace frame_flag

namespace setting {
inline constexpr uint16_t kHeaderTableSize = 1;
inline constexpr uint16_t kEnablePush = 2;
inline constexpr uint16_t kMaxConcurrentStreams = 3;
inline constexpr uint16_t kInitialWindowSize = 4;
inline constexpr uint16_t kMaxFrameSize = 5;
inline constexpr uint16_t kMaxHeaderListSize = 6;
}  // namespace setting

enum class ErrorCode : uint32_t {
  kNone = 0,
  kProtocol = 1,
  kInternal = 2,
  kFlowControl = 3,
  kSettingsTimeout = 4,
  kStreamClosed = 5,
  kFrameSize = 6,
  kRefusedStream = 7,
  kCancel = 8,
  kCompression = 9,
  kEnhanceYourCalm = 11,
};

struct FrameHead {
  uint32_t size;
  uint8_t kind;
  uint8_t flags;
  uint32_t stream;
};

inline uint32_t ReadU32(const uint8_t* at) {
  return uint32_t{at[0]} << 24 | uint32_t{at[1]} << 16 | uint32_t{at[2]} << 8 | at[3];
}

inline FrameHead ReadFrameHead(const uint8_t* at) {
  return {uint32_t{at[0]} << 16 | uint32_t{at[1]} << 8 | at[2], at[3], at[4], ReadU32(at + 5) & kLargestStream};
}

inline void PutU32(uint32_t value, std::string* out) {
  const char bytes[4] = {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
                         static_cast<char>(value)};
  out->append(bytes, sizeof(bytes));
}

}  // namespace iluvatar::http2

#endif  // ILUVATAR_HTTP2_FRAMES_H_
