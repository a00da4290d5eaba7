// See system.h.
#include "system/system.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "system/unique_fd.h"

extern char** environ;

namespace iluvatar::system {
namespace {

// 64 KiB: far more than the probe prints; anything longer is not our launcher.
constexpr size_t kMaxProbeOutput = 64 * 1024;

std::string LauncherPath() {
  Dl_info info;
  if (dladdr(reinterpret_cast<void*>(&MonotonicUs), &info) == 0 || info.dli_fname == nullptr) return {};
  std::string path = info.dli_fname;
  const size_t slash = path.rfind('/');
  return (slash == std::string::npos ? std::string(".") : path.substr(0, slash)) + "/iluvatar-launcher";
}

}  // namespace

Status RaiseFileLimit(uint64_t* limit) {
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return Status::Errno("getrlimit");
  files.rlim_cur = files.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &files) != 0) return Status::Errno("setrlimit");
  *limit = files.rlim_max;
  return Status::Ok();
}

int64_t MonotonicUs() {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000;
}

Status Kill(int pid, int signal, bool* delivered) {
  if (pid <= 0) return {EINVAL, "kill", {}};
  *delivered = ::kill(pid, signal) == 0;
  if (!*delivered && errno != ESRCH) return Status::Errno("kill");
  return Status::Ok();
}

Status OpenFifo(const std::string& path, int* fd) {
  if (mkfifo(path.c_str(), 0600) != 0) return Status::Errno("mkfifo", path);
  *fd = open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (*fd >= 0) return Status::Ok();
  const Status status = Status::Errno("open", path);
  unlink(path.c_str());
  return status;
}

Status ProbeSandbox(std::string* json) {
  const std::string launcher = LauncherPath();
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return Status::Errno("pipe2");
  UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, writer.get(), 1);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  char probe[] = "--probe";
  std::string name = launcher;
  char* argv[] = {name.data(), probe, nullptr};
  pid_t child = 0;
  const int error = posix_spawn(&child, launcher.c_str(), &actions, &attributes, argv, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return {error, "posix_spawn", launcher};
  writer.reset();
  json->clear();
  char buffer[4096];
  for (;;) {
    const ssize_t got = read(reader.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0 || json->size() > kMaxProbeOutput) break;
    json->append(buffer, static_cast<size_t>(got));
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || json->empty()) return {EIO, "probe", launcher};
  return Status::Ok();
}

}  // namespace iluvatar::system
