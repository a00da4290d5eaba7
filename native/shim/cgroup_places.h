// Where a container's processes are counted and limited: the groups somebody (the worker) has made for it, in every
// hierarchy that has one of that name.
#ifndef ILUVATAR_SHIM_CGROUP_PLACES_H_
#define ILUVATAR_SHIM_CGROUP_PLACES_H_

#include <string>
#include <vector>

#include "cgroup/cgroup.h"
#include "sandbox/step.h"
#include "system/unique_fd.h"

namespace iluvatar::shim {

using sandbox::Step;
using system::UniqueFd;

struct CgroupPlaces {
  // A folder of the v2 hierarchy to be born in; invalid = none.
  UniqueFd unified;
  // cgroup.procs of v1 groups, to be joined by writing.
  std::vector<UniqueFd> processes;
  std::vector<std::string> folders;
};

class Hierarchies {
 public:
  // Opens the groups at `path` ("/a/b"). Nowhere one: a failed step.
  Step Open(const std::string& path, CgroupPlaces* places);

  // Moves the calling process to the top of each hierarchy, as far as it is allowed to: out of the limits, and out of
  // the reach, of whoever happened to start it.
  void LeaveAll();

 private:
  void Read();
  Step OpenIn(const cgroup::Mount& mount, const std::string& path, CgroupPlaces* places);

  std::vector<cgroup::Mount> mounts_;
};

}  // namespace iluvatar::shim

#endif  // ILUVATAR_SHIM_CGROUP_PLACES_H_
