// The supervisor: pid 1 of a container. It sets the container up, starts the agent, passes ASSIGN on, carries output to
// the worker, and answers when the agent cannot. It lives as long as its connection to the worker, and the container
// lives as long as it does.
#ifndef ILUVATAR_SANDBOX_SUPERVISOR_H_
#define ILUVATAR_SANDBOX_SUPERVISOR_H_

#include "sandbox/cell.h"

namespace iluvatar::sandbox {

// Runs in the spawner's child. Returns only in the agent process of a spawner's own runtime (already sandboxed);
// everything else ends in _exit. `spawner_connection` is used once, to say that not even a connection could be made;
// `request_id` is SPAWN's.
void RunSupervisor(const Cell& cell, int spawner_connection, uint32_t request_id);

}  // namespace iluvatar::sandbox

#endif  // ILUVATAR_SANDBOX_SUPERVISOR_H_
