// The things that a keeper holds: for each key a text and descriptors.
#ifndef ILUVATAR_KEEPER_SHELF_H_
#define ILUVATAR_KEEPER_SHELF_H_

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "system/unique_fd.h"

namespace iluvatar::keeper {

using system::UniqueFd;

struct ShelfLimits {
  size_t things = 16'384;
  // Of all things together.
  size_t descriptors = 0;
  size_t text_bytes = 64 * 1024 * 1024;
};

struct Thing {
  std::string key;
  std::string text;
  std::vector<UniqueFd> descriptors;
};

class Shelf {
 public:
  explicit Shelf(const ShelfLimits& limits) : limits_(limits) {}

  // Takes the descriptors; what the key had is closed, and its place in the order stays. False when it does not fit:
  // then nothing is held under this key.
  bool Hold(std::string_view key, std::string_view text, std::span<UniqueFd> descriptors);
  void Drop(std::string_view key);

  // Things are numbered from 1, in the order in which their keys came. The first one behind `place`; nullptr = none.
  const Thing* After(uint64_t place, uint64_t* its_place) const;
  uint64_t last_place() const { return last_; }
  size_t size() const { return things_.size(); }
  size_t descriptors() const { return descriptors_; }

 private:
  void Forget(const Thing& thing);

  const ShelfLimits limits_;
  std::map<uint64_t, Thing> things_;
  // Views of the things' own keys, which do not move.
  std::unordered_map<std::string_view, uint64_t> places_;
  uint64_t last_ = 0;
  size_t descriptors_ = 0;
  size_t text_bytes_ = 0;
};

}  // namespace iluvatar::keeper

#endif  // ILUVATAR_KEEPER_SHELF_H_
