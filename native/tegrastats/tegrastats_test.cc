// Tests of the tegrastats module under sanitizers: its parts, and mutated lines, fed whole and in pieces. Arguments:
// seed, rounds, files of lines to mutate ('#' begins a comment).
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "tegrastats/reader.h"
#include "testing/check_test.h"

namespace {

using namespace iluvatar::tegrastats;

std::string Words(std::string_view line) {
  std::string all;
  Tokenizer words(line);
  while (!words.done()) all.append(words.Next()).append("|");
  return all;
}

void TestWords() {
  CHECK(Words("").empty() && Words(" \t\r\x01 ").empty());
  CHECK(Words("RAM 1/2MB (lfb 5x4MB)\r") == "RAM|1/2MB|(lfb 5x4MB)|");
  CHECK(Words("CPU [1%@2, off]@3  x") == "CPU|[1%@2, off]@3|x|");
  CHECK(Words("a(b c)[d e]f g") == "a(b c)[d e]f|g|");
  // A bracket that nothing closes swallows nothing.
  CHECK(Words("a [b c (d e] f") == "a|[b c (d e]|f|");
  CHECK(Words("a [b c (d) e") == "a|[b|c|(d)|e|");
  CHECK(Words("(((([[[[") == "(((([[[[|");
}

void TestNumbers() {
  const auto read = [](std::string_view text) {
    double value = 0;
    return ReadNumber(text, &value) ? value : kNotSaid;
  };
  CHECK(read("0") == 0 && read("-0") == 0 && !std::signbit(read("-0")) && read("-256") == -256);
  CHECK(read("41.375") == 41.375 && read("0.1") == 0.1 && read("58.312") == 58.312 && read("007") == 7);
  CHECK(read("999999999999999") == 999999999999999 && read("0.00000000000001") == 0.00000000000001);
  for (const char* wrong : {"", "-", ".", ".5", "5.", "1.2.3", "--1", "+1", "1e3", " 1", "0x1", "nan",
                            "1000000000000000", "99999999999999999999999999999999999999999", "0.000000000000001"}) {
    CHECK(std::isnan(read(wrong)));
  }
  std::string_view text = "12.5mW/3";
  double value = 0;
  CHECK(TakeNumber(&text, &value) && value == 12.5 && text == "mW/3");
}

void TestNames() {
  NameTable names;
  bool known = true;
  CHECK(names.Number("VDD_IN", &known) == 0 && !known);
  CHECK(names.Number("VDD_IN", &known) == 0 && known);
  CHECK(names.Number("vdd_in", &known) == 1 && !known);
  for (size_t i = 2; i < NameTable::kMaxNames; ++i) CHECK(names.Number("n" + std::to_string(i), &known) == i && !known);
  // Full: who comes now is not kept, who came is.
  for (int i = 0; i < 2; ++i) CHECK(names.Number("late", &known) == NameTable::kShared && !known);
  CHECK(names.Number("n254", &known) == 254 && known);
  names.Truncate(100);
  CHECK(names.Number("n99", &known) == 99 && known);
  CHECK(names.Number("n100", &known) == 100 && !known);
  CHECK(names.Number(std::string(NameTable::kMaxNameBytes + 1, 'n'), &known) == NameTable::kShared && !known);
  CHECK(names.Number(std::string(NameTable::kMaxNameBytes, 'n'), &known) == 101 && !known);
}

std::vector<std::string> Lines(const std::vector<std::string>& chunks, uint64_t* too_long) {
  std::vector<std::string> lines;
  LineSplitter splitter;
  std::string_view line;
  for (const std::string& chunk : chunks) {
    size_t at = 0;
    while (splitter.Next(chunk, &at, &line)) lines.emplace_back(line);
    CHECK(at == chunk.size());
  }
  if (splitter.End(&line)) lines.emplace_back(line);
  CHECK(!splitter.End(&line));
  *too_long = splitter.too_long();
  return lines;
}

void TestSplitter() {
  using Strings = std::vector<std::string>;
  const std::string longest(kMaxLineBytes, 'x');
  uint64_t too_long = 0;
  CHECK(Lines({"a\nb", "c\n\n", "", "d"}, &too_long) == (Strings{"a", "bc", "", "d"}) && too_long == 0);
  CHECK(Lines({longest + "\na\n"}, &too_long) == (Strings{longest, "a"}) && too_long == 0);
  CHECK(Lines({longest, "\na\n"}, &too_long) == (Strings{longest, "a"}) && too_long == 0);
  CHECK(Lines({longest + "x\na\n"}, &too_long) == Strings{"a"} && too_long == 1);
  CHECK(Lines({longest, "x", longest, "\na"}, &too_long) == Strings{"a"} && too_long == 1);
  CHECK(Lines({longest + longest}, &too_long).empty() && too_long == 1);
}

// What reading gives, with names and texts in their places: equal for equal lines, however they came.
class Reading {
 public:
  // No more room than promised, on the heap: one word further is an error.
  Reading()
      : words_(Reader::kMinWords),
        text_(Reader::kMinText),
        reader_(words_.data(), words_.size(), text_.data(), text_.size()) {}

