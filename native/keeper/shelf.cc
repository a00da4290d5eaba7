// See shelf.h.
#include "keeper/shelf.h"

#include <utility>

namespace iluvatar::keeper {

void Shelf::Forget(const Thing& thing) {
  descriptors_ -= thing.descriptors.size();
  text_bytes_ -= thing.text.size();
}

bool Shelf::Hold(std::string_view key, std::string_view text, std::span<UniqueFd> descriptors) {
  const auto known = places_.find(key);
  Thing* thing = nullptr;
  if (known != places_.end()) {
    thing = &things_.find(known->second)->second;
    Forget(*thing);
  }
  const bool fits = (thing != nullptr || things_.size() < limits_.things) &&
                    descriptors_ + descriptors.size() <= limits_.descriptors &&
                    text_bytes_ + text.size() <= limits_.text_bytes;
  if (!fits) {
    if (thing != nullptr) {
      const uint64_t place = known->second;
      // The key of the index is the thing's: it goes first.
      places_.erase(known);
      things_.erase(place);
    }
    return false;
  }
  if (thing == nullptr) {
    thing = &things_[++last_];
    thing->key = key;
    places_.emplace(thing->key, last_);
  }
  thing->text = text;
  thing->descriptors.clear();
  thing->descriptors.reserve(descriptors.size());
  for (UniqueFd& each : descriptors) thing->descriptors.push_back(std::move(each));
  descriptors_ += thing->descriptors.size();
  text_bytes_ += text.size();
  return true;
}

void Shelf::Drop(std::string_view key) {
  const auto known = places_.find(key);
  if (known == places_.end()) return;
  const uint64_t place = known->second;
  places_.erase(known);
  const auto thing = things_.find(place);
  Forget(thing->second);
  things_.erase(thing);
}

const Thing* Shelf::After(uint64_t place, uint64_t* its_place) const {
  const auto next = things_.upper_bound(place);
  if (next == things_.end()) return nullptr;
  *its_place = next->first;
  return &next->second;
}

}  // namespace iluvatar::keeper
