// Bytes waiting to be written on one socket. Small frames are packed into shared blocks, large received bodies are
// referred to instead of copied, and everything goes out in as few writev calls as the socket takes.
#ifndef ILUVATAR_TRANSPORT_OUT_QUEUE_H_
#define ILUVATAR_TRANSPORT_OUT_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <deque>

#include "transport/payload_store.h"

namespace iluvatar::transport {

// Blocks shared by all queues of one loop, so that a thousand idle connections hold none.
class BlockPool {
 public:
  static constexpr size_t kBlockBytes = 16384;

  BlockPool() = default;
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;
  ~BlockPool();
  uint8_t* Take();
  void Give(uint8_t* block);

 private:
  static constexpr size_t kKept = 64;
  uint8_t* kept_[kKept] = {};
  size_t count_ = 0;
};

enum class WriteResult : uint8_t { kDone, kBlocked, kFailed };

class OutQueue {
 public:
  // Below this, copying a body is cheaper than describing it to the kernel on its own.
  static constexpr size_t kCopyBelow = 8192;

  explicit OutQueue(BlockPool& pool) : pool_(pool) {}
  OutQueue(const OutQueue&) = delete;
  OutQueue& operator=(const OutQueue&) = delete;
  ~OutQueue() { Clear(); }

  // Contiguous room at the end for `size` bytes; nullptr = no memory. Valid until the next call of any method. Nothing
  // is queued before Commit.
  uint8_t* Reserve(size_t size);
  void Commit(size_t size);
  // Refers to the payload's body until it is written.
  void AppendBody(PayloadRef payload);

  // Writes until empty, until the socket is full, or until about 4 MiB went out (then kBlocked: others must get their
  // turn). `error` is errno for kFailed; `writes` counts system calls.
  WriteResult Write(int fd, int* error, uint64_t* writes);

  size_t pending() const { return pending_; }
  void Clear();

 private:
  struct Segment {
    // A block (capacity kBlockBytes), a malloc'd piece (larger), or nullptr: the bytes are the payload's.
    uint8_t* memory;
    size_t begin;
    size_t end;
    size_t capacity;
    PayloadRef payload;

    const uint8_t* data() const { return memory != nullptr ? memory : payload->body(); }
  };
  void Release(Segment& segment);
  void Consume(size_t size);

  BlockPool& pool_;
  std::deque<Segment> segments_;
  size_t pending_ = 0;
};

}  // namespace iluvatar::transport

#endif  // ILUVATAR_TRANSPORT_OUT_QUEUE_H_
