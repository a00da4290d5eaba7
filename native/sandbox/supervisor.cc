// See supervisor.h.
#include "sandbox/supervisor.h"

#include <sys/prctl.h>

#include <cstdio>
#include <utility>

#include "sandbox/report.h"
#include "sandbox/syscalls.h"
#include "sandbox/wire.h"

namespace iluvatar::sandbox {
namespace {

using system::UniqueFd;

// While the agent is being started; between the connections and what is made for it.
constexpr int kProgramFd = 5;
// So many `paths` below /tmp: interpreters and folders that somebody names by hand.
constexpr size_t kMostLatePaths = 60;

// The kernel's own strongest protection is -1000; one above it, the OOM killer takes the agent first and us only when
// nothing else is left.
constexpr char kProtectedFromOom[] = "-999";

// Handlers of the interpreter we were forked from must never run here. SIGPIPE stays ignored: writes report it.
void ResetSignals() {
  for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
  signal(SIGPIPE, SIG_IGN);
}

// Kept for whoever reaps them: blocked, the news waits.
void HoldChildSignals() {
  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  sigprocmask(SIG_SETMASK, &children, nullptr);
}

void ProtectFromOom() {
  UniqueFd file(open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
  // Needs a right that user namespaces do not give; without it we are as killable as the agent, and our end is noticed
  // by the worker.
  if (file.valid() && write(file.get(), kProtectedFromOom, sizeof kProtectedFromOom - 1) < 0) return;
}

// Everything but the two connections, and the program to become: descriptors of the spawner must not outlive the
// set-up. They become 3, 4 and 5.
Step KeepConnections(int program, UniqueFd* control, UniqueFd* agent) {
  UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null.valid()) return Step::Failed("open /dev/null");
  for (int fd = 0; fd < 3; ++fd) {
    if (dup2(null.get(), fd) < 0) return Step::Failed("dup2");
  }
  UniqueFd high_control(fcntl(control->get(), F_DUPFD_CLOEXEC, 10));
  UniqueFd high_agent(fcntl(agent->get(), F_DUPFD_CLOEXEC, 10));
  if (dup3(high_control.get(), kControlFd, O_CLOEXEC) < 0 || dup3(high_agent.get(), 4, O_CLOEXEC) < 0) {
    return Step::Failed("dup3");
  }
  if (program >= 0 && dup3(program, kProgramFd, O_CLOEXEC) < 0) return Step::Failed("dup3");
  CloseFrom(program >= 0 ? kProgramFd + 1 : kProgramFd);
  for (UniqueFd* closed : {&null, &high_control, &high_agent, control, agent}) closed->release();
  control->reset(kControlFd);
  agent->reset(4);
  return Step::Done();
}

// The steps between being born and starting the agent, in order.
Step SetUp(const Cell& cell, UniqueFd* control, UniqueFd* agent) {
  const std::string hello = "{\"role\":\"supervisor\",\"container\":" + JsonQuote(cell.request->container) +
                            ",\"token\":" + JsonQuote(cell.request->token) + "}";
  if (const int sent = SendAll(control->get(), Hello(hello)); sent < 0) return Step::Failed("say hello", -sent);
  const int connection = ConnectUnix(cell.root->agents);
  if (connection < 0) return Step::Failed("connect agent", -connection);
  agent->reset(connection);
  if (Step step = IsolateNetwork(cell); !step.ok()) return step;
  if (Step step = MountProc(cell); !step.ok()) return step;
  if (Step step = JoinCgroups(cell); !step.ok()) return step;
  if (Step step = KeepConnections(cell.program, control, agent); !step.ok()) return step;
  if (Step step = IsolateRest(cell); !step.ok()) return step;
  ProtectFromOom();
  if (!cell.own_processes() && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) return Step::Failed("subreaper");
  return Step::Done();
}

// Leaves the spawner's memory, which is shared until then and in which it does not run meanwhile: nothing may be held
// here that only a destructor gives back. Returns when it fails.
Step Execute(const Cell& cell, const Agent& agent) {
  const std::pair<int, int> places[] = {{agent.pipes.output.get(), kOutputFd},
                                        {agent.pipes.errors.get(), kErrorsFd},
                                        {agent.pipes.assign.get(), kAssignFd}};
  for (const auto& [from, to] : places) {
    if (dup2(from, to) < 0) return Step::Failed("dup2");
  }
  if (fcntl(kControlFd, F_SETFD, 0) != 0) return Step::Failed("keep connection");
  char pid[12];
  char tmp_mb[12];
  std::snprintf(pid, sizeof pid, "%d", agent.pid);
  std::snprintf(tmp_mb, sizeof tmp_mb, "%u", cell.request->tmp_mb);
  const std::vector<std::string>& late = cell.root->late_paths;
  const char* arguments[kSupervisorArguments + kMostLatePaths + 1] = {"iluvatar-supervisor", pid, tmp_mb,
                                                                      cell.own_network() ? kOwnNetwork : kHostNetwork};
  if (late.size() > kMostLatePaths) return Step::Failed("execute supervisor", E2BIG);
  for (size_t i = 0; i < late.size(); ++i) arguments[kSupervisorArguments + i] = late[i].c_str();
  const char* const environment[] = {nullptr};
  syscall(SYS_execveat, kProgramFd, "", arguments, environment, AT_EMPTY_PATH);
  return Step::Failed("execute supervisor");
}

}  // namespace

void RunSupervisor(const Cell& cell, int spawner_connection, uint32_t request_id) {
  ResetSignals();
  // Out of the terminal's foreground group: Ctrl-C is for the worker, which then ends its containers in order.
  setsid();
  const int connected = ConnectUnix(cell.root->agents);
  if (connected < 0) {
    ReportAndExit(spawner_connection, request_id, Step::Failed("connect supervisor", -connected));
  }
  UniqueFd control(connected);
  UniqueFd connection;
  Step step = SetUp(cell, &control, &connection);
  if (!step.ok()) ReportAndExit(control.get(), 0, step);
  HoldChildSignals();
  Agent agent;
  step = StartAgent(cell, std::move(connection), &agent);
  if (!step.ok()) ReportAndExit(control.get(), 0, step);
  if (agent.pid == 0) {
    // Closed with everything else on the way here; the number is not ours any more.
    control.release();
    return;
  }
  if (cell.program < 0) Oversee(cell, control.release(), std::move(agent));
  ReportAndExit(control.get(), 0, Execute(cell, agent));
}

}  // namespace iluvatar::sandbox
