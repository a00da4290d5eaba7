// Header blocks of a peer, read (RFC 7541). What a block costs is bounded by its own size, however much it refers to.
#ifndef ILUVATAR_HTTP2_HPACK_DECODER_H_
#define ILUVATAR_HTTP2_HPACK_DECODER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "http2/hpack_table.h"

namespace iluvatar::http2 {

class FieldSink {
 public:
  virtual ~FieldSink() = default;
  // The views end with the call.
  virtual void OnField(std::string_view name, std::string_view value) = 0;
};

class HpackDecoder {
 public:
  // `table_bytes`: as our SETTINGS_HEADER_TABLE_SIZE says.
  explicit HpackDecoder(size_t table_bytes) : table_(table_bytes), table_bytes_(table_bytes) {}

  // One whole block. False for a broken one; the connection is then of no more use.
  bool Decode(const uint8_t* data, size_t size, FieldSink& sink);
  const HpackTable& table() const { return table_; }

 private:
  struct Input {
    const uint8_t* at;
    const uint8_t* end;
    bool empty() const { return at == end; }
  };
  static bool ReadInteger(Input* input, unsigned prefix_bits, uint64_t* value);
  static bool ReadText(Input* input, std::string* room, std::string_view* text);
  bool ReadLiteral(Input* input, unsigned prefix_bits, bool keep, FieldSink& sink);

  HpackTable table_;
  size_t table_bytes_;
  std::string name_;
  std::string value_;
};

}  // namespace iluvatar::http2

#endif  // ILUVATAR_HTTP2_HPACK_DECODER_H_
