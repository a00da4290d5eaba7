#include "tegrastats/name_table.h"

#include <cstring>

namespace iluvatar::tegrastats {

size_t NameTable::Number(std::string_view name, bool* known) {
  *known = false;
  if (name.size() > kMaxNameBytes) return kShared;
  uint32_t hash = 2166136261u;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  // Never full: there are twice as many slots as names.
  size_t slot = (hash ^ (hash >> 16)) % kSlots;
  for (; slots_[slot] != 0; slot = (slot + 1) % kSlots) {
    const Entry& entry = entries_[slots_[slot] - 1u];
    if (name == std::string_view(entry.text.data(), entry.size)) {
      *known = true;
      return slots_[slot] - 1u;
    }
  }
  if (size_ == kMaxNames) return kShared;
  Entry& entry = entries_[size_];
  std::memcpy(entry.text.data(), name.data(), name.size());
  entry.size = static_cast<uint8_t>(name.size());
  entry.slot = static_cast<uint16_t>(slot);
  slots_[slot] = static_cast<uint16_t>(++size_);
  return size_ - 1;
}

void NameTable::Truncate(size_t size) {
  while (size_ > size) slots_[entries_[--size_].slot] = 0;
}

}  // namespace iluvatar::tegrastats
