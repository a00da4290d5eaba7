// The system-call filter of every agent: a classic BPF program made here, without a library. It denies what a function
// has no business with (mounts, namespaces, other processes' memory, kernel keyrings and modules, io_uring, clocks, raw
// and exotic sockets) and lets the rest pass: a filter for the kernel's attack surface beside, not instead of, the
// namespaces and the dropped capabilities.
#ifndef ILUVATAR_SANDBOX_SECCOMP_H_
#define ILUVATAR_SANDBOX_SECCOMP_H_

#include <linux/filter.h>

#include <vector>

namespace iluvatar::sandbox {

// `links`: route netlink sockets are useful only where there is more than `lo`.
std::vector<struct sock_filter> SeccompProgram(bool links);

// Installs it for the calling thread and everything it will start. Needs no_new_privs (or CAP_SYS_ADMIN). 0 or -errno.
int InstallSeccomp(const std::vector<struct sock_filter>& program);

}  // namespace iluvatar::sandbox

#endif  // ILUVATAR_SANDBOX_SECCOMP_H_
