// What frames carry: meta and body of one frame in one buffer, shared by count, and named towards JavaScript by a
// *token*. Small buffers are recycled, so that a steady stream of small frames allocates nothing.
//
// Invariants: a token is a number below 2^31 (a small integer in V8) that is never 0; a stale token is recognised (its
// generation differs) rather than reaching somebody else's bytes; the store outlives every PayloadRef. Single-threaded.
#ifndef ILUVATAR_TRANSPORT_PAYLOAD_STORE_H_
#define ILUVATAR_TRANSPORT_PAYLOAD_STORE_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace iluvatar::transport {

class PayloadStore;

struct Payload {
  PayloadStore* store;
  Payload* next_free;
  uint64_t body_bytes;
  uint32_t meta_bytes;
  uint32_t references;
  // Index of its free list; kSizeClasses = none, it goes back to malloc.
  uint32_t size_class;

  uint8_t* bytes() { return reinterpret_cast<uint8_t*>(this + 1); }
  uint8_t* body() { return bytes() + meta_bytes; }
  // Leaves of the body `bytes` from `from` on; what it does not have is left out.
  void Narrow(uint32_t from, uint32_t bytes) {
    const uint32_t begin = from < body_bytes ? from : static_cast<uint32_t>(body_bytes);
    meta_bytes += begin;
    body_bytes = bytes < body_bytes - begin ? bytes : body_bytes - begin;
  }
  size_t total() const { return meta_bytes + static_cast<size_t>(body_bytes); }
};

class PayloadRef {
 public:
  PayloadRef() = default;
  // Takes over one reference.
  explicit PayloadRef(Payload* payload) : payload_(payload) {}
  PayloadRef(PayloadRef&& other) noexcept : payload_(std::exchange(other.payload_, nullptr)) {}
  PayloadRef& operator=(PayloadRef&& other) noexcept {
    if (this != &other) {
      Reset();
      payload_ = std::exchange(other.payload_, nullptr);
    }
    return *this;
  }
  PayloadRef(const PayloadRef&) = delete;
  PayloadRef& operator=(const PayloadRef&) = delete;
  ~PayloadRef() { Reset(); }

  void Reset();
  Payload* get() const { return payload_; }
  Payload* operator->() const { return payload_; }
  explicit operator bool() const { return payload_ != nullptr; }

 private:
  Payload* payload_ = nullptr;
};

class PayloadStore {
 public:
  static constexpr uint32_t kSizeClasses = 3;

  PayloadStore() = default;
  PayloadStore(const PayloadStore&) = delete;
  PayloadStore& operator=(const PayloadStore&) = delete;
  ~PayloadStore();

  // Room for meta and body, uninitialised. Empty when there is no memory: a length comes from the peer, so that must
  // not end the process.
  PayloadRef Allocate(uint32_t meta_bytes, uint64_t body_bytes);

  // Gives the payload a token. 0 when all tokens are taken (2^24 live payloads); the payload is then dropped.
  uint32_t Publish(PayloadRef payload);
  // nullptr for 0, unknown or stale tokens.
  Payload* Find(uint32_t token) const;
  // As Find, and the token ends.
  PayloadRef Take(uint32_t token);
  void DropAll();

  // Payloads that have a token.
  uint32_t published() const { return published_; }

 private:
  friend class PayloadRef;
  struct Slot {
    Payload* payload = nullptr;
    uint32_t generation = 1;
  };
  void Free(Payload* payload);

  std::vector<Slot> slots_;
  std::vector<uint32_t> free_slots_;
  Payload* free_[kSizeClasses] = {};
  uint32_t free_count_[kSizeClasses] = {};
  uint32_t published_ = 0;
};

inline void PayloadRef::Reset() {
  Payload* payload = std::exchange(payload_, nullptr);
  if (payload != nullptr && --payload->references == 0) payload->store->Free(payload);
}

}  // namespace iluvatar::transport

#endif  // ILUVATAR_TRANSPORT_PAYLOAD_STORE_H_
