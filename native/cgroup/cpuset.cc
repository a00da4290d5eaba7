// Cores that a group may use. Apart from the other limits: version 1 has a hierarchy of its own for them, which is
// joined only by those that want it.
#include <sys/stat.h>

#include "cgroup/cgroup.h"
#include "cgroup/files.h"

namespace iluvatar::cgroup {
namespace {

constexpr int kMaxDepth = 16;

bool IsBlank(const std::string& text) { return text.find_first_not_of(" \n") == std::string::npos; }

// With what its parent has; the root of a hierarchy has everything.
Status PrepareV1(const std::string& dir, int depth) {
  const std::string parent = ParentOf(dir);
  if (parent.empty() || depth > kMaxDepth) return {EINVAL, "mkdir", dir};
  std::string cpus;
  if (ReadFile(dir + "/cpuset.cpus", &cpus).ok() && !IsBlank(cpus)) return Status::Ok();
  if (const Status status = PrepareV1(parent, depth + 1); !status.ok()) return status;
  if (mkdir(dir.c_str(), 0755) != 0 && errno != EEXIST) return Status::Errno("mkdir", dir);
  for (const char* file : {"/cpuset.cpus", "/cpuset.mems"}) {
    std::string own;
    if (ReadFile(dir + file, &own).ok() && !IsBlank(own)) continue;
    std::string inherited;
    if (const Status status = ReadFile(parent + file, &inherited); !status.ok()) return status;
    while (!inherited.empty() && inherited.back() == '\n') inherited.pop_back();
    if (const Status status = WriteFile(dir + file, inherited); !status.ok()) return status;
  }
  return Status::Ok();
}

// From the top down: a group can hand down only what it was given. The root of the hierarchy is the last whose parent
// has no cgroup.controllers.
Status PrepareV2(const std::string& dir, int depth) {
  const std::string parent = ParentOf(dir);
  if (parent.empty() || depth > kMaxDepth || !Exists(parent + "/cgroup.controllers")) return Status::Ok();
  if (const Status status = PrepareV2(parent, depth + 1); !status.ok()) return status;
  if (mkdir(dir.c_str(), 0755) != 0 && errno != EEXIST) return Status::Errno("mkdir", dir);
  if (Exists(dir + "/cpuset.cpus")) return Status::Ok();
  return WriteFile(parent + "/cgroup.subtree_control", "+cpuset");
}

}  // namespace

Status SetCpuset(const std::string& dir, int version, const std::string& cpus) {
  const Status prepared = version == 2 ? PrepareV2(dir, 0) : PrepareV1(dir, 0);
  return prepared.ok() ? WriteFile(dir + "/cpuset.cpus", cpus) : prepared;
}

}  // namespace iluvatar::cgroup
