// One container, as the daemon keeps it.
#ifndef ILUVATAR_SHIM_TASK_H_
#define ILUVATAR_SHIM_TASK_H_

#include <optional>
#include <string>
#include <vector>

#include "shim/init_process.h"
#include "shim/messages.h"
#include "shim/ttrpc_server.h"

namespace iluvatar::shim {

struct Task {
  enum class Phase {
    kSettingUp,  // cloned, not held yet; `create` is owed
    kHeld,       // before execve
    kStarting,   // let go; `start` is owed until execve has happened
    kRunning,
    kStopped,
  };

  Phase phase = Phase::kSettingUp;
  TaskFacts facts;
  std::vector<RootMount> rootfs;
  InitProcess process;
  // One of the container's groups, to list its processes; empty = it has none.
  std::string cgroup;
  std::optional<Reply> create;
  std::optional<Reply> start;
  std::vector<Reply> waits;
  // Owed until a held process that is deleted has ended.
  std::vector<Reply> deletes;
  // Why the set-up or execve failed, as far as the process said it.
  Step failure;
};

}  // namespace iluvatar::shim

#endif  // ILUVATAR_SHIM_TASK_H_
