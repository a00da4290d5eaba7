// System calls without a wrapper in the oldest C library we build with (glibc 2.31), and the constants its headers
// lack.
#ifndef ILUVATAR_SANDBOX_SYSCALLS_H_
#define ILUVATAR_SANDBOX_SYSCALLS_H_

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>

#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_open_tree
#define SYS_open_tree 428
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif

namespace iluvatar::sandbox {

inline constexpr uint64_t kCloneIntoCgroup = 0x200000000ull;
inline constexpr unsigned kRecursive = 0x8000;  // AT_RECURSIVE

// struct clone_args up to `cgroup`; older kernels refuse the larger size only if the fields they do not know are set.
struct CloneArguments {
  uint64_t flags = 0;
  uint64_t pidfd = 0;
  uint64_t child_tid = 0;
  uint64_t parent_tid = 0;
  uint64_t exit_signal = SIGCHLD;
  uint64_t stack = 0;
  uint64_t stack_size = 0;
  uint64_t tls = 0;
  uint64_t set_tid = 0;
  uint64_t set_tid_size = 0;
  uint64_t cgroup = 0;

  CloneArguments(uint64_t wanted, int cgroup_fd) : flags(wanted) {
    if (cgroup_fd < 0) return;
    flags |= kCloneIntoCgroup;
    cgroup = static_cast<uint64_t>(cgroup_fd);
  }
  size_t size() const { return (flags & kCloneIntoCgroup) != 0 ? sizeof *this : offsetof(CloneArguments, cgroup); }
};

// Returns like fork: the child runs on a copy of the same stack. The C library does not know of it: its at-fork
// handlers do not run, so the child must not take a lock another thread could have held.
inline pid_t ForkInto(uint64_t flags, int cgroup_fd) {
  const CloneArguments arguments(flags, cgroup_fd);
  const size_t size = arguments.size();
  const long pid = syscall(SYS_clone3, &arguments, size);
  if (pid >= 0 || errno != ENOSYS || cgroup_fd >= 0) return static_cast<pid_t>(pid);
    // Kernels before 5.3, and container runtimes whose filter answers ENOSYS to clone3.
#if defined(__aarch64__) || defined(__x86_64__)
  return static_cast<pid_t>(syscall(SYS_clone, flags | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
#else
#error "the order of clone's arguments is not known for this architecture"
#endif
}

// As ForkInto, but the child runs in our memory, on our stack, while we stand still until it executes a program or
// ends: like vfork, and with the same rule that the caller must not return from the function that called this before
// the child is through. -errno; there is no way to do this on a kernel without clone3.
extern "C" __attribute__((returns_twice)) long iluvatar_clone_sharing(const void* arguments, size_t size);

struct MountAttributes {
  uint64_t attr_set = 0;
  uint64_t attr_clr = 0;
  uint64_t propagation = 0;
  uint64_t userns_fd = 0;
};

}  // namespace iluvatar::sandbox

#endif  // ILUVATAR_SANDBOX_SYSCALLS_H_
