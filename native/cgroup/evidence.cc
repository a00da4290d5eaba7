// What a cgroup tells about the processes that lived in it.
#include "cgroup/cgroup.h"
#include "cgroup/files.h"

namespace iluvatar::cgroup {
namespace {

void ReadV1(const std::string& dir, Evidence* evidence) {
  std::string text;
  if (ReadFile(dir + "/memory.oom_control", &text).ok()) {
    evidence->oom_kills += FindKey(text, "oom_kill").value_or(0);
    // Where memory and memory+swap have the same limit, only the second counts its hits.
    evidence->limit_hits += ReadNumber(dir + "/memory.failcnt").value_or(0);
    evidence->limit_hits += ReadNumber(dir + "/memory.memsw.failcnt").value_or(0);
    evidence->peak_bytes = ReadNumber(dir + "/memory.max_usage_in_bytes");
    evidence->current_bytes = ReadNumber(dir + "/memory.usage_in_bytes");
    evidence->limit_bytes = ReadNumber(dir + "/memory.limit_in_bytes");
  }
  if (const auto usage_ns = ReadNumber(dir + "/cpuacct.usage")) evidence->cpu_usage_us = *usage_ns / 1000;
}

void ReadV2(const std::string& dir, Evidence* evidence) {
  std::string text;
  if (ReadFile(dir + "/memory.events", &text).ok()) {
    evidence->oom_kills += FindKey(text, "oom_kill").value_or(0);
    evidence->limit_hits += FindKey(text, "max").value_or(0);
    evidence->peak_bytes = ReadNumber(dir + "/memory.peak");
    evidence->current_bytes = ReadNumber(dir + "/memory.current");
    evidence->limit_bytes = ReadNumber(dir + "/memory.max");
  }
  if (ReadFile(dir + "/cpu.stat", &text).ok()) {
    if (const auto usage = FindKey(text, "usage_usec")) evidence->cpu_usage_us = usage;
  }
}

}  // namespace

Status ReadEvidence(const std::vector<std::string>& dirs, const std::vector<int>& versions, Evidence* evidence) {
  *evidence = {};
  for (size_t i = 0; i < dirs.size(); ++i) {
    if (!Exists(dirs[i])) return {ENOENT, "access", dirs[i]};
    if (versions[i] == 2) {
      ReadV2(dirs[i], evidence);
    } else {
      ReadV1(dirs[i], evidence);
    }
  }
  return Status::Ok();
}

}  // namespace iluvatar::cgroup
