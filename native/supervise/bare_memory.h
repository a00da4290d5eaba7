// Memory of the supervisor's program: blocks of powers of two, kept for reuse by size; large ones are the kernel's, and
// go back to it. A supervisor that carries no output never leaves its first page.
#ifndef ILUVATAR_SUPERVISE_BARE_MEMORY_H_
#define ILUVATAR_SUPERVISE_BARE_MEMORY_H_

#include <cstddef>
#include <cstdint>

namespace iluvatar::supervise {

class BareMemory {
 public:
  // Never null.
  void* Take(size_t size) {
    unsigned order = kLowestOrder;
    while ((size_t{1} << order) < size + sizeof(Head)) ++order;
    Head* head;
    if (order >= kMappedOrder) {
      head = static_cast<Head*>(Map(size_t{1} << order));
    } else if (Head* reused = free_[order - kLowestOrder]; reused != nullptr) {
      free_[order - kLowestOrder] = reused->next;
      head = reused;
    } else {
      head = Carve(size_t{1} << order);
    }
    head->order = order;
    return head + 1;
  }

  void Give(void* at) {
    if (at == nullptr) return;
    Head* head = static_cast<Head*>(at) - 1;
    const auto order = static_cast<unsigned>(head->order);
    if (order >= kMappedOrder) {
      Unmap(head, size_t{1} << order);
      return;
    }
    head->next = free_[order - kLowestOrder];
    free_[order - kLowestOrder] = head;
  }

 private:
  static constexpr unsigned kLowestOrder = 5;
  static constexpr unsigned kMappedOrder = 14;
  static constexpr size_t kChunk = size_t{1} << 15;

  // Before each block; what is handed out stays aligned to 16.
  struct alignas(16) Head {
    union {
      uint64_t order;
      Head* next;
    };
  };

  Head* Carve(size_t size) {
    if (left_ < size) {
      next_ = static_cast<char*>(Map(kChunk));
      left_ = kChunk;
    }
    char* at = next_;
    next_ += size;
    left_ -= size;
    return reinterpret_cast<Head*>(at);
  }

  static void* Map(size_t size);
  static void Unmap(void* at, size_t size);

  char* next_ = nullptr;
  size_t left_ = 0;
  Head* free_[kMappedOrder - kLowestOrder] = {};
};

}  // namespace iluvatar::supervise

#endif  // ILUVATAR_SUPERVISE_BARE_MEMORY_H_
