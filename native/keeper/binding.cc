// NativeKeeper: argument and result conversion only.
#include "keeper/binding.h"

#include <string>
#include <utility>
#include <vector>

#include "keeper/client.h"
#include "keeper/marks.h"
#include "keeper/start.h"
#include "system/system_error.h"

namespace {

namespace keeper = iluvatar::keeper;
using iluvatar::system::Status;
using iluvatar::system::ThrowSystemError;
using keeper::Client;
using keeper::Type;

Client* ClientOf(const Napi::CallbackInfo& info) { return static_cast<Client*>(info.Data()); }

// True = given to the kernel, false = the same again later.
Napi::Value Sent(Napi::Env env, int error) {
  if (error != 0 && !keeper::IsPassing(error)) {
    ThrowSystemError(env, {error, "sendmsg", {}});
    return env.Undefined();
  }
  return Napi::Boolean::New(env, error == 0);
}

Napi::Value Hold(const Napi::CallbackInfo& info) {
  const std::string key = info[0].As<Napi::String>().Utf8Value();
  const std::string text = info[1].As<Napi::String>().Utf8Value();
  const Napi::Array fds = info[2].As<Napi::Array>();
  std::vector<int> descriptors;
  for (uint32_t i = 0; i < fds.Length(); i++) descriptors.push_back(fds.Get(i).As<Napi::Number>().Int32Value());
  return Sent(info.Env(), ClientOf(info)->Say({Type::kHold, key, text, descriptors.size()}, descriptors));
}

Napi::Value Drop(const Napi::CallbackInfo& info) {
  const std::string key = info[0].As<Napi::String>().Utf8Value();
  return Sent(info.Env(), ClientOf(info)->Say({Type::kDrop, key, {}, 0}, {}));
}

Napi::Value List(const Napi::CallbackInfo& info) { return Sent(info.Env(), ClientOf(info)->List()); }

Napi::Value Quit(const Napi::CallbackInfo& info) {
  return Sent(info.Env(), ClientOf(info)->Say({Type::kQuit, {}, {}, 0}, {}));
}

Napi::Value Close(const Napi::CallbackInfo& info) {
  ClientOf(info)->Close();
  return info.Env().Undefined();
}

Napi::Value Start(const Napi::CallbackInfo& info) {
  const Status status = keeper::Start(info[0].As<Napi::String>().Utf8Value(), info[1].As<Napi::Number>().Int64Value(),
                                      info[2].As<Napi::String>().Utf8Value());
  if (!status.ok()) ThrowSystemError(info.Env(), status);
  return info.Env().Undefined();
}

Napi::Value Connect(const Napi::CallbackInfo& info) {
  keeper::UniqueFd fd;
  if (const Status status = keeper::Connect(info[0].As<Napi::String>().Utf8Value(), &fd); !status.ok()) {
    ThrowSystemError(info.Env(), status);
    return info.Env().Undefined();
  }
  Client* client = Client::Create(info.Env(), std::move(fd), info[1]);
  if (client == nullptr) return info.Env().Undefined();
  Napi::Object object = Napi::Object::New(info.Env());
  object.Set("hold", Napi::Function::New<Hold>(info.Env(), "hold", client));
  object.Set("drop", Napi::Function::New<Drop>(info.Env(), "drop", client));
  object.Set("list", Napi::Function::New<List>(info.Env(), "list", client));
  object.Set("quit", Napi::Function::New<Quit>(info.Env(), "quit", client));
  object.Set("close", Napi::Function::New<Close>(info.Env(), "close", client));
  return object;
}

// The mapping lives as long as its array.
Napi::Value Map(Napi::Env env, int fd) {
  uint8_t* data = nullptr;
  size_t bytes = 0;
  if (const Status status = keeper::MapMarks(fd, &data, &bytes); !status.ok()) {
    ThrowSystemError(env, status);
    return {};
  }
  const Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(
      env, data, bytes, [bytes](Napi::Env, void* mapped) { keeper::UnmapMarks(static_cast<uint8_t*>(mapped), bytes); });
  return Napi::Uint8Array::New(env, bytes, buffer, 0);
}

Napi::Value Marks(const Napi::CallbackInfo& info) {
  keeper::UniqueFd fd;
  const double count = info[0].As<Napi::Number>().DoubleValue();
  const size_t bytes = count >= 1 && count <= keeper::kMaxMarkBytes ? static_cast<size_t>(count) : 0;
  if (const Status status = keeper::MakeMarks(bytes, &fd); !status.ok()) {
    ThrowSystemError(info.Env(), status);
    return info.Env().Undefined();
  }
  const Napi::Value mapped = Map(info.Env(), fd.get());
  if (mapped.IsEmpty()) return info.Env().Undefined();
  Napi::Object object = Napi::Object::New(info.Env());
  object.Set("bytes", mapped);
  object.Set("fd", fd.release());
  return object;
}

Napi::Value MapMarks(const Napi::CallbackInfo& info) {
  const Napi::Value mapped = Map(info.Env(), info[0].As<Napi::Number>().Int32Value());
  return mapped.IsEmpty() ? info.Env().Undefined() : mapped;
}

}  // namespace

Napi::Object InitKeeper(Napi::Env env) {
  Napi::Object exports = Napi::Object::New(env);
  exports.Set("start", Napi::Function::New<Start>(env, "start"));
  exports.Set("connect", Napi::Function::New<Connect>(env, "connect"));
  exports.Set("marks", Napi::Function::New<Marks>(env, "marks"));
  exports.Set("mapMarks", Napi::Function::New<MapMarks>(env, "mapMarks"));
  return exports;
}
