// See protobuf.h.
#include "shim/protobuf.h"

namespace iluvatar::shim {
namespace {

constexpr unsigned kVarint = 0;
constexpr unsigned kFixed64 = 1;
constexpr unsigned kBytes = 2;
constexpr unsigned kFixed32 = 5;

constexpr uint64_t kMostField = (1u << 29) - 1;

}  // namespace

void ProtoWriter::Raw(uint64_t value) {
  for (; value >= 0x80; value >>= 7) out_ += static_cast<char>(value | 0x80);
  out_ += static_cast<char>(value);
}

ProtoWriter& ProtoWriter::Varint(uint32_t field, uint64_t value) {
  if (value == 0) return *this;
  Raw((uint64_t{field} << 3) | kVarint);
  Raw(value);
  return *this;
}

ProtoWriter& ProtoWriter::Bytes(uint32_t field, std::string_view value) {
  return value.empty() ? *this : Message(field, value);
}

ProtoWriter& ProtoWriter::Message(uint32_t field, std::string_view encoded) {
  Raw((uint64_t{field} << 3) | kBytes);
  Raw(encoded.size());
  out_.append(encoded);
  return *this;
}

bool ProtoReader::Raw(uint64_t* value) {
  *value = 0;
  for (unsigned shift = 0; shift < 70 && !rest_.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(rest_[0]);
    rest_.remove_prefix(1);
    // The tenth byte has one bit to give.
    if (shift == 63 && byte > 1) return false;
    *value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

bool ProtoReader::Cut(uint64_t size) {
  if (size > rest_.size()) return false;
  bytes_ = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return true;
}

bool ProtoReader::Next() {
  if (!ok_ || rest_.empty()) return false;
  uint64_t tag = 0;
  ok_ = Raw(&tag) && (tag >> 3) >= 1 && (tag >> 3) <= kMostField;
  if (!ok_) return false;
  field_ = static_cast<uint32_t>(tag >> 3);
  wire_ = static_cast<unsigned>(tag & 7);
  bytes_ = {};
  varint_ = 0;
  switch (wire_) {
    case kVarint:
      ok_ = Raw(&varint_);
      break;
    case kFixed64:
      ok_ = Cut(8);
      break;
    case kFixed32:
      ok_ = Cut(4);
      break;
    case kBytes:
      ok_ = Raw(&varint_) && Cut(varint_);
      break;
    default:
      ok_ = false;
  }
  return ok_;
}

}  // namespace iluvatar::shim
