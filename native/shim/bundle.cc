// See bundle.h.
#include "shim/bundle.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>

#include "cgroup/files.h"
#include "sandbox/syscalls.h"
#include "system/unique_fd.h"

namespace iluvatar::shim {
namespace {

using sandbox::Step;
using system::UniqueFd;

// Field 22 of /proc/<pid>/stat; empty when there is no such process. The command, field 2, may hold spaces and
// brackets: counted from the last bracket.
std::string StartTime(pid_t pid) {
  std::string text;
  if (!cgroup::ReadFile("/proc/" + std::to_string(pid) + "/stat", &text).ok()) return {};
  size_t at = text.rfind(')');
  for (int field = 2; field < 22 && at != std::string::npos; ++field) at = text.find(' ', at + 1);
  if (at == std::string::npos) return {};
  return text.substr(at + 1, text.find(' ', at + 1) - at - 1);
}

// Whole or not at all: containerd may read it at any time.
Step WriteWhole(const std::string& path, const std::string& text) {
  const std::string fresh = path + ".new";
  UniqueFd file(open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file.valid()) return Step::Failed("create " + fresh);
  if (write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return Step::Failed("write " + fresh);
  }
  return rename(fresh.c_str(), path.c_str()) == 0 ? Step::Done() : Step::Failed("rename " + fresh);
}

}  // namespace

Step ReadSpec(const std::string& bundle, std::string* json) {
  const system::Status status = cgroup::ReadFile(bundle + "/config.json", json);
  return status.ok() ? Step::Done() : Step::Failed("read " + bundle + "/config.json", status.error);
}

Step WritePid(const std::string& bundle, pid_t pid) {
  return WriteWhole(bundle + "/init.pid", std::to_string(pid) + " " + StartTime(pid));
}

void RemovePid(const std::string& bundle) { unlink((bundle + "/init.pid").c_str()); }

int OpenPid(const std::string& bundle, pid_t* pid) {
  *pid = 0;
  std::string text;
  if (!cgroup::ReadFile(bundle + "/init.pid", &text).ok()) return -1;
  const size_t space = text.find(' ');
  *pid = static_cast<pid_t>(std::strtol(text.c_str(), nullptr, 10));
  if (*pid <= 1 || space == std::string::npos) return -1;
  UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, *pid, 0)));
  // Compared after it was opened: what was opened is what was compared.
  return process.valid() && StartTime(*pid) == text.substr(space + 1) ? process.release() : -1;
}

Step WriteAddress(const std::string& bundle, const std::string& address) {
  return WriteWhole(bundle + "/address", address);
}

bool BundleExists(const std::string& bundle) {
  struct stat info;
  return stat(bundle.c_str(), &info) == 0 || errno != ENOENT;
}

}  // namespace iluvatar::shim
