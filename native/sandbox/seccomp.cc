// See seccomp.h.
#include "sandbox/seccomp.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>

namespace iluvatar::sandbox {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "no system-call filter for this architecture"
#endif

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

#ifndef SECCOMP_RET_KILL_PROCESS
#define SECCOMP_RET_KILL_PROCESS 0x80000000U
#endif

// From 424 on every architecture has the same numbers, so these work with older headers too.
constexpr uint32_t kClone3 = 435;

constexpr uint32_t kDenied[] = {
    SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_setns, SYS_unshare, SYS_ptrace, SYS_process_vm_readv,
    SYS_process_vm_writev, SYS_kcmp, SYS_keyctl, SYS_add_key, SYS_request_key, SYS_bpf, SYS_perf_event_open,
    SYS_userfaultfd, SYS_kexec_load, SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_reboot, SYS_swapon,
    SYS_swapoff, SYS_acct, SYS_quotactl, SYS_nfsservctl, SYS_settimeofday, SYS_clock_settime, SYS_clock_adjtime,
    SYS_adjtimex, SYS_open_by_handle_at, SYS_name_to_handle_at, SYS_fanotify_init, SYS_fanotify_mark,
    SYS_lookup_dcookie, SYS_move_pages, SYS_migrate_pages, SYS_mbind, SYS_set_mempolicy, SYS_syslog, SYS_vhangup,
    SYS_sethostname, SYS_setdomainname,
#ifdef SYS_kexec_file_load
    SYS_kexec_file_load,
#endif
#if defined(__x86_64__)
    SYS_iopl, SYS_ioperm, SYS_modify_ldt, SYS__sysctl, SYS_uselib, SYS_ustat, SYS_sysfs, SYS_create_module,
    SYS_get_kernel_syms, SYS_query_module,
#endif
    // io_uring_setup, _enter, _register
    425, 426, 427,
    // open_tree, move_mount, fsopen, fsconfig, fsmount, fspick
    428, 429, 430, 431, 432, 433,
    // pidfd_getfd, process_madvise, mount_setattr, quotactl_fd, process_mrelease, set_mempolicy_home_node
    438, 440, 442, 443, 448, 450,
    // statmount, listmount, open_tree_attr
    457, 458, 467};

// ioctls that push characters into, or paste the selection of, somebody's terminal.
constexpr uint32_t kTerminalInject = 0x5412;  // TIOCSTI
constexpr uint32_t kTerminalPaste = 0x541C;   // TIOCLINUX

constexpr uint32_t kNamespaceFlags = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                                     CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWTIME;

// What is harmless to ask of personality(): the default, the 32-bit uname, an old version number, and the query.
constexpr uint32_t kPersonalities[] = {0, 0x0008, 0x20000, 0x20008, 0xFFFFFFFF};

class Program {
 public:
  void Load(size_t offset) { Add(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset))); }
  void Return(uint32_t action) { Add(BPF_STMT(BPF_RET | BPF_K, action)); }
  // Runs the next `skip` instructions only when the accumulator equals `value`.
  void IfEqual(uint32_t value, uint8_t skip) { Add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip)); }
  void ReturnIfEqual(uint32_t value, uint32_t action) {
    IfEqual(value, 1);
    Return(action);
  }
  void ReturnUnlessEqual(uint32_t value, uint32_t action) {
    Add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 1, 0));
    Return(action);
  }
  void ReturnIfAnyBit(uint32_t bits, uint32_t action) {
    Add(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1));
    Return(action);
  }
  // Returns when the accumulator is one of these, in order. By halves: as the filter is installed, the kernel walks
  // through it with each number there is, to know those that are always allowed; a plain list would cost a container
  // 80 µs there.
  void ReturnIfAnyOf(const std::vector<uint32_t>& sorted, uint32_t action) {
    std::vector<size_t> exits;
    Search(sorted, 0, sorted.size(), action, &exits);
    for (const size_t exit : exits) code_[exit].k = static_cast<uint32_t>(code_.size() - exit - 1);
  }
  // Everything appended by `body` belongs to system call `number`, and must end in a return.
  template <typename Body>
  void ForCall(uint32_t number, Body body) {
    const size_t jump = code_.size();
    IfEqual(number, 0);
    body();
    code_[jump].jf = static_cast<uint8_t>(code_.size() - jump - 1);
  }
  std::vector<struct sock_filter> Take() { return std::move(code_); }

 private:
  static constexpr size_t kFewEnough = 4;

  void Search(const std::vector<uint32_t>& sorted, size_t from, size_t to, uint32_t action,
              std::vector<size_t>* exits) {
    if (to - from <= kFewEnough) {
      for (size_t i = from; i < to; ++i) ReturnIfEqual(sorted[i], action);
      exits->push_back(code_.size());
      Add(BPF_STMT(BPF_JMP | BPF_JA, 0));
      return;
    }
    const size_t middle = (from + to) / 2;
    const size_t jump = code_.size();
    Add(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, sorted[middle], 0, 0));
    Search(sorted, from, middle, action, exits);
    code_[jump].jt = static_cast<uint8_t>(code_.size() - jump - 1);
    Search(sorted, middle, to, action, exits);
  }

  void Add(struct sock_filter instruction) { code_.push_back(instruction); }
  std::vector<struct sock_filter> code_;
};