  void Push(std::string_view chunk) {
    for (size_t at = 0; at < chunk.size();) {
      const size_t taken = reader_.Push(chunk.substr(at));
      CHECK(taken > 0 && taken <= chunk.size() - at);
      at += taken;
      Take();
    }
  }
  void End() {
    reader_.End();
    Take();
  }
  const std::vector<std::string>& lines() const { return lines_; }
  const Reader& reader() const { return reader_; }

 private:
  double Word(size_t at) {
    CHECK(at < reader_.words());
    return words_[at];
  }
  size_t Size(size_t at) {
    const double word = Word(at);
    CHECK(word >= 0 && word == std::floor(word) && word < 1e6);
    return static_cast<size_t>(word);
  }
  std::string Text(size_t at) {
    const size_t begin = Size(at);
    const size_t size = Size(at + 1);
    CHECK(begin + size <= text_.size());
    return {text_.data() + begin, size};
  }
  std::string Name(size_t at) {
    CHECK(Size(at) < names_.size() && !names_[Size(at)].empty());
    return names_[Size(at)];
  }
  void Add(const std::string& what) { line_.append(what).append(" "); }
  void AddNumber(double value) {
    if (value == std::floor(value) && std::abs(value) < 1e9) return Add(std::to_string(static_cast<int>(value)));
    char text[32];
    std::snprintf(text, sizeof text, "%.9g ", value);
    line_.append(std::isnan(value) ? "- " : text);
  }
  size_t AddNumbers(size_t at, size_t count) {
    for (size_t i = 0; i < count; ++i) AddNumber(Word(at + i));
    return at + count;
  }

  void Take() {
    CHECK(!reader_.overflowed());
    for (size_t at = 0;;) {
      const auto kind = static_cast<Kind>(Size(at++));
      if (kind != Kind::kEnd && kind != Kind::kStop && kind != Kind::kName) Add(std::to_string(static_cast<int>(kind)));
      switch (kind) {
        case Kind::kStop:
          CHECK(line_.empty() && at == reader_.words());
          return;
        case Kind::kEnd:
          lines_.push_back(std::move(line_));
          line_.clear();
          break;
        case Kind::kForeign:
          lines_.push_back("foreign " + Text(at));
          line_.clear();
          at += 2;
          break;
        case Kind::kName:
          if (Size(at) >= names_.size()) names_.resize(Size(at) + 1);
          names_[Size(at)] = Text(at + 1);
          at += 3;
          break;
        case Kind::kDate:
        case Kind::kUnknown:
          Add(Text(at));
          at += 2;
          break;
        case Kind::kRam:
        case Kind::kIram:
          at = AddNumbers(at, 4);
          break;
        case Kind::kSwap:
          at = AddNumbers(at, 3);
          break;
        case Kind::kEdpLimit:
          at = AddNumbers(at, 1);
          break;
        case Kind::kMemory:
          Add(Name(at));
          at = AddNumbers(at + 1, 4);
          break;
        case Kind::kTemperature:
        case Kind::kRail:
          Add(Name(at));
          at = AddNumbers(at + 1, 3);
          break;
        case Kind::kCpus:
          at = AddNumbers(at + 1, 2 * Size(at));
          break;
        case Kind::kEngine:
          Add(Name(at++));
          [[fallthrough]];
        case Kind::kEmc:
        case Kind::kGpu:
          AddNumber(Word(at));
          at = AddNumbers(at + 2, Size(at + 1));
          break;
        default:
          CHECK(false);
      }
    }
  }

