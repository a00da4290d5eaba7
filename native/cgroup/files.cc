// See files.h.
#include "cgroup/files.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <charconv>

#include "system/unique_fd.h"

namespace iluvatar::cgroup {
namespace {

constexpr size_t kMaxFileBytes = 1u << 20;
// A memory limit's write waits for the kernel's books and ends with EINTR when a signal (SIGCHLD) comes meanwhile.
constexpr int kMostInterruptions = 100;

}  // namespace

system::Status WriteFile(const std::string& path, std::string_view text) {
  system::UniqueFd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.valid()) return system::Status::Errno("open", path);
  for (int interruptions = 0; write(file.get(), text.data(), text.size()) < 0; ++interruptions) {
    if (errno != EINTR || interruptions == kMostInterruptions) return system::Status::Errno("write", path);
  }
  return system::Status::Ok();
}

system::Status ReadFile(const std::string& path, std::string* text) {
  text->clear();
  system::UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return system::Status::Errno("open", path);
  char buffer[4096];
  while (text->size() < kMaxFileBytes) {
    const ssize_t got = read(file.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system::Status::Errno("read", path);
    if (got == 0) break;
    text->append(buffer, static_cast<size_t>(got));
  }
  return system::Status::Ok();
}

std::optional<uint64_t> ParseNumber(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  return value;
}

std::string ParentOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos || slash == 0 ? std::string() : path.substr(0, slash);
}

bool Exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

std::optional<uint64_t> ReadNumber(const std::string& path) {
  std::string text;
  if (!ReadFile(path, &text).ok()) return std::nullopt;
  return ParseNumber(text);
}

std::optional<uint64_t> FindKey(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    if (line.size() > key.size() && line.substr(0, key.size()) == key && line[key.size()] == ' ') {
      return ParseNumber(line.substr(key.size() + 1));
    }
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return std::nullopt;
}

}  // namespace iluvatar::cgroup
