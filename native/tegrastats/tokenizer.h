// Words and numbers of a line of tegrastats. A word ends at white space outside brackets, so that "CPU [0%@729, off]"
// is two and "(lfb 5x4MB)" one. Nothing is copied or allocated: all results are ranges of the line.
#ifndef ILUVATAR_TEGRASTATS_TOKENIZER_H_
#define ILUVATAR_TEGRASTATS_TOKENIZER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace iluvatar::tegrastats {

constexpr bool IsDigit(char c) { return c >= '0' && c <= '9'; }
constexpr bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
constexpr char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

// What a byte can be, looked up: this is asked of every byte.
enum CharClass : uint8_t { kSpace = 1, kBracket = 2, kOfName = 4 };
inline constexpr auto kCharClasses = [] {
  std::array<uint8_t, 256> classes = {};
  for (int i = 0; i < 256; ++i) {
    const char c = static_cast<char>(i);
    // Every control character is white space: garbage of a serial line must not become part of a name.
    if (i <= ' ' || i == 0x7f) classes[i] = kSpace;
    if (c == '[' || c == '(') classes[i] = kBracket;
    if (IsLetter(c) || IsDigit(c) || c == '_' || c == '-' || c == '.') classes[i] = kOfName;
  }
  return classes;
}();
constexpr bool Is(char c, uint8_t classes) { return (kCharClasses[static_cast<unsigned char>(c)] & classes) != 0; }

// `lower` is in lower case.
bool StartsWith(std::string_view text, std::string_view lower);
inline bool Equals(std::string_view text, std::string_view lower) {
  return text.size() == lower.size() && StartsWith(text, lower);
}

// How much of the front is a name: a letter, then letters, digits, '_', '-' and '.'.
size_t NameLength(std::string_view text);

std::string_view Trim(std::string_view text);

// Cuts `text` at the first `separator`; all of it when there is none. `rest` is then empty.
std::string_view CutAt(std::string_view text, char separator, std::string_view* rest);

// More digits than these are no measurement, and a quotient of exact doubles is the nearest double to what is written
// only up to here.
inline constexpr size_t kMaxDigits = 15;
inline constexpr double kPowersOfTen[kMaxDigits + 1] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                        1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

// Removes a decimal number from the front: a sign, digits, at most one point with digits after it. False, and nothing
// removed, where there is none, or one of more digits than a double holds exactly.
inline bool TakeNumber(std::string_view* text, double* value) {
  const char* at = text->data();
  const char* const end = at + text->size();
  const bool negative = at != end && *at == '-';
  if (negative) ++at;
  uint64_t digits = 0;
  const char* const begin = at;
  for (; at != end && IsDigit(*at); ++at) digits = digits * 10 + static_cast<uint64_t>(*at - '0');
  size_t count = static_cast<size_t>(at - begin);
  if (count == 0) return false;
  size_t decimals = 0;
  if (end - at > 1 && *at == '.' && IsDigit(at[1])) {
    const char* const point = at++;
    for (; at != end && IsDigit(*at); ++at) digits = digits * 10 + static_cast<uint64_t>(*at - '0');
    decimals = static_cast<size_t>(at - point) - 1;
    count += decimals;
  }
  // What has wrapped around is dropped here.
  if (count > kMaxDigits) return false;
  double size = static_cast<double>(digits);
  if (decimals > 0) size /= kPowersOfTen[decimals];
  // "-0" is 0: there is no other zero for a reader of figures.
  *value = negative && digits != 0 ? -size : size;
  text->remove_prefix(static_cast<size_t>(at - text->data()));
  return true;
}
// True when all of `text` is a number.
bool ReadNumber(std::string_view text, double* value);
inline bool TakeChar(std::string_view* text, char wanted) {
  if (text->empty() || text->front() != wanted) return false;
  text->remove_prefix(1);
  return true;
}

// Copying one saves the place.
class Tokenizer {
 public:
  explicit Tokenizer(std::string_view line) : line_(line) {
    Next();
    Next();
  }

  // The word that Next() will give, and the one behind it; empty at the end of the line.
  std::string_view peek() const { return word_; }
  std::string_view peek_second() const { return second_; }
  bool done() const { return word_.empty(); }
  std::string_view Next() {
    const std::string_view word = word_;
    word_ = second_;
    second_ = Scan();
    return word;
  }

 private:
  std::string_view Scan();
  // Behind the bracket that closes the one at `at`; just behind that one where none does: the rest of the line is not
  // to disappear in it.
  size_t BehindBracket(size_t at);

  std::string_view line_;
  std::string_view word_;
  std::string_view second_;
  size_t at_ = 0;
  // No ']' (no ')') from here on; saves looking again, which would be quadratic in "[[[[…".
  bool square_closes_ = true;
  bool round_closes_ = true;
};

}  // namespace iluvatar::tegrastats

#endif  // ILUVATAR_TEGRASTATS_TOKENIZER_H_
