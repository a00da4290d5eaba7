#include "tegrastats/tokenizer.h"

#include <cstdint>
#include <cstring>

namespace iluvatar::tegrastats {

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
