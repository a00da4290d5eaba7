// See mounts.h and the folder helpers of root.h.
#include "sandbox/mounts.h"

#include <mntent.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cstdio>
#include <vector>

#include "sandbox/root.h"
#include "sandbox/syscalls.h"

namespace iluvatar::sandbox {
namespace {

constexpr uint64_t kReadOnly = 0x1;  // MOUNT_ATTR_RDONLY
constexpr uint64_t kNoSuid = 0x2;    // MOUNT_ATTR_NOSUID
constexpr uint64_t kNoDev = 0x4;     // MOUNT_ATTR_NODEV

// Flags of a mount that a user namespace may not take away when it remounts: they have to be repeated.
unsigned long KeptFlags(const std::string& path) {
  struct statvfs info;
  if (statvfs(path.c_str(), &info) != 0) return 0;
  unsigned long flags = 0;
  if (info.f_flag & ST_NOEXEC) flags |= MS_NOEXEC;
  if (info.f_flag & ST_NOATIME) flags |= MS_NOATIME;
  if (info.f_flag & ST_NODIRATIME) flags |= MS_NODIRATIME;
  if (info.f_flag & ST_RELATIME) flags |= MS_RELATIME;
  return flags;
}

// Before mount_setattr (5.12) the recursive bind is writable below its top: each mount is remounted by itself.
Step RemountEach(const std::string& target) {
  std::vector<std::string> mounts;
  // The host's /proc is still in sight under one of these while the root is built.
  for (const char* table : {"/.old/proc/self/mounts", "/proc/self/mounts"}) {
    FILE* file = setmntent(table, "re");
    if (file == nullptr) continue;
    struct mntent entry;
    char buffer[8192];
    while (getmntent_r(file, &entry, buffer, sizeof buffer) != nullptr) {
      const std::string path = entry.mnt_dir;
      if (path == target || path.compare(0, target.size() + 1, target + "/") == 0) mounts.push_back(path);
    }
    endmntent(file);
    break;
  }
  if (mounts.empty()) mounts.push_back(target);
  for (const std::string& path : mounts) {
    const unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | KeptFlags(path);
    if (mount(nullptr, path.c_str(), nullptr, flags, nullptr) != 0) return Step::Failed("make read-only " + path);
  }
  return Step::Done();
}

}  // namespace

Step MakeFolders(const std::string& path) {
  for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string part = path.substr(0, slash);
    if (mkdir(part.c_str(), 0755) != 0 && errno != EEXIST) {
      // A read-only parent that already has it says EROFS before EEXIST on some file systems.
      struct stat info;
      const int error = errno;
      if (stat(part.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) return Step::Failed("mkdir " + part, error);
    }
    if (slash == std::string::npos) return Step::Done();
  }
}

Step MakeMountPoint(const std::string& source, const std::string& target) {
  struct stat info;
  if (stat(source.c_str(), &info) != 0) return Step::Failed("stat " + source);
  if (S_ISDIR(info.st_mode)) return MakeFolders(target);
  if (const size_t slash = target.rfind('/'); slash > 0) {
    if (Step step = MakeFolders(target.substr(0, slash)); !step.ok()) return step;
  }
  system::UniqueFd file(open(target.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
  return file.valid() ? Step::Done() : Step::Failed("create " + target);
}

Step BindReadOnly(const std::string& source, const std::string& target) {
  if (Step step = MakeMountPoint(source, target); !step.ok()) return step;
  if (mount(source.c_str(), target.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) {
    return Step::Failed("bind " + target);
  }
  MountAttributes attributes;
  attributes.attr_set = kReadOnly | kNoSuid | kNoDev;
  if (syscall(SYS_mount_setattr, AT_FDCWD, target.c_str(), kRecursive, &attributes, sizeof attributes) == 0) {
    return Step::Done();
  }
  if (errno != ENOSYS && errno != EPERM) return Step::Failed("make read-only " + target);
  return RemountEach(target);
}

}  // namespace iluvatar::sandbox
