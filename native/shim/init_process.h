// A container's first process: pid 1 of its own pid namespace, and the very process that the specification asks for.
// It is set up completely, then held before execve until it is let go.
#ifndef ILUVATAR_SHIM_INIT_PROCESS_H_
#define ILUVATAR_SHIM_INIT_PROCESS_H_

#include <sys/types.h>

#include <string>

#include "sandbox/step.h"
#include "shim/init_plan.h"
#include "system/unique_fd.h"

namespace iluvatar::shim {

struct InitProcess {
  pid_t pid = -1;
  UniqueFd pidfd;
  // Says first whether the set-up went well, and after Release the reason why execve failed, or ends. A process whose
  // daemon dies before Release ends by itself.
  UniqueFd channel;
};

// Clones it; the set-up goes on in the child while the caller does something else.
Step SpawnInit(InitPlan* plan, InitProcess* process);

enum class InitReport { kNothingYet, kReady, kFailed, kEnded };

// Reads the channel, which does not block. kFailed fills `step`; kEnded: nothing more will come.
InitReport ReadReport(const InitProcess& process, Step* step);

// Lets it execute its program.
Step Release(const InitProcess& process);

}  // namespace iluvatar::shim

#endif  // ILUVATAR_SHIM_INIT_PROCESS_H_
