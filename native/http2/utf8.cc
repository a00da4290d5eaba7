#include "http2/utf8.h"

#include <cstdint>
#include <cstring>

namespace iluvatar::http2 {

namespace {

constexpr uint64_t kHighBits = 0x8080808080808080u;

// How many bytes follow `first`, and the range of the first of them; −1 = no character begins so.
int Following(uint8_t first, uint8_t* lowest, uint8_t* highest) {
  *lowest = 0x80;
  *highest = 0xbf;
  if (first >= 0xc2 && first <= 0xdf) return 1;
  if (first >= 0xe0 && first <= 0xef) {
    if (first == 0xe0) *lowest = 0xa0;
    if (first == 0xed) *highest = 0x9f;
    return 2;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    if (first == 0xf0) *lowest = 0x90;
    if (first == 0xf4) *highest = 0x8f;
    return 3;
  }
  return -1;
}

}  // namespace

bool IsUtf8(std::string_view text) {
  const uint8_t* at = reinterpret_cast<const uint8_t*>(text.data());
  const uint8_t* end = at + text.size();
  while (at < end) {
    // Eight at a time as long as they are ASCII.
    uint64_t word;
    if (end - at >= 8 && (std::memcpy(&word, at, 8), (word & kHighBits) == 0)) {
      at += 8;
      continue;
    }
    const uint8_t first = *at++;
    if (first < 0x80) continue;
    uint8_t lowest = 0;
    uint8_t highest = 0;
    const int following = Following(first, &lowest, &highest);
    if (following < 0 || end - at < following || *at < lowest || *at > highest) return false;
    for (int i = 1; i < following; i++) {
      if ((at[i] & 0xc0) != 0x80) return false;
    }
    at += following;
  }
  return true;
}

}  // namespace iluvatar::http2
