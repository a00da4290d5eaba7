// The supervisor: pid 1 of a container. It sets the container up, starts the agent, passes ASSIGN on, carries output to
// the worker, and answers when the agent cannot. It lives as long as its connection to the worker, and the container
// lives as long as it does.
#ifndef ILUVATAR_SANDBOX_SUPERVISOR_H_
#define ILUVATAR_SANDBOX_SUPERVISOR_H_

#include "sandbox/agent_process.h"
#include "sandbox/cell.h"

namespace iluvatar::sandbox {

// What iluvatar-supervisor is executed with: its name, the agent's pid, the size of /tmp (MiB), own or host (network),
// then the late paths; and the descriptors it finds, beside the three of /dev/null.
inline constexpr int kSupervisorArguments = 4;
inline constexpr char kOwnNetwork[] = "own";
inline constexpr char kHostNetwork[] = "host";
inline constexpr int kControlFd = 3;
inline constexpr int kOutputFd = 6;
inline constexpr int kErrorsFd = 7;
inline constexpr int kAssignFd = 8;

// Runs in the spawner's child. Returns only in the agent process of a spawner's own runtime (already sandboxed);
// everything else ends in _exit. `spawner_connection` is used once, to say that not even a connection could be made;
// `request_id` is SPAWN's.
void RunSupervisor(const Cell& cell, int spawner_connection, uint32_t request_id);

// The rest of a supervisor's life, from when the agent runs.
[[noreturn]] void Oversee(const Cell& cell, int control, Agent agent);

}  // namespace iluvatar::sandbox

#endif  // ILUVATAR_SANDBOX_SUPERVISOR_H_
