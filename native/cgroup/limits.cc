// Limits: the formats of both versions, and the order in which v1 accepts them.
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "cgroup/cgroup.h"
#include "cgroup/files.h"

namespace iluvatar::cgroup {
namespace {

// 100 ms, the period of every quota: CPU limits agree with the CPU slots that admit work.
constexpr uint64_t kPeriodUs = 100'000;
// The kernel refuses a quota under 1 ms.
constexpr uint64_t kLowestQuotaUs = 1000;
constexpr uint64_t kLeastShares = 2;

std::string QuotaText(const std::optional<double>& cpus, const char* none) {
  if (!cpus) return none;
  const auto quota = static_cast<uint64_t>(std::llround(*cpus * static_cast<double>(kPeriodUs)));
  return std::to_string(std::max(quota, kLowestQuotaUs));
}

Status SetCpuV1(const std::string& dir, const std::optional<double>& cpus) {
  const std::string period = dir + "/cpu.cfs_period_us";
  const std::string quota = dir + "/cpu.cfs_quota_us";
  if (!Exists(quota)) return Status::Ok();
  const std::string period_text = std::to_string(kPeriodUs);
  // The kernel checks quota/period against the parent's after each write. With an old quota in place the new period
  // alone may exceed it (EINVAL), and is accepted once the new quota is there: period, quota, and the period again only
  // if it was refused.
  const Status first = WriteFile(period, period_text);
  if (!first.ok() && first.error != EINVAL) return first;
  if (const Status status = WriteFile(quota, QuotaText(cpus, "-1")); !status.ok()) return status;
  return first.ok() ? first : WriteFile(period, period_text);
}

Status WriteIfThere(const std::string& path, const std::string& text) {
  const Status status = WriteFile(path, text);
  return status.error == ENOENT ? Status::Ok() : status;
}

// Of memory and swap together, which is how version 1 counts.
std::string WithSwapText(const Limits& limits) {
  if (!limits.memory_bytes || !limits.swap_bytes) return "-1";
  // One page more than the memory where no swap is allowed: with both equal the kernel fails on memory+swap first, and
  // memory.failcnt, our evidence, stays 0.
  const uint64_t swap = std::max(*limits.swap_bytes, static_cast<uint64_t>(sysconf(_SC_PAGESIZE)));
  return std::to_string(*limits.memory_bytes + swap);
}

Status SetMemoryV1(const std::string& dir, const Limits& limits) {
  const std::string limit = dir + "/memory.limit_in_bytes";
  const std::string with_swap = dir + "/memory.memsw.limit_in_bytes";
  if (!Exists(limit)) return Status::Ok();
  const std::string text = limits.memory_bytes ? std::to_string(*limits.memory_bytes) : "-1";
  if (!Exists(with_swap)) return WriteFile(limit, text);
  const std::string both = WithSwapText(limits);
  // memory <= memory+swap must hold after each write: shrinking needs memory first, growing needs memory+swap first.
  if (!limits.memory_bytes) {
    if (const Status status = WriteFile(with_swap, both); !status.ok()) return status;
    return WriteFile(limit, text);
  }
  const Status first = WriteFile(limit, text);
  if (!first.ok() && first.error != EINVAL) return first;
  if (const Status status = WriteFile(with_swap, both); !status.ok()) return status;
  return first.ok() ? first : WriteFile(limit, text);
}

Status SetShares(const std::string& dir, int version, const std::optional<uint64_t>& shares) {
  if (!shares) return Status::Ok();
  if (version != 2) return WriteIfThere(dir + "/cpu.shares", std::to_string(std::max(*shares, kLeastShares)));
  // Version 2 weighs from 1 to 10,000 and calls 100 what version 1 calls 1024.
  const uint64_t weight = std::clamp<uint64_t>(*shares * 100 / 1024, 1, 10'000);
  return WriteIfThere(dir + "/cpu.weight", std::to_string(weight));
}

Status SetV1(const std::string& dir, const Limits& limits) {
  if (const Status status = SetCpuV1(dir, limits.cpus); !status.ok()) return status;
  return SetMemoryV1(dir, limits);
}

// memory.high is left alone, whatever the policy: what goes over it is slowed down until it crawls, and anonymous
// memory that cannot be swapped never comes back below. memory.low would protect only as far as all ancestors are
// protected.
Status SetV2(const std::string& dir, const Limits& limits) {
  const std::string quota = QuotaText(limits.cpus, "max") + " " + std::to_string(kPeriodUs);
  if (const Status status = WriteIfThere(dir + "/cpu.max", quota); !status.ok()) return status;
  const std::string memory = limits.memory_bytes ? std::to_string(*limits.memory_bytes) : "max";
  if (const Status status = WriteIfThere(dir + "/memory.max", memory); !status.ok()) return status;
  const bool swap_limited = limits.memory_bytes && limits.swap_bytes;
  return WriteIfThere(dir + "/memory.swap.max", swap_limited ? std::to_string(*limits.swap_bytes) : "max");
}

}  // namespace

Status SetLimits(const std::vector<std::string>& dirs, const std::vector<int>& versions, const Limits& limits) {
  for (size_t i = 0; i < dirs.size(); ++i) {
    const Status status = versions[i] == 2 ? SetV2(dirs[i], limits) : SetV1(dirs[i], limits);
    if (!status.ok()) return status;
    if (const Status shared = SetShares(dirs[i], versions[i], limits.shares); !shared.ok()) return shared;
    const std::string pids = limits.pids ? std::to_string(*limits.pids) : "max";
    if (const Status status = WriteIfThere(dirs[i] + "/pids.max", pids); !status.ok()) return status;
  }
  return Status::Ok();
}

}  // namespace iluvatar::cgroup
