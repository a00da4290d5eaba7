// Words and numbers of a line of tegrastats. A word ends at white space outside brackets, so that "CPU [0%@729, off]"
// is two and "(lfb 5x4MB)" one. Nothing is copied or allocated: all results are ranges of the line.
#ifndef ILUVATAR_TEGRASTATS_TOKENIZER_H_
#define ILUVATAR_TEGRASTATS_TOKENIZER_H_

#include <cstddef>
#include <string_view>

namespace iluvatar::tegrastats {

// White space and every control character: garbage of a serial line must not become part of a name.
constexpr bool IsSpace(char c) { return static_cast<unsigned char>(c) <= ' ' || c == '\x7f'; }
constexpr bool IsDigit(char c) { return c >= '0' && c <= '9'; }
constexpr bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
constexpr char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

// `lower` is in lower case.
bool Equals(std::string_view text, std::string_view lower);
bool StartsWith(std::string_view text, std::string_view lower);

// A letter, then letters, digits, '_', '-' and '.'.
bool IsIdentifier(std::string_view text);

std::string_view Trim(std::string_view text);

// Cuts `text` at the first `separator`; all of it when there is none. `rest` is then empty.
std::string_view CutAt(std::string_view text, char separator, std::string_view* rest);

// Removes a decimal number from the front: a sign, digits, at most one point with digits after it. False, and nothing
// removed, where there is none, or one of more digits than a double holds exactly.
bool TakeNumber(std::string_view* text, double* value);
// True when all of `text` is a number.
bool ReadNumber(std::string_view text, double* value);
bool TakeChar(std::string_view* text, char wanted);

// Copying one saves the place.
class Tokenizer {
 public:
  explicit Tokenizer(std::string_view line) : line_(line) { Advance(); }

  // The word that Next() will give; empty at the end of the line.
  std::string_view peek() const { return word_; }
  bool done() const { return word_.empty(); }
  std::string_view Next() {
    const std::string_view word = word_;
    Advance();
    return word;
  }

 private:
  void Advance();
  // Behind the bracket that closes the one at `at`; just behind that one where none does: the rest of the line is not
  // to disappear in it.
  size_t BehindBracket(size_t at);

  std::string_view line_;
  std::string_view word_;
  size_t at_ = 0;
  // No ']' (no ')') from here on; saves looking again, which would be quadratic in "[[[[…".
  bool square_closes_ = true;
  bool round_closes_ = true;
};

}  // namespace iluvatar::tegrastats

#endif  // ILUVATAR_TEGRASTATS_TOKENIZER_H_
