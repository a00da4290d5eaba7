// A spawner: the process, launcher or zygote, that answers the worker's SPAWN and ZYGOTE requests by forking.
// Single-threaded by contract.
#ifndef ILUVATAR_SANDBOX_SPAWNER_H_
#define ILUVATAR_SANDBOX_SPAWNER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "sandbox/cell.h"
#include "sandbox/config.h"
#include "sandbox/root.h"
#include "sandbox/wire.h"
#include "system/unique_fd.h"

namespace iluvatar::sandbox {

class Spawner {
 public:
  // Enters the prepared root. "" or a sentence.
  std::string Open(const std::string& config_json);
  // See cell_library.h for these; failures are -errno.
  int Ready(const char* failure);
  int Next();
  int Spawn();
  // For a spawner without an interpreter: answers a ZYGOTE request with start_failed.
  void RefuseZygote();
  const std::string& meta() const { return frame_.meta; }
  const char* store() const { return root_.private_view ? "" : config_.store.c_str(); }

 private:
  // A forked zygote that has not said yet whether its imports worked.
  struct PendingZygote {
    system::UniqueFd report;
    uint32_t request_id;
    pid_t pid;
  };

  int SpawnCell();
  // Whether supervisors leave our memory by executing a program: only a root with a private view of everything keeps
  // its rights over an execve.
  bool ExecutesSupervisors() const;
  int SpawnZygote();
  int Answer(uint8_t answer_status, uint32_t request_id, uint32_t pid, const std::string& meta);
  int Refuse(uint32_t request_id, const Step& step);
  void FinishZygote(PendingZygote* zygote);
  // Waits until the worker has sent something; serves reports of zygotes meanwhile.
  int WaitForWorker();

  SpawnerConfig config_;
  Root root_;
  int namespaces_ = 0;
  // iluvatar-supervisor, where containers can be made with it.
  system::UniqueFd supervisor_;
  std::vector<system::UniqueFd> cgroup_fds_;
  std::vector<CgroupParent> cgroups_;
  system::UniqueFd networks_;
  system::UniqueFd connection_;
  // In a child zygote until it is ready: where its parent waits.
  system::UniqueFd report_;
  std::vector<PendingZygote> zygotes_;
  Frame frame_ = {};
};

}  // namespace iluvatar::sandbox

#endif  // ILUVATAR_SANDBOX_SPAWNER_H_
