// iluvatar-keeper: holds descriptors for workers that may die, and gives them to the next.
//   iluvatar-keeper --path P --grace-ms N      with the listening socket, which is bound to P, as descriptor 3
// Returns at once and goes on as a daemon. Exits when no client has been connected for N milliseconds, on QUIT, and on
// SIGTERM; then all that it holds is closed. docs/keeper.md says what it is for.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include <algorithm>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "keeper/server.h"

namespace {

using iluvatar::keeper::Server;
using iluvatar::keeper::Shelf;
using iluvatar::keeper::ShelfLimits;
using iluvatar::keeper::UniqueFd;

constexpr int kListeningFd = 3;
// Clients, one message's descriptors on their way in, and the keeper's own.
constexpr rlim_t kSpareDescriptors = 128;
// Whoever started it has to have the time to connect, however short the grace is.
constexpr int64_t kFirstGraceMs = 1000;

struct Arguments {
  std::string path;
  int64_t grace_ms = -1;
};

bool ReadArguments(int argc, char** argv, Arguments* arguments) {
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--path") == 0) {
      arguments->path = argv[i + 1];
    } else if (std::strcmp(argv[i], "--grace-ms") == 0) {
      char* end = nullptr;
      arguments->grace_ms = std::strtoll(argv[i + 1], &end, 10);
      if (*end != '\0' || end == argv[i + 1]) return false;
    } else {
      return false;
    }
  }
  return argc == 5 && !arguments->path.empty() && arguments->path[0] == '/' && arguments->grace_ms >= 0;
}

// Nothing of whoever started us stays open: a pipe that we held would never end for its reader.
bool CloseOthers() {
  if (syscall(SYS_close_range, kListeningFd + 1, ~0U, 0) != 0) {
    struct rlimit files = {};
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) return false;
    const int end = static_cast<int>(std::min<rlim_t>(files.rlim_cur, INT_MAX));
    for (int fd = kListeningFd + 1; fd < end; fd++) close(fd);
  }
  const int null = open("/dev/null", O_RDWR);
  if (null < 0) return false;
  for (int fd = 0; fd < kListeningFd; fd++) {
    if (dup2(null, fd) < 0) return false;
  }
  if (null >= kListeningFd) close(null);
  return true;
}

// The last to go when memory runs out, where that is allowed. No core is written of what others entrusted to it.
void Protect() {
  UniqueFd score(open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
  if (score.valid() && write(score.get(), "-999", 4) < 0) score.reset();
  const struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

// Readable once SIGTERM has come.
UniqueFd TakeSignals() {
  for (const int number : {SIGPIPE, SIGHUP, SIGINT}) signal(number, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigprocmask(SIG_SETMASK, &set, nullptr);
  return UniqueFd(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
}

size_t RaiseFiles() {
  struct rlimit files = {1024, 1024};
  getrlimit(RLIMIT_NOFILE, &files);
  const struct rlimit raised = {files.rlim_max, files.rlim_max};
  if (setrlimit(RLIMIT_NOFILE, &raised) == 0) files = raised;
  return static_cast<size_t>(files.rlim_cur > kSpareDescriptors ? files.rlim_cur - kSpareDescriptors : 0);
}

int64_t NowMs() {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
}

// Until it is told to end, or has been without a client for the grace time.
void Run(Server* server, int64_t grace_ms, int stop) {
  int64_t deadline = NowMs() + std::max(grace_ms, kFirstGraceMs);
  for (;;) {
    const size_t before = server->clients();
    const uint64_t admitted = server->admitted();
    const int64_t left = std::clamp<int64_t>(deadline - NowMs(), 0, INT_MAX);
    if (!server->Turn(before > 0 ? -1 : static_cast<int>(left), stop)) return;
    // One that came and went within the turn was here, too.
    if (before > 0 || server->clients() > 0 || server->admitted() != admitted) {
      deadline = NowMs() + grace_ms;
    } else if (NowMs() >= deadline) {
      return;
    }
  }
}

// Another may have put a socket of its own in the place meanwhile.
void RemovePath(const std::string& path, const struct stat& ours) {
  struct stat now = {};
  if (lstat(path.c_str(), &now) != 0) return;
  if (now.st_dev == ours.st_dev && now.st_ino == ours.st_ino) unlink(path.c_str());
}

// All that can fail, before whoever started us is told that it has not.
bool Prepare(UniqueFd* stop) {
  if (setsid() < 0 || chdir("/") != 0 || !CloseOthers()) return false;
  prctl(PR_SET_NAME, "iluvatar-keeper", 0, 0, 0);
  Protect();
  *stop = TakeSignals();
  return stop->valid() && fcntl(kListeningFd, F_SETFD, FD_CLOEXEC) == 0;
}

void Serve(const Arguments& arguments, const struct stat& ours, int stop) {
  ShelfLimits limits;
  limits.descriptors = RaiseFiles();
  Shelf shelf(limits);
  Server server(UniqueFd(kListeningFd), geteuid(), &shelf);
  Run(&server, arguments.grace_ms, stop);
  // First, so that nobody who comes now finds a socket that will not answer.
  RemovePath(arguments.path, ours);
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  struct stat ours = {};
  if (!ReadArguments(argc, argv, &arguments)) {
    std::fprintf(stderr,
                 "usage: iluvatar-keeper --path PATH --grace-ms N, with its listening socket as descriptor 3\n");
    return 2;
  }
  int accepts = 0;
  socklen_t size = sizeof(accepts);
  if (getsockopt(kListeningFd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &size) != 0 || accepts == 0 ||
      lstat(arguments.path.c_str(), &ours) != 0) {
    std::perror("iluvatar-keeper: descriptor 3 or its path");
    return 1;
  }
  UniqueFd stop;
  if (!Prepare(&stop)) return 1;
  // The caller waits for this process alone, and has no child left.
  const pid_t daemon = fork();
  if (daemon == 0) Serve(arguments, ours, stop.get());
  return daemon < 0 ? 1 : 0;
}
