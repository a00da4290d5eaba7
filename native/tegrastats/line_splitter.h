// Lines of a stream that comes in pieces of any size. Of a line that is longer than any of tegrastats nothing is kept
// but that there was one; the next one is not touched by that.
#ifndef ILUVATAR_TEGRASTATS_LINE_SPLITTER_H_
#define ILUVATAR_TEGRASTATS_LINE_SPLITTER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace iluvatar::tegrastats {

// The longest known line, of a board with 14 cores, has 900.
inline constexpr size_t kMaxLineBytes = 4096;

class LineSplitter {
 public:
  // The next complete line of `chunk` from `*at` on, without its end; `*at` is then behind it. False when there is
  // none: then the rest is kept, and `*at` at the end. The line is valid until the next call.
  bool Next(std::string_view chunk, size_t* at, std::string_view* line);

  // What stands behind the last end of a line, which may be nothing. The stream may go on: it begins a line.
  bool End(std::string_view* line);

  uint64_t too_long() const { return too_long_; }

 private:
  // False = it is dropped.
  bool Keep(std::string_view part);

  std::array<char, kMaxLineBytes> kept_;
  size_t size_ = 0;
  bool dropping_ = false;
  uint64_t too_long_ = 0;
};

}  // namespace iluvatar::tegrastats

#endif  // ILUVATAR_TEGRASTATS_LINE_SPLITTER_H_
