#include "tegrastats/name_table.h"

#include <cstring>

namespace iluvatar::tegrastats {

namespace {

template <typename Word>
uint64_t Load(const char* bytes) {
  Word word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

// Of both ends: names differ there, and those that do not only cost a comparison.
uint64_t Hash(std::string_view name) {
  const char* begin = name.data();
  const char* end = begin + name.size();
  uint64_t ends = 0;
  if (name.size() >= 8) {
    ends = Load<uint64_t>(begin) * 31 + Load<uint64_t>(end - 8);
  } else if (name.size() >= 4) {
    ends = Load<uint32_t>(begin) << 32 | Load<uint32_t>(end - 4);
  } else {
    for (const char c : name) ends = ends << 8 | static_cast<unsigned char>(c);
  }
  ends = (ends ^ name.size()) * 0x9e3779b97f4a7c15u;
  return ends ^ (ends >> 32);
}

}  // namespace

size_t NameTable::Number(std::string_view name, bool* known) {
  *known = false;
  if (name.size() > kMaxNameBytes) return kShared;
  // Never full: there are twice as many slots as names.
  size_t slot = Hash(name) % kSlots;
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
