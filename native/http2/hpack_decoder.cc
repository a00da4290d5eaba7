#include "http2/hpack_decoder.h"

#include "http2/huffman.h"

namespace iluvatar::http2 {

namespace {

// Larger ones mean nothing here, and would overflow in the end.
constexpr uint64_t kMaxInteger = 1u << 28;

}  // namespace

bool HpackDecoder::ReadInteger(Input* input, unsigned prefix_bits, uint64_t* value) {
  if (input->empty()) return false;
  const uint64_t mask = (1u << prefix_bits) - 1;
  *value = *input->at++ & mask;
  if (*value < mask) return true;
  for (unsigned shift = 0; shift <= 28; shift += 7) {
    if (input->empty()) return false;
    const uint8_t byte = *input->at++;
    *value += uint64_t{byte & 0x7fu} << shift;
    if (*value > kMaxInteger) return false;
    if ((byte & 0x80) == 0) return true;
  }
  return false;
}

bool HpackDecoder::ReadText(Input* input, std::string* room, std::string_view* text) {
  if (input->empty()) return false;
  const bool huffman = (*input->at & 0x80) != 0;
  uint64_t size = 0;
  if (!ReadInteger(input, 7, &size) || size > static_cast<uint64_t>(input->end - input->at)) return false;
  const uint8_t* begin = input->at;
  input->at += size;
  if (!huffman) {
    *text = {reinterpret_cast<const char*>(begin), static_cast<size_t>(size)};
    return true;
  }
  room->clear();
  if (!DecodeHuffman(begin, static_cast<size_t>(size), room)) return false;
  *text = *room;
  return true;
}

bool HpackDecoder::ReadLiteral(Input* input, unsigned prefix_bits, bool keep, FieldSink& sink) {
  uint64_t index = 0;
  FieldView field;
  if (!ReadInteger(input, prefix_bits, &index)) return false;
  if (index == 0 ? !ReadText(input, &name_, &field.name) : !table_.Find(index, &field)) return false;
  if (!ReadText(input, &value_, &field.value)) return false;
  sink.OnField(field.name, field.value);
  if (keep) table_.Insert(field.name, field.value);
  return true;
}

bool HpackDecoder::Decode(const uint8_t* data, size_t size, FieldSink& sink) {
  Input input = {data, data + size};
  bool begun = false;
  while (!input.empty()) {
    const uint8_t first = *input.at;
    if ((first & 0xe0) == 0x20) {
      uint64_t capacity = 0;
      // Only before the first field, and never more than was offered.
      if (begun || !ReadInteger(&input, 5, &capacity) || capacity > table_bytes_) return false;
      table_.SetCapacity(static_cast<size_t>(capacity));
      continue;
    }
    begun = true;
    if ((first & 0x80) != 0) {
      uint64_t index = 0;
      FieldView field;
      if (!ReadInteger(&input, 7, &index) || !table_.Find(index, &field)) return false;
      sink.OnField(field.name, field.value);
    } else if ((first & 0x40) != 0) {
      if (!ReadLiteral(&input, 6, true, sink)) return false;
    } else if (!ReadLiteral(&input, 4, false, sink)) {
      return false;
    }
  }
  return true;
}

}  // namespace iluvatar::http2
