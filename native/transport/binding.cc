// Node-API functions of the transport, in the order of NativeTransport in src/native.ts. Raw Node-API: `send` is called
// for every frame, and the C++ wrapper costs more than the work. Each function carries its TransportEnvironment as
// data, which saves unwrapping `this`.
#include "transport/binding.h"

#include <uv.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <limits>

#include "transport/binding_arguments.h"
#include "transport/binding_http2.h"
#include "transport/environment.h"

namespace iluvatar::transport {

napi_value MakeTransportModule(napi_env env);

namespace {

napi_value Listen(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  if (!call.live()) return nullptr;
  const std::string path = call.Text(0);
  uint32_t id = 0;
  const Status status = call.loop().Listen(path, call.Number(1), static_cast<int>(call.Number(2)), &id);
  return status.ok() ? MakeNumber(env, id) : ThrowSystemError(env, status, path);
}

napi_value ListenOn(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  if (!call.live()) return nullptr;
  uint32_t id = 0;
  const Status status = call.loop().ListenOn(static_cast<int>(call.Number(0)), &id);
  return status.ok() ? MakeNumber(env, id) : ThrowSystemError(env, status, std::string());
}

napi_value CloseListener(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  if (call.live()) call.loop().CloseListener(call.Number(0));
  return nullptr;
}

napi_value Connect(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  if (!call.live()) return nullptr;
  const std::string path = call.Text(0);
  uint32_t id = 0;
  const Status status =
      call.loop().Connect(path, call.Text(1), call.Flag(2) ? Dialect::kLegacy : Dialect::kFramed, &id);
  return status.ok() ? MakeNumber(env, id) : ThrowSystemError(env, status, path);
}

napi_value SetHello(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  if (call.live()) call.loop().set_hello(call.Text(0));
  return nullptr;
}

napi_value Attach(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  if (!call.live()) return nullptr;
  uint32_t id = 0;
  const Status status = call.loop().Attach(static_cast<int>(call.Number(0)), call.Text(1),
                                           call.Flag(2) ? Dialect::kLegacy : Dialect::kFramed, &id);
  return status.ok() ? MakeNumber(env, id) : ThrowSystemError(env, status, std::string());
}

napi_value AttachGreeted(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  if (!call.live()) return nullptr;
  uint32_t id = 0;
  const Status status = call.loop().AttachGreeted(static_cast<int>(call.Number(0)), call.Size(1), &id);
  return status.ok() ? MakeNumber(env, id) : ThrowSystemError(env, status, std::string());
}

napi_value Detach(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  if (!call.live()) return nullptr;
  napi_value fd = nullptr;
  napi_create_int32(env, call.loop().Detach(call.Number(0), call.Number(1)), &fd);
  return fd;
}

napi_value Descriptor(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  if (!call.live()) return nullptr;
  Connection* connection = call.loop().FindConnection(call.Number(0));
  if (connection == nullptr) return ThrowSystemError(env, {ENOTCONN, "fcntl"}, std::string());
  return MakeNumber(env, static_cast<uint32_t>(connection->fd()));
}

napi_value PeerMaxBody(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  if (!call.live()) return nullptr;
  Connection* connection = call.loop().FindConnection(call.Number(0));
  const uint64_t bytes = connection == nullptr ? UINT64_MAX : connection->peer_max_body_bytes();
  napi_value value = nullptr;
  napi_create_double(env, bytes == UINT64_MAX ? std::numeric_limits<double>::infinity() : static_cast<double>(bytes),
                     &value);
  return value;
}

FrameHeader HeaderOf(const Call<10>& call) {
  FrameHeader header = {};
  header.magic = kFrameMagic;
  header.type = static_cast<uint8_t>(call.Number(1));
  header.status = static_cast<uint8_t>(call.Number(2));
  header.flags = static_cast<uint8_t>(call.Number(3));
  header.request_id = call.Number(4);
  header.x0 = call.Number(5);
  header.x1 = call.Number(6);
  header.x2 = call.Number(7);
  return header;
}

// A body larger than the peer takes would cost the whole connection. An answer becomes `too_large` instead, so that its
// requester hears of it; anything else is the caller's mistake and throws. True when the frame may go as it is.
bool CheckSize(Call<10>& call, Connection* connection, FrameHeader* header, size_t meta_bytes, uint64_t body_bytes,
               bool* sent) {
  if (body_bytes <= connection->peer_max_body_bytes() && meta_bytes <= kMaxMetaBytes) return true;
  if (header->type != frame_type::kResult && header->type != frame_type::kReply) {
    napi_throw_range_error(
        call.env(), "ERR_FRAME_TOO_LARGE",
        meta_bytes > kMaxMetaBytes ? "the meta is larger than 1 MiB" : "the body is larger than the peer accepts");
    return false;
  }
  char meta[160];
  const int length = std::snprintf(meta, sizeof(meta),
                                   "{\"message\":\"the result of %llu bytes is larger than the receiver accepts\"}",
                                   static_cast<unsigned long long>(body_bytes));
  header->status = frame_status::kTooLarge;
  connection->SendFrame(*header, {meta, static_cast<size_t>(length)}, {});
  *sent = call.loop().Sent(call.Number(0), header->type);
  return false;
}

napi_value Send(napi_env env, napi_callback_info info) {
  Call<10> call(env, info);
  if (!call.live()) return nullptr;
  Connection* connection = call.loop().FindConnection(call.Number(0));
  if (connection == nullptr) return MakeBoolean(env, false);
  FrameHeader header = HeaderOf(call);
  const Bytes meta = call.Measure(8);
  const Bytes body = call.Measure(9);
  bool sent = false;
  if (!CheckSize(call, connection, &header, meta.size, body.size, &sent)) return MakeBoolean(env, sent);
  header.meta_length = static_cast<uint32_t>(meta.size);
  header.body_length = body.size;
  FrameRoom room = {};
  if (!connection->BeginFrame(header, &room)) return MakeBoolean(env, false);
  if (room.meta != nullptr) meta.CopyTo(env, room.meta);
  body.CopyTo(env, room.body);
  connection->EndFrame();
  return MakeBoolean(env, call.loop().Sent(call.Number(0), header.type));
}

napi_value Forward(napi_env env, napi_callback_info info) {
  Call<10> call(env, info);
  if (!call.live()) return nullptr;
  // The token ends here whatever happens.
  PayloadRef payload = call.loop().shared().payloads.Take(call.Number(9));
  Connection* connection = call.loop().FindConnection(call.Number(0));
  if (connection == nullptr) return MakeBoolean(env, false);
  FrameHeader header = HeaderOf(call);
  const std::string_view meta = call.BorrowText(8);
  bool sent = false;
  if (!CheckSize(call, connection, &header, meta.size(), payload ? payload->body_bytes : 0, &sent))
    return MakeBoolean(env, sent);
  const bool queued =
      payload ? connection->SendPayload(header, meta, std::move(payload)) : connection->SendFrame(header, meta, {});
  return MakeBoolean(env, queued && call.loop().Sent(call.Number(0), header.type));
}

napi_value Meta(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  if (!call.live()) return nullptr;
  Payload* payload = call.loop().shared().payloads.Find(call.Number(0));
  napi_value text = nullptr;
  napi_create_string_utf8(env, payload == nullptr ? "" : reinterpret_cast<const char*>(payload->bytes()),
                          payload == nullptr ? 0 : payload->meta_bytes, &text);
  return text;
}

napi_value Body(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  if (!call.live()) return nullptr;
  Payload* payload = call.loop().shared().payloads.Find(call.Number(0));
  napi_value buffer = nullptr;
  napi_create_buffer_copy(env, payload == nullptr ? 0 : static_cast<size_t>(payload->body_bytes),
                          payload == nullptr ? nullptr : payload->body(), nullptr, &buffer);
  return buffer;
}

napi_value Drop(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  if (call.live()) call.loop().shared().payloads.Take(call.Number(0));
  return nullptr;
}

napi_value BodyBytes(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  if (!call.live()) return nullptr;
  const Payload* payload = call.loop().shared().payloads.Find(call.Number(0));
  napi_value value = nullptr;
  napi_create_double(env, payload == nullptr ? 0 : static_cast<double>(payload->body_bytes), &value);
  return value;
}

napi_value Flush(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  if (call.live()) call.loop().FlushDirty();
  return nullptr;
}

napi_value Close(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  if (call.live()) call.loop().CloseConnection(call.Number(0));
  return nullptr;
}

napi_value Pause(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  if (call.live()) call.loop().Pause(call.Number(0));
  return nullptr;
}

napi_value Resume(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  if (call.live()) call.loop().Resume(call.Number(0));
  return nullptr;
}

napi_value Peer(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  if (!call.live()) return nullptr;
  Connection* connection = call.loop().FindConnection(call.Number(0));
  if (connection == nullptr) return ThrowSystemError(env, {ENOTCONN, "getsockopt"}, std::string());
  PeerCredentials peer = {};
  const Status status = ReadPeer(connection->fd(), &peer);
  if (!status.ok()) return ThrowSystemError(env, status, std::string());
  napi_value object = nullptr;
  napi_create_object(env, &object);
  SetNumber(env, object, "pid", peer.pid);
  SetNumber(env, object, "uid", peer.uid);
  SetNumber(env, object, "gid", peer.gid);
  return object;
}

napi_value LastError(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  if (!call.live()) return nullptr;
  const CloseReason* reason = call.loop().Reason(call.Number(0));
  napi_value object = nullptr;
  napi_create_object(env, &object);
  SetText(env, object, "code", reason == nullptr ? "end" : reason->code);
  SetText(env, object, "message", reason == nullptr ? "the peer closed the connection" : reason->message);
  return object;
}

napi_value Counters(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  if (!call.live()) return nullptr;
  ConnectionShared& shared = call.loop().shared();
  napi_value object = nullptr;
  napi_create_object(env, &object);
  SetNumber(env, object, "framesIn", static_cast<double>(shared.counters.frames_in));
  SetNumber(env, object, "framesOut", static_cast<double>(shared.counters.frames_out));
  SetNumber(env, object, "reads", static_cast<double>(shared.counters.reads));
  SetNumber(env, object, "writes", static_cast<double>(shared.counters.writes));
  SetNumber(env, object, "payloadsLive", shared.payloads.published());
  SetNumber(env, object, "connections", call.loop().connections());
  return object;
}

napi_value Destroy(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  call.environment()->Destroy();
  return nullptr;
}

constexpr Method kMethods[] = {
    {"listen", Listen},
    {"listenOn", ListenOn},
    {"closeListener", CloseListener},
    {"connect", Connect},
    {"setHello", SetHello},
    {"attach", Attach},
    {"send", Send},
    {"forward", Forward},
    {"meta", Meta},
    {"body", Body},
    {"bodyBytes", BodyBytes},
    {"drop", Drop},
    {"flush", Flush},
    {"close", Close},
    {"pause", Pause},
    {"resume", Resume},
    {"peer", Peer},
    {"lastError", LastError},
    {"counters", Counters},
    {"destroy", Destroy},
    {"attachGreeted", AttachGreeted},
    {"detach", Detach},
    {"descriptor", Descriptor},
    {"peerMaxBody", PeerMaxBody},
};

napi_value Create(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value options = nullptr;
  napi_get_cb_info(env, info, &count, &options, nullptr, nullptr);
  LoopOptions loop = {};
  // Lengths are reported as u32.
  loop.max_body_bytes = std::min<uint64_t>(OptionNumber(env, options, "maxBodyBytes"), UINT32_MAX);
  loop.spin_us = OptionNumber(env, options, "spinUs");
  loop.high_water_bytes = OptionNumber(env, options, "highWaterBytes");
  napi_value on_events = nullptr;
  napi_value events = nullptr;
  napi_valuetype kind = napi_undefined;
  napi_typedarray_type type = napi_int8_array;
  size_t words = 0;
  void* data = nullptr;
  const bool valid = napi_get_named_property(env, options, "onEvents", &on_events) == napi_ok &&
                     napi_typeof(env, on_events, &kind) == napi_ok && kind == napi_function &&
                     napi_get_named_property(env, options, "events", &events) == napi_ok &&
                     napi_get_typedarray_info(env, events, &type, &words, &data, nullptr, nullptr) == napi_ok &&
                     type == napi_uint32_array && words >= kEventWords;
  if (!valid) {
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE",
                          "create needs options with onEvents and a Uint32Array of events");
    return nullptr;
  }
  loop.events = static_cast<uint32_t*>(data);
  loop.event_capacity = static_cast<uint32_t>(words / kEventWords);
  TransportEnvironment* environment = TransportEnvironment::Create(env, loop, on_events, events);
  if (environment == nullptr) return nullptr;
  napi_value window = nullptr;
  if (napi_get_named_property(env, options, "window", &window) == napi_ok) environment->ShareWindow(window);
  napi_value object = nullptr;
  napi_create_object(env, &object);
  for (const Method& method : kMethods) AddMethod(env, object, method, environment);
  AddHttp2Methods(env, object, environment);
  return object;
}

}  // namespace

