#include "tegrastats/reader.h"

namespace iluvatar::tegrastats {

size_t Reader::Push(std::string_view chunk) {
  records_.Clear();
  size_t at = 0;
  std::string_view line;
  // Of a line that is not longer than the longest: a shorter room would do for most, and make the end of a batch a
  // matter of luck.
  while (records_.HasRoomFor(kMaxLineBytes) && splitter_.Next(chunk, &at, &line)) parser_.Parse(line);
  records_.Add(Kind::kStop);
  return at;
}

void Reader::End() {
  records_.Clear();
  std::string_view line;
  if (splitter_.End(&line)) parser_.Parse(line);
  records_.Add(Kind::kStop);
}

}  // namespace iluvatar::tegrastats
