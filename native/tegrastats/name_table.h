// Numbers for the names of engines, sensors and rails, which are the same line after line: JavaScript then makes a
// string of each once. Bounded, since garbage has names without end: those that find no room share the last number.
#ifndef ILUVATAR_TEGRASTATS_NAME_TABLE_H_
#define ILUVATAR_TEGRASTATS_NAME_TABLE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace iluvatar::tegrastats {

class NameTable {
 public:
  static constexpr size_t kMaxNames = 255;
  static constexpr size_t kMaxNameBytes = 31;
  // Of names that are not kept.
  static constexpr size_t kShared = kMaxNames;

  // `*known` = it has been asked for before, and is kept. As it is written: the case counts.
  size_t Number(std::string_view name, bool* known);

  size_t size() const { return size_; }
  // Forgets all but the first `size`.
  void Truncate(size_t size);

 private:
  struct Entry {
    std::array<char, kMaxNameBytes> text;
    uint8_t size;
    // Where it stands in `slots_`.
    uint16_t slot;
  };

  static constexpr size_t kSlots = 512;

  std::array<Entry, kMaxNames> entries_;
  // Number plus one; 0 = free. Open addressing: the last name in is the first out, so that no chain breaks.
  std::array<uint16_t, kSlots> slots_ = {};
  size_t size_ = 0;
};

}  // namespace iluvatar::tegrastats

#endif  // ILUVATAR_TEGRASTATS_NAME_TABLE_H_
