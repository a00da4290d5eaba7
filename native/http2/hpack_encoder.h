// Header blocks of answers (RFC 7541). The two fields that every answer has are put into the peer's table once, and are
// a byte each from then on; everything else is a literal that nobody has to keep.
#ifndef ILUVATAR_HTTP2_HPACK_ENCODER_H_
#define ILUVATAR_HTTP2_HPACK_ENCODER_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace iluvatar::http2 {

class HpackEncoder {
 public:
  // SETTINGS_HEADER_TABLE_SIZE of the peer.
  void PeerTable(uint32_t bytes);

  // Appends one block: names and values in turn, each with a NUL behind it; ":status" first. What it should begin with
  // a change of the table is in it too, so blocks must be sent in the order in which they were made.
  void Encode(std::string_view fields, std::string* out);

 private:
  void Field(std::string_view name, std::string_view value, std::string* out);
  // False: the peer's table is too small for it.
  bool Remembered(size_t usual, std::string_view name, std::string_view value, std::string* out);

  static constexpr size_t kUsual = 2;
  uint32_t capacity_ = 4096;
  bool capacity_changed_ = false;
  // Number of entries put in so far, and of each usual one when it was; 0 = not there.
  uint32_t inserted_ = 0;
  uint32_t inserted_as_[kUsual] = {};
};

}  // namespace iluvatar::http2

#endif  // ILUVATAR_HTTP2_HPACK_ENCODER_H_
