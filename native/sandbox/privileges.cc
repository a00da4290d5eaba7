// See privileges.h.
#include "sandbox/privileges.h"

#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "sandbox/syscalls.h"

namespace iluvatar::sandbox {
namespace {

// Kernels know 41 of them today; asking for one they do not know fails with EINVAL and ends the loop.
constexpr int kMostCapabilities = 64;

Step SetCapabilities(uint64_t kept) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {};
  data[0].effective = data[0].permitted = static_cast<uint32_t>(kept);
  data[1].effective = data[1].permitted = static_cast<uint32_t>(kept >> 32);
  return syscall(SYS_capset, &header, data) == 0 ? Step::Done() : Step::Failed("capset");
}

uint64_t PermittedCapabilities() {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) != 0) return 0;
  return data[0].permitted | (static_cast<uint64_t>(data[1].permitted) << 32);
}

// Without CAP_SETPCAP (a plain process of an ordinary user) the bounding set cannot be lowered; no_new_privs makes it
// moot.
void DropBounding() {
  for (int capability = 0; capability < kMostCapabilities; ++capability) {
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) return;
  }
}

Step Limit(int resource, rlim_t value, const char* name) {
  struct rlimit now;
  if (getrlimit(static_cast<__rlimit_resource>(resource), &now) != 0) return Step::Failed(name);
  // An ordinary user cannot raise a hard limit; what it has is then the limit.
  const rlim_t hard = geteuid() == 0 || now.rlim_max == RLIM_INFINITY || value < now.rlim_max ? value : now.rlim_max;
  const struct rlimit wanted = {hard, hard};
  return setrlimit(static_cast<__rlimit_resource>(resource), &wanted) == 0 ? Step::Done() : Step::Failed(name);
}

}  // namespace

Step ApplyRlimits(const SpawnRequest& request, bool counted_by_cgroup, bool own_uid) {
  if (Step step = Limit(RLIMIT_NOFILE, request.files, "rlimit files"); !step.ok()) return step;
  if (Step step = Limit(RLIMIT_CORE, 0, "rlimit core"); !step.ok()) return step;
  // Counts all processes of the uid: only meaningful when the container has the uid for itself.
  if (!counted_by_cgroup && own_uid && request.processes > 0) {
    if (Step step = Limit(RLIMIT_NPROC, request.processes, "rlimit processes"); !step.ok()) return step;
  }
  if (request.rlimit_data_mb > 0) {
    return Limit(RLIMIT_DATA, static_cast<rlim_t>(request.rlimit_data_mb) << 20, "rlimit data");
  }
  return Step::Done();
}

Step BecomeUnprivileged(const SpawnRequest& request, bool all_uids) {
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  DropBounding();
  if (all_uids) {
    if (request.uid == 0 || request.gid == 0) return Step::Failed("uid 0 is not for functions", EINVAL);
    if (setgroups(0, nullptr) != 0) return Step::Failed("setgroups");
    if (setresgid(request.gid, request.gid, request.gid) != 0) return Step::Failed("setresgid");
    if (setresuid(request.uid, request.uid, request.uid) != 0) return Step::Failed("setresuid");
  }
  if (Step step = SetCapabilities(0); !step.ok()) return step;
  // Changing uid made the process undumpable, and so its own /proc/self/fd unreadable to itself.
  if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0) return Step::Failed("dumpable");
  // After the change of uid, which would clear it.
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return Step::Failed("parent-death signal");
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return Step::Failed("no_new_privs");
  return Step::Done();
}

Step KeepOnlyKill() {
  const uint64_t kept = PermittedCapabilities() & (uint64_t{1} << CAP_KILL);
  DropBounding();
  if (Step step = SetCapabilities(kept); !step.ok()) return step;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return Step::Failed("no_new_privs");
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return Step::Failed("dumpable");
  return Step::Done();
}

}  // namespace iluvatar::sandbox
