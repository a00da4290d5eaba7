// What a supervisor does from the agent's start on, whichever program it is by then. See supervisor.h and report.h.
#include <sys/signalfd.h>

#include <utility>

#include "sandbox/report.h"
#include "sandbox/supervisor.h"
#include "sandbox/supervisor_loop.h"
#include "sandbox/syscalls.h"
#include "sandbox/wire.h"

namespace iluvatar::sandbox {
namespace {

using system::UniqueFd;
namespace types = transport::frame_type;
namespace status = transport::frame_status;

UniqueFd WatchChildren() {
  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  return UniqueFd(signalfd(-1, &children, SFD_NONBLOCK | SFD_CLOEXEC));
}

}  // namespace

void ReportAndExit(int fd, uint32_t request_id, const Step& step) {
  SendAll(fd, Encode({.type = types::kExited, .status = status::kStartFailed, .request_id = request_id}, step.Json()));
  if (request_id == 0) EndConnection(fd, false);
  _exit(1);
}

void Oversee(const Cell& cell, int control, Agent agent) {
  UniqueFd child_signals = WatchChildren();
  if (!child_signals.valid()) ReportAndExit(control, 0, Step::Failed("signalfd"));
  // Before the loop, so that it is all there when ASSIGN is read.
  if (const Step step = FinishIsolation(cell); !step.ok()) ReportAndExit(control, 0, step);
  SupervisorLoop loop(cell, control, std::move(agent), std::move(child_signals));
  loop.Run();
}

}  // namespace iluvatar::sandbox
