#include "tegrastats/values.h"

#include "tegrastats/tokenizer.h"

namespace iluvatar::tegrastats {

namespace {

// Of one MiB; 0 = no unit of memory. Boards differ in how they write them ("kB", "kb").
double TakeMemoryUnit(std::string_view* text) {
  struct Unit {
    std::string_view name;
    double mb;
  };
  static constexpr Unit kUnits[] = {{"kb", 1.0 / 1024}, {"mb", 1}, {"gb", 1024}, {"b", 1.0 / 1024 / 1024}};
  for (const Unit& unit : kUnits) {
    if (!StartsWith(*text, unit.name)) continue;
    text->remove_prefix(unit.name.size());
    return unit.mb;
  }
  return 0;
}

// "4MB"; without a unit it is MB.
bool ReadSize(std::string_view text, double* mb) {
  double value = 0;
  if (!TakeNumber(&text, &value) || value < 0) return false;
  const double unit = TakeMemoryUnit(&text);
  if (!text.empty()) return false;
  *mb = value * (unit == 0 ? 1 : unit);
  return true;
}

// What is in the brackets behind `name`.
bool Inside(std::string_view word, std::string_view name, std::string_view* text) {
  if (word.size() < name.size() + 2 || word.front() != '(' || word.back() != ')') return false;
  const std::string_view all = Trim(word.substr(1, word.size() - 2));
  if (!StartsWith(all, name)) return false;
  *text = Trim(all.substr(name.size()));
  return true;
}

bool TakePower(std::string_view* text, double* mw, bool* has_unit) {
  if (!TakeNumber(text, mw)) return false;
  if (StartsWith(*text, "mw")) {
    text->remove_prefix(2);
    *has_unit = true;
  }
  return true;
}

// A load that cannot be is not said: whoever decides by it must not take it for one.
double PossibleLoad(double percent) { return percent >= 0 && percent <= 100 ? percent : kNotSaid; }
// −1 is what a board says that does not know.
double PossibleFrequency(double mhz) { return mhz >= 0 ? mhz : kNotSaid; }

double LoadOf(std::string_view number) {
  double percent = 0;
  return ReadNumber(number, &percent) ? PossibleLoad(percent) : kNotSaid;
}

double FrequencyOf(std::string_view text) {
  double mhz = 0;
  return ReadNumber(text, &mhz) || ReadNumber(Trim(text), &mhz) ? PossibleFrequency(mhz) : kNotSaid;
}

// "off", "7%", "bad".
void PutOddCore(std::string_view core, double common_mhz, Records* records) {
  if (Equals(core, "off")) {
    records->Put(kOff);
    records->Put(kNotSaid);
    return;
  }
  std::string_view freq;
  std::string_view percent = CutAt(core, '@', &freq);
  if (!percent.empty() && percent.back() == '%') percent.remove_suffix(1);
  records->Put(LoadOf(percent));
  records->Put(freq.empty() ? common_mhz : FrequencyOf(freq));
}

// No board works below; sensors of parts without power say −256, or some other low figure.
constexpr double kColdestC = -40;

bool TakeDegrees(std::string_view* text, double* degrees) {
  double value = 0;
  if (!TakeNumber(text, &value) || !(TakeChar(text, 'C') || TakeChar(text, 'c'))) return false;
  *degrees = value < kColdestC ? kNotSaid : value;
  return true;
}

// Digits, `separator`, two digits, `separator`, `last` digits.
bool IsTriple(std::string_view word, char separator, size_t last) {
  if (word.size() != 6 + last) return false;
  for (size_t i = 0; i < word.size(); ++i) {
    if (i == 2 || i == 5 ? word[i] != separator : !IsDigit(word[i])) return false;
  }
  return true;
}

}  // namespace

bool ReadSizes(std::string_view word, Sizes* sizes) {
  std::string_view text = word;
  double used = 0;
  double total = 0;
  if (!TakeNumber(&text, &used)) return false;
  double used_unit = TakeMemoryUnit(&text);
  if (!TakeChar(&text, '/') || !TakeNumber(&text, &total)) return false;
  const double total_unit = TakeMemoryUnit(&text);
  if (used < 0 || total < 0 || (!text.empty() && text.front() != '(')) return false;
  if (used_unit == 0) used_unit = total_unit;
  sizes->has_unit = total_unit != 0;
  sizes->used = used * (used_unit == 0 ? 1 : used_unit);
  sizes->total = total * (total_unit == 0 ? 1 : total_unit);
  sizes->rest = text;
  return true;
}

bool ReadLargestFree(std::string_view word, double* count, double* size_mb) {
  std::string_view text;
  if (!Inside(word, "lfb", &text)) return false;
  std::string_view size = text;
  double blocks = 0;
  if (TakeNumber(&size, &blocks) && (TakeChar(&size, 'x') || TakeChar(&size, 'X'))) {
    if (blocks < 0 || !ReadSize(size, size_mb)) return false;
    *count = blocks;
    return true;
  }
  *count = kNotSaid;
  return ReadSize(text, size_mb);
}

bool ReadCached(std::string_view word, double* cached_mb) {
  std::string_view text;
  return Inside(word, "cached", &text) && ReadSize(text, cached_mb);
}

bool ReadPower(std::string_view word, Power* power) {
  std::string_view text = word;
  *power = {kNotSaid, kNotSaid, kNotSaid, false};
  if (!TakePower(&text, &power->now, &power->has_unit)) return false;
  if (text.empty()) return power->has_unit;
  if (!TakeChar(&text, '/') || !TakePower(&text, &power->average, &power->has_unit)) return false;
  if (text.empty()) return true;
  return TakeChar(&text, '/') && TakePower(&text, &power->peak, &power->has_unit) && text.empty();
}

bool ReadLoad(std::string_view word, Load* load) {
  *load = {kNotSaid, {}, false};
  std::string_view text = word;
  double number = 0;
  if (TakeNumber(&text, &number)) {
    if (text.empty()) {
      load->freq = word;
      load->bare = true;
      return true;
    }
    if (TakeChar(&text, '%') && (text.empty() || text.front() == '@')) {
      load->load = PossibleLoad(number);
      if (!text.empty()) load->freq = text.substr(1);
      return true;
    }
  }
  if (Equals(word, "off")) {
    load->load = kOff;
    return true;
  }
  const std::string_view percent = CutAt(word, '@', &load->freq);
  // "N/A%": it has one, and does not know it.
  return percent.empty() ? !load->freq.empty() : percent.back() == '%';
}

void PutFrequencies(std::string_view freq, Records* records) {
  const size_t count_at = records->words();
  records->Put(0);
  size_t count = 0;
  if (!freq.empty() && freq.front() == '[' && freq.back() == ']') {
    std::string_view rest = Trim(freq.substr(1, freq.size() - 2));
    // A comma at the end has an element behind it that is not said.
    bool more = !rest.empty();
    for (; more; ++count) {
      more = rest.find(',') != std::string_view::npos;
      records->Put(FrequencyOf(CutAt(rest, ',', &rest)));
    }
  } else if (!freq.empty()) {
    records->Put(FrequencyOf(freq));
    count = 1;
  }
  records->Set(count_at, static_cast<double>(count));
}

bool PutCores(std::string_view word, Records* records) {
  const size_t end = word.find(']');
  if (word.empty() || word.front() != '[' || end == std::string_view::npos) return false;
  std::string_view behind = word.substr(end + 1);
  if (!behind.empty() && !TakeChar(&behind, '@')) return false;
  // Of all cores, where they have none of their own.
  const double common = FrequencyOf(behind);
  const std::string_view list = Trim(word.substr(1, end - 1));
  const size_t count_at = records->words();
  records->Put(0);
  size_t count = 0;
  std::string_view rest = list;
  for (bool more = !list.empty(); more; ++count) {
    double load = 0;
    double mhz = 0;
    std::string_view text = rest;
    // As all boards write them; what is left goes the long way.
    if (TakeNumber(&text, &load) && TakeChar(&text, '%') && TakeChar(&text, '@') && TakeNumber(&text, &mhz) &&
        (text.empty() || text.front() == ',')) {
      more = TakeChar(&text, ',');
      rest = text;
      records->Put(PossibleLoad(load));
      records->Put(PossibleFrequency(mhz));
      continue;
    }
    more = rest.find(',') != std::string_view::npos;
    PutOddCore(Trim(CutAt(rest, ',', &rest)), common, records);
  }
  records->Set(count_at, static_cast<double>(count));
  return true;
}

bool ReadDegrees(std::string_view text, Degrees* degrees) {
  *degrees = {kNotSaid, kNotSaid};
  if (!TakeDegrees(&text, &degrees->now)) return false;
  return text.empty() || (TakeChar(&text, '/') && TakeDegrees(&text, &degrees->peak) && text.empty());
}

bool IsDate(std::string_view word) { return IsTriple(word, '-', 4); }
bool IsTime(std::string_view word) { return IsTriple(word, ':', 2); }

}  // namespace iluvatar::tegrastats
