// See probe.h.
#include "sandbox/probe.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <mntent.h>
#include <sys/prctl.h>

#include <cstdio>
#include <cstring>
#include <utility>

#include "sandbox/in_child.h"
#include "sandbox/syscalls.h"
#include "system/unique_fd.h"

namespace iluvatar::sandbox {
namespace {

using system::UniqueFd;

bool SeccompWorks() {
  return InChild([] {
    struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {1, &allow};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
  });
}

bool NewMountApiWorks() {
  UniqueFd tree(static_cast<int>(syscall(SYS_open_tree, AT_FDCWD, "/", O_CLOEXEC)));
  if (!tree.valid()) return false;
  // EINVAL (size 0) rather than ENOSYS means that the call exists.
  return syscall(SYS_mount_setattr, tree.get(), "", AT_EMPTY_PATH, nullptr, 0) < 0 && errno != ENOSYS;
}

bool CloneIntoCgroupWorks() {
  std::string path;
  if (FILE* mounts = setmntent("/proc/self/mounts", "re")) {
    struct mntent entry;
    char buffer[4096];
    while (path.empty() && getmntent_r(mounts, &entry, buffer, sizeof buffer) != nullptr) {
      if (std::strcmp(entry.mnt_type, "cgroup2") == 0) path = entry.mnt_dir;
    }
    endmntent(mounts);
  }
  if (path.empty()) return false;
  UniqueFd dir(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!dir.valid()) return false;
  return InChild([&dir] {
    const pid_t child = ForkInto(0, dir.get());
    if (child == 0) _exit(0);
    return child > 0;
  });
}

bool PidfdWorks() {
  UniqueFd self(static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0)));
  return self.valid();
}

}  // namespace

bool CanUnshare(int flags) {
  return InChild([flags] { return unshare(flags) == 0; });
}

std::string ProbeSupport() {
  const bool user = CanUnshare(CLONE_NEWUSER);
  const auto usable = [user](int flag) { return CanUnshare(flag) || (user && CanUnshare(CLONE_NEWUSER | flag)); };
  const std::pair<const char*, bool> results[] = {
      {"userNamespaces", user},
      {"mountNamespaces", usable(CLONE_NEWNS)},
      {"pidNamespaces", usable(CLONE_NEWPID)},
      {"networkNamespaces", usable(CLONE_NEWNET)},
      {"seccomp", SeccompWorks()},
      {"newMountApi", NewMountApiWorks()},
      {"cloneIntoCgroup", CloneIntoCgroupWorks()},
      {"pidfd", PidfdWorks()},
  };
  std::string json = "{";
  for (const auto& [name, value] : results) {
    if (json.size() > 1) json += ',';
    json += std::string("\"") + name + "\":" + (value ? "true" : "false");
  }
  return json + "}";
}

}  // namespace iluvatar::sandbox
