// See supervisor.h.
#include "sandbox/supervisor.h"

#include <sys/prctl.h>
#include <sys/signalfd.h>

#include "sandbox/supervisor_loop.h"
#include "sandbox/syscalls.h"
#include "sandbox/wire.h"

namespace iluvatar::sandbox {
namespace {

using system::UniqueFd;
namespace types = transport::frame_type;
namespace status = transport::frame_status;

// The kernel's own strongest protection is -1000; one above it, the OOM killer takes the agent first and us only when
// nothing else is left.
constexpr char kProtectedFromOom[] = "-999";

// Handlers of the interpreter we were forked from must never run here. SIGPIPE stays ignored: writes report it.
void ResetSignals() {
  for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
  signal(SIGPIPE, SIG_IGN);
}

UniqueFd WatchChildren() {
  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  sigprocmask(SIG_SETMASK, &children, nullptr);
  return UniqueFd(signalfd(-1, &children, SFD_NONBLOCK | SFD_CLOEXEC));
}

void ProtectFromOom() {
  UniqueFd file(open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
  // Needs a right that user namespaces do not give; without it we are as killable as the agent, and our end is noticed
  // by the worker.
  if (file.valid() && write(file.get(), kProtectedFromOom, sizeof kProtectedFromOom - 1) < 0) return;
}

// Everything but the two connections: descriptors of the spawner must not outlive the set-up. They become 3 and 4.
Step KeepConnections(UniqueFd* control, UniqueFd* agent) {
  UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null.valid()) return Step::Failed("open /dev/null");
  for (int fd = 0; fd < 3; ++fd) {
    if (dup2(null.get(), fd) < 0) return Step::Failed("dup2");
  }
  UniqueFd high_control(fcntl(control->get(), F_DUPFD_CLOEXEC, 10));
  UniqueFd high_agent(fcntl(agent->get(), F_DUPFD_CLOEXEC, 10));
  if (dup3(high_control.get(), 3, O_CLOEXEC) < 0 || dup3(high_agent.get(), 4, O_CLOEXEC) < 0) {
    return Step::Failed("dup3");
  }
  CloseFrom(5);
  for (UniqueFd* closed : {&null, &high_control, &high_agent, control, agent}) closed->release();
  control->reset(3);
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
  if (Step step = JoinCgroups(cell); !step.ok()) return step;
  if (Step step = KeepConnections(control, agent); !step.ok()) return step;
  if (Step step = IsolateRest(cell); !step.ok()) return step;
  if (Step step = MountProc(cell); !step.ok()) return step;
  ProtectFromOom();
  if (!cell.own_processes() && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) return Step::Failed("subreaper");
  return Step::Done();
}

[[noreturn]] void ReportAndExit(int fd, uint32_t request_id, const Step& step) {
  SendAll(fd, Encode({.type = types::kExited, .status = status::kStartFailed, .request_id = request_id}, step.Json()));
  // Not the spawner's connection: that one is still in use by its owner.
  if (request_id == 0) EndConnection(fd, false);
  _exit(1);
}

}  // namespace

void RunSupervisor(const Cell& cell, int spawner_connection, uint32_t request_id) {
  ResetSignals();
  // Out of the terminal's foreground group: Ctrl-C is for the worker, which then ends its containers in order.
  setsid();
  UniqueFd child_signals;
  const int connected = ConnectUnix(cell.root->agents);
  if (connected < 0) {
    ReportAndExit(spawner_connection, request_id, Step::Failed("connect supervisor", -connected));
  }
  UniqueFd control(connected);
  UniqueFd connection;
  Step step = SetUp(cell, &control, &connection);
  if (!step.ok()) ReportAndExit(control.get(), 0, step);
  child_signals = WatchChildren();
  if (!child_signals.valid()) ReportAndExit(control.get(), 0, Step::Failed("signalfd"));
  Agent agent;
  step = StartAgent(cell, std::move(connection), &agent);
  if (!step.ok()) ReportAndExit(control.get(), 0, step);
  if (agent.pid == 0) {
    // Closed with everything else on the way here; the numbers are not ours any more.
    control.release();
    child_signals.release();
    return;
  }
  // Before the loop, so that it is all there when ASSIGN is read.
  step = FinishIsolation(cell);
  if (!step.ok()) ReportAndExit(control.get(), 0, step);
  SupervisorLoop loop(cell, control.get(), std::move(agent), std::move(child_signals));
  loop.Run();
}

}  // namespace iluvatar::sandbox
