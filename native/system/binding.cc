// NativeSystem: argument and result conversion only.
#include "system/binding.h"

#include <sys/socket.h>

#include <vector>

#include "system/service_manager.h"
#include "system/system.h"
#include "system/system_error.h"

namespace {

using iluvatar::system::Status;
using iluvatar::system::ThrowSystemError;

Napi::Value SandboxSupport(const Napi::CallbackInfo& info) {
  std::string json;
  if (const Status status = iluvatar::system::ProbeSandbox(&json); !status.ok()) {
    ThrowSystemError(info.Env(), status);
    return info.Env().Undefined();
  }
  Napi::Object parser = info.Env().Global().Get("JSON").As<Napi::Object>();
  return parser.Get("parse").As<Napi::Function>().Call(parser, {Napi::String::New(info.Env(), json)});
}

Napi::Value RaiseFileLimit(const Napi::CallbackInfo& info) {
  uint64_t limit = 0;
  if (const Status status = iluvatar::system::RaiseFileLimit(&limit); !status.ok()) {
    ThrowSystemError(info.Env(), status);
    return info.Env().Undefined();
  }
  return Napi::Number::New(info.Env(), static_cast<double>(limit));
}

Napi::Value MonotonicUs(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(iluvatar::system::MonotonicUs()));
}

Napi::Value Kill(const Napi::CallbackInfo& info) {
  bool delivered = false;
  const Status status = iluvatar::system::Kill(info[0].As<Napi::Number>().Int32Value(),
                                               info[1].As<Napi::Number>().Int32Value(), &delivered);
  if (!status.ok()) {
    ThrowSystemError(info.Env(), status);
    return info.Env().Undefined();
  }
  return Napi::Boolean::New(info.Env(), delivered);
}

Napi::Value OpenFifo(const Napi::CallbackInfo& info) {
  int fd = -1;
  const Status status = iluvatar::system::OpenFifo(info[0].As<Napi::String>().Utf8Value(), &fd);
  if (!status.ok()) {
    ThrowSystemError(info.Env(), status);
    return info.Env().Undefined();
  }
  return Napi::Number::New(info.Env(), fd);
}

Napi::Value Notify(const Napi::CallbackInfo& info) {
  const Napi::Array fds = info[2].As<Napi::Array>();
  std::vector<int> descriptors;
  for (uint32_t i = 0; i < fds.Length(); i++) descriptors.push_back(fds.Get(i).As<Napi::Number>().Int32Value());
  const Status status = iluvatar::system::Notify(info[0].As<Napi::String>().Utf8Value(),
                                                 info[1].As<Napi::String>().Utf8Value(), descriptors);
  if (!status.ok()) ThrowSystemError(info.Env(), status);
  return info.Env().Undefined();
}

Napi::Value InspectSocket(const Napi::CallbackInfo& info) {
  iluvatar::system::InheritedSocket socket;
  const Status status = iluvatar::system::InspectSocket(info[0].As<Napi::Number>().Int32Value(), &socket);
  if (!status.ok()) {
    ThrowSystemError(info.Env(), status);
    return info.Env().Undefined();
  }
  Napi::Object result = Napi::Object::New(info.Env());
  const bool internet = socket.family == AF_INET || socket.family == AF_INET6;
  result.Set("family", socket.family == AF_UNIX ? "unix" : internet ? "internet" : "other");
  result.Set("listening", socket.stream && socket.listening);
  result.Set("address", socket.address);
  return result;
}

Napi::Value Duplicate(const Napi::CallbackInfo& info) {
  int copy = -1;
  const Status status = iluvatar::system::Duplicate(info[0].As<Napi::Number>().Int32Value(), &copy);
  if (!status.ok()) {
    ThrowSystemError(info.Env(), status);
    return info.Env().Undefined();
  }
  return Napi::Number::New(info.Env(), copy);
}

Napi::Value Close(const Napi::CallbackInfo& info) {
  const Status status = iluvatar::system::Close(info[0].As<Napi::Number>().Int32Value());
  if (!status.ok()) ThrowSystemError(info.Env(), status);
  return info.Env().Undefined();
}

Napi::Value LockFile(const Napi::CallbackInfo& info) {
  bool locked = false;
  const Status status = iluvatar::system::LockFile(info[0].As<Napi::Number>().Int32Value(), &locked);
  if (!status.ok()) {
    ThrowSystemError(info.Env(), status);
    return info.Env().Undefined();
  }
  return Napi::Boolean::New(info.Env(), locked);
}

}  // namespace

Napi::Object InitSystem(Napi::Env env) {
  Napi::Object exports = Napi::Object::New(env);
  exports.Set("sandboxSupport", Napi::Function::New<SandboxSupport>(env, "sandboxSupport"));
  exports.Set("raiseFileLimit", Napi::Function::New<RaiseFileLimit>(env, "raiseFileLimit"));
  exports.Set("monotonicUs", Napi::Function::New<MonotonicUs>(env, "monotonicUs"));
  exports.Set("kill", Napi::Function::New<Kill>(env, "kill"));
  exports.Set("openFifo", Napi::Function::New<OpenFifo>(env, "openFifo"));
  exports.Set("notify", Napi::Function::New<Notify>(env, "notify"));
  exports.Set("inspectSocket", Napi::Function::New<InspectSocket>(env, "inspectSocket"));
  exports.Set("duplicate", Napi::Function::New<Duplicate>(env, "duplicate"));
  exports.Set("close", Napi::Function::New<Close>(env, "close"));
  exports.Set("lockFile", Napi::Function::New<LockFile>(env, "lockFile"));
  return exports;
}
