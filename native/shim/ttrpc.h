// ttrpc, the protocol between containerd and its shims: frames of ten bytes of header and up to 4 MiB of protobuf.
// Unary calls only. Pure. Source: containerd's PROTOCOL.md of ttrpc, and its request.proto.
#ifndef ILUVATAR_SHIM_TTRPC_H_
#define ILUVATAR_SHIM_TTRPC_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace iluvatar::shim {

// google.rpc.Code, as far as it is used.
enum class Code : uint32_t {
  kOk = 0,
  kUnknown = 2,
  kInvalidArgument = 3,
  kNotFound = 5,
  kAlreadyExists = 6,
  kFailedPrecondition = 9,
  kUnimplemented = 12,
  kInternal = 13,
};

enum class FrameType : uint8_t { kRequest = 1, kResponse = 2, kData = 3 };

struct TtrpcFrame {
  uint32_t stream = 0;
  FrameType type = FrameType::kRequest;
  uint8_t flags = 0;
  std::string_view data;
};

inline constexpr size_t kTtrpcHeader = 10;
inline constexpr size_t kMostTtrpcData = 4u << 20;

std::string EncodeFrame(const TtrpcFrame& frame);

// Puts frames together from what a socket gives.
class FrameBuffer {
 public:
  enum class Result { kFrame, kIncomplete, kBroken };

  void Append(std::string_view bytes) { buffer_.append(bytes); }
  // `frame->data` is valid until the next Append. kBroken (too large, a type there is not): the stream has no meaning
  // any more.
  Result Next(TtrpcFrame* frame);

 private:
  std::string buffer_;
  size_t used_ = 0;
};

struct TtrpcRequest {
  std::string service;
  std::string method;
  std::string payload;
};

bool DecodeRequest(std::string_view data, TtrpcRequest* request);
std::string EncodeRequest(const TtrpcRequest& request);

struct TtrpcResponse {
  Code code = Code::kOk;
  std::string message;
  std::string payload;
};

bool DecodeResponse(std::string_view data, TtrpcResponse* response);
std::string EncodeResponse(const TtrpcResponse& response);

}  // namespace iluvatar::shim

#endif  // ILUVATAR_SHIM_TTRPC_H_
