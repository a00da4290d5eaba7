#include "http2/request_head.h"

#include <utility>

#include "http2/hpack_table.h"

namespace iluvatar::http2 {

namespace {

// A name that has to be in lower case, of the characters that HTTP has for names.
bool IsName(std::string_view name) {
  if (name.empty()) return false;
  for (const char each : name) {
    if ((each >= 'a' && each <= 'z') || (each >= '0' && each <= '9') || each == '-' || each == '_') continue;
    if (std::string_view("!#$%&'*+.^`|~").find(each) == std::string_view::npos) return false;
  }
  return true;
}

bool IsValue(std::string_view value) {
  return value.find_first_of(std::string_view("\0\r\n", 3)) == std::string_view::npos;
}

// Of HTTP/1: in HTTP/2 they would mean something else to whoever passes them on.
bool IsOfConnection(std::string_view name) {
  return name == "connection" || name == "proxy-connection" || name == "keep-alive" || name == "transfer-encoding" ||
         name == "upgrade";
}

// The longest that a content length or time-out can be.
bool ReadNumber(std::string_view digits, size_t longest, uint64_t* number) {
  if (digits.empty() || digits.size() > longest) return false;
  *number = 0;
  for (const char digit : digits) {
    if (digit < '0' || digit > '9') return false;
    *number = *number * 10 + static_cast<uint64_t>(digit - '0');
  }
  return true;
}

}  // namespace

void RequestHead::Begin(bool trailers) {
  bytes_ = 0;
  trailers_ = trailers;
  malformed_ = regular_seen_ = method_seen_ = scheme_seen_ = authority_seen_ = encoding_seen_ = is_grpc_ = false;
  timeout_ = path_ = 0;
  timeout_unit_ = 0;
  content_length_ = -1;
  path_text_.clear();
  accept_encoding_.clear();
  rest_.clear();
}

void RequestHead::OnField(std::string_view name, std::string_view value) {
  bytes_ += name.size() + value.size() + kEntryOverhead;
  // Goes on only to keep the table right.
  if (malformed_ || too_large()) return;
  if (!IsValue(value)) {
    malformed_ = true;
    return;
  }
  if (name.starts_with(':')) {
    OnPseudo(name, value);
    return;
  }
  regular_seen_ = true;
  if (!IsName(name) || IsOfConnection(name) || (name == "te" && value != "trailers")) {
    malformed_ = true;
    return;
  }
  // Nothing is made of trailers.
  if (trailers_) return;
  if (name == "te" || name == "user-agent" || name == "accept-encoding") return;
  if (name == "content-length") {
    OnContentLength(value);
  } else if (name == "grpc-accept-encoding") {
    accept_encoding_ = value;
  } else if (name == "content-type" && value == "application/grpc" && !is_grpc_) {
    is_grpc_ = true;
  } else if (name != "grpc-timeout" || !OnTimeout(value)) {
    encoding_seen_ = encoding_seen_ || name == "grpc-encoding";
    Keep(name, value);
  }
}

void RequestHead::OnPseudo(std::string_view name, std::string_view value) {
  bool again = false;
  if (name == ":method") {
    again = std::exchange(method_seen_, true);
    if (value != "POST") Keep(name, value);
  } else if (name == ":path") {
    again = !path_text_.empty() || value.empty();
    path_text_ = value;
  } else if (name == ":scheme") {
    again = std::exchange(scheme_seen_, true);
  } else if (name == ":authority") {
    again = std::exchange(authority_seen_, true);
  } else {
    again = true;
  }
  if (again || trailers_ || regular_seen_) malformed_ = true;
}

bool RequestHead::OnTimeout(std::string_view value) {
  uint64_t number = 0;
  // A second one, too, is left to be found malformed.
  if (timeout_unit_ != 0 || value.size() < 2 || !ReadNumber(value.substr(0, value.size() - 1), 8, &number))
    return false;
  const char unit = value.back();
  if (std::string_view("HMSmun").find(unit) == std::string_view::npos) return false;
  timeout_ = static_cast<uint32_t>(number);
  timeout_unit_ = static_cast<uint8_t>(unit);
  return true;
}

void RequestHead::OnContentLength(std::string_view value) {
  uint64_t length = 0;
  if (!ReadNumber(value, 15, &length) || (content_length_ >= 0 && content_length_ != static_cast<int64_t>(length))) {
    malformed_ = true;
    return;
  }
  content_length_ = static_cast<int64_t>(length);
}

void RequestHead::Keep(std::string_view name, std::string_view value) {
  rest_.append(name).push_back('\0');
  rest_.append(value).push_back('\0');
}

void RequestHead::End(const Paths& paths) {
  if (trailers_ || malformed_ || too_large()) return;
  if (!method_seen_ || !scheme_seen_ || path_text_.empty()) {
    malformed_ = true;
    return;
  }
  const auto found = paths.find(std::string_view(path_text_));
  if (found == paths.end()) {
    Keep(":path", path_text_);
  } else {
    path_ = found->second;
  }
  if (encoding_seen_ && !accept_encoding_.empty()) Keep("grpc-accept-encoding", accept_encoding_);
}

}  // namespace iluvatar::http2
