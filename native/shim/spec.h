// The OCI runtime specification of one container (config.json), as far as this shim applies it. Whatever it asks for
// beyond that is refused with a sentence that names the field: a container never runs with less protection than its
// specification says. Pure. Source: opencontainers/runtime-spec 1.0 … 1.2.
#ifndef ILUVATAR_SHIM_SPEC_H_
#define ILUVATAR_SHIM_SPEC_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace iluvatar::shim {

// Annotation: absolute path of the socket of the daemon that serves this container.
inline constexpr char kGroupAnnotation[] = "dev.iluvatar.shim";
// Annotation: "default" (also when absent), "links" (route netlink sockets allowed), "off".
inline constexpr char kSeccompAnnotation[] = "dev.iluvatar.seccomp";

enum class MountKind { kBind, kProc, kTmpfs, kSysfs, kMqueue, kDevpts };

struct MountPlan {
  MountKind kind = MountKind::kTmpfs;
  std::string destination;
  std::string source;
  bool recursive = false;
  // MOUNT_ATTR_*.
  uint64_t attributes = 0;
  // Parameters of the file system; an empty value is a flag.
  std::vector<std::pair<std::string, std::string>> parameters;
};

// Sets as bit masks, 1 << CAP_*.
struct Capabilities {
  uint64_t bounding = 0;
  uint64_t effective = 0;
  uint64_t permitted = 0;
  uint64_t inheritable = 0;
  uint64_t ambient = 0;
};

struct ResourceLimit {
  int resource = 0;
  uint64_t soft = 0;
  uint64_t hard = 0;
};

// Absent in the specification: the host's. Else one of its own, or the one at `path`.
struct NamespaceChoice {
  bool present = false;
  std::string path;

  bool fresh() const { return present && path.empty(); }
};

enum class SeccompChoice { kDefault, kLinks, kOff };

struct ContainerSpec {
  std::vector<std::string> args;
  std::vector<std::string> env;
  std::string cwd;
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<uint32_t> groups;
  uint32_t umask = 022;
  bool no_new_privileges = false;
  // Absent: 0, or what the daemon has where it may not go so low.
  std::optional<int> oom_score_adjust;
  Capabilities capabilities;
  std::vector<ResourceLimit> limits;
  std::string root;
  bool read_only_root = false;
  std::string hostname;
  std::vector<MountPlan> mounts;
  // Empty: the daemon's own, which are the top of each hierarchy.
  std::string cgroup;
  NamespaceChoice network;
  NamespaceChoice ipc;
  NamespaceChoice uts;
  NamespaceChoice cgroup_space;
  std::vector<std::string> masked;
  std::vector<std::string> read_only;
  SeccompChoice seccomp = SeccompChoice::kDefault;
};

// Empty, or a sentence about what is wrong or not supported.
std::string ParseSpec(std::string_view json, ContainerSpec* spec);

// Only the annotation kGroupAnnotation, for `start`, which needs nothing else.
std::string ParseGroup(std::string_view json, std::string* socket);

// Parts of ParseSpec, in spec_mounts.cc and spec_limits.cc.
std::string ParseMount(std::string_view json, MountPlan* plan);
std::string ParseCapabilities(std::string_view json, Capabilities* capabilities);
std::string ParseLimit(std::string_view json, ResourceLimit* limit);

// Absolute, without empty, "." or ".." parts.
bool IsCleanAbsolute(std::string_view path);

}  // namespace iluvatar::shim

#endif  // ILUVATAR_SHIM_SPEC_H_
