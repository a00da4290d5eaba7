// The layout of a frame and the numbers in it, exactly as docs/protocol.md states them: the one place in C++ that knows
// them, shared by the transport, the launcher and the cell library. Plain data, no code beyond constants, usable
// without Node and without libstdc++ symbols.
#ifndef ILUVATAR_TRANSPORT_FRAME_FORMAT_H_
#define ILUVATAR_TRANSPORT_FRAME_FORMAT_H_

#include <cstddef>
#include <cstdint>

namespace iluvatar::transport {

inline constexpr uint8_t kFrameMagic = 0xF1;
inline constexpr uint32_t kProtocolVersion = 1;
inline constexpr uint32_t kLowestProtocolVersion = 1;
// 1 MiB: metas are control data; anything larger is garbage.
inline constexpr uint32_t kMaxMetaBytes = 1u << 20;
// 64 MiB: the default largest body.
inline constexpr uint64_t kDefaultMaxBodyBytes = 64ull << 20;

// Little-endian on the wire; every platform this builds for is little-endian (checked below), so the struct is read and
// written as it is.
struct FrameHeader {
  uint8_t magic;
  uint8_t type;
  uint8_t status;
  uint8_t flags;
  uint32_t request_id;
  uint64_t body_length;
  uint32_t meta_length;
  uint32_t x0;
  uint32_t x1;
  uint32_t x2;
};

inline constexpr size_t kFrameHeaderBytes = 32;
static_assert(sizeof(FrameHeader) == kFrameHeaderBytes);
static_assert(offsetof(FrameHeader, request_id) == 4 && offsetof(FrameHeader, body_length) == 8);
static_assert(offsetof(FrameHeader, meta_length) == 16 && offsetof(FrameHeader, x2) == 28);
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "frames are little-endian; a big-endian port must swap");

// Unscoped within their own namespaces, since they are compared with raw bytes everywhere.
namespace frame_type {
inline constexpr uint8_t kHello = 1;
inline constexpr uint8_t kError = 2;
inline constexpr uint8_t kPing = 3;
inline constexpr uint8_t kPong = 4;
inline constexpr uint8_t kInvoke = 5;
inline constexpr uint8_t kResult = 6;
inline constexpr uint8_t kCancel = 7;
inline constexpr uint8_t kCall = 8;
inline constexpr uint8_t kReply = 9;
inline constexpr uint8_t kEvent = 10;
inline constexpr uint8_t kSpawn = 16;
inline constexpr uint8_t kSpawned = 17;
inline constexpr uint8_t kAssign = 18;
inline constexpr uint8_t kReady = 19;
inline constexpr uint8_t kExited = 20;
inline constexpr uint8_t kLog = 21;
inline constexpr uint8_t kZygote = 22;
}  // namespace frame_type

constexpr bool IsFrameType(uint8_t type) {
  return (type >= frame_type::kHello && type <= frame_type::kEvent) ||
         (type >= frame_type::kSpawn && type <= frame_type::kZygote);
}

// Error classes; the order is src/core/errors.ts. Append only.
namespace frame_status {
inline constexpr uint8_t kOk = 0;
inline constexpr uint8_t kUserError = 1;
inline constexpr uint8_t kTimeout = 2;
inline constexpr uint8_t kOutOfMemory = 3;
inline constexpr uint8_t kCrashed = 4;
inline constexpr uint8_t kOverloaded = 5;
inline constexpr uint8_t kNotFound = 6;
inline constexpr uint8_t kInvalid = 7;
inline constexpr uint8_t kUnavailable = 8;
inline constexpr uint8_t kConflict = 9;
inline constexpr uint8_t kCancelled = 10;
inline constexpr uint8_t kTooLarge = 11;
inline constexpr uint8_t kStartFailed = 12;
inline constexpr uint8_t kInternal = 13;
}  // namespace frame_status

// Flag bit 0 of LOG: bytes were dropped before this chunk.
inline constexpr uint8_t kLogFlagCut = 1;

}  // namespace iluvatar::transport

#endif  // ILUVATAR_TRANSPORT_FRAME_FORMAT_H_