  std::vector<double> words_;
  std::vector<char> text_;
  Reader reader_;
  std::vector<std::string> names_;
  std::string line_;
  std::vector<std::string> lines_;
};

std::string Read(const std::string& line) {
  Reading reading;
  reading.Push(line);
  reading.End();
  std::string all;
  for (const std::string& read : reading.lines()) all.append(read).append("\n");
  return all;
}

void Expect(const std::string& line, const std::string& wanted, int at) {
  const std::string read = Read(line);
  if (read == wanted) return;
  std::fprintf(stderr, "line %d: %s\n  is     %s  wanted %s", at, line.c_str(), read.c_str(), wanted.c_str());
  std::abort();
}
#define EXPECT(line, wanted) Expect((line), (wanted), __LINE__)

void TestLines() {
  EXPECT("", "");
  EXPECT(" \r\n\n", "");
  EXPECT("RAM 1/2MB (lfb 3x512kB)", "4 1 2 3 0.5 \n");
  EXPECT("RAM 1/2MB SWAP 3/4MB", "4 1 2 - - 5 3 4 - \n");
  EXPECT("iram 64/256kB(lfb 128kb)", "6 0.0625 0.25 - 0.125 \n");
  EXPECT("RAM 1/2MB (lfb what)", "4 1 2 - - 15 (lfb what) \n");
  EXPECT("RAM 1/2MB RAM 3/4MB", "4 1 2 - - 15 RAM 15 3/4MB \n");
  EXPECT("CPU [0%@5,off,7%]@9", "8 0 5 -1 - 7 9 \n");
  EXPECT("CPU [] CPU [1%]", "8 15 CPU 15 [1%] \n");
  EXPECT("CPU [1%@2,]", "8 1 2 - - \n");
  EXPECT("GR3D_FREQ 0%@[1,x,-1] GR3D_FREQ 1%", "10 0 1 - - 11 GR3D_FREQ 1 \n");
  EXPECT("EMC_FREQ @5 VIC off NVENC 7 NEW 8% OTHER 9", "9 - 5 11 VIC -1 11 NVENC - 7 11 NEW 8 15 OTHER 15 9 \n");
  EXPECT("MTS fg 1% bg 2% MTS x", "11 MTS fg 1 11 MTS bg 2 15 MTS 15 x \n");
  EXPECT("GPU@-256C a@-40C/1C pmic@50C b@1", "12 GPU - - 0 12 a -40 1 0 12 pmic 50 - 1 15 b@1 \n");
  EXPECT("A 1mW/2 B 3/4 C 5mW D 6mW/7mW/8mW E 1/2/3/4",
         "13 A 1 2 - 13 B 3 4 - 13 C 5 - - 13 D 6 7 8 15 E 15 1/2/3/4 \n");
  EXPECT("01-02-2024 03:04:05 APE 1 EDP limit 6", "3 01-02-2024 03:04:05 11 APE - 1 14 6 \n");
  // Neither a fraction nor "off" makes a line of tegrastats, and the names in a line that is none are not kept.
  EXPECT("step 1/2: A 1/2 it is off\nA 1/2 B@3C", "foreign step 1/2: A 1/2 it is off\n13 A 1 2 - 12 B 3 - 0 \n");
}

// As much as a line can ask for, of everything; the buffers are as large as promised.
void TestRoom() {
  for (const char* part : {"a@0C ", "a@0C/1C ", "a 1% ", "a @1 ", "a @[,] ", "a 1/1 ", "a off ", "g 1/1MB ", "x ", "[",
                           "CPU [,", ",", "@[1,"}) {
    for (const bool distinct : {false, true}) {
      std::string line = "RAM 1/1 CPU [";
      line.append(distinct ? "] " : "");
      for (size_t i = 0; line.size() < kMaxLineBytes; ++i)
        line.append(distinct ? std::string(1, static_cast<char>('a' + i % 26)) : "").append(part);
      line.resize(kMaxLineBytes);
      CHECK(!Read(line).empty());
      line.back() = ']';
      CHECK(!Read(line).empty());
    }
  }
}

using Random = std::mt19937;

size_t Below(Random* random, size_t limit) { return limit == 0 ? 0 : (*random)() % limit; }

void Mutate(std::string* line, const std::vector<std::string>& corpus, Random* random) {
  static constexpr std::string_view kTelling = "[](),@%/|-. \t\r\n0159CMmWkBxoFf_\x00\x7f\xff";
  const size_t at = Below(random, line->size() + 1);
  const size_t count = Below(random, std::min<size_t>(line->size() - at, 40) + 1);
  const std::string& other = corpus[Below(random, corpus.size())];
  const size_t from = Below(random, other.size() + 1);
  switch (Below(random, 7)) {
    case 0:
      if (at < line->size()) (*line)[at] = static_cast<char>((*random)());
      break;
    case 1:
      line->insert(at, 1, kTelling[Below(random, kTelling.size())]);
      break;
    case 2:
      line->erase(at, count);
      break;
    case 3:
      line->insert(at, line->substr(at, count));
      break;
    case 4:
      line->insert(at, other, from, Below(random, 60));
      break;
    case 5:
      if (at < line->size()) (*line)[at] = kTelling[Below(random, kTelling.size())];
      break;
    default:
      line->resize(at);
  }
}

// Whatever stands between two lines, both are read; and pieces give what the whole gives.
void Fuzz(uint32_t seed, int rounds, const std::vector<std::string>& corpus) {
  Random random(seed);
  std::vector<std::string> wanted;
  for (const std::string& line : corpus) wanted.push_back(Read(line));
  std::optional<Reading> whole;
  std::optional<Reading> pieces;
  size_t seen = 0;
  for (int round = 0; round < rounds; ++round) {
    // Now and then anew: names are kept, and after some rounds there are no free numbers for them.
    if (round % 1000 == 0) {
      whole.emplace();
      pieces.emplace();
      seen = 0;
    }
    std::string garbage = corpus[Below(&random, corpus.size())];
    for (size_t i = Below(&random, 6); i > 0; --i) Mutate(&garbage, corpus, &random);
    const size_t intact = Below(&random, corpus.size());
    const std::string text = garbage + "\n" + corpus[intact] + (round % 3 == 0 ? "\r\n" : "\n");
    whole->Push(text);
    for (size_t at = 0; at < text.size();) {
      const size_t size = std::min(text.size() - at, 1 + Below(&random, round % 2 == 0 ? 8 : 200));
      // A copy of its own: to read beyond it is an error.
      pieces->Push(std::string(text, at, size));
      at += size;
    }
    CHECK(whole->lines().size() > seen && whole->lines().size() == pieces->lines().size());
    for (; seen < whole->lines().size(); ++seen) CHECK(whole->lines()[seen] == pieces->lines()[seen]);
    CHECK(whole->lines().back() + "\n" == wanted[intact]);
  }
}

std::vector<std::string> Corpus(int count, char** files) {
  std::vector<std::string> lines;
  for (int i = 0; i < count; ++i) {
    std::ifstream file(files[i]);
    CHECK(file.good());
    for (std::string line; std::getline(file, line);) {
      if (!line.empty() && line[0] != '#') lines.push_back(line);
    }
  }
  CHECK(!lines.empty());
  return lines;
}

}  // namespace

int main(int argc, char** argv) {
  CHECK(argc >= 4);
  const auto seed = static_cast<uint32_t>(std::strtoul(argv[1], nullptr, 10));
  const int rounds = std::atoi(argv[2]);
  std::printf("seed %u, %d rounds\n", seed, rounds);
  TestWords();
  TestNumbers();
  TestNames();
  TestSplitter();
  TestLines();
  TestRoom();
  Fuzz(seed, rounds, Corpus(argc - 3, argv + 3));
  std::printf("ok\n");
}
