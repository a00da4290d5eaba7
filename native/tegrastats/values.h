// What stands behind a name in a line of tegrastats: pairs of sizes, powers, loads, lists of cores and of frequencies.
// Each reader takes one word and says whether it is such a value; what is no number in it is NaN.
#ifndef ILUVATAR_TEGRASTATS_VALUES_H_
#define ILUVATAR_TEGRASTATS_VALUES_H_

#include <string_view>

#include "tegrastats/records.h"

namespace iluvatar::tegrastats {

// MiB; all that stands behind the sizes, which may be a bracket without a space before it, is in `rest`.
struct Sizes {
  double used;
  double total;
  bool has_unit;
  std::string_view rest;
};
// "598/1892MB", "36/256kB(lfb 128kb)".
bool ReadSizes(std::string_view word, Sizes* sizes);

// "(lfb 209x4MB)", "(lfb 252kB)": then `count` is NaN.
bool ReadLargestFree(std::string_view word, double* count, double* size_mb);
// "(cached 7MB)".
bool ReadCached(std::string_view word, double* cached_mb);

// mW.
struct Power {
  double now;
  double average;
  double peak;
  // Milliwatts are named, which nothing but a rail has.
  bool has_unit;
};
// "2532/2698", "598mW/598", "37939mW/8660mW/37939mW", "5mW".
bool ReadPower(std::string_view word, Power* power);

struct Load {
  // Per cent; kOff.
  double load;
  // "115", "[0, 300]"; empty = none.
  std::string_view freq;
  // A number and nothing else, which can be anything unless the name is that of an engine.
  bool bare;
};
// "41%@998", "0%", "@[0,0,0]", "off", "N/A%@[200]", "150".
bool ReadLoad(std::string_view word, Load* load);

// Appends a count, and as many frequencies; MHz.
void PutFrequencies(std::string_view freq, Records* records);

// "[0%@345,off]", "[0%,off]@2601". Appends a count, and as many cores.
bool PutCores(std::string_view word, Records* records);

struct Degrees {
  double now;
  double peak;
};
// What stands behind the '@': "39C", "52.968C/52.968C", "-256C".
bool ReadDegrees(std::string_view text, Degrees* degrees);

// "04-23-2023", "16:10:22".
bool IsDate(std::string_view word);
bool IsTime(std::string_view word);

}  // namespace iluvatar::tegrastats

#endif  // ILUVATAR_TEGRASTATS_VALUES_H_
