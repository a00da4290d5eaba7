// The streams of a connection that ended last: what still comes on them means different things, by who ended them.
#ifndef ILUVATAR_HTTP2_CLOSED_STREAMS_H_
#define ILUVATAR_HTTP2_CLOSED_STREAMS_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace iluvatar::http2 {

class ClosedStreams {
 public:
  enum class How : uint8_t {
    // Long ago, or never open.
    kUnknown,
    // By an end of both sides, or by the peer: it knows that nothing may follow.
    kKnown,
    // By us: what was on its way is ignored.
    kByUs,
  };

  void Add(uint32_t stream, bool by_us) { ring_[next_++ % kKept] = stream | (by_us ? kByUsBit : 0); }

  How Find(uint32_t stream) const {
    for (const uint32_t each : ring_) {
      if ((each & ~kByUsBit) == stream && each != 0) return (each & kByUsBit) != 0 ? How::kByUs : How::kKnown;
    }
    return How::kUnknown;
  }

 private:
  static constexpr size_t kKept = 256;
  // Stream ids have 31 bits.
  static constexpr uint32_t kByUsBit = 1u << 31;
  std::array<uint32_t, kKept> ring_{};
  size_t next_ = 0;
};

}  // namespace iluvatar::http2

#endif  // ILUVATAR_HTTP2_CLOSED_STREAMS_H_
