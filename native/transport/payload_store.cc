#include "transport/payload_store.h"

#include <cstdlib>
#include <new>

namespace iluvatar::transport {

namespace {

// Payload header included. The first holds nearly every invocation, the last what a socket read delivers at once.
constexpr size_t kClassBytes[PayloadStore::kSizeClasses] = {512, 4096, 65536 + 4096};
// Most buffers kept for reuse: 0.5, 1 and 1 MiB.
constexpr uint32_t kClassKept[PayloadStore::kSizeClasses] = {1024, 256, 16};

constexpr uint32_t kSlotBits = 24;
constexpr uint32_t kSlotMask = (1u << kSlotBits) - 1;
constexpr uint32_t kGenerations = 1u << 7;

}  // namespace

PayloadStore::~PayloadStore() {
  DropAll();
  for (Payload* list : free_) {
    while (list != nullptr) {
      Payload* next = list->next_free;
      std::free(list);
      list = next;
    }
  }
}

PayloadRef PayloadStore::Allocate(uint32_t meta_bytes, uint64_t body_bytes) {
  if (body_bytes > SIZE_MAX / 2) return PayloadRef();
  const size_t total = sizeof(Payload) + meta_bytes + static_cast<size_t>(body_bytes);
  uint32_t size_class = 0;
  while (size_class < kSizeClasses && total > kClassBytes[size_class]) size_class++;
  Payload* payload = nullptr;
  if (size_class < kSizeClasses && free_[size_class] != nullptr) {
    payload = free_[size_class];
    free_[size_class] = payload->next_free;
    free_count_[size_class]--;
  } else {
    void* memory = std::malloc(size_class < kSizeClasses ? kClassBytes[size_class] : total);
    if (memory == nullptr) return PayloadRef();
    payload = new (memory) Payload;
  }
  payload->store = this;
  payload->next_free = nullptr;
  payload->body_bytes = body_bytes;
  payload->meta_bytes = meta_bytes;
  payload->references = 1;
  payload->size_class = size_class;
  return PayloadRef(payload);
}

void PayloadStore::Free(Payload* payload) {
  const uint32_t size_class = payload->size_class;
  if (size_class >= kSizeClasses || free_count_[size_class] >= kClassKept[size_class]) {
    std::free(payload);
    return;
  }
  payload->next_free = free_[size_class];
  free_[size_class] = payload;
  free_count_[size_class]++;
}

uint32_t PayloadStore::Publish(PayloadRef payload) {
  uint32_t index;
  if (!free_slots_.empty()) {
    index = free_slots_.back();
    free_slots_.pop_back();
  } else {
    if (slots_.size() > kSlotMask) return 0;
    index = static_cast<uint32_t>(slots_.size());
    slots_.emplace_back();
  }
  Slot& slot = slots_[index];
  slot.payload = payload.get();
  slot.payload->references++;  // the slot's own; the caller's goes with `payload`
  published_++;
  return (slot.generation << kSlotBits) | index;
}

Payload* PayloadStore::Find(uint32_t token) const {
  const uint32_t index = token & kSlotMask;
  if (index >= slots_.size() || slots_[index].generation != token >> kSlotBits) return nullptr;
  return slots_[index].payload;
}

PayloadRef PayloadStore::Take(uint32_t token) {
  Payload* payload = Find(token);
  if (payload == nullptr) return PayloadRef();
  const uint32_t index = token & kSlotMask;
  Slot& slot = slots_[index];
  slot.payload = nullptr;
  // Generation 0 is skipped, so that no token is ever 0.
  slot.generation = slot.generation + 1 == kGenerations ? 1 : slot.generation + 1;
  free_slots_.push_back(index);
  published_--;
  return PayloadRef(payload);
}

void PayloadStore::DropAll() {
  for (uint32_t index = 0; index < slots_.size(); index++) {
    if (slots_[index].payload != nullptr) Take((slots_[index].generation << kSlotBits) | index);
  }
}

}  // namespace iluvatar::transport
