// See ttrpc.h.
#include "shim/ttrpc.h"

#include "shim/protobuf.h"

namespace iluvatar::shim {
namespace {

void AppendBigEndian(uint32_t value, std::string* out) {
  for (int shift = 24; shift >= 0; shift -= 8) *out += static_cast<char>(value >> shift);
}

uint32_t BigEndian(std::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = (value << 8) | static_cast<unsigned char>(bytes[i]);
  return value;
}

}  // namespace

std::string EncodeFrame(const TtrpcFrame& frame) {
  std::string out;
  out.reserve(kTtrpcHeader + frame.data.size());
  AppendBigEndian(static_cast<uint32_t>(frame.data.size()), &out);
  AppendBigEndian(frame.stream, &out);
  out += static_cast<char>(frame.type);
  out += static_cast<char>(frame.flags);
  out.append(frame.data);
  return out;
}

FrameBuffer::Result FrameBuffer::Next(TtrpcFrame* frame) {
  const std::string_view rest = std::string_view(buffer_).substr(used_);
  if (rest.size() >= kTtrpcHeader) {
    const uint32_t size = BigEndian(rest);
    const auto type = static_cast<unsigned char>(rest[8]);
    if (size > kMostTtrpcData || type < 1 || type > 3) return Result::kBroken;
    if (rest.size() - kTtrpcHeader >= size) {
      *frame = {BigEndian(rest.substr(4)), static_cast<FrameType>(type), static_cast<uint8_t>(rest[9]),
                rest.substr(kTtrpcHeader, size)};
      used_ += kTtrpcHeader + size;
      return Result::kFrame;
    }
  }
  buffer_.erase(0, used_);
  used_ = 0;
  return Result::kIncomplete;
}

bool DecodeRequest(std::string_view data, TtrpcRequest* request) {
  *request = {};
  ProtoReader reader(data);
  while (reader.Next()) {
    if (reader.IsBytes(1)) request->service = reader.bytes();
    if (reader.IsBytes(2)) request->method = reader.bytes();
    if (reader.IsBytes(3)) request->payload = reader.bytes();
  }
  return reader.ok() && !request->service.empty() && !request->method.empty();
}

std::string EncodeRequest(const TtrpcRequest& request) {
  return ProtoWriter().Bytes(1, request.service).Bytes(2, request.method).Bytes(3, request.payload).Take();
}

bool DecodeResponse(std::string_view data, TtrpcResponse* response) {
  *response = {};
  ProtoReader reader(data);
  while (reader.Next()) {
    if (reader.IsBytes(2)) response->payload = reader.bytes();
    if (!reader.IsBytes(1)) continue;
    ProtoReader status(reader.bytes());
    while (status.Next()) {
      if (status.IsVarint(1)) response->code = static_cast<Code>(status.varint());
      if (status.IsBytes(2)) response->message = status.bytes();
    }
    if (!status.ok()) return false;
  }
  return reader.ok();
}

std::string EncodeResponse(const TtrpcResponse& response) {
  ProtoWriter writer;
  if (response.code != Code::kOk) {
    writer.Message(1, ProtoWriter().Varint(1, static_cast<uint64_t>(response.code)).Bytes(2, response.message).Take());
  }
  return writer.Bytes(2, response.payload).Take();
}

}  // namespace iluvatar::shim
