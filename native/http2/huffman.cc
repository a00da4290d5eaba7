#include "http2/huffman.h"

#include <array>

namespace iluvatar::http2 {

namespace {

constexpr int kSymbols = 257;
constexpr uint16_t kEnd = 256;
constexpr int kLongest = 30;
constexpr uint32_t kOnes = (1u << kLongest) - 1;
constexpr int kQuickBits = 8;

// Bits of each symbol's code. The code is canonical: of equal lengths, codes follow the order of the symbols, so that
// the lengths say everything.
constexpr uint8_t kLengths[kSymbols] = {
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
    28, 28, 28, 6,  10, 10, 12, 13, 6,  8,  11, 10, 10, 8,  11, 8,  6,  6,  6,  5,  5,  5,  6,  6,  6,  6,  6,  6,  6,
    7,  8,  15, 6,  12, 10, 13, 6,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,
    7,  8,  7,  8,  13, 19, 13, 14, 6,  15, 5,  6,  5,  6,  5,  6,  6,  6,  5,  7,  7,  6,  6,  6,  5,  6,  7,  6,  5,
    5,  6,  7,  7,  7,  7,  7,  15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24,
    24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22,
    23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26,
    27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23,
    22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30};

struct Code {
  // Of each length: its first code, how many there are, and where their symbols begin.
  std::array<uint32_t, kLongest + 1> first{};
  std::array<uint16_t, kLongest + 1> count{};
  std::array<uint16_t, kLongest + 1> begin{};
  std::array<uint16_t, kSymbols> symbols{};
  // By the first bits: a symbol and the length of its code; length 0 = it is longer.
  std::array<uint16_t, 1 << kQuickBits> quick_symbol{};
  std::array<uint8_t, 1 << kQuickBits> quick_length{};
};

constexpr Code MakeCode() {
  Code code;
  uint32_t next = 0;
  uint16_t at = 0;
  for (int length = 1; length <= kLongest; length++) {
    next <<= 1;
    code.first[length] = next;
    code.begin[length] = at;
    for (uint16_t symbol = 0; symbol < kSymbols; symbol++) {
      if (kLengths[symbol] != length) continue;
      code.symbols[at++] = symbol;
      code.count[length]++;
      if (length <= kQuickBits) {
        const uint32_t low = next << (kQuickBits - length);
        for (uint32_t rest = 0; rest < 1u << (kQuickBits - length); rest++) {
          code.quick_symbol[low + rest] = symbol;
          code.quick_length[low + rest] = static_cast<uint8_t>(length);
        }
      }
      next++;
    }
  }
  return code;
}

constexpr Code kCode = MakeCode();
// A table that does not use up the code space has a wrong length somewhere.
static_assert(kCode.first[kLongest] + kCode.count[kLongest] == kOnes + 1);

struct Found {
  uint16_t symbol;
  int length;
};

// `next`: 30 bits.
Found Find(uint32_t next) {
  const uint32_t quick = next >> (kLongest - kQuickBits);
  if (kCode.quick_length[quick] != 0) return {kCode.quick_symbol[quick], kCode.quick_length[quick]};
  for (int length = kQuickBits + 1; length < kLongest; length++) {
    const uint32_t offset = (next >> (kLongest - length)) - kCode.first[length];
    if (offset < kCode.count[length]) return {kCode.symbols[kCode.begin[length] + offset], length};
  }
  return {kCode.symbols[kCode.begin[kLongest] + (next - kCode.first[kLongest])], kLongest};
}

}  // namespace

bool DecodeHuffman(const uint8_t* data, size_t size, std::string* out) {
  uint64_t bits = 0;
  int held = 0;
  size_t at = 0;
  for (;;) {
    while (held <= 56 && at < size) {
      bits = (bits << 8) | data[at++];
      held += 8;
    }
    if (held == 0) return true;
    // Behind the end ones, as padding is made of.
    const uint64_t ahead =
        held >= kLongest ? bits >> (held - kLongest) : (bits << (kLongest - held)) | ((1u << (kLongest - held)) - 1);
    const uint32_t next = static_cast<uint32_t>(ahead) & kOnes;
    const Found found = Find(next);
    if (found.length > held) return held < 8 && next == kOnes;
    if (found.symbol == kEnd) return false;
    out->push_back(static_cast<char>(found.symbol));
    held -= found.length;
  }
}

}  // namespace iluvatar::http2
