// From one line of tegrastats, whatever JetPack wrote it, to records. Never fails: what it does not know it gives as it
// stands, and a line that has nothing of tegrastats in it as a whole.
#ifndef ILUVATAR_TEGRASTATS_LINE_PARSER_H_
#define ILUVATAR_TEGRASTATS_LINE_PARSER_H_

#include <string_view>

#include "tegrastats/name_table.h"
#include "tegrastats/records.h"
#include "tegrastats/tokenizer.h"

namespace iluvatar::tegrastats {

class LineParser {
 public:
  // The names that it has given numbers stay known to it.
  LineParser(NameTable* names, Records* records) : names_(names), records_(records) {}

  // `records` must have room for the line. Of a blank line there are none.
  void Parse(std::string_view line);

 private:
  // What a line has once.
  enum Seen : unsigned { kSeenRam = 1, kSeenSwap = 2, kSeenIram = 4, kSeenCpus = 8, kSeenEmc = 16, kSeenGpu = 32 };

  // Each takes what it knows off the words, and puts records; false and nothing taken otherwise.
  void TakePrefix();
  bool TakeWord();
  bool TakeTemperature(std::string_view name, std::string_view degrees);
  // The name that is the next word, and what is behind it.
  bool TakeNamed(std::string_view name);
  bool TakeMemory(std::string_view name);
  bool TakeCores();
  bool TakeMts();
  bool TakeEdpLimit();
  bool TakeRail(std::string_view name);
  bool TakeEngine(std::string_view name);

  void PutMemory(Kind kind, std::string_view name, double used_mb, double total_mb, std::string_view largest_free);
  bool FirstOf(Seen what);
  size_t Name(std::string_view name);

  NameTable* const names_;
  Records* const records_;
  Tokenizer words_{{}};
  unsigned seen_ = 0;
  // Something that no other program writes was among the words: "1/2" alone makes no line of tegrastats.
  bool certain_ = false;
};

}  // namespace iluvatar::tegrastats

#endif  // ILUVATAR_TEGRASTATS_LINE_PARSER_H_
