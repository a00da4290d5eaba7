// NativeCgroup: argument and result conversion only.
#include "cgroup/binding.h"

#include "cgroup/cgroup.h"
#include "system/system_error.h"

namespace {

using iluvatar::cgroup::Status;
using Strings = std::vector<std::string>;

Strings ToStrings(const Napi::Value& value) {
  const Napi::Array array = value.As<Napi::Array>();
  Strings strings;
  for (uint32_t i = 0; i < array.Length(); ++i) strings.push_back(array.Get(i).As<Napi::String>());
  return strings;
}

// One version per directory; a missing one counts as 1, so that a short array cannot be read past its end.
std::vector<int> ToVersions(const Napi::Value& value, size_t count) {
  const Napi::Array array = value.As<Napi::Array>();
  std::vector<int> versions(count, 1);
  for (uint32_t i = 0; i < array.Length() && i < count; ++i) versions[i] = array.Get(i).As<Napi::Number>().Int32Value();
  return versions;
}

Napi::Value OrNull(Napi::Env env, const std::optional<uint64_t>& value) {
  return value ? Napi::Value(Napi::Number::New(env, static_cast<double>(*value))) : env.Null();
}

std::optional<double> ToOptional(const Napi::Value& value) {
  if (!value.IsNumber()) return std::nullopt;
  return value.As<Napi::Number>().DoubleValue();
}

// True when the call worked; otherwise the error is pending in JavaScript.
bool Check(Napi::Env env, const Status& status) {
  if (status.ok()) return true;
  iluvatar::system::ThrowSystemError(env, status);
  return false;
}

Napi::Value Mounts(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  std::vector<iluvatar::cgroup::Mount> mounts;
  if (!Check(env, iluvatar::cgroup::ReadMounts("/proc/self/mountinfo", &mounts))) return env.Undefined();
  Napi::Array result = Napi::Array::New(env);
  for (const auto& mount : mounts) {
    Napi::Array controllers = Napi::Array::New(env);
    for (const std::string& controller : mount.controllers) {
      controllers.Set(controllers.Length(), Napi::String::New(env, controller));
    }
    Napi::Object object = Napi::Object::New(env);
    object.Set("version", Napi::Number::New(env, mount.version));
    object.Set("controllers", controllers);
    object.Set("path", Napi::String::New(env, mount.path));
    result.Set(result.Length(), object);
  }
  return result;
}

void Create(const Napi::CallbackInfo& info) { Check(info.Env(), iluvatar::cgroup::Create(ToStrings(info[0]))); }

void SetLimits(const Napi::CallbackInfo& info) {
  const Strings dirs = ToStrings(info[0]);
  const Napi::Object object = info[2].As<Napi::Object>();
  iluvatar::cgroup::Limits limits;
  const auto memory = ToOptional(object.Get("memoryBytes"));
  const auto pids = ToOptional(object.Get("pids"));
  const auto swap = ToOptional(object.Get("swapBytes"));
  const auto shares = ToOptional(object.Get("shares"));
  if (memory) limits.memory_bytes = static_cast<uint64_t>(*memory);
  if (swap) limits.swap_bytes = static_cast<uint64_t>(*swap);
  if (shares) limits.shares = static_cast<uint64_t>(*shares);
  if (pids) limits.pids = static_cast<uint64_t>(*pids);
  limits.cpus = ToOptional(object.Get("cpus"));
  Check(info.Env(), iluvatar::cgroup::SetLimits(dirs, ToVersions(info[1], dirs.size()), limits));
}

Napi::Value ReadEvidence(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Strings dirs = ToStrings(info[0]);
  iluvatar::cgroup::Evidence evidence;
  if (!Check(env, iluvatar::cgroup::ReadEvidence(dirs, ToVersions(info[1], dirs.size()), &evidence))) {
    return env.Undefined();
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("oomKills", Napi::Number::New(env, static_cast<double>(evidence.oom_kills)));
  result.Set("limitHits", Napi::Number::New(env, static_cast<double>(evidence.limit_hits)));
  result.Set("peakBytes", OrNull(env, evidence.peak_bytes));
  result.Set("currentBytes", OrNull(env, evidence.current_bytes));
  result.Set("limitBytes", OrNull(env, evidence.limit_bytes));
  result.Set("cpuUsageUs", OrNull(env, evidence.cpu_usage_us));
  return result;
}

Napi::Value Memory(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Strings dirs = ToStrings(info[0]);
  iluvatar::cgroup::MemoryUse use;
  if (!Check(env, iluvatar::cgroup::ReadMemory(dirs, ToVersions(info[1], dirs.size()), &use))) return env.Undefined();
  Napi::Object result = Napi::Object::New(env);
  result.Set("usedBytes", Napi::Number::New(env, static_cast<double>(use.used_bytes)));
  result.Set("cacheBytes", Napi::Number::New(env, static_cast<double>(use.cache_bytes)));
  return result;
}

// Minus one instead of null: asked after invocations, where making an answer of two types would cost more than the
// read.
Napi::Value NumberOrMinusOne(Napi::Env env, const std::optional<uint64_t>& value) {
  return Napi::Number::New(env, value ? static_cast<double>(*value) : -1);
}

Napi::Value ThrottledUs(const Napi::CallbackInfo& info) {
  return NumberOrMinusOne(info.Env(), iluvatar::cgroup::ThrottledUs(info[0].As<Napi::Number>().Int32Value()));
}

Napi::Value CounterValue(const Napi::CallbackInfo& info) {
  return NumberOrMinusOne(info.Env(), iluvatar::cgroup::CounterValue(info[0].As<Napi::Number>().Int32Value()));
}

void SetCpuset(const Napi::CallbackInfo& info) {
  const std::string dir = info[0].As<Napi::String>();
  const std::string cpus = info[2].As<Napi::String>();
  Check(info.Env(), iluvatar::cgroup::SetCpuset(dir, info[1].As<Napi::Number>().Int32Value(), cpus));
}

Napi::Value Pids(const Napi::CallbackInfo& info) {
  std::vector<int> pids;
  if (!Check(info.Env(), iluvatar::cgroup::Pids(ToStrings(info[0]), &pids))) return info.Env().Undefined();
  Napi::Array result = Napi::Array::New(info.Env(), pids.size());
  for (uint32_t i = 0; i < pids.size(); ++i) result.Set(i, Napi::Number::New(info.Env(), pids[i]));
  return result;
}

Napi::Value KillAll(const Napi::CallbackInfo& info) {
  const Strings dirs = ToStrings(info[0]);
  uint64_t killed = 0;
  if (!Check(info.Env(), iluvatar::cgroup::KillAll(dirs, ToVersions(info[1], dirs.size()), &killed))) {
    return info.Env().Undefined();
  }
  return Napi::Number::New(info.Env(), static_cast<double>(killed));
}

Napi::Value Remove(const Napi::CallbackInfo& info) {
  bool removed = false;
  if (!Check(info.Env(), iluvatar::cgroup::Remove(ToStrings(info[0]), &removed))) return info.Env().Undefined();
  return Napi::Boolean::New(info.Env(), removed);
}

void AddProcess(const Napi::CallbackInfo& info) {
  Check(info.Env(), iluvatar::cgroup::AddProcess(ToStrings(info[0]), info[1].As<Napi::Number>().Int32Value()));
}

void FavorDynmods(const Napi::CallbackInfo& info) {
  const std::string path = info[0].As<Napi::String>();
  const std::string hierarchy = info[1].As<Napi::String>();
  Check(info.Env(), iluvatar::cgroup::FavorDynmods(path, hierarchy));
}

}  // namespace

Napi::Object InitCgroup(Napi::Env env) {
  Napi::Object exports = Napi::Object::New(env);
  exports.Set("mounts", Napi::Function::New<Mounts>(env, "mounts"));
  exports.Set("create", Napi::Function::New<Create>(env, "create"));
  exports.Set("setLimits", Napi::Function::New<SetLimits>(env, "setLimits"));
  exports.Set("evidence", Napi::Function::New<ReadEvidence>(env, "evidence"));
  exports.Set("memory", Napi::Function::New<Memory>(env, "memory"));
  exports.Set("throttledUs", Napi::Function::New<ThrottledUs>(env, "throttledUs"));
  exports.Set("counter", Napi::Function::New<CounterValue>(env, "counter"));
  exports.Set("setCpuset", Napi::Function::New<SetCpuset>(env, "setCpuset"));
  exports.Set("pids", Napi::Function::New<Pids>(env, "pids"));
  exports.Set("killAll", Napi::Function::New<KillAll>(env, "killAll"));
  exports.Set("remove", Napi::Function::New<Remove>(env, "remove"));
  exports.Set("addProcess", Napi::Function::New<AddProcess>(env, "addProcess"));
  exports.Set("favorDynmods", Napi::Function::New<FavorDynmods>(env, "favorDynmods"));
  return exports;
}
