#include "http2/hpack_encoder.h"

#include <algorithm>

#include "http2/hpack_table.h"

namespace iluvatar::http2 {

namespace {

// Of the static table.
constexpr uint32_t kStatus200 = 8;
constexpr uint32_t kContentType = 31;

constexpr uint32_t kOurCapacity = 4096;
// Both usual fields together.
constexpr uint32_t kLeastCapacity = 256;

constexpr FieldView kUsualFields[] = {{"content-type", "application/grpc"}, {"grpc-status", "0"}};

void PutInteger(uint8_t first, unsigned prefix_bits, uint64_t value, std::string* out) {
  const uint64_t mask = (1u << prefix_bits) - 1;
  if (value < mask) {
    out->push_back(static_cast<char>(first | value));
    return;
  }
  out->push_back(static_cast<char>(first | mask));
  for (value -= mask; value >= 0x80; value >>= 7) out->push_back(static_cast<char>(0x80 | (value & 0x7f)));
  out->push_back(static_cast<char>(value));
}

void PutText(std::string_view text, std::string* out) {
  PutInteger(0, 7, text.size(), out);
  out->append(text);
}

// Takes the text up to the next NUL off.
std::string_view Next(std::string_view* fields) {
  const size_t end = std::min(fields->find('\0'), fields->size());
  const std::string_view text = fields->substr(0, end);
  fields->remove_prefix(std::min(end + 1, fields->size()));
  return text;
}

}  // namespace

void HpackEncoder::PeerTable(uint32_t bytes) {
  const uint32_t capacity = std::min(bytes, kOurCapacity);
  if (capacity == capacity_) return;
  capacity_ = capacity;
  capacity_changed_ = true;
}

void HpackEncoder::Encode(std::string_view fields, std::string* out) {
  if (capacity_changed_) {
    capacity_changed_ = false;
    // Through nothing, so that both sides know without counting what is left of it.
    PutInteger(0x20, 5, 0, out);
    if (capacity_ > 0) PutInteger(0x20, 5, capacity_, out);
    std::fill(inserted_as_, inserted_as_ + kUsual, 0);
    inserted_ = 0;
  }
  while (!fields.empty()) {
    const std::string_view name = Next(&fields);
    Field(name, Next(&fields), out);
  }
}

void HpackEncoder::Field(std::string_view name, std::string_view value, std::string* out) {
  if (name == ":status") {
    if (value == "200") {
      PutInteger(0x80, 7, kStatus200, out);
    } else {
      PutInteger(0, 4, kStatus200, out);
      PutText(value, out);
    }
    return;
  }
  for (size_t usual = 0; usual < kUsual; usual++) {
    const FieldView& field = kUsualFields[usual];
    if (name == field.name && value == field.value && Remembered(usual, name, value, out)) return;
  }
  out->push_back(0);
  PutText(name, out);
  PutText(value, out);
}

bool HpackEncoder::Remembered(size_t usual, std::string_view name, std::string_view value, std::string* out) {
  if (capacity_ < kLeastCapacity) return false;
  if (inserted_as_[usual] != 0) {
    PutInteger(0x80, 7, kStaticFields + 1 + inserted_ - inserted_as_[usual], out);
    return true;
  }
  if (usual == 0) {
    PutInteger(0x40, 6, kContentType, out);
  } else {
    PutInteger(0x40, 6, 0, out);
    PutText(name, out);
  }
  PutText(value, out);
  inserted_as_[usual] = ++inserted_;
  return true;
}

}  // namespace iluvatar::http2
