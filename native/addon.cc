// Registers the modules of the addon, nothing else. Context-aware: every environment (main thread, each worker thread)
// gets its own objects and shares no state.
#include <napi.h>

#include "cgroup/binding.h"
#include "keeper/binding.h"
#include "netlink/binding.h"
#include "system/binding.h"
#include "tegrastats/binding.h"
#include "transport/binding.h"

namespace {

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("transport", InitTransport(env));
  exports.Set("cgroup", InitCgroup(env));
  exports.Set("netlink", InitNetlink(env));
  exports.Set("system", InitSystem(env));
  exports.Set("keeper", InitKeeper(env));
  exports.Set("tegrastats", InitTegrastats(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(iluvatar, Init)
