// The header list of a request, checked (RFC 9113, 8.2 and 8.3) and boiled down to what a gRPC call needs: usually
// three numbers. What is left of it goes on as text.
#ifndef ILUVATAR_HTTP2_REQUEST_HEAD_H_
#define ILUVATAR_HTTP2_REQUEST_HEAD_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "http2/hpack_decoder.h"

namespace iluvatar::http2 {

struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};
// Paths that are called, and their numbers from 1.
using Paths = std::unordered_map<std::string, uint32_t, TextHash, std::equal_to<>>;

class RequestHead final : public FieldSink {
 public:
  // `max_bytes`: of all names and values and 32 for each, as SETTINGS_MAX_HEADER_LIST_SIZE counts.
  explicit RequestHead(size_t max_bytes) : max_bytes_(max_bytes) {}

  void Begin(bool trailers);
  void OnField(std::string_view name, std::string_view value) override;
  // After the last field.
  void End(const Paths& paths);

  // Not a request at all: a stream error.
  bool malformed() const { return malformed_; }
  bool too_large() const { return bytes_ > max_bytes_; }
  // Its content type is "application/grpc" and no more.
  bool is_grpc() const { return is_grpc_; }
  // 0 = not one of `paths`.
  uint32_t path() const { return path_; }
  // `grpc-timeout`: its number and the letter of its unit; 0 = there is none that is well formed.
  uint32_t timeout() const { return timeout_; }
  uint8_t timeout_unit() const { return timeout_unit_; }
  // −1 = not stated.
  int64_t content_length() const { return content_length_; }
  // Every field that the above does not say: names and values in turn, each with a NUL behind it.
  const std::string& rest() const { return rest_; }

 private:
  void OnPseudo(std::string_view name, std::string_view value);
  bool OnTimeout(std::string_view value);
  void OnContentLength(std::string_view value);
  void Keep(std::string_view name, std::string_view value);

  size_t max_bytes_;
  size_t bytes_ = 0;
  bool trailers_ = false;
  bool malformed_ = false;
  bool regular_seen_ = false;
  bool method_seen_ = false;
  bool scheme_seen_ = false;
  bool authority_seen_ = false;
  bool encoding_seen_ = false;
  bool is_grpc_ = false;
  uint8_t timeout_unit_ = 0;
  uint32_t timeout_ = 0;
  uint32_t path_ = 0;
  int64_t content_length_ = -1;
  std::string path_text_;
  // Of use only to who compresses.
  std::string accept_encoding_;
  std::string rest_;
};

}  // namespace iluvatar::http2

#endif  // ILUVATAR_HTTP2_REQUEST_HEAD_H_
