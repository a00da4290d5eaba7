#include "tegrastats/tokenizer.h"

#include <cstdint>
#include <cstring>

namespace iluvatar::tegrastats {

namespace {

// More digits than these are no measurement, and a quotient of exact doubles is the nearest double to what is written
// only up to here.
constexpr int kMaxDigits = 15;
constexpr double kPowersOfTen[kMaxDigits + 1] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

}  // namespace

bool Equals(std::string_view text, std::string_view lower) {
  return text.size() == lower.size() && StartsWith(text, lower);
}

bool StartsWith(std::string_view text, std::string_view lower) {
  if (text.size() < lower.size()) return false;
  for (size_t i = 0; i < lower.size(); ++i) {
    if (Lower(text[i]) != lower[i]) return false;
  }
  return true;
}

bool IsIdentifier(std::string_view text) {
  if (text.empty() || !IsLetter(text[0])) return false;
  for (const char c : text) {
    if (!IsLetter(c) && !IsDigit(c) && c != '_' && c != '-' && c != '.') return false;
  }
  return true;
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
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
  size_t at = 0;
  const bool negative = !text->empty() && text->front() == '-';
  if (negative) ++at;
  const size_t begin = at;
  int64_t digits = 0;
  int count = 0;
  int decimals = 0;
  bool point = false;
  for (; at < text->size(); ++at) {
    const char c = (*text)[at];
    if (IsDigit(c)) {
      if (++count > kMaxDigits) return false;
      digits = digits * 10 + (c - '0');
      if (point) ++decimals;
    } else if (c == '.' && !point && at > begin && at + 1 < text->size() && IsDigit((*text)[at + 1])) {
      point = true;
    } else {
      break;
    }
  }
  if (count == 0) return false;
  const double size =
      decimals == 0 ? static_cast<double>(digits) : static_cast<double>(digits) / kPowersOfTen[decimals];
  // "-0" is 0: there is no other zero for a reader of figures.
  *value = negative && digits != 0 ? -size : size;
  text->remove_prefix(at);
  return true;
}

bool ReadNumber(std::string_view text, double* value) {
  double read = 0;
  if (!TakeNumber(&text, &read) || !text.empty()) return false;
  *value = read;
  return true;
}

bool TakeChar(std::string_view* text, char wanted) {
  if (text->empty() || text->front() != wanted) return false;
  text->remove_prefix(1);
  return true;
}

void Tokenizer::Advance() {
  const size_t size = line_.size();
  while (at_ < size && IsSpace(line_[at_])) ++at_;
  const size_t begin = at_;
  while (at_ < size && !IsSpace(line_[at_]))
    at_ = line_[at_] == '[' || line_[at_] == '(' ? BehindBracket(at_) : at_ + 1;
  word_ = line_.substr(begin, at_ - begin);
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
