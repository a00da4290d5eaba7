// The mounts of a specification: see spec.h.
#include <algorithm>
#include <iterator>

#include "sandbox/json.h"
#include "shim/mount_syscalls.h"
#include "shim/spec.h"

namespace iluvatar::shim {
namespace {

using sandbox::JsonQuote;
using sandbox::JsonReader;

struct KindName {
  const char* type;
  MountKind kind;
};

constexpr KindName kKinds[] = {{"bind", MountKind::kBind},     {"proc", MountKind::kProc},
                               {"tmpfs", MountKind::kTmpfs},   {"sysfs", MountKind::kSysfs},
                               {"mqueue", MountKind::kMqueue}, {"devpts", MountKind::kDevpts}};

struct AttributeName {
  const char* option;
  uint64_t set;
  uint64_t clear;
};

constexpr AttributeName kAttributes[] = {{"ro", kReadOnly, 0},
                                         {"rro", kReadOnly, 0},
                                         {"rw", 0, kReadOnly},
                                         {"nosuid", kNoSuid, 0},
                                         {"suid", 0, kNoSuid},
                                         {"nodev", kNoDev, 0},
                                         {"dev", 0, kNoDev},
                                         {"noexec", kNoExec, 0},
                                         {"exec", 0, kNoExec},
                                         {"noatime", kNoAccessTime, kAccessTimes},
                                         {"strictatime", kStrictAccessTime, kAccessTimes},
                                         {"relatime", 0, kAccessTimes},
                                         {"nodiratime", kNoFolderAccessTime, 0},
                                         {"diratime", 0, kNoFolderAccessTime}};

// Every mount is private: these ask for what is done anyway.
constexpr const char* kNothingToDo[] = {"private", "rprivate", "defaults"};

// Parameters that file systems may be given. Others are refused here, by name, rather than by the kernel with EINVAL.
constexpr const char* kParameters[] = {"mode",      "size",    "uid",      "gid",        "nr_inodes",
                                       "nr_blocks", "hidepid", "ptmxmode", "newinstance"};

bool Holds(const char* const* begin, const char* const* end, const std::string& text) {
  return std::any_of(begin, end, [&text](const char* name) { return text == name; });
}

bool ApplyOption(const std::string& option, MountPlan* plan) {
  for (const AttributeName& attribute : kAttributes) {
    if (option != attribute.option) continue;
    plan->attributes = (plan->attributes & ~attribute.clear) | attribute.set;
    return true;
  }
  if (Holds(std::begin(kNothingToDo), std::end(kNothingToDo), option)) return true;
  if (option == "bind" || option == "rbind") {
    plan->kind = MountKind::kBind;
    plan->recursive = option == "rbind";
    return true;
  }
  if (plan->kind == MountKind::kBind) return false;
  const size_t equals = option.find('=');
  const std::string key = option.substr(0, equals);
  if (!Holds(std::begin(kParameters), std::end(kParameters), key)) return false;
  // Every instance is a new one, and the kernel does not take the word any more.
  if (key == "newinstance") return true;
  plan->parameters.emplace_back(key, equals == std::string::npos ? "" : option.substr(equals + 1));
  return true;
}

}  // namespace

std::string ParseMount(std::string_view json, MountPlan* plan) {
  JsonReader mount(json);
  plan->destination = mount.RequiredString("destination");
  plan->source = mount.String("source", "");
  const std::string type = mount.String("type", "");
  const std::vector<std::string> options = mount.Strings("options");
  if (!mount.ok()) return "mounts: " + mount.error();
  const std::string where = "mounts: " + plan->destination;
  for (const std::string& key : mount.Keys()) {
    const bool known = key == "destination" || key == "source" || key == "type" || key == "options";
    if (!known && !mount.IsEmpty(key)) return where + ": " + JsonQuote(key) + " is not supported by this shim";
  }
  if (!IsCleanAbsolute(plan->destination)) return where + " is not an absolute path";
  // Type "none" with the option bind is how older tools say bind.
  const bool bind = std::any_of(options.begin(), options.end(),
                                [](const std::string& option) { return option == "bind" || option == "rbind"; });
  const std::string kind = bind ? "bind" : type;
  const auto found =
      std::find_if(std::begin(kKinds), std::end(kKinds), [&kind](const KindName& name) { return kind == name.type; });
  if (found == std::end(kKinds)) return where + ": type " + JsonQuote(type) + " is not supported by this shim";
  plan->kind = found->kind;
  for (const std::string& option : options) {
    if (!ApplyOption(option, plan)) return where + ": option " + JsonQuote(option) + " is not supported by this shim";
  }
  if (plan->kind == MountKind::kBind && plan->source.compare(0, 1, "/") != 0) {
    return where + ": the source of a bind must be absolute";
  }
  if (plan->kind == MountKind::kSysfs && (plan->attributes & kReadOnly) == 0) {
    return where + ": sysfs is mounted read-only or not at all (option ro)";
  }
  // There is no device cgroup: device nodes work where this shim itself has made them, and nowhere else.
  const bool devices =
      plan->kind == MountKind::kDevpts || (plan->kind == MountKind::kTmpfs && plan->destination == "/dev");
  if (devices) {
    plan->attributes &= ~kNoDev;
  } else {
    plan->attributes |= kNoDev;
  }
  return {};
}

}  // namespace iluvatar::shim
