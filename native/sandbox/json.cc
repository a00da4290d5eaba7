// See json.h.
#include "sandbox/json.h"

#include <charconv>

namespace iluvatar::sandbox {
namespace {

// Nesting beyond this is refused: the scanner recurses, and may run on the stack of whoever loaded it.
constexpr int kMaxDepth = 32;
constexpr size_t kMaxBytes = 1u << 20;

// Length of the UTF-8 sequence at `text`, 0 when there is no valid one (overlong, surrogate, beyond U+10FFFF, cut).
size_t Utf8Length(std::string_view text) {
  const auto byte = [text](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto tail = [&byte](size_t i, unsigned low = 0x80, unsigned high = 0xBF) {
    return byte(i) >= low && byte(i) <= high;
  };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return tail(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    return tail(1, first == 0xE0 ? 0xA0 : 0x80, first == 0xED ? 0x9F : 0xBF) && tail(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    return tail(1, first == 0xF0 ? 0x90 : 0x80, first == 0xF4 ? 0x8F : 0xBF) && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

void AppendUtf8(uint32_t code, std::string* out) {
  if (code < 0x80) {
    *out += static_cast<char>(code);
  } else if (code < 0x800) {
    *out += static_cast<char>(0xC0 | (code >> 6));
    *out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    *out += static_cast<char>(0xE0 | (code >> 12));
    *out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    *out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    *out += static_cast<char>(0xF0 | (code >> 18));
    *out += static_cast<char>(0x80 | ((code >> 12) & 0x3F));
    *out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    *out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

// Walks over one text; every method returns false at the first thing that is not JSON.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  std::string_view rest() const { return rest_; }

  void Space() {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\t' || rest_[0] == '\n' || rest_[0] == '\r')) {
      rest_.remove_prefix(1);
    }
  }

  bool Take(char expected) {
    Space();
    if (rest_.empty() || rest_[0] != expected) return false;
    rest_.remove_prefix(1);
    return true;
  }

  // `out` may be null (skip).
  bool String(std::string* out) {
    if (!Take('"')) return false;
    while (!rest_.empty()) {
      const unsigned char c = static_cast<unsigned char>(rest_[0]);
      if (c == '"') {
        rest_.remove_prefix(1);
        return true;
      }
      if (c < 0x20) return false;
      if (c == '\\') {
        if (!Escape(out)) return false;
        continue;
      }
      const size_t length = Utf8Length(rest_);
      if (length == 0) return false;
      if (out != nullptr) out->append(rest_.substr(0, length));
      rest_.remove_prefix(length);
    }
    return false;
  }

  bool Value(int depth) {
    Space();
    if (rest_.empty() || depth > kMaxDepth) return false;
    switch (rest_[0]) {
      case '"':
        return String(nullptr);
      case '{':
        return Object([this, depth](std::string&&) { return Value(depth + 1); });
      case '[':
        return Array([this, depth] { return Value(depth + 1); });
      case 't':
        return Word("true");
      case 'f':
        return Word("false");
      case 'n':
        return Word("null");
      default:
        return Number();
    }
  }

  template <typename Member>
  bool Object(Member member) {
    if (!Take('{')) return false;
    if (Take('}')) return true;
    do {
      std::string key;
      if (!String(&key) || !Take(':') || !member(std::move(key))) return false;
    } while (Take(','));
    return Take('}');
  }

  template <typename Element>
  bool Array(Element element) {
    if (!Take('[')) return false;
    if (Take(']')) return true;
    do {
      if (!element()) return false;
    } while (Take(','));
    return Take(']');
  }

 private:
  bool Word(std::string_view word) {
    if (rest_.substr(0, word.size()) != word) return false;
    rest_.remove_prefix(word.size());
    return true;
  }

  size_t Digits() {
    size_t count = 0;
    while (!rest_.empty() && rest_[0] >= '0' && rest_[0] <= '9') {
      rest_.remove_prefix(1);
      ++count;
    }
    return count;
  }

  bool Number() {
    Word("-");
    const bool zero = !rest_.empty() && rest_[0] == '0';
    const size_t whole = Digits();
    if (whole == 0 || (zero && whole > 1)) return false;
    if (Word(".") && Digits() == 0) return false;
    if (Word("e") || Word("E")) {
      if (!Word("+")) Word("-");
      if (Digits() == 0) return false;
    }
    return true;
  }

  bool Hex4(uint32_t* code) {
    if (rest_.size() < 4) return false;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + 4, *code, 16);
    if (error != std::errc() || end != rest_.data() + 4) return false;
    rest_.remove_prefix(4);
    return true;
  }

  bool Escape(std::string* out) {
    if (rest_.size() < 2) return false;
    const char kind = rest_[1];
    rest_.remove_prefix(2);
    uint32_t code = 0;
    switch (kind) {
      case '"':
      case '\\':
      case '/':
        code = static_cast<unsigned char>(kind);
        break;
      case 'b':
        code = '\b';
        break;
      case 'f':
        code = '\f';
        break;
      case 'n':
        code = '\n';
        break;
      case 'r':
        code = '\r';
        break;
      case 't':
        code = '\t';
        break;
      case 'u': {
        if (!Hex4(&code) || code == 0) return false;
        if (code >= 0xDC00 && code <= 0xDFFF) return false;
        if (code >= 0xD800 && code <= 0xDBFF) {
          uint32_t low = 0;
          if (!Word("\\u") || !Hex4(&low) || low < 0xDC00 || low > 0xDFFF) return false;
          code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        }
        break;
      }
      default:
        return false;
    }
    if (out != nullptr) AppendUtf8(code, out);
    return true;
  }

  std::string_view rest_;
};

}  // namespace

JsonReader::JsonReader(std::string_view text) {
  if (text.size() > kMaxBytes) {
    Fail("JSON text is larger than 1 MiB");
    return;
  }
  Scanner scanner(text);
  const bool valid = scanner.Object([this, &scanner](std::string&& key) {
    scanner.Space();
    const std::string_view before = scanner.rest();
    if (!scanner.Value(1)) return false;
    if (Find(key) != nullptr) {
      Fail("duplicate key " + JsonQuote(key));
      return false;
    }
    members_.emplace_back(std::move(key), before.substr(0, before.size() - scanner.rest().size()));
    return true;
  });
  scanner.Space();
  if (!valid || !scanner.rest().empty()) Fail("not a JSON object");
}

void JsonReader::Fail(std::string message) {
  if (error_.empty()) error_ = std::move(message);
}

const std::string_view* JsonReader::Find(std::string_view key) const {
  for (const auto& [name, value] : members_) {
    if (name == key) return &value;
  }
  return nullptr;
}

bool JsonReader::Has(std::string_view key) const {
  const std::string_view* value = Find(key);
  return value != nullptr && *value != "null";
}

std::vector<std::string> JsonReader::Keys() const {
  std::vector<std::string> keys;
  for (const auto& member : members_) keys.push_back(member.first);
  return keys;
}

std::string JsonReader::String(std::string_view key, std::string_view otherwise) {
  if (!ok() || !Has(key)) return std::string(otherwise);
  std::string text;
  if (!Scanner(*Find(key)).String(&text)) Fail(JsonQuote(key) + " must be a string");
  return text;
}

std::string JsonReader::RequiredString(std::string_view key) {
  if (ok() && !Has(key)) Fail(JsonQuote(key) + " is missing");
  std::string text = String(key, "");
  if (ok() && text.empty()) Fail(JsonQuote(key) + " is empty");
  return text;
}

int64_t JsonReader::Integer(std::string_view key, int64_t otherwise, int64_t least, int64_t most) {
  if (!ok() || !Has(key)) return otherwise;
  const std::string_view text = *Find(key);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least || value > most) {
    Fail(JsonQuote(key) + " must be an integer from " + std::to_string(least) + " to " + std::to_string(most));
    return otherwise;
  }
  return value;
}

bool JsonReader::Boolean(std::string_view key, bool otherwise) {
  if (!ok() || !Has(key)) return otherwise;
  const std::string_view text = *Find(key);
  if (text != "true" && text != "false") Fail(JsonQuote(key) + " must be true or false");
  return text == "true";
}

std::vector<std::string> JsonReader::Strings(std::string_view key) {
  std::vector<std::string> strings;
  if (!ok() || !Has(key)) return strings;
  Scanner scanner(*Find(key));
  if (!scanner.Array([&] { return scanner.String(&strings.emplace_back()); })) {
    Fail(JsonQuote(key) + " must be an array of strings");
  }
  return strings;
}

std::vector<std::pair<std::string, std::string>> JsonReader::StringMap(std::string_view key) {
  std::vector<std::pair<std::string, std::string>> map;
  if (!ok() || !Has(key)) return map;
  Scanner scanner(*Find(key));
  const bool valid = scanner.Object([&](std::string&& name) {
    map.emplace_back(std::move(name), std::string());
    return scanner.String(&map.back().second);
  });
  if (!valid) Fail(JsonQuote(key) + " must be an object of strings");
  return map;
}

std::string_view JsonReader::Object(std::string_view key) {
  if (!ok() || !Has(key)) return "{}";
  const std::string_view text = *Find(key);
  if (text[0] == '{') return text;
  Fail(JsonQuote(key) + " must be an object");
  return "{}";
}

std::vector<std::string_view> JsonReader::Objects(std::string_view key) {
  std::vector<std::string_view> objects;
  if (!ok() || !Has(key)) return objects;
  Scanner scanner(*Find(key));
  const bool valid = scanner.Array([&] {
    scanner.Space();
    const std::string_view before = scanner.rest();
    if (before.empty() || before[0] != '{' || !scanner.Value(1)) return false;
    objects.push_back(before.substr(0, before.size() - scanner.rest().size()));
    return true;
  });
  if (!valid) Fail(JsonQuote(key) + " must be an array of objects");
  return objects;
}

std::vector<int64_t> JsonReader::Integers(std::string_view key, int64_t least, int64_t most) {
  std::vector<int64_t> integers;
  if (!ok() || !Has(key)) return integers;
  Scanner scanner(*Find(key));
  const bool valid = scanner.Array([&] {
    scanner.Space();
    const std::string_view before = scanner.rest();
    if (!scanner.Value(1)) return false;
    const std::string_view text = before.substr(0, before.size() - scanner.rest().size());
    int64_t& value = integers.emplace_back();
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() && value >= least && value <= most;
  });
  if (!valid) {
    Fail(JsonQuote(key) + " must be an array of integers from " + std::to_string(least) + " to " +
         std::to_string(most));
  }
  return integers;
}

bool JsonReader::Is(std::string_view key, std::string_view text) const {
  const std::string_view* value = Find(key);
  return value != nullptr && *value == text;
}

bool JsonReader::IsEmpty(std::string_view key) const {
  if (!Has(key)) return true;
  std::string compact;
  for (const char c : *Find(key)) {
    if (c != ' ' && c != '\t' && c != '\n' && c != '\r') compact += c;
  }
  for (const char* nothing : {"false", "0", "\"\"", "[]", "{}"}) {
    if (compact == nothing) return true;
  }
  return false;
}

std::string JsonQuote(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string quoted = "\"";
  while (!text.empty()) {
    const unsigned char c = static_cast<unsigned char>(text[0]);
    size_t length = Utf8Length(text);
    if (length == 0) {
      quoted += "\xEF\xBF\xBD";
      length = 1;
    } else if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += static_cast<char>(c);
    } else if (c < 0x20) {
      quoted += "\\u00";
      quoted += kHex[c >> 4];
      quoted += kHex[c & 15];
    } else {
      quoted.append(text.substr(0, length));
    }
    text.remove_prefix(length);
  }
  return quoted + "\"";
}

}  // namespace iluvatar::sandbox