constexpr size_t kNumber = offsetof(struct seccomp_data, nr);
constexpr size_t kArch = offsetof(struct seccomp_data, arch);
// Low word of an argument (little-endian).
constexpr size_t Argument(size_t index) { return offsetof(struct seccomp_data, args) + 8 * index; }

constexpr uint32_t Fail(uint32_t error) { return SECCOMP_RET_ERRNO | error; }

}  // namespace

std::vector<struct sock_filter> SeccompProgram(bool links) {
  Program program;
  program.Load(kArch);
  program.ReturnUnlessEqual(kArchitecture, SECCOMP_RET_KILL_PROCESS);
  program.Load(kNumber);
#if defined(__x86_64__)
  // The x32 numbers would otherwise be a second, unfiltered set of the same calls.
  program.ReturnIfAnyBit(0x40000000, SECCOMP_RET_KILL_PROCESS);
#endif
  std::vector<uint32_t> denied(std::begin(kDenied), std::end(kDenied));
  std::sort(denied.begin(), denied.end());
  program.ReturnIfAnyOf(denied, Fail(EPERM));
  // Its flags are in memory, where a filter cannot look: the C library falls back to clone on ENOSYS.
  program.ReturnIfEqual(kClone3, Fail(ENOSYS));
  program.ForCall(SYS_clone, [&] {
    program.Load(Argument(0));
    program.ReturnIfAnyBit(kNamespaceFlags, Fail(EPERM));
    program.Return(SECCOMP_RET_ALLOW);
  });
  program.ForCall(SYS_personality, [&] {
    program.Load(Argument(0));
    for (const uint32_t value : kPersonalities) program.ReturnIfEqual(value, SECCOMP_RET_ALLOW);
    program.Return(Fail(EPERM));
  });
  program.ForCall(SYS_ioctl, [&] {
    program.Load(Argument(1));
    program.ReturnIfEqual(kTerminalInject, Fail(EPERM));
    program.ReturnIfEqual(kTerminalPaste, Fail(EPERM));
    program.Return(SECCOMP_RET_ALLOW);
  });
  program.ForCall(SYS_socket, [&] {
    program.Load(Argument(0));
    for (const uint32_t family : {AF_UNIX, AF_INET, AF_INET6}) program.ReturnIfEqual(family, SECCOMP_RET_ALLOW);
    if (links) {
      program.IfEqual(AF_NETLINK, 3);
      program.Load(Argument(2));
      program.ReturnIfEqual(0 /* NETLINK_ROUTE */, SECCOMP_RET_ALLOW);
    }
    program.Return(Fail(EAFNOSUPPORT));
  });
  program.Return(SECCOMP_RET_ALLOW);
  return program.Take();
}

int InstallSeccomp(const std::vector<struct sock_filter>& program) {
  struct sock_fprog filter = {static_cast<unsigned short>(program.size()),
                              const_cast<struct sock_filter*>(program.data())};
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) == 0 ? 0 : -errno;
}

}  // namespace iluvatar::sandbox
