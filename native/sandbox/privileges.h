// Giving up rights: what an agent runs with, and what is left to its supervisor.
#ifndef ILUVATAR_SANDBOX_PRIVILEGES_H_
#define ILUVATAR_SANDBOX_PRIVILEGES_H_

#include "sandbox/config.h"
#include "sandbox/root.h"
#include "sandbox/step.h"

namespace iluvatar::sandbox {

// Resource limits of the calling process: open files, no core dumps, processes per uid where no cgroup counts them,
// memory where no cgroup does.
Step ApplyRlimits(const SpawnRequest& request, bool counted_by_cgroup, bool own_uid);

// The calling process becomes uid/gid (when `all_uids`), without capabilities, able to gain none, dying with its
// parent. Not undoable.
Step BecomeUnprivileged(const SpawnRequest& request, bool all_uids);

// The caller keeps CAP_KILL, if it has it, and nothing else; no process of the same uid can look into it.
Step KeepOnlyKill();

}  // namespace iluvatar::sandbox

#endif  // ILUVATAR_SANDBOX_PRIVILEGES_H_
