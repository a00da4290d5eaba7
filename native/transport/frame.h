// Incremental reader of a frame stream: any split or merge of frames gives the same frames, and whatever breaks the
// protocol gives a named error. Knows two dialects: the framed protocol of docs/protocol.md, and the replies of old
// agents (u64 length, bytes). Pure: no descriptor, no loop.
#ifndef ILUVATAR_TRANSPORT_FRAME_H_
#define ILUVATAR_TRANSPORT_FRAME_H_

#include <cstddef>
#include <cstdint>

#include "transport/frame_format.h"
#include "transport/payload_store.h"

namespace iluvatar::transport {

enum class FrameError : uint8_t {
  kNone,
  kMagic,
  kType,
  kTooLarge,
  kTruncated,
  kVersion,
  kNoHello,
  // An old agent answered what nobody asked.
  kUnexpectedReply,
  kOutOfMemory,
  // Of HTTP/2: GOAWAY has told the peer which.
  kHttp2,
};

// `ERR_…` as in docs/protocol.md.
const char* FrameErrorCode(FrameError error);
// One sentence for people.
const char* FrameErrorMessage(FrameError error);

// The third is not frames of ours at all: http2/session.h.
enum class Dialect : uint8_t { kFramed, kLegacy, kHttp2 };

// Request of an old agent: both fields native-endian.
struct LegacyRequestHeader {
  uint64_t command;
  uint64_t length;
};
inline constexpr uint64_t kLegacyCheck = 0;
inline constexpr uint64_t kLegacyInvoke = 1;
inline constexpr size_t kLegacyReplyHeaderBytes = 8;

struct RoomInPayload {
  uint8_t* data;
  size_t size;
};

// After an error the reader must not be used again.
class FrameReader {
 public:
  struct Progress {
    size_t consumed;
    // A frame is complete: take it with header() and TakePayload() before the next call.
    bool complete;
    FrameError error;
  };

  FrameReader(PayloadStore& store, Dialect dialect, uint64_t max_body_bytes)
      : store_(store), max_body_bytes_(max_body_bytes), dialect_(dialect) {}

  // Until HelloSeen(), frames must be HELLO or ERROR, which have no body: whoever has not said who it is cannot have us
  // keep room for 64 MiB. Framed dialect only.
  void AwaitHello() { awaits_hello_ = true; }
  void HelloSeen() { awaits_hello_ = false; }

  // Takes bytes up to the end of one frame or of the input, whichever is first.
  Progress Consume(const uint8_t* data, size_t size);

  // Where the rest of a begun payload belongs: receiving straight into it saves the copy of a large body. Size 0 =
  // nothing begun.
  RoomInPayload Room();
  // `size` bytes were put into Room(). True when the frame is complete.
  bool Filled(size_t size);

  // Of the complete frame. In the legacy dialect only `body_length` means something.
  const FrameHeader& header() const { return header_; }
  // Empty when the frame has neither meta nor body. Makes the reader ready for the next frame.
  PayloadRef TakePayload();

  // Bytes of the begun frame that are certain to come: of its header first, then of its payload. 0 between frames.
  size_t Missing() const;

  // What an end of the stream means here: kNone between frames, else kTruncated.
  FrameError AtEnd() const { return header_filled_ == 0 ? FrameError::kNone : FrameError::kTruncated; }

 private:
  FrameError BeginPayload();
  size_t header_bytes() const { return dialect_ == Dialect::kFramed ? kFrameHeaderBytes : kLegacyReplyHeaderBytes; }

  PayloadStore& store_;
  uint64_t max_body_bytes_;
  PayloadRef payload_;
  size_t payload_filled_ = 0;
  size_t header_filled_ = 0;
  FrameHeader header_ = {};
  Dialect dialect_;
  bool awaits_hello_ = false;
};

}  // namespace iluvatar::transport

#endif  // ILUVATAR_TRANSPORT_FRAME_H_
