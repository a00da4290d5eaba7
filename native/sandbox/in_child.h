// Trying something that changes a process for good: in a child that ends right after.
#ifndef ILUVATAR_SANDBOX_IN_CHILD_H_
#define ILUVATAR_SANDBOX_IN_CHILD_H_

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace iluvatar::sandbox {

// Runs `attempt` in a forked child; true when it returned true there.
template <typename Attempt>
bool InChild(Attempt attempt) {
  // A SIG_IGN of SIGCHLD (spawners) would reap the child before its verdict can be read.
  struct sigaction defaults = {};
  struct sigaction previous;
  defaults.sa_handler = SIG_DFL;
  sigaction(SIGCHLD, &defaults, &previous);
  const pid_t child = fork();
  if (child == 0) _exit(attempt() ? 0 : 1);
  int status = 1;
  while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  sigaction(SIGCHLD, &previous, nullptr);
  return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace iluvatar::sandbox

#endif  // ILUVATAR_SANDBOX_IN_CHILD_H_
