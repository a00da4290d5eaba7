#include "tegrastats/line_parser.h"

#include <array>
#include <cstring>

#include "tegrastats/values.h"

namespace iluvatar::tegrastats {

namespace {

// Engines whose figure alone ("APE 150") is a frequency. Of any other name such a figure says nothing.
bool IsEngine(std::string_view name) {
  constexpr std::string_view kSuffix = "_freq";
  if (name.size() > kSuffix.size() && Equals(name.substr(name.size() - kSuffix.size()), kSuffix)) return true;
  while (!name.empty() && IsDigit(name.back())) name.remove_suffix(1);
  static constexpr std::string_view kEngines[] = {"emc",   "gr3d", "ape", "avp", "vde",   "nvenc", "nvdec", "nvjpg",
                                                  "msenc", "vic",  "ofa", "pva", "nvdla", "dla",   "isp",   "nvcsi"};
  for (const std::string_view engine : kEngines) {
    if (Equals(name, engine)) return true;
  }
  return false;
}

// "E/TegraStats( 3627):", as a phone's log has it.
bool IsLogcat(std::string_view word) {
  return word.size() > 4 && IsLetter(word[0]) && word[1] == '/' && word.substr(word.size() - 2) == "):" &&
         word.find('(') != std::string_view::npos;
}

}  // namespace

void LineParser::Parse(std::string_view line) {
  words_ = Tokenizer(line);
  if (words_.done()) return;
  const Records::Place begin = records_->place();
  const size_t names = names_->size();
  seen_ = 0;
  certain_ = false;
  TakePrefix();
  while (!words_.done()) {
    if (!TakeWord()) records_->AddText(Kind::kUnknown, words_.Next());
  }
  if (certain_) {
    records_->Add(Kind::kEnd);
    return;
  }
  // Its names go with its records: nobody was told of them.
  records_->Return(begin);
  names_->Truncate(names);
  records_->AddText(Kind::kForeign, Trim(line));
}

// What loggers put in front, and the line's own date.
void LineParser::TakePrefix() {
  if (IsLogcat(words_.peek())) words_.Next();
  if (words_.peek().size() > 1 && words_.peek().front() == '[') {
    words_.Next();
    if (words_.peek() == ":") words_.Next();
  }
  if (!IsDate(words_.peek())) return;
  Tokenizer behind = words_;
  const std::string_view date = behind.Next();
  const std::string_view time = behind.Next();
  if (!IsTime(time)) return;
  words_ = behind;
  std::array<char, 19> text;
  if (date.size() + 1 + time.size() != text.size()) return;
  std::memcpy(text.data(), date.data(), date.size());
  text[date.size()] = ' ';
  std::memcpy(text.data() + date.size() + 1, time.data(), time.size());
  records_->AddText(Kind::kDate, {text.data(), text.size()});
}

bool LineParser::TakeWord() {
  const std::string_view word = words_.peek();
  const size_t length = NameLength(word);
  if (length == word.size()) return TakeNamed(word);
  if (length > 0 && word[length] == '@') return TakeTemperature(word.substr(0, length), word.substr(length + 1));
  // "|" and "DFS(%@MHz):" of 2012 say nothing themselves.
  if (word != "|" && !StartsWith(word, "dfs(")) return false;
  words_.Next();
  return true;
}

bool LineParser::TakeTemperature(std::string_view name, std::string_view degrees) {
  Degrees read;
  if (!ReadDegrees(degrees, &read)) return false;
  words_.Next();
  // What the power management chip's sensor would say is not wired: always 100 °C, from JetPack 4.6 on 50.
  const bool constant = (read.now == 100 || read.now == 50) && Equals(name, "pmic");
  const size_t number = Name(name);
  records_->Add(Kind::kTemperature, number, read.now, read.peak, constant);
  certain_ = true;
  return true;
}

bool LineParser::TakeNamed(std::string_view name) {
  const std::string_view value = words_.peek_second();
  if (value.empty()) return false;
  if (value.front() == '[') return TakeCores();
  if (name.size() == 3 && (TakeMts() || TakeEdpLimit())) return true;
  // Pairs; the others are engines. A sign, too: a sensor without current can say a little less than nothing.
  if (!IsDigit(value.front()) && value.front() != '-') return TakeEngine(name);
  return TakeMemory(name) || TakeRail(name) || TakeEngine(name);
}

bool LineParser::TakeMemory(std::string_view name) {
  const bool ram = Equals(name, "ram");
  const bool swap = Equals(name, "swap");
  const bool iram = Equals(name, "iram");
  const std::string_view value = words_.peek_second();
  // "GPU 1155/1155" is a rail: without a unit only these are memory.
  const char last = value.back();
  if (!ram && !swap && !iram && last != 'B' && last != 'b' && last != ')') return false;
  Sizes sizes;
  if (!ReadSizes(value, &sizes)) return false;
  if ((ram && !FirstOf(kSeenRam)) || (swap && !FirstOf(kSeenSwap)) || (iram && !FirstOf(kSeenIram))) return false;
  words_.Next();
  words_.Next();
  certain_ |= ram || swap || iram;
  std::string_view extra = sizes.rest;
  double ignored = 0;
  const std::string_view next = words_.peek();
  if (extra.empty() && (swap ? ReadCached(next, &ignored) : ReadLargestFree(next, &ignored, &ignored))) {
    extra = words_.Next();
  }
  if (!swap) {
    PutMemory(ram ? Kind::kRam : iram ? Kind::kIram : Kind::kMemory, name, sizes.used, sizes.total, extra);
    return true;
  }
  double cached = kNotSaid;
  if (!extra.empty() && !ReadCached(extra, &cached)) records_->AddText(Kind::kUnknown, extra);
  records_->Add(Kind::kSwap, sizes.used, sizes.total, cached);
  return true;
}

void LineParser::PutMemory(Kind kind, std::string_view name, double used_mb, double total_mb,
                           std::string_view largest_free) {
  double blocks = kNotSaid;
  double block_mb = kNotSaid;
  if (!largest_free.empty() && !ReadLargestFree(largest_free, &blocks, &block_mb)) {
    records_->AddText(Kind::kUnknown, largest_free);
  }
  if (kind != Kind::kMemory) return records_->Add(kind, used_mb, total_mb, blocks, block_mb);
  const size_t number = Name(name);
  records_->Add(kind, number, used_mb, total_mb, blocks, block_mb);
}

bool LineParser::TakeCores() {
  if (!Equals(words_.peek(), "cpu") || (seen_ & kSeenCpus) != 0) return false;
  const Records::Place place = records_->place();
  records_->Add(Kind::kCpus);
  if (!PutCores(words_.peek_second(), records_)) {
    records_->Return(place);
    return false;
  }
  FirstOf(kSeenCpus);
  words_.Next();
  words_.Next();
  certain_ = true;
  return true;
}

// "MTS fg 0% bg 0%": what the processor of a TX2 or Xavier spends on translating its own code.
bool LineParser::TakeMts() {
  if (!Equals(words_.peek(), "mts")) return false;
  Tokenizer behind = words_;
  const std::string_view mts = behind.Next();
  bool any = false;
  for (const std::string_view part : {"fg", "bg"}) {
    if (!Equals(behind.peek(), part)) continue;
    Tokenizer value = behind;
    const std::string_view word = value.Next();
    Load load;
    if (value.done() || !ReadLoad(value.Next(), &load) || load.bare) continue;
    behind = value;
    char text[6];
    std::memcpy(text, mts.data(), 3);
    text[3] = ' ';
    std::memcpy(text + 4, word.data(), 2);
    const size_t number = Name({text, sizeof text});
    records_->Add(Kind::kEngine, number, load.load);
    PutFrequencies(load.freq, records_);
    any = true;
  }
  if (any) words_ = behind;
  certain_ |= any;
  return any;
}

bool LineParser::TakeEdpLimit() {
  if (!Equals(words_.peek(), "edp")) return false;
  Tokenizer behind = words_;
  behind.Next();
  if (!Equals(behind.Next(), "limit")) return false;
  double mhz = 0;
  if (!ReadNumber(behind.Next(), &mhz)) return false;
  words_ = behind;
  records_->Add(Kind::kEdpLimit, mhz < 0 ? kNotSaid : mhz);
  return true;
}

bool LineParser::TakeRail(std::string_view name) {
  Power power;
  if (!ReadPower(words_.peek_second(), &power)) return false;
  words_.Next();
  words_.Next();
  const size_t number = Name(name);
  records_->Add(Kind::kRail, number, power.now, power.average, power.peak);
  certain_ |= power.has_unit;
  return true;
}

bool LineParser::TakeEngine(std::string_view name) {
  Load load;
  if (!ReadLoad(words_.peek_second(), &load)) return false;
  // Asked only where it matters: it costs as much as all the rest.
  const bool known = (load.bare || !certain_) && IsEngine(name);
  if (load.bare && !known) return false;
  words_.Next();
  words_.Next();
  if ((Equals(name, "gr3d_freq") || Equals(name, "gr3d")) && FirstOf(kSeenGpu)) {
    records_->Add(Kind::kGpu, load.load);
  } else if ((Equals(name, "emc_freq") || Equals(name, "emc")) && FirstOf(kSeenEmc)) {
    records_->Add(Kind::kEmc, load.load);
  } else {
    const size_t number = Name(name);
    records_->Add(Kind::kEngine, number, load.load);
  }
  PutFrequencies(load.freq, records_);
  certain_ |= known;
  return true;
}

bool LineParser::FirstOf(Seen what) {
  const bool first = (seen_ & what) == 0;
  seen_ |= what;
  return first;
}

size_t LineParser::Name(std::string_view name) {
  bool known = false;
  const size_t number = names_->Number(name, &known);
  if (!known) {
    const size_t at = records_->place().text;
    records_->Add(Kind::kName, number, at, name.size());
    records_->PutText(name);
  }
  return number;
}

}  // namespace iluvatar::tegrastats