napi_value MakeTransportModule(napi_env env) {
  napi_value module = nullptr;
  napi_value function = nullptr;
  napi_create_object(env, &module);
  napi_create_function(env, "create", NAPI_AUTO_LENGTH, Create, nullptr, &function);
  napi_set_named_property(env, module, "create", function);
  return module;
}

}  // namespace iluvatar::transport

namespace {

// Of no loop: for whoever listens on copies of it, one after the other.
Napi::Value ListenUnix(const Napi::CallbackInfo& info) {
  using namespace iluvatar::transport;
  const std::string path = info[0].As<Napi::String>().Utf8Value();
  UniqueFd fd;
  BoundPath bound;
  const Status status =
      ListenUnix(path, info[1].As<Napi::Number>().Uint32Value(), info[2].As<Napi::Number>().Int32Value(), &fd, &bound);
  if (!status.ok()) return Napi::Value(info.Env(), ThrowSystemError(info.Env(), status, path));
  return Napi::Number::New(info.Env(), fd.release());
}

}  // namespace

Napi::Object InitTransport(Napi::Env env) {
  Napi::Object exports(env, iluvatar::transport::MakeTransportModule(env));
  exports.Set("listenUnix", Napi::Function::New<ListenUnix>(env, "listenUnix"));
  return exports;
}
