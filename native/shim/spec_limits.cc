// Capabilities and resource limits of a specification: see spec.h.
#include <linux/capability.h>
#include <sys/resource.h>

#include <algorithm>
#include <iterator>

#include "sandbox/json.h"
#include "shim/spec.h"

namespace iluvatar::shim {
namespace {

using sandbox::JsonQuote;
using sandbox::JsonReader;

struct Number {
  const char* name;
  int value;
};

// What a container can be given. The rest is missing on purpose: there is neither a user namespace nor a device cgroup
// here, and with CAP_SYS_ADMIN, CAP_MKNOD, CAP_DAC_READ_SEARCH or CAP_SYS_RAWIO the way to the host would be short.
constexpr Number kCapabilities[] = {{"CAP_CHOWN", CAP_CHOWN},
                                    {"CAP_DAC_OVERRIDE", CAP_DAC_OVERRIDE},
                                    {"CAP_FOWNER", CAP_FOWNER},
                                    {"CAP_FSETID", CAP_FSETID},
                                    {"CAP_KILL", CAP_KILL},
                                    {"CAP_SETGID", CAP_SETGID},
                                    {"CAP_SETUID", CAP_SETUID},
                                    {"CAP_SETPCAP", CAP_SETPCAP},
                                    {"CAP_NET_BIND_SERVICE", CAP_NET_BIND_SERVICE},
                                    {"CAP_NET_RAW", CAP_NET_RAW},
                                    {"CAP_SYS_CHROOT", CAP_SYS_CHROOT},
                                    {"CAP_AUDIT_WRITE", CAP_AUDIT_WRITE},
                                    {"CAP_SETFCAP", CAP_SETFCAP},
                                    {"CAP_IPC_LOCK", CAP_IPC_LOCK},
                                    {"CAP_SYS_NICE", CAP_SYS_NICE}};

constexpr Number kLimits[] = {
    {"RLIMIT_AS", RLIMIT_AS},           {"RLIMIT_CORE", RLIMIT_CORE},         {"RLIMIT_CPU", RLIMIT_CPU},
    {"RLIMIT_DATA", RLIMIT_DATA},       {"RLIMIT_FSIZE", RLIMIT_FSIZE},       {"RLIMIT_LOCKS", RLIMIT_LOCKS},
    {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK}, {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE}, {"RLIMIT_NICE", RLIMIT_NICE},
    {"RLIMIT_NOFILE", RLIMIT_NOFILE},   {"RLIMIT_NPROC", RLIMIT_NPROC},       {"RLIMIT_RSS", RLIMIT_RSS},
    {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},   {"RLIMIT_RTTIME", RLIMIT_RTTIME},     {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
    {"RLIMIT_STACK", RLIMIT_STACK}};

template <size_t N>
const Number* Find(const Number (&numbers)[N], const std::string& name) {
  const auto found =
      std::find_if(std::begin(numbers), std::end(numbers), [&](const Number& number) { return name == number.name; });
  return found == std::end(numbers) ? nullptr : found;
}

}  // namespace

std::string ParseCapabilities(std::string_view json, Capabilities* capabilities) {
  const struct {
    const char* name;
    uint64_t* mask;
  } sets[] = {{"bounding", &capabilities->bounding},
              {"effective", &capabilities->effective},
              {"permitted", &capabilities->permitted},
              {"inheritable", &capabilities->inheritable},
              {"ambient", &capabilities->ambient}};
  JsonReader reader(json);
  for (const std::string& key : reader.Keys()) {
    const bool known = std::any_of(std::begin(sets), std::end(sets), [&](const auto& set) { return key == set.name; });
    if (!known && !reader.IsEmpty(key)) return "process.capabilities." + key + " is not supported by this shim";
  }
  for (const auto& set : sets) {
    for (const std::string& name : reader.Strings(set.name)) {
      const Number* capability = Find(kCapabilities, name);
      if (capability == nullptr) {
        return std::string("process.capabilities.") + set.name + ": " + JsonQuote(name) +
               " is not given by this shim, which has neither a device cgroup nor a user namespace";
      }
      *set.mask |= uint64_t{1} << capability->value;
    }
  }
  return reader.ok() ? std::string() : "process.capabilities: " + reader.error();
}

std::string ParseLimit(std::string_view json, ResourceLimit* limit) {
  JsonReader reader(json);
  const std::string name = reader.RequiredString("type");
  // JSON numbers beyond this (RLIM_INFINITY is written as 2^64 - 1) do not fit.
  constexpr int64_t kMost = INT64_MAX;
  for (const std::string& key : reader.Keys()) {
    if (key != "type" && key != "soft" && key != "hard") return "process.rlimits." + key + " is not supported";
  }
  const auto value = [&reader](const char* key) {
    if (reader.Is(key, "18446744073709551615")) return static_cast<uint64_t>(RLIM_INFINITY);
    return static_cast<uint64_t>(reader.Integer(key, 0, 0, kMost));
  };
  limit->soft = value("soft");
  limit->hard = value("hard");
  if (!reader.ok()) return "process.rlimits: " + reader.error();
  const Number* resource = Find(kLimits, name);
  if (resource == nullptr) return "process.rlimits: " + JsonQuote(name) + " is not known";
  if (limit->soft > limit->hard) return "process.rlimits: the soft limit of " + name + " is above the hard one";
  limit->resource = resource->value;
  return {};
}

}  // namespace iluvatar::shim
