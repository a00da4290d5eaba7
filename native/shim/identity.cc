// Who the container's first process is and what it may: see TakeIdentity in init_plan.h.
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "sandbox/seccomp.h"
#include "sandbox/syscalls.h"
#include "shim/init_plan.h"

namespace iluvatar::shim {
namespace {

// Kernels know 41 of them today; asking for one they do not know fails with EINVAL and ends the loops.
constexpr int kMostCapabilities = 64;

// KEYCTL_JOIN_SESSION_KEYRING.
constexpr int kJoinSessionKeyring = 1;

bool Holds(uint64_t set, int capability) { return ((set >> capability) & 1) != 0; }

Step DropBounding(uint64_t kept) {
  for (int capability = 0; capability < kMostCapabilities; ++capability) {
    if (Holds(kept, capability)) continue;
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0) continue;
    return errno == EINVAL ? Step::Done() : Step::Failed("drop bounding capability");
  }
  return Step::Done();
}

Step SetCapabilities(const Capabilities& sets) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {};
  for (int word = 0; word < 2; ++word) {
    data[word].effective = static_cast<uint32_t>(sets.effective >> (32 * word));
    data[word].permitted = static_cast<uint32_t>(sets.permitted >> (32 * word));
    data[word].inheritable = static_cast<uint32_t>(sets.inheritable >> (32 * word));
  }
  if (syscall(SYS_capset, &header, data) != 0) return Step::Failed("process.capabilities");
  for (int capability = 0; capability < kMostCapabilities; ++capability) {
    if (!Holds(sets.ambient, capability)) continue;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) != 0) {
      return Step::Failed("process.capabilities.ambient");
    }
  }
  return Step::Done();
}

Step SetLimits(const InitPlan& plan) {
  if (setrlimit(RLIMIT_NOFILE, &plan.files) != 0) return Step::Failed("limit of open files");
  for (const ResourceLimit& limit : plan.spec.limits) {
    const struct rlimit wanted = {limit.soft, limit.hard};
    if (setrlimit(static_cast<__rlimit_resource>(limit.resource), &wanted) != 0) return Step::Failed("process.rlimits");
  }
  return Step::Done();
}

}  // namespace

Step TakeIdentity(const InitPlan& plan) {
  const ContainerSpec& spec = plan.spec;
  if (Step step = SetLimits(plan); !step.ok()) return step;
  // A session keyring of its own, where kernels have any: the daemon's is not for containers.
  syscall(SYS_keyctl, kJoinSessionKeyring, nullptr);
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  if (Step step = DropBounding(spec.capabilities.bounding); !step.ok()) return step;
  if (setgroups(spec.groups.size(), spec.groups.data()) != 0) return Step::Failed("process.user.additionalGids");
  if (setresgid(spec.gid, spec.gid, spec.gid) != 0) return Step::Failed("process.user.gid");
  // Capabilities outlive the change of uid, so that those of the specification can be set after it; execve ends this.
  if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return Step::Failed("keep capabilities");
  if (setresuid(spec.uid, spec.uid, spec.uid) != 0) return Step::Failed("process.user.uid");
  if (chdir(spec.cwd.c_str()) != 0) return Step::Failed("process.cwd " + spec.cwd);
  umask(spec.umask);
  if (Step step = SetCapabilities(spec.capabilities); !step.ok()) return step;
  if (spec.no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return Step::Failed("no_new_privs");
  if (!plan.filter.empty()) {
    if (const int result = sandbox::InstallSeccomp(plan.filter); result < 0) return Step::Failed("seccomp", -result);
  }
  return Step::Done();
}

}  // namespace iluvatar::shim
