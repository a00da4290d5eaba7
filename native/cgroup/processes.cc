// Directories and the processes in them.
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "cgroup/cgroup.h"
#include "cgroup/files.h"

namespace iluvatar::cgroup {
namespace {

// A fork bomb can outrun one pass over cgroup.procs; with a pids limit it cannot outrun this many.
constexpr int kKillPasses = 64;
constexpr int kMaxDepth = 16;

// v2 only: a controller works in a directory only when the parent hands it down. Failing is not fatal (the parent may
// hold processes, or not have the controller); the limit is then left out like any other missing controller.
void HandDownControllers(const std::string& parent) {
  std::string offered;
  std::string handed;
  if (!ReadFile(parent + "/cgroup.controllers", &offered).ok()) return;
  if (!ReadFile(parent + "/cgroup.subtree_control", &handed).ok()) return;
  offered = " " + offered;
  handed = " " + handed;
  for (std::string* text : {&offered, &handed}) std::replace(text->begin(), text->end(), '\n', ' ');
  for (const char* controller : {"cpu", "memory", "pids"}) {
    const std::string word = std::string(" ") + controller + " ";
    if ((offered + " ").find(word) == std::string::npos || (handed + " ").find(word) != std::string::npos) continue;
    (void)WriteFile(parent + "/cgroup.subtree_control", std::string("+") + controller).ok();
  }
}

Status CreateOne(const std::string& dir, int depth) {
  const std::string parent = ParentOf(dir);
  if (parent.empty() || depth > kMaxDepth) return {EINVAL, "mkdir", dir};
  if (!Exists(parent)) {
    if (const Status status = CreateOne(parent, depth + 1); !status.ok()) return status;
  }
  HandDownControllers(parent);
  if (mkdir(dir.c_str(), 0755) != 0 && errno != EEXIST) return Status::Errno("mkdir", dir);
  return Status::Ok();
}

}  // namespace

Status Create(const std::vector<std::string>& dirs) {
  for (const std::string& dir : dirs) {
    if (const Status status = CreateOne(dir, 0); !status.ok()) return status;
  }
  return Status::Ok();
}

Status Pids(const std::vector<std::string>& dirs, std::vector<int>* pids) {
  std::set<int> found;
  for (const std::string& dir : dirs) {
    std::string text;
    const Status status = ReadFile(dir + "/cgroup.procs", &text);
    // ENODEV: the directory was removed between open and read.
    if (status.error == ENOENT || status.error == ENODEV) continue;
    if (!status.ok()) return status;
    const char* next = text.data();
    const char* const end = next + text.size();
    while (next < end) {
      int pid = 0;
      const auto [after, error] = std::from_chars(next, end, pid);
      // 0: a process of a pid namespace that is not ours; it cannot be named from here.
      if (error == std::errc() && pid > 0) found.insert(pid);
      next = std::find(after, end, '\n') + 1;
    }
  }
  pids->assign(found.begin(), found.end());
  return Status::Ok();
}

Status KillAll(const std::vector<std::string>& dirs, const std::vector<int>& versions, uint64_t* killed) {
  std::set<int> seen;
  const int self = getpid();
  for (int pass = 0; pass < kKillPasses; ++pass) {
    std::vector<int> pids;
    if (const Status status = Pids(dirs, &pids); !status.ok()) return status;
    bool fresh = false;
    for (const int pid : pids) {
      if (pid != self && seen.insert(pid).second) fresh = true;
    }
    if (!fresh) break;
    for (size_t i = 0; i < dirs.size(); ++i) {
      // cgroup.kill reaches processes that fork meanwhile; not where the caller itself lives.
      if (versions[i] == 2 && std::find(pids.begin(), pids.end(), self) == pids.end()) {
        (void)WriteFile(dirs[i] + "/cgroup.kill", "1").ok();
      }
    }
    for (const int pid : pids) {
      if (pid != self && kill(pid, SIGKILL) != 0 && errno != ESRCH) return Status::Errno("kill");
    }
  }
  *killed = seen.size();
  return Status::Ok();
}

Status Remove(const std::vector<std::string>& dirs, bool* removed) {
  *removed = true;
  for (const std::string& dir : dirs) {
    if (rmdir(dir.c_str()) == 0 || errno == ENOENT) continue;
    if (errno != EBUSY && errno != ENOTEMPTY) return Status::Errno("rmdir", dir);
    *removed = false;
  }
  return Status::Ok();
}

Status AddProcess(const std::vector<std::string>& dirs, int pid) {
  if (pid <= 0) return {EINVAL, "write", {}};
  for (const std::string& dir : dirs) {
    if (const Status status = WriteFile(dir + "/cgroup.procs", std::to_string(pid)); !status.ok()) return status;
  }
  return Status::Ok();
}

}  // namespace iluvatar::cgroup
