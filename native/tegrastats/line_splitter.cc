#include "tegrastats/line_splitter.h"

#include <cstring>

namespace iluvatar::tegrastats {

bool LineSplitter::Next(std::string_view chunk, size_t* at, std::string_view* line) {
  while (*at < chunk.size()) {
    const std::string_view rest = chunk.substr(*at);
    const size_t end = rest.find('\n');
    const bool complete = end != std::string_view::npos;
    const std::string_view part = rest.substr(0, end);
    *at += complete ? end + 1 : rest.size();
    if (complete && size_ == 0 && !dropping_ && part.size() <= kMaxLineBytes) {
      *line = part;
      return true;
    }
    const bool kept = Keep(part);
    if (!complete) continue;
    *line = {kept_.data(), size_};
    size_ = 0;
    dropping_ = false;
    if (kept) return true;
  }
  return false;
}

bool LineSplitter::End(std::string_view* line) {
  *line = {kept_.data(), size_};
  const bool any = size_ > 0;
  size_ = 0;
  dropping_ = false;
  return any;
}

bool LineSplitter::Keep(std::string_view part) {
  if (dropping_) return false;
  if (part.size() > kMaxLineBytes - size_) {
    dropping_ = true;
    size_ = 0;
    ++too_long_;
    return false;
  }
  if (!part.empty()) std::memcpy(kept_.data() + size_, part.data(), part.size());
  size_ += part.size();
  return true;
}

}  // namespace iluvatar::tegrastats
