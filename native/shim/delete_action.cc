// See actions.h.
#include <poll.h>
#include <sys/syscall.h>

#include <csignal>
#include <ctime>

#include "sandbox/step.h"
#include "shim/actions.h"
#include "shim/bundle.h"
#include "shim/messages.h"
#include "system/unique_fd.h"

namespace iluvatar::shim {
namespace {

#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

// containerd gives five seconds.
constexpr int kWaitMs = 4000;

}  // namespace

std::string DeleteAction(const Arguments& arguments) {
  const std::string bundle = arguments.bundle.empty() ? "." : arguments.bundle;
  pid_t pid = 0;
  const system::UniqueFd process(OpenPid(bundle, &pid));
  if (process.valid()) {
    // Everything else in its pid namespace dies with it.
    syscall(SYS_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0);
    struct pollfd end = {process.get(), POLLIN, 0};
    if (poll(&end, 1, kWaitMs) == 0) return "process " + std::to_string(pid) + " does not end";
    RemovePid(bundle);
  }
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  // How it really ended, nobody knows who could say.
  const std::string answer = EncodeDelete(static_cast<uint32_t>(pid), 128 + SIGKILL, now);
  const bool written = write(STDOUT_FILENO, answer.data(), answer.size()) == static_cast<ssize_t>(answer.size());
  return written ? std::string() : sandbox::Step::Failed("write the answer").Message();
}

}  // namespace iluvatar::shim
