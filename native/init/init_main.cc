// iluvatar-init: pid 1 of an image's container, `iluvatar-init PROGRAM ARGUMENT…`. The kernel spares pid 1 most
// signals, also those that a failing program sends itself, and gives it every orphan: so the program runs as a child of
// this, which hands signals on, reaps what is left to it, and ends as the program ended (128 + the signal's number).
//
// Also what a worker starts the programs with that it reads from, `iluvatar-init --with PID PROGRAM ARGUMENT…`: becomes
// the program, which the kernel then kills when the thread that started it ends, however that is. Node cannot ask for
// it.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace {

// As shells have it.
constexpr int kUsage = 2;
constexpr int kNotExecutable = 126;
constexpr int kNotFound = 127;
constexpr int kSignalled = 128;
constexpr size_t kSignalSetBytes = 8;
constexpr std::string_view kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

void Say(std::string_view program, std::string_view what) {
  const std::string line = "iluvatar-init: " + std::string(program) + ": " + std::string(what) + "\n";
  if (write(2, line.data(), line.size()) < 0) return;  // nobody listens: the exit code has to do
}

std::string_view PathOf(char** environment) {
  for (; *environment != nullptr; ++environment) {
    const std::string_view entry = *environment;
    if (entry.substr(0, 5) == "PATH=") return entry.substr(5);
  }
  return kDefaultPath;
}

long Execute(const std::string& path, char** argv, char** environment) {
  return syscall(SYS_execve, reinterpret_cast<long>(path.c_str()), reinterpret_cast<long>(argv),
                 reinterpret_cast<long>(environment));
}

// A name with a slash is a path; any other is looked for on PATH.
[[noreturn]] void Become(char** argv, char** environment) {
  const std::string_view name = argv[0];
  int error = ENOENT;
  if (name.find('/') != std::string_view::npos) {
    Execute(std::string(name), argv, environment);
    error = errno;
  } else {
    std::string_view path = PathOf(environment);
    while (!path.empty()) {
      const size_t end = path.find(':');
      const std::string_view folder = path.substr(0, end);
      Execute((folder.empty() ? std::string(".") : std::string(folder)) + "/" + std::string(name), argv, environment);
      // One that may not be executed here may still be found further on.
      if (errno != ENOENT && errno != ENOTDIR) error = errno;
      if (end == std::string_view::npos) break;
      path.remove_prefix(end + 1);
    }
  }
  Say(name, error == ENOENT ? "there is no such program" : strerror(error));
  _exit(error == ENOENT ? kNotFound : kNotExecutable);
}

// Ends with the program when it is among those that have ended.
void Reap(pid_t program) {
  for (;;) {
    int status = 0;
    const pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid <= 0) return;
    if (pid == program) _exit(WIFEXITED(status) ? WEXITSTATUS(status) : kSignalled + WTERMSIG(status));
  }
}

// -1 = that is no process.
long PidOf(std::string_view text) {
  long pid = 0;
  for (const char digit : text) {
    if (digit < '0' || digit > '9' || pid > INT32_MAX / 10) return -1;
    pid = pid * 10 + (digit - '0');
  }
  return text.empty() ? -1 : pid;
}

[[noreturn]] void BecomeWith(long parent, char** argv, char** environment) {
  prctl(PR_SET_PDEATHSIG, static_cast<long>(SIGKILL), 0L, 0L, 0L);
  // It may have ended before: then the signal never comes.
  if (syscall(SYS_getppid) != parent) _exit(kSignalled + SIGKILL);
  Become(argv, environment);
}

}  // namespace

extern "C" [[noreturn]] void BareMain(int argc, char** argv) {
  if (argc < 2) _exit(kUsage);
  char** environment = argv + argc + 1;
  if (std::string_view(argv[1]) == "--with") {
    if (argc < 4) _exit(kUsage);
    BecomeWith(PidOf(argv[2]), argv + 3, environment);
  }
  const uint64_t all = ~uint64_t{0};
  uint64_t before = 0;
  syscall(SYS_rt_sigprocmask, static_cast<long>(SIG_SETMASK), reinterpret_cast<long>(&all),
          reinterpret_cast<long>(&before), static_cast<long>(kSignalSetBytes));
  // The program has the same uid: without this it could write into our memory through /proc. Before the fork, or a
  // quick program would find a moment; what it executes is dumpable again.
  prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L);
  // A fork, for which the bare library has no function: the same process image, told at its end.
  const long program = syscall(SYS_clone, static_cast<long>(SIGCHLD), 0L, 0L, 0L, 0L);
  if (program < 0) _exit(kNotExecutable);
  if (program == 0) {
    syscall(SYS_rt_sigprocmask, static_cast<long>(SIG_SETMASK), reinterpret_cast<long>(&before), 0L,
            static_cast<long>(kSignalSetBytes));
    Become(argv + 1, environment);
  }
  for (;;) {
    siginfo_t info;
    const long number = syscall(SYS_rt_sigtimedwait, reinterpret_cast<long>(&all), reinterpret_cast<long>(&info), 0L,
                                static_cast<long>(kSignalSetBytes));
    if (number == SIGCHLD) {
      Reap(static_cast<pid_t>(program));
    } else if (number > 0) {
      kill(static_cast<pid_t>(program), static_cast<int>(number));
    }
  }
}
