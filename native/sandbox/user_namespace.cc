// See user_namespace.h.
#include "sandbox/user_namespace.h"

#include <sys/wait.h>

#include <string_view>

#include "sandbox/syscalls.h"
#include "system/unique_fd.h"

namespace iluvatar::sandbox {
namespace {

using system::UniqueFd;

// 4294967295 ids from 0: all there are.
constexpr std::string_view kAllIds = "0 0 4294967295";

bool Write(const std::string& path, std::string_view text) {
  UniqueFd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return file.valid() && write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

// A map of more than the own id may only be written by a process of the parent namespace: a helper forked before.
Step EnterAsRoot() {
  int go[2];
  if (pipe2(go, O_CLOEXEC) != 0) return Step::Failed("pipe2");
  UniqueFd wait_end(go[0]);
  UniqueFd go_end(go[1]);
  const std::string folder = "/proc/" + std::to_string(getpid());
  const pid_t helper = fork();
  if (helper < 0) return Step::Failed("fork");
  if (helper == 0) {
    go_end.reset();
    char ignored;
    if (read(wait_end.get(), &ignored, 1) != 1) _exit(0);
    _exit(Write(folder + "/uid_map", kAllIds) && Write(folder + "/gid_map", kAllIds) ? 0 : 1);
  }
  const bool entered = unshare(CLONE_NEWUSER) == 0;
  const int error = errno;
  const bool told = entered && write(go_end.get(), "1", 1) == 1;
  go_end.reset();
  int status = 1;
  while (waitpid(helper, &status, 0) < 0 && errno == EINTR) {
  }
  if (!entered) return Step::Failed("unshare user namespace", error);
  if (!told || !WIFEXITED(status) || WEXITSTATUS(status) != 0) return Step::Failed("write uid_map", EPERM);
  return Step::Done();
}

}  // namespace

Step EnterUserNamespace() {
  const uid_t uid = getuid();
  const gid_t gid = getgid();
  if (uid == 0) return EnterAsRoot();
  if (unshare(CLONE_NEWUSER) != 0) return Step::Failed("unshare user namespace");
  // Without this the kernel refuses gid_map to unprivileged writers (a way around negative group permissions).
  if (!Write("/proc/self/setgroups", "deny")) return Step::Failed("write setgroups");
  const std::string user = std::to_string(uid);
  const std::string group = std::to_string(gid);
  if (!Write("/proc/self/uid_map", user + " " + user + " 1")) return Step::Failed("write uid_map");
  if (!Write("/proc/self/gid_map", group + " " + group + " 1")) return Step::Failed("write gid_map");
  return Step::Done();
}

}  // namespace iluvatar::sandbox
