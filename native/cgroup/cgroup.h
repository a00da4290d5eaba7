// Control groups, versions 1 and 2, as plain files under directories the caller names; nothing here knows where a
// hierarchy is mounted, so tests hand in ordinary folders. `dirs` are one directory per hierarchy in use; versions[i]
// (1 or 2) belongs to dirs[i]. All calls block briefly. What a directory's controllers do not offer (no memory
// controller, no swap accounting) is left out, not an error: the caller knows from ReadMounts what it can expect.
#ifndef ILUVATAR_CGROUP_CGROUP_H_
#define ILUVATAR_CGROUP_CGROUP_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "system/status.h"

namespace iluvatar::cgroup {

using system::Status;

struct Mount {
  int version;
  std::vector<std::string> controllers;
  std::string path;
};

// Nothing = no limit.
struct Limits {
  std::optional<uint64_t> memory_bytes;
  // Beside the memory; without a limit on that it has none either.
  std::optional<uint64_t> swap_bytes;
  std::optional<double> cpus;
  // Weight against other groups, in the units of version 1 (1024 = what the kernel gives a new group); nothing = left
  // as it is.
  std::optional<uint64_t> shares;
  std::optional<uint64_t> pids;
};

// What a group holds: `used_bytes` cannot be taken from it without swap (anonymous memory, kernel memory, shared memory
// and tmpfs), `cache_bytes` is file pages that the kernel drops when somebody needs the room.
struct MemoryUse {
  uint64_t used_bytes = 0;
  uint64_t cache_bytes = 0;
};

struct Evidence {
  uint64_t oom_kills = 0;
  uint64_t limit_hits = 0;
  std::optional<uint64_t> peak_bytes;
  std::optional<uint64_t> current_bytes;
  std::optional<uint64_t> limit_bytes;
  std::optional<uint64_t> cpu_usage_us;
};

// The hierarchies mounted in this namespace. v1 hierarchies without a controller (name=systemd) are left out.
Status ReadMounts(const std::string& mountinfo, std::vector<Mount>* mounts);

// Makes the directories, and their parents as far as those are missing. In v2 the controllers cpu, memory and pids are
// handed down by the parent as far as it has them. Existing directories are fine.
Status Create(const std::vector<std::string>& dirs);

Status SetLimits(const std::vector<std::string>& dirs, const std::vector<int>& versions, const Limits& limits);

Status ReadEvidence(const std::vector<std::string>& dirs, const std::vector<int>& versions, Evidence* evidence);

// Zeros without a memory controller.
Status ReadMemory(const std::vector<std::string>& dirs, const std::vector<int>& versions, MemoryUse* use);

// Of an open cpu.stat of either version: how long the group has been held back by its quota, summed over the cores; µs.
// Nothing once the group is gone.
std::optional<uint64_t> ThrottledUs(int cpu_stat);

// First number of an open file of one line (a counter); nothing once the group is gone.
std::optional<uint64_t> CounterValue(int file);

// Makes `dir` a group of its version's cpuset controller and lets it use only these cores ("0-1,4"). Version 1 refuses
// processes in a group without cores and memory nodes, and a new one has none: it and its ancestors get those of their
// parents first. Version 2 inherits by itself, once every ancestor hands the controller down.
Status SetCpuset(const std::string& dir, int version, const std::string& cpus);

Status Pids(const std::vector<std::string>& dirs, std::vector<int>* pids);

// SIGKILLs everything inside, repeatedly until nobody new appears (bounded). Never the caller. `killed` counts distinct
// processes.
Status KillAll(const std::vector<std::string>& dirs, const std::vector<int>& versions, uint64_t* killed);

// `removed` false while something still lives in one of them; gone already is fine.
Status Remove(const std::vector<std::string>& dirs, bool* removed);

Status AddProcess(const std::vector<std::string>& dirs, int pid);

// Makes moves between cgroups cheap machine-wide: mounts an empty private hierarchy `name` with the option favordynmods
// at `path` (made when missing, and removed again if made) and takes it off. Where the kernel would forget the option
// with the hierarchy (before 6.18) an open descriptor keeps it alive, invisible in the mount table, until this process
// ends.
Status FavorDynmods(const std::string& path, const std::string& name);

}  // namespace iluvatar::cgroup

#endif  // ILUVATAR_CGROUP_CGROUP_H_
