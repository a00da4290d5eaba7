// All that the first process of a container needs to know and to hold, opened and checked by the daemon beforehand.
#ifndef ILUVATAR_SHIM_INIT_PLAN_H_
#define ILUVATAR_SHIM_INIT_PLAN_H_

#include <linux/filter.h>
#include <sys/resource.h>

#include <string>
#include <vector>

#include "sandbox/step.h"
#include "shim/cgroup_places.h"
#include "shim/messages.h"
#include "shim/spec.h"
#include "system/unique_fd.h"

namespace iluvatar::shim {

struct InitPlan {
  ContainerSpec spec;
  // Where the root is, or, with `rootfs`, where these are mounted to make it (in the container's own mount namespace:
  // the host never sees them, and nobody has to unmount them).
  std::string root;
  std::vector<RootMount> rootfs;
  CgroupPlaces cgroup;
  UniqueFd network;
  UniqueFd ipc;
  UniqueFd uts;
  // Invalid = the container's /dev/null.
  UniqueFd output;
  UniqueFd errors;
  std::vector<struct sock_filter> filter;
  // As the daemon itself was started with; it has raised its own.
  struct rlimit files = {};
};

// Opens what `plan->spec` and the request name.
Step OpenInitPlan(const CreateRequest& request, Hierarchies* hierarchies, InitPlan* plan);

// Parts of RunInit (init_process.h), in the container's first process. They leave it half set up when they fail.

// The file systems: everything below the new root, which then is the only one. `null` receives its /dev/null.
Step EnterRoot(const InitPlan& plan, UniqueFd* null);
// Identity, capabilities, limits, filter.
Step TakeIdentity(const InitPlan& plan);

}  // namespace iluvatar::shim

#endif  // ILUVATAR_SHIM_INIT_PLAN_H_
