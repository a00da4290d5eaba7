// Just enough of the protobuf wire format for containerd's messages: varints, byte strings and nested messages; fields
// with default values are left out, as proto3 does. Pure.
#ifndef ILUVATAR_SHIM_PROTOBUF_H_
#define ILUVATAR_SHIM_PROTOBUF_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace iluvatar::shim {

class ProtoWriter {
 public:
  ProtoWriter& Varint(uint32_t field, uint64_t value);
  ProtoWriter& Bytes(uint32_t field, std::string_view value);
  // Written even when empty: a nested message that is present, or an element of a list.
  ProtoWriter& Message(uint32_t field, std::string_view encoded);
  std::string Take() { return std::move(out_); }

 private:
  void Raw(uint64_t value);
  std::string out_;
};

// Walks over the fields of one message. Fixed-width fields can be skipped only; groups are refused.
class ProtoReader {
 public:
  // `text` must outlive the reader and what it hands out.
  explicit ProtoReader(std::string_view text) : rest_(text) {}

  // Moves to the next field; false at the end, or at something that is not protobuf (then ok() is false).
  bool Next();
  bool ok() const { return ok_; }

  // The present field is number `field` and a varint, or a byte string.
  bool IsVarint(uint32_t field) const { return field_ == field && wire_ == 0; }
  bool IsBytes(uint32_t field) const { return field_ == field && wire_ == 2; }
  uint64_t varint() const { return varint_; }
  std::string_view bytes() const { return bytes_; }

 private:
  bool Raw(uint64_t* value);
  bool Cut(uint64_t size);

  std::string_view rest_;
  std::string_view bytes_;
  uint64_t varint_ = 0;
  uint32_t field_ = 0;
  unsigned wire_ = 0;
  bool ok_ = true;
};

}  // namespace iluvatar::shim

#endif  // ILUVATAR_SHIM_PROTOBUF_H_
