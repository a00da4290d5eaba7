// What a line says, as a flat run of doubles that JavaScript reads without a call for each value: a record is its kind
// and then the fields that the kind has. The same list is in src/telemetry/jetson/tegrastats-records.ts. Not a number
// (NaN) = not said. Text is a range of a second array, of bytes.
#ifndef ILUVATAR_TEGRASTATS_RECORDS_H_
#define ILUVATAR_TEGRASTATS_RECORDS_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>

namespace iluvatar::tegrastats {

enum class Kind : uint8_t {
  // Of the line; all before it, back to the one before, are its records.
  kEnd = 0,
  // The line is none of tegrastats: text.
  kForeign = 1,
  // A name that later records have by its number: number, text. May be said anew of the last number.
  kName = 2,
  // Text.
  kDate = 3,
  // Used, total, largest free blocks, size of one; MiB.
  kRam = 4,
  // Used, total, cached; MiB.
  kSwap = 5,
  // As kRam.
  kIram = 6,
  // Name, then as kRam.
  kMemory = 7,
  // Count, then for each core: load in per cent (kOff = off), MHz.
  kCpus = 8,
  // Load in per cent (kOff = off), count, then for each cluster: MHz.
  kEmc = 9,
  kGpu = 10,
  // Name, then as kEmc.
  kEngine = 11,
  // Name, °C, highest °C, 1 = a constant.
  kTemperature = 12,
  // Name, now, average, peak; mW.
  kRail = 13,
  // MHz.
  kEdpLimit = 14,
  // Text.
  kUnknown = 15,
  // No record follows.
  kStop = 16,
};

inline constexpr double kOff = -1;
inline constexpr double kNotSaid = std::numeric_limits<double>::quiet_NaN();

// The most that one line can need: "a@0C " takes 9 words, with its name, for 5 bytes, and a comma in a list of cores 2.
constexpr size_t WordsFor(size_t line_bytes) { return 2 * line_bytes + 64; }
// Every text is a copy of a part of the line that is in no other, but for the space in a date.
constexpr size_t TextFor(size_t line_bytes) { return line_bytes + 64; }

// Into memory of somebody else, which must have room for what the lines between two calls of Clear() need: what finds
// none is dropped and remembered.
class Records {
 public:
  struct Place {
    size_t words;
    size_t text;
  };

  Records(double* words, size_t word_capacity, char* text, size_t text_capacity)
      : words_(words), word_capacity_(word_capacity), text_(text), text_capacity_(text_capacity) {}

  void Clear() { used_ = {0, 0}; }
  bool HasRoomFor(size_t line_bytes) const {
    return word_capacity_ - used_.words >= WordsFor(line_bytes) && text_capacity_ - used_.text >= TextFor(line_bytes);
  }
  bool overflowed() const { return overflowed_; }

  size_t words() const { return used_.words; }
  Place place() const { return used_; }
  void Return(Place place) { used_ = place; }

  template <typename... Values>
  void Add(Kind kind, Values... values) {
    Put(static_cast<double>(kind));
    (Put(static_cast<double>(values)), ...);
  }
  void Put(double word) {
    if (used_.words < word_capacity_) {
      words_[used_.words++] = word;
    } else {
      overflowed_ = true;
    }
  }
  // Of a record that is there already.
  void Set(size_t at, double word) {
    if (at < used_.words) words_[at] = word;
  }

  void AddText(Kind kind, std::string_view text) {
    Add(kind, used_.text, text.size());
    PutText(text);
  }
  void PutText(std::string_view text) {
    if (text.size() > text_capacity_ - used_.text) {
      overflowed_ = true;
      return;
    }
    if (!text.empty()) std::memcpy(text_ + used_.text, text.data(), text.size());
    used_.text += text.size();
  }

 private:
  double* const words_;
  const size_t word_capacity_;
  char* const text_;
  const size_t text_capacity_;
  Place used_ = {0, 0};
  bool overflowed_ = false;
};

}  // namespace iluvatar::tegrastats

#endif  // ILUVATAR_TEGRASTATS_RECORDS_H_
