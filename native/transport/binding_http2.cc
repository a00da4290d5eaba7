#include "transport/binding_http2.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "http2/utf8.h"
#include "transport/binding_arguments.h"

namespace iluvatar::transport {

namespace {

// What nearly every answer begins and ends with.
constexpr std::string_view kUsualHeaders(":status\000200\0content-type\0application/grpc\0", 42);
constexpr std::string_view kUsualTrailers("grpc-status\0000\0", 14);

std::string_view View(const Bytes& bytes) { return {static_cast<const char*>(bytes.data), bytes.size}; }

// nullptr: it is gone, or speaks something else.
http2::Session* FindSession(EventLoop& loop, uint32_t id) {
  Connection* connection = loop.FindConnection(id);
  return connection == nullptr ? nullptr : connection->session();
}

napi_value AddServer(napi_env env, napi_callback_info info) {
  Call<6> call(env, info);
  if (!call.live()) return nullptr;
  http2::SessionOptions options;
  options.max_streams = call.Number(0);
  options.max_header_bytes = call.Number(1);
  options.stream_window = call.Number(2);
  options.connection_window = call.Number(3);
  options.max_waiting = static_cast<size_t>(call.Size(4));
  const std::string paths = call.Text(5);
  uint32_t number = 0;
  for (size_t at = 0; at < paths.size();) {
    const size_t end = std::min(paths.find('\0', at), paths.size());
    options.paths.emplace(paths.substr(at, end - at), ++number);
    at = end + 1;
  }
  return MakeNumber(env, call.loop().AddServer(std::move(options)));
}

napi_value Serve(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  if (!call.live()) return nullptr;
  uint32_t id = 0;
  const Status status = call.loop().Serve(static_cast<int>(call.Number(0)), call.Number(1), &id);
  return status.ok() ? MakeNumber(env, id) : ThrowSystemError(env, status, std::string());
}

napi_value Peek(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  if (!call.live()) return nullptr;
  Payload* payload = call.loop().shared().payloads.Find(call.Number(0));
  const size_t bytes = payload == nullptr ? 0 : static_cast<size_t>(payload->body_bytes);
  const bool fits = bytes <= call.environment()->window_bytes();
  if (fits && bytes > 0) std::memcpy(call.environment()->window(), payload->body(), bytes);
  napi_value seen = nullptr;
  napi_create_int32(env, fits ? static_cast<int32_t>(bytes) : -1, &seen);
  return seen;
}

napi_value Narrow(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  if (!call.live()) return nullptr;
  Payload* payload = call.loop().shared().payloads.Find(call.Number(0));
  if (payload != nullptr) payload->Narrow(call.Number(1), call.Number(2));
  return nullptr;
}

napi_value Answer(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  if (!call.live()) return nullptr;
  http2::Session* session = FindSession(call.loop(), call.Number(0));
  if (session == nullptr) return nullptr;
  session->Respond(call.Number(1), kUsualHeaders, View(call.Measure(2)), kUsualTrailers, true);
  call.loop().Touched(call.Number(0));
  return nullptr;
}

napi_value AnswerField(napi_env env, napi_callback_info info) {
  Call<5> call(env, info);
  if (!call.live()) return nullptr;
  PayloadStore& payloads = call.loop().shared().payloads;
  Payload* payload = payloads.Find(call.Number(3));
  const std::string_view field = payload == nullptr ? std::string_view()
                                                    : std::string_view(reinterpret_cast<char*>(payload->body()),
                                                                       static_cast<size_t>(payload->body_bytes));
  // The token stays its owner's, who has to make something else of it.
  if (field.empty() || !http2::IsUtf8(field)) return MakeBoolean(env, false);
  const size_t tail_bytes = std::min<size_t>(call.Number(4), call.environment()->window_bytes());
  const std::string_view tail(reinterpret_cast<const char*>(call.environment()->window()), tail_bytes);
  http2::Session* session = FindSession(call.loop(), call.Number(0));
  if (session != nullptr) {
    session->Answer(call.Number(1), kUsualHeaders, static_cast<uint8_t>(call.Number(2)), field, tail, kUsualTrailers);
    call.loop().Touched(call.Number(0));
  }
  payloads.Take(call.Number(3));
  return MakeBoolean(env, true);
}

napi_value Respond(napi_env env, napi_callback_info info) {
  Call<6> call(env, info);
  if (!call.live()) return nullptr;
  http2::Session* session = FindSession(call.loop(), call.Number(0));
  if (session == nullptr) return nullptr;
  const std::string headers = call.Text(2);
  const std::string trailers = call.Text(4);
  session->Respond(call.Number(1), headers, View(call.Measure(3)), trailers, call.Flag(5));
  call.loop().Touched(call.Number(0));
  return nullptr;
}

napi_value Reset(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  if (!call.live()) return nullptr;
  http2::Session* session = FindSession(call.loop(), call.Number(0));
  if (session == nullptr) return nullptr;
  session->Reset(call.Number(1), static_cast<http2::ErrorCode>(call.Number(2)));
  call.loop().Touched(call.Number(0));
  return nullptr;
}

napi_value Ping(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  if (!call.live()) return nullptr;
  http2::Session* session = FindSession(call.loop(), call.Number(0));
  if (session == nullptr) return nullptr;
  session->Ping();
  call.loop().Touched(call.Number(0));
  return nullptr;
}

napi_value Announce(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  if (!call.live()) return nullptr;
  http2::Session* session = FindSession(call.loop(), call.Number(0));
  if (session == nullptr) return nullptr;
  session->Announce();
  call.loop().Touched(call.Number(0));
  return nullptr;
}

napi_value Leave(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  if (!call.live()) return nullptr;
  http2::Session* session = FindSession(call.loop(), call.Number(0));
  if (session == nullptr) return nullptr;
  session->Leave();
  call.loop().Touched(call.Number(0));
  return nullptr;
}

napi_value Fail(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  if (!call.live()) return nullptr;
  http2::Session* session = FindSession(call.loop(), call.Number(0));
  if (session == nullptr) return nullptr;
  session->Fail(static_cast<http2::ErrorCode>(call.Number(1)), call.Text(2));
  call.loop().Abort(call.Number(0));
  return nullptr;
}

napi_value Abort(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  if (call.live()) call.loop().Abort(call.Number(0));
  return nullptr;
}

constexpr Method kMethods[] = {
    {"peek", Peek},
    {"narrow", Narrow},
    {"http2Server", AddServer},
    {"http2Serve", Serve},
    {"http2Answer", Answer},
    {"http2AnswerField", AnswerField},
    {"http2Respond", Respond},
    {"http2Reset", Reset},
    {"http2Ping", Ping},
    {"http2Announce", Announce},
    {"http2Leave", Leave},
    {"http2Fail", Fail},
    {"abort", Abort},
};

}  // namespace

void AddHttp2Methods(napi_env env, napi_value object, TransportEnvironment* environment) {
  for (const Method& method : kMethods) AddMethod(env, object, method, environment);
}

}  // namespace iluvatar::transport
