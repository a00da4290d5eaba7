// A small, strict and bounded JSON reader for the metas of SPAWN, ASSIGN, ZYGOTE and the spawner's configuration: one
// object whose values are strings, integers, booleans, arrays of strings or objects of strings; any other valid value
// may be present and is skipped, or read by a reader of its own. Strict: RFC 8259, valid UTF-8, no duplicate keys, no
// "\u0000" (every string ends up in a C interface, where it would cut the string short unseen).
#ifndef ILUVATAR_SANDBOX_JSON_H_
#define ILUVATAR_SANDBOX_JSON_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace iluvatar::sandbox {

// Reads one object. The first failure (syntax, or a value of the wrong kind or out of range asked for later) is kept,
// and later calls return defaults.
class JsonReader {
 public:
  // `text` must outlive the reader.
  explicit JsonReader(std::string_view text);

  // Empty while all is well, else a sentence.
  const std::string& error() const { return error_; }
  bool ok() const { return error_.empty(); }

  // Present and not null.
  bool Has(std::string_view key) const;
  std::vector<std::string> Keys() const;
  std::string String(std::string_view key, std::string_view otherwise);
  std::string RequiredString(std::string_view key);
  int64_t Integer(std::string_view key, int64_t otherwise, int64_t least, int64_t most);
  bool Boolean(std::string_view key, bool otherwise);
  std::vector<std::string> Strings(std::string_view key);
  std::vector<std::pair<std::string, std::string>> StringMap(std::string_view key);
  // The text of a nested object, for a reader of its own: a part of this reader's text. "{}" when absent.
  std::string_view Object(std::string_view key);
  std::vector<std::string_view> Objects(std::string_view key);
  std::vector<int64_t> Integers(std::string_view key, int64_t least, int64_t most);
  // Absent, or a value that asks for nothing: null, false, 0, "", [], {}.
  bool IsEmpty(std::string_view key) const;
  // The value is spelt exactly like this: for numbers beyond 63 bits.
  bool Is(std::string_view key, std::string_view text) const;

 private:
  const std::string_view* Find(std::string_view key) const;
  void Fail(std::string message);

  std::vector<std::pair<std::string, std::string_view>> members_;
  std::string error_;
};

// `text` as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD, so that the result is always valid.
std::string JsonQuote(std::string_view text);

}  // namespace iluvatar::sandbox

#endif  // ILUVATAR_SANDBOX_JSON_H_
