// A stream of tegrastats' output, in pieces of any size, into records.
#ifndef ILUVATAR_TEGRASTATS_READER_H_
#define ILUVATAR_TEGRASTATS_READER_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tegrastats/line_parser.h"
#include "tegrastats/line_splitter.h"

namespace iluvatar::tegrastats {

class Reader {
 public:
  // Room for the longest line, whatever it says.
  static constexpr size_t kMinWords = WordsFor(kMaxLineBytes);
  static constexpr size_t kMinText = TextFor(kMaxLineBytes);

  // The memory must outlive it.
  Reader(double* words, size_t word_capacity, char* text, size_t text_capacity)
      : records_(words, word_capacity, text, text_capacity) {}

  // In the place of the records before; the last is kStop. Returns how many bytes were taken: fewer than all when there
  // is no room for another line, and then the rest is to be pushed anew.
  size_t Push(std::string_view chunk);
  // The line that has no end yet.
  void End();

  size_t words() const { return records_.words(); }
  bool overflowed() const { return records_.overflowed(); }
  uint64_t too_long() const { return splitter_.too_long(); }

 private:
  LineSplitter splitter_;
  NameTable names_;
  Records records_;
  LineParser parser_{&names_, &records_};
};

}  // namespace iluvatar::tegrastats

#endif  // ILUVATAR_TEGRASTATS_READER_H_
