// See init_process.h.
#include "shim/init_process.h"

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <cstring>

#include "cgroup/files.h"
#include "sandbox/syscalls.h"

namespace iluvatar::shim {
namespace {

constexpr int kChannel = 3;
// Descriptors are moved above the fixed ones first, so that putting one into place cannot overwrite another.
constexpr int kFirstFree = 10;

// What shells use for "found but cannot be executed".
constexpr int kNotStarted = 126;

constexpr char kDefaultPath[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

struct Report {
  int32_t error = 0;
  char step[252] = {};
};

[[noreturn]] void Fail(int channel, const Step& step) {
  Report report;
  report.error = step.error == 0 ? EIO : step.error;
  std::strncpy(report.step, step.name.c_str(), sizeof report.step - 1);
  // Nobody to tell: it ends all the same.
  if (send(channel, &report, sizeof report, MSG_NOSIGNAL) < 0) _exit(kNotStarted);
  _exit(kNotStarted);
}

// Undoes what the daemon set for itself and children inherit.
Step ForgetDaemon(const ContainerSpec& spec) {
  for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  setsid();
  const int score = spec.oom_score_adjust.value_or(0);
  const bool written = cgroup::WriteFile("/proc/self/oom_score_adj", std::to_string(score)).ok();
  return written || !spec.oom_score_adjust.has_value() ? Step::Done() : Step::Failed("process.oomScoreAdj");
}

Step BringUpLoopback() {
  UniqueFd any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!any.valid()) return Step::Failed("socket for lo");
  struct ifreq request = {};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  return ioctl(any.get(), SIOCSIFFLAGS, &request) == 0 ? Step::Done() : Step::Failed("bring up lo");
}

Step EnterNamespaces(const InitPlan& plan) {
  const struct {
    const UniqueFd& fd;
    int type;
    const char* name;
  } given[] = {
      {plan.network, CLONE_NEWNET, "network"}, {plan.ipc, CLONE_NEWIPC, "ipc"}, {plan.uts, CLONE_NEWUTS, "uts"}};
  for (const auto& space : given) {
    if (space.fd.valid() && setns(space.fd.get(), space.type) != 0) {
      return Step::Failed(std::string("enter namespace: ") + space.name);
    }
  }
  if (plan.spec.network.fresh()) {
    if (Step step = BringUpLoopback(); !step.ok()) return step;
  }
  const std::string& name = plan.spec.hostname;
  if (!name.empty() && sethostname(name.data(), name.size()) != 0) return Step::Failed("hostname");
  return Step::Done();
}

// After everything else: what comes before is not the container's, and its share of the CPU would slow it down.
Step JoinCgroups(const InitPlan& plan) {
  for (const UniqueFd& file : plan.cgroup.processes) {
    if (write(file.get(), "0", 1) != 1) return Step::Failed("join cgroup " + plan.spec.cgroup);
  }
  if (plan.spec.cgroup_space.present && unshare(CLONE_NEWCGROUP) != 0) return Step::Failed("unshare cgroup namespace");
  return Step::Done();
}

// As the user it will run as, in its root: what is found can be executed.
Step FindProgram(const ContainerSpec& spec, std::string* program) {
  const std::string& name = spec.args[0];
  if (name.find('/') != std::string::npos) {
    *program = name;
    return access(name.c_str(), X_OK) == 0 ? Step::Done() : Step::Failed("execute " + name);
  }
  std::string path = kDefaultPath;
  for (const std::string& line : spec.env) {
    if (line.compare(0, 5, "PATH=") == 0) path = line.substr(5);
  }
  for (size_t start = 0; start <= path.size();) {
    const size_t end = std::min(path.find(':', start), path.size());
    *program = path.substr(start, end - start) + "/" + name;
    struct stat info;
    if (access(program->c_str(), X_OK) == 0 && stat(program->c_str(), &info) == 0 && S_ISREG(info.st_mode)) {
      return Step::Done();
    }
    start = end + 1;
  }
  return Step::Failed("execute " + name, ENOENT);
}

std::vector<char*> Pointers(std::vector<std::string>* strings) {
  std::vector<char*> pointers;
  for (std::string& text : *strings) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// 0, 1, 2 and the channel; nothing else.
Step PlaceDescriptors(const InitPlan& plan, int null, int* channel) {
  const int sources[] = {null, plan.output.valid() ? plan.output.get() : null,
                         plan.errors.valid() ? plan.errors.get() : null, *channel};
  int moved[4];
  for (int i = 0; i < 4; ++i) {
    moved[i] = fcntl(sources[i], F_DUPFD_CLOEXEC, kFirstFree);
    if (moved[i] < 0) return Step::Failed("dup");
  }
  for (int i = 0; i < 4; ++i) {
    if (dup3(moved[i], i, i == kChannel ? O_CLOEXEC : 0) < 0) return Step::Failed("dup");
  }
  *channel = kChannel;
  return syscall(SYS_close_range, kChannel + 1, ~0u, 0) == 0 ? Step::Done() : Step::Failed("close_range");
}

[[noreturn]] void RunInit(InitPlan* plan, int channel) {
  UniqueFd null;
  std::string program;
  Step step = ForgetDaemon(plan->spec);
  if (step.ok()) step = EnterNamespaces(*plan);
  if (step.ok()) step = EnterRoot(*plan, &null);
  if (step.ok()) step = JoinCgroups(*plan);
  if (step.ok()) step = PlaceDescriptors(*plan, null.get(), &channel);
  if (step.ok()) step = TakeIdentity(*plan);
  if (step.ok()) step = FindProgram(plan->spec, &program);
  if (!step.ok()) Fail(channel, step);
  const std::vector<char*> arguments = Pointers(&plan->spec.args);
  const std::vector<char*> environment = Pointers(&plan->spec.env);
  const Report ready;
  char go = 0;
  if (send(channel, &ready, sizeof ready, MSG_NOSIGNAL) < 0) _exit(kNotStarted);
  ssize_t got;
  do {
    got = read(channel, &go, 1);
  } while (got < 0 && errno == EINTR);
  // The daemon is gone; nobody will ever ask for this container to be started.
  if (got != 1) _exit(kNotStarted);
  execve(program.c_str(), arguments.data(), environment.data());
  Fail(channel, Step::Failed("execute " + program));
}

}  // namespace

Step SpawnInit(InitPlan* plan, InitProcess* process) {
  int ends[2];
  // Packets: a report comes whole or not at all.
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return Step::Failed("socketpair");
  process->channel.reset(ends[0]);
  UniqueFd theirs(ends[1]);
  if (fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) return Step::Failed("fcntl");
  uint64_t flags = CLONE_NEWNS | CLONE_NEWPID;
  if (plan->spec.network.fresh()) flags |= CLONE_NEWNET;
  if (plan->spec.ipc.fresh()) flags |= CLONE_NEWIPC;
  if (plan->spec.uts.fresh()) flags |= CLONE_NEWUTS;
  process->pid = sandbox::ForkInto(flags, plan->cgroup.unified.get());
  if (process->pid < 0) return Step::Failed("clone");
  if (process->pid == 0) RunInit(plan, theirs.get());
  process->pidfd.reset(static_cast<int>(syscall(SYS_pidfd_open, process->pid, 0)));
  if (process->pidfd.valid()) return Step::Done();
  const Step failed = Step::Failed("pidfd_open");
  kill(process->pid, SIGKILL);
  return failed;
}

InitReport ReadReport(const InitProcess& process, Step* step) {
  Report report;
  const ssize_t got = recv(process.channel.get(), &report, sizeof report, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return InitReport::kNothingYet;
  if (got != static_cast<ssize_t>(sizeof report)) return InitReport::kEnded;
  if (report.error == 0) return InitReport::kReady;
  report.step[sizeof report.step - 1] = '\0';
  *step = Step::Failed(report.step, report.error);
  return InitReport::kFailed;
}

Step Release(const InitProcess& process) {
  return send(process.channel.get(), "g", 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1 ? Step::Done()
                                                                               : Step::Failed("release container");
}

}  // namespace iluvatar::shim
