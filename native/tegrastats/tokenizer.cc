#include "tegrastats/tokenizer.h"

#include <cstdint>
#include <cstring>

namespace iluvatar::tegrastats {

namespace {

// More digits than these are no measurement, and a quotient of exact doubles is the nearest double to what is written
// only up to here.
constexpr size_t kMaxDigits = 15;
constexpr double kPowersOfTen[kMaxDigits + 1] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

}  // namespace

bool StartsWith(std::string_view text, std::string_view lower) {
  if (text.size() < lower.size()) return false;
  for (size_t i = 0; i < lower.size(); ++i) {
    if (Lower(text[i]) != lower[i]) return false;
  }
  return true;
}

size_t NameLength(std::string_view text) {
  if (text.empty() || !IsLetter(text[0])) return 0;
  size_t length = 1;
  while (length < text.size() && Is(text[length], kOfName)) ++length;
  return length;
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && Is(text.front(), kSpace)) text.remove_prefix(1);
  while (!text.empty() && Is(text.back(), kSpace)) text.remove_suffix(1);
  return text;
}

std::string_view CutAt(std::string_view text, char separator, std::string_view* rest) {
  const size_t at = text.find(separator);
  if (at == std::string_view::npos) {
    *rest = {};
    return text;
  }
  *rest = text.substr(at + 1);
  return text.substr(0, at);
}

bool TakeNumber(std::string_view* text, double* value) {
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

bool ReadNumber(std::string_view text, double* value) {
  double read = 0;
  if (!TakeNumber(&text, &read) || !text.empty()) return false;
  *value = read;
  return true;
}

std::string_view Tokenizer::Scan() {
  const char* const text = line_.data();
  const size_t size = line_.size();
  size_t at = at_;
  while (at < size && Is(text[at], kSpace)) ++at;
  const size_t begin = at;
  for (;;) {
    while (at < size && !Is(text[at], kSpace | kBracket)) ++at;
    if (at == size || Is(text[at], kSpace)) break;
    at = BehindBracket(at);
  }
  at_ = at;
  return {text + begin, at - begin};
}

size_t Tokenizer::BehindBracket(size_t at) {
  const bool square = line_[at] == '[';
  bool& closes = square ? square_closes_ : round_closes_;
  if (!closes) return at + 1;
  const size_t end = line_.find(square ? ']' : ')', at);
  closes = end != std::string_view::npos;
  return closes ? end + 1 : at + 1;
}

}  // namespace iluvatar::tegrastats
