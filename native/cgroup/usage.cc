// What a living group uses: memory, and the time that its quota has cost it.
#include <unistd.h>

#include <algorithm>
#include <array>

#include "cgroup/cgroup.h"
#include "cgroup/files.h"

namespace iluvatar::cgroup {
namespace {

// cpu.stat has about twenty short lines, a counter one.
constexpr size_t kMostText = 4096;

std::optional<std::string_view> ReadOpen(int file, std::array<char, kMostText>* buffer) {
  const ssize_t got = pread(file, buffer->data(), buffer->size(), 0);
  if (got < 0) return std::nullopt;
  return std::string_view(buffer->data(), static_cast<size_t>(got));
}

}  // namespace

Status ReadMemory(const std::vector<std::string>& dirs, const std::vector<int>& versions, MemoryUse* use) {
  *use = {};
  for (size_t i = 0; i < dirs.size(); ++i) {
    const bool v2 = versions[i] == 2;
    const auto total = ReadNumber(dirs[i] + (v2 ? "/memory.current" : "/memory.usage_in_bytes"));
    if (!total) continue;
    std::string text;
    if (const Status status = ReadFile(dirs[i] + "/memory.stat", &text); !status.ok()) return status;
    // Both count shared memory and tmpfs as file pages, but nobody can drop those. Taking the rest from the total,
    // rather than adding up what is left, has kernel memory in it on every kernel: not all say how much that is.
    const uint64_t files = FindKey(text, v2 ? "file" : "total_cache").value_or(0);
    const uint64_t shared = FindKey(text, v2 ? "shmem" : "total_shmem").value_or(0);
    const uint64_t cache = std::min(files > shared ? files - shared : 0, *total);
    use->used_bytes += *total - cache;
    use->cache_bytes += cache;
  }
  return Status::Ok();
}

std::optional<uint64_t> ThrottledUs(int cpu_stat) {
  std::array<char, kMostText> buffer;
  const auto text = ReadOpen(cpu_stat, &buffer);
  if (!text) return std::nullopt;
  if (const auto us = FindKey(*text, "throttled_usec")) return us;
  const auto ns = FindKey(*text, "throttled_time");
  return ns ? std::optional<uint64_t>(*ns / 1000) : std::nullopt;
}

std::optional<uint64_t> CounterValue(int file) {
  std::array<char, kMostText> buffer;
  const auto text = ReadOpen(file, &buffer);
  return text ? ParseNumber(*text) : std::nullopt;
}

}  // namespace iluvatar::cgroup
