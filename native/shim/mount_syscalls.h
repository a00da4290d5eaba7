// The mount API of Linux 5.2 … 5.12, which the oldest C library we build with does not know.
#ifndef ILUVATAR_SHIM_MOUNT_SYSCALLS_H_
#define ILUVATAR_SHIM_MOUNT_SYSCALLS_H_

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

#include "sandbox/syscalls.h"

#ifndef SYS_move_mount
#define SYS_move_mount 429
#endif
#ifndef SYS_fsopen
#define SYS_fsopen 430
#endif
#ifndef SYS_fsconfig
#define SYS_fsconfig 431
#endif
#ifndef SYS_fsmount
#define SYS_fsmount 432
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif

namespace iluvatar::shim {

// MOUNT_ATTR_*.
inline constexpr uint64_t kReadOnly = 0x1;
inline constexpr uint64_t kNoSuid = 0x2;
inline constexpr uint64_t kNoDev = 0x4;
inline constexpr uint64_t kNoExec = 0x8;
inline constexpr uint64_t kNoAccessTime = 0x10;
inline constexpr uint64_t kStrictAccessTime = 0x20;
inline constexpr uint64_t kNoFolderAccessTime = 0x80;
inline constexpr uint64_t kAccessTimes = 0x70;

// FSCONFIG_*.
inline constexpr unsigned kSetFlag = 0;
inline constexpr unsigned kSetString = 1;
inline constexpr unsigned kCreateSuper = 6;

// MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH.
inline constexpr unsigned kBothByDescriptor = 0x4 | 0x40;

// OPEN_TREE_CLONE.
inline constexpr unsigned kCloneTree = 1;

// RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS.
inline constexpr uint64_t kInsideRoot = 0x10 | 0x02;

struct OpenHow {
  uint64_t flags = 0;
  uint64_t mode = 0;
  uint64_t resolve = 0;
};

inline int OpenTree(int folder, const char* path, unsigned flags) {
  return static_cast<int>(syscall(SYS_open_tree, folder, path, flags | O_CLOEXEC));
}
inline int FsOpen(const char* type) { return static_cast<int>(syscall(SYS_fsopen, type, 1 /* FSOPEN_CLOEXEC */)); }
inline int FsConfig(int context, unsigned command, const char* key, const char* value) {
  return static_cast<int>(syscall(SYS_fsconfig, context, command, key, value, 0));
}
inline int FsMount(int context, uint64_t attributes) {
  return static_cast<int>(syscall(SYS_fsmount, context, 1 /* FSMOUNT_CLOEXEC */, static_cast<unsigned>(attributes)));
}
inline int MoveMount(int from, int to) {
  return static_cast<int>(syscall(SYS_move_mount, from, "", to, "", kBothByDescriptor));
}
inline int SetAttributes(int mount, unsigned flags, const sandbox::MountAttributes& attributes) {
  return static_cast<int>(syscall(SYS_mount_setattr, mount, "", flags | AT_EMPTY_PATH, &attributes, sizeof attributes));
}

// `path` as seen from inside `root`: "..", absolute links and links out of /proc do not lead out of it.
inline int OpenInside(int root, const char* path, int flags) {
  const OpenHow how = {static_cast<uint64_t>(flags | O_CLOEXEC), 0, kInsideRoot};
  return static_cast<int>(syscall(SYS_openat2, root, path, &how, sizeof how));
}

}  // namespace iluvatar::shim

#endif  // ILUVATAR_SHIM_MOUNT_SYSCALLS_H_
