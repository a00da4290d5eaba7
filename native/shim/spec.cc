// See spec.h.
#include "shim/spec.h"

#include <algorithm>
#include <initializer_list>

#include "sandbox/json.h"

namespace iluvatar::shim {
namespace {

using sandbox::JsonQuote;
using sandbox::JsonReader;

constexpr int64_t kMostId = 0xFFFFFFFE;
// sun_path, with its NUL.
constexpr size_t kMostSocketPath = 107;

std::string Unsupported(const std::string& field) { return field + " is not supported by this shim"; }

// Keys beyond `known` may be there as long as they ask for nothing.
std::string OnlyThese(const JsonReader& reader, const std::string& prefix,
                      std::initializer_list<std::string_view> known) {
  for (const std::string& key : reader.Keys()) {
    if (std::find(known.begin(), known.end(), key) == known.end() && !reader.IsEmpty(key)) {
      return Unsupported(prefix + key);
    }
  }
  return {};
}

std::string ErrorOf(const JsonReader& reader, const char* prefix) {
  return reader.ok() ? std::string() : std::string(prefix) + reader.error();
}

std::string ParseUser(std::string_view json, ContainerSpec* spec) {
  JsonReader user(json);
  if (std::string error = OnlyThese(user, "process.user.", {"uid", "gid", "additionalGids", "umask"}); !error.empty()) {
    return error;
  }
  spec->uid = static_cast<uint32_t>(user.Integer("uid", 0, 0, kMostId));
  spec->gid = static_cast<uint32_t>(user.Integer("gid", 0, 0, kMostId));
  spec->umask = static_cast<uint32_t>(user.Integer("umask", 022, 0, 0777));
  for (const int64_t group : user.Integers("additionalGids", 0, kMostId)) {
    spec->groups.push_back(static_cast<uint32_t>(group));
  }
  return ErrorOf(user, "process.user: ");
}

std::string ParseProcess(std::string_view json, ContainerSpec* spec) {
  JsonReader process(json);
  if (std::string error =
          OnlyThese(process, "process.",
                    {"args", "env", "cwd", "user", "noNewPrivileges", "capabilities", "rlimits", "oomScoreAdj"});
      !error.empty()) {
    return error;
  }
  spec->args = process.Strings("args");
  spec->env = process.Strings("env");
  spec->cwd = process.RequiredString("cwd");
  spec->no_new_privileges = process.Boolean("noNewPrivileges", false);
  if (process.Has("oomScoreAdj")) {
    spec->oom_score_adjust = static_cast<int>(process.Integer("oomScoreAdj", 0, -1000, 1000));
  }
  if (!process.ok()) return ErrorOf(process, "process: ");
  if (spec->args.empty() || spec->args[0].empty()) return "process.args is empty";
  if (spec->cwd[0] != '/') return "process.cwd must be absolute";
  if (std::string error = ParseUser(process.Object("user"), spec); !error.empty()) return error;
  if (std::string error = ParseCapabilities(process.Object("capabilities"), &spec->capabilities); !error.empty()) {
    return error;
  }
  for (const std::string_view limit : process.Objects("rlimits")) {
    if (std::string error = ParseLimit(limit, &spec->limits.emplace_back()); !error.empty()) return error;
  }
  return ErrorOf(process, "process: ");
}

std::string ParseNamespaces(JsonReader* linux_part, ContainerSpec* spec) {
  bool own_processes = false;
  bool own_mounts = false;
  for (const std::string_view json : linux_part->Objects("namespaces")) {
    JsonReader space(json);
    const std::string type = space.RequiredString("type");
    NamespaceChoice choice = {true, space.String("path", "")};
    if (!space.ok()) return ErrorOf(space, "linux.namespaces: ");
    if (std::string error = OnlyThese(space, "linux.namespaces.", {"type", "path"}); !error.empty()) return error;
    if (!choice.path.empty() && choice.path[0] != '/') return "linux.namespaces: the path of " + type + " is relative";
    if (type == "network") {
      spec->network = choice;
    } else if (type == "ipc") {
      spec->ipc = choice;
    } else if (type == "uts") {
      spec->uts = choice;
    } else if (type == "cgroup" && choice.path.empty()) {
      spec->cgroup_space = choice;
    } else if (type == "pid" && choice.path.empty()) {
      own_processes = true;
    } else if (type == "mount" && choice.path.empty()) {
      own_mounts = true;
    } else {
      return Unsupported("linux.namespaces: " + type + (choice.path.empty() ? "" : " by path"));
    }
  }
  if (!own_processes || !own_mounts) return "linux.namespaces must have a new pid and a new mount namespace";
  return ErrorOf(*linux_part, "linux: ");
}

std::string ParsePaths(JsonReader* linux_part, const char* key, std::vector<std::string>* paths) {
  *paths = linux_part->Strings(key);
  for (const std::string& path : *paths) {
    if (!IsCleanAbsolute(path))
      return std::string("linux.") + key + ": " + JsonQuote(path) + " is not an absolute path";
  }
  return {};
}

std::string ParseLinux(std::string_view json, ContainerSpec* spec) {
  JsonReader linux_part(json);
  if (std::string error = OnlyThese(linux_part, "linux.",
                                    {"cgroupsPath", "namespaces", "maskedPaths", "readonlyPaths", "rootfsPropagation"});
      !error.empty()) {
    return error;
  }
  spec->cgroup = linux_part.String("cgroupsPath", "");
  const std::string propagation = linux_part.String("rootfsPropagation", "private");
  if (propagation != "private" && propagation != "rprivate" && !propagation.empty()) {
    return Unsupported("linux.rootfsPropagation " + JsonQuote(propagation));
  }
  if (!linux_part.ok()) return ErrorOf(linux_part, "linux: ");
  if (!spec->cgroup.empty() && !IsCleanAbsolute(spec->cgroup)) {
    return "linux.cgroupsPath must name a group that exists, as \"/a/b\"";
  }
  if (std::string error = ParsePaths(&linux_part, "maskedPaths", &spec->masked); !error.empty()) return error;
  if (std::string error = ParsePaths(&linux_part, "readonlyPaths", &spec->read_only); !error.empty()) return error;
  return ParseNamespaces(&linux_part, spec);
}

std::string ParseAnnotations(std::string_view json, ContainerSpec* spec) {
  JsonReader annotations(json);
  const std::string seccomp = annotations.String(kSeccompAnnotation, "default");
  if (!annotations.ok()) return ErrorOf(annotations, "annotations: ");
  if (seccomp == "default") {
    spec->seccomp = SeccompChoice::kDefault;
  } else if (seccomp == "links") {
    spec->seccomp = SeccompChoice::kLinks;
  } else if (seccomp == "off") {
    spec->seccomp = SeccompChoice::kOff;
  } else {
    return std::string("annotation ") + kSeccompAnnotation + " must be default, links or off";
  }
  // Without it the filter could be installed only with a capability that this shim does not give.
  if (spec->seccomp != SeccompChoice::kOff && !spec->no_new_privileges) {
    return std::string("process.noNewPrivileges must be true unless the annotation ") + kSeccompAnnotation + " is off";
  }
  return {};
}

}  // namespace

bool IsCleanAbsolute(std::string_view path) {
  if (path.size() < 2 || path[0] != '/') return false;
  path.remove_prefix(1);
  for (;;) {
    const size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (part.empty() || part == "." || part == "..") return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

std::string ParseSpec(std::string_view json, ContainerSpec* spec) {
  *spec = {};
  JsonReader reader(json);
  if (!reader.ok()) return "config.json: " + reader.error();
  if (std::string error =
          OnlyThese(reader, "", {"ociVersion", "process", "root", "hostname", "mounts", "annotations", "linux"});
      !error.empty()) {
    return error;
  }
  if (std::string error = ParseProcess(reader.Object("process"), spec); !error.empty()) return error;
  JsonReader root(reader.Object("root"));
  if (std::string error = OnlyThese(root, "root.", {"path", "readonly"}); !error.empty()) return error;
  spec->root = root.RequiredString("path");
  spec->read_only_root = root.Boolean("readonly", false);
  if (!root.ok()) return ErrorOf(root, "root: ");
  for (const std::string_view mount : reader.Objects("mounts")) {
    if (std::string error = ParseMount(mount, &spec->mounts.emplace_back()); !error.empty()) return error;
  }
  if (std::string error = ParseLinux(reader.Object("linux"), spec); !error.empty()) return error;
  spec->hostname = reader.String("hostname", "");
  if (!spec->hostname.empty() && !spec->uts.fresh()) return "hostname needs a new uts namespace";
  if (spec->hostname.size() > 64) return "hostname is longer than 64 bytes";
  const bool has_devices = std::any_of(spec->mounts.begin(), spec->mounts.end(),
                                       [](const MountPlan& plan) { return plan.destination == "/dev"; });
  if (!has_devices) return "mounts: something must be mounted at /dev (a tmpfs gets the default devices)";
  if (std::string error = ParseAnnotations(reader.Object("annotations"), spec); !error.empty()) return error;
  return ErrorOf(reader, "config.json: ");
}

std::string ParseGroup(std::string_view json, std::string* socket) {
  JsonReader reader(json);
  JsonReader annotations(reader.Object("annotations"));
  *socket = annotations.String(kGroupAnnotation, "");
  if (!reader.ok()) return "config.json: " + reader.error();
  if (!annotations.ok()) return "annotations: " + annotations.error();
  if (!IsCleanAbsolute(*socket) || socket->size() > kMostSocketPath) {
    return std::string("annotation ") + kGroupAnnotation + " must be the absolute path of a socket, 107 bytes at most";
  }
  return {};
}

}  // namespace iluvatar::shim
