// See init_plan.h.
#include "shim/init_plan.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "sandbox/seccomp.h"

namespace iluvatar::shim {
namespace {

constexpr char kFileScheme[] = "file://";

Step OpenNamespace(const NamespaceChoice& choice, UniqueFd* fd) {
  if (choice.path.empty()) return Step::Done();
  fd->reset(open(choice.path.c_str(), O_RDONLY | O_CLOEXEC));
  return fd->valid() ? Step::Done() : Step::Failed("open namespace " + choice.path);
}

// A fifo is opened for reading too: with nobody at the other end, neither the opening waits nor a write kills.
Step OpenFifo(const std::string& path, UniqueFd* fd) {
  fd->reset(open(path.c_str(), O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));
  struct stat info;
  if (!fd->valid() || fstat(fd->get(), &info) != 0) return Step::Failed("open output " + path);
  if (!S_ISFIFO(info.st_mode)) return Step::Failed("output " + path + " is not a fifo", EINVAL);
  return fcntl(fd->get(), F_SETFL, 0) == 0 ? Step::Done() : Step::Failed("fcntl " + path);
}

Step OpenOutput(const std::string& where, UniqueFd* fd) {
  if (where.empty()) return Step::Done();
  if (where[0] == '/') return OpenFifo(where, fd);
  if (where.compare(0, sizeof kFileScheme - 1, kFileScheme) != 0) {
    return Step::Failed("output " + where + " (neither a fifo nor file://)", ENOTSUP);
  }
  const std::string path = where.substr(sizeof kFileScheme - 1);
  fd->reset(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, 0640));
  return fd->valid() ? Step::Done() : Step::Failed("open output " + path);
}

}  // namespace

Step OpenInitPlan(const CreateRequest& request, Hierarchies* hierarchies, InitPlan* plan) {
  const ContainerSpec& spec = plan->spec;
  plan->root = spec.root[0] == '/' ? spec.root : request.bundle + "/" + spec.root;
  plan->rootfs = request.rootfs;
  for (const RootMount& mount : plan->rootfs) {
    if (!mount.target.empty()) return Step::Failed("a root mount with a target, " + mount.target, ENOTSUP);
  }
  if (!spec.cgroup.empty()) {
    if (Step step = hierarchies->Open(spec.cgroup, &plan->cgroup); !step.ok()) return step;
  }
  if (Step step = OpenNamespace(spec.network, &plan->network); !step.ok()) return step;
  if (Step step = OpenNamespace(spec.ipc, &plan->ipc); !step.ok()) return step;
  if (Step step = OpenNamespace(spec.uts, &plan->uts); !step.ok()) return step;
  if (Step step = OpenOutput(request.output, &plan->output); !step.ok()) return step;
  if (Step step = OpenOutput(request.errors, &plan->errors); !step.ok()) return step;
  if (spec.seccomp != SeccompChoice::kOff) {
    plan->filter = sandbox::SeccompProgram(spec.seccomp == SeccompChoice::kLinks);
  }
  return Step::Done();
}

}  // namespace iluvatar::shim
