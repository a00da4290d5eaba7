// iluvatar-supervisor: pid 1 of a container made by a zygote, from when its agent has been forked. The zygote's memory,
// in which the container was begun, is left behind by executing this (see sandbox/supervisor.h for the arguments).
#include <string>
#include <string_view>
#include <utility>

#include "sandbox/cell.h"
#include "sandbox/supervisor.h"
#include "sandbox/supervisor_loop.h"
#include "sandbox/syscalls.h"

namespace {

using namespace iluvatar::sandbox;
using iluvatar::system::UniqueFd;

// Ours are written by ourselves: digits.
uint32_t Number(std::string_view text) {
  uint32_t value = 0;
  for (const char digit : text) value = value * 10 + static_cast<uint32_t>(digit - '0');
  return value;
}

}  // namespace

extern "C" [[noreturn]] void BareMain(int argc, char** argv) {
  if (argc < kSupervisorArguments) _exit(2);
  SpawnerConfig config;
  Root root;
  SpawnRequest request;
  const std::vector<CgroupParent> cgroups;
  root.private_view = root.all_uids = true;
  request.tmp_mb = Number(argv[2]);
  request.host_network = argv[3] == std::string_view(kHostNetwork);
  for (int i = kSupervisorArguments; i < argc; ++i) root.late_paths.push_back(argv[i]);
  const Cell cell = {&config, &root, &request, &cgroups, CLONE_NEWPID | CLONE_NEWNET, true, -1, -1};
  Agent agent;
  agent.pid = static_cast<pid_t>(Number(argv[1]));
  agent.pipes.output.reset(kOutputFd);
  agent.pipes.errors.reset(kErrorsFd);
  agent.pipes.assign.reset(kAssignFd);
  Oversee(cell, kControlFd, std::move(agent));
}
