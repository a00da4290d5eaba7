// The agent: the unprivileged process of a container that runs the user's code.
#ifndef ILUVATAR_SANDBOX_AGENT_PROCESS_H_
#define ILUVATAR_SANDBOX_AGENT_PROCESS_H_

#include <sys/types.h>

#include "sandbox/cell.h"
#include "sandbox/step.h"
#include "system/unique_fd.h"

namespace iluvatar::sandbox {

// The supervisor's ends.
struct AgentPipes {
  system::UniqueFd output;
  system::UniqueFd errors;
  system::UniqueFd assign;
};

struct Agent {
  // 0: this is the agent process itself (a zygote's runtime goes on from here).
  pid_t pid = -1;
  AgentPipes pipes;
};

// Forks the agent with `connection` as its fd 3. In the child: sandboxes it; executes SPAWN's argv or, for "@assign",
// what ASSIGN says (neither returns); for a spawner's own runtime returns with pid 0. A child that cannot be sandboxed
// or executed says so on its connection and exits.
Step StartAgent(const Cell& cell, system::UniqueFd connection, Agent* agent);

// Closes every descriptor from `first` on.
void CloseFrom(unsigned first);

}  // namespace iluvatar::sandbox

#endif  // ILUVATAR_SANDBOX_AGENT_PROCESS_H_
