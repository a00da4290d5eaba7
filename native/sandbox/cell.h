// One container in the making, and the steps of its set-up that need rights. They run in the supervisor.
#ifndef ILUVATAR_SANDBOX_CELL_H_
#define ILUVATAR_SANDBOX_CELL_H_

#include <vector>

#include "sandbox/config.h"
#include "sandbox/root.h"
#include "sandbox/step.h"

namespace iluvatar::sandbox {

// A cgroup hierarchy as the spawner holds it: its folder, opened before the root was left.
struct CgroupParent {
  int fd;
  bool version2;
};

struct Cell {
  const SpawnerConfig* config;
  const Root* root;
  const SpawnRequest* request;
  const std::vector<CgroupParent>* cgroups;
  // Namespaces (CLONE_NEW*) this machine allows.
  int namespaces;
  // Already born in its v2 cgroup.
  bool born_in_cgroup;
  // iluvatar-supervisor, opened, for a supervisor that shares the spawner's memory until it executes it; -1 = it is a
  // copy of the spawner and stays one.
  int program;
  // Folder of the namespaces that the worker makes ready, opened before the root was left; -1 = none.
  int networks;

  // One to be made here: neither the host's nor a ready one.
  bool own_network() const { return !request->has_links() && (namespaces & 0x40000000 /* CLONE_NEWNET */) != 0; }
  bool own_processes() const { return (namespaces & 0x20000000 /* CLONE_NEWPID */) != 0; }
};

Step JoinCgroups(const Cell& cell);

// The network namespace that was named, or one of its own, unless the host's was asked for. Before JoinCgroups: the
// container's CPU share is for its function, and a burst of others in there would keep it, and the spawner, waiting.
Step IsolateNetwork(const Cell& cell);

// Host name; cgroup namespace (after JoinCgroups, so that its root is the container's).
Step IsolateRest(const Cell& cell);

Step MountProc(const Cell& cell);

// What the agent shares with us and needs only once it has user code: `lo` up, /tmp, /dev/shm. Done beside the agent's
// own start, since raising `lo` alone takes as long as the rest.
Step FinishIsolation(const Cell& cell);

// At ASSIGN: code, layers and sockets into place, the store and the agents socket out of sight, /tmp resized.
Step MountFunction(const Cell& cell, const AssignRequest& assign);

}  // namespace iluvatar::sandbox

#endif  // ILUVATAR_SANDBOX_CELL_H_
