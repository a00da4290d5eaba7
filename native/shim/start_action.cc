// See actions.h.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <climits>
#include <cstdlib>
#include <cstring>

#include "sandbox/step.h"
#include "sandbox/syscalls.h"
#include "shim/actions.h"
#include "shim/bundle.h"
#include "shim/daemon.h"
#include "shim/group_lock.h"
#include "shim/spec.h"

namespace iluvatar::shim {
namespace {

using sandbox::Step;
using system::UniqueFd;

constexpr int kBacklog = 4096;

struct sockaddr_un AddressOf(const std::string& path) {
  struct sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  // ParseGroup has seen to the length.
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

bool IsServed(const std::string& socket_path) {
  const struct sockaddr_un address = AddressOf(socket_path);
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return fd.valid() && connect(fd.get(), reinterpret_cast<const struct sockaddr*>(&address), sizeof address) == 0;
}

Step Listen(const std::string& path, UniqueFd* fd) {
  const struct sockaddr_un address = AddressOf(path);
  fd->reset(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd->valid()) return Step::Failed("socket");
  // Of a daemon that was killed.
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return Step::Failed("unlink " + path);
  const mode_t mask = umask(0177);
  const int bound = bind(fd->get(), reinterpret_cast<const struct sockaddr*>(&address), sizeof address);
  umask(mask);
  if (bound != 0) return Step::Failed("bind " + path);
  return listen(fd->get(), kBacklog) == 0 ? Step::Done() : Step::Failed("listen " + path);
}

// In the grandchild. Returns only when it fails.
void Execute(const Arguments& arguments, const std::string& socket_path, int listening, int* report) {
  char program[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (length < 0 || null < 0 || chdir("/") != 0) return;
  program[length] = '\0';
  // Above the places they go to, so that neither is overwritten by the other.
  const int high_listening = fcntl(listening, F_DUPFD_CLOEXEC, 10);
  const int high_report = fcntl(*report, F_DUPFD_CLOEXEC, 10);
  if (high_listening < 0 || high_report < 0) return;
  *report = high_report;
  for (int fd = 0; fd < kListeningFd; ++fd) {
    if (dup2(null, fd) < 0) return;
  }
  if (dup2(high_listening, kListeningFd) < 0) return;
  if (dup3(high_report, kListeningFd + 1, O_CLOEXEC) < 0) return;
  *report = kListeningFd + 1;
  if (syscall(SYS_close_range, kListeningFd + 2, ~0u, 0) != 0) return;
  const char* events = std::getenv("TTRPC_ADDRESS");
  const std::string variable = std::string("TTRPC_ADDRESS=") + (events == nullptr ? "" : events);
  const char* const argv[] = {program, "-namespace", arguments.name_space.c_str(), "-socket", socket_path.c_str(),
                              "serve", nullptr};
  const char* const envp[] = {variable.c_str(), nullptr};
  execve(program, const_cast<char* const*>(argv), const_cast<char* const*>(envp));
}

// Detached from whoever called us: another session, another parent, no descriptor of ours but the socket.
Step StartDaemon(const Arguments& arguments, const std::string& socket_path) {
  UniqueFd listening;
  if (Step step = Listen(socket_path, &listening); !step.ok()) return step;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return Step::Failed("pipe");
  UniqueFd reads(ends[0]);
  UniqueFd writes(ends[1]);
  const pid_t child = fork();
  if (child < 0) return Step::Failed("fork");
  if (child == 0) {
    setsid();
    if (fork() != 0) _exit(0);
    int report = writes.get();
    Execute(arguments, socket_path, listening.get(), &report);
    const int error = errno;
    if (write(report, &error, sizeof error) < 0) _exit(1);
    _exit(1);
  }
  while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  writes.reset();
  int error = 0;
  // Ends without a word when the daemon is executed.
  if (read(reads.get(), &error, sizeof error) == sizeof error) {
    unlink(socket_path.c_str());
    return Step::Failed("execute the daemon", error);
  }
  return Step::Done();
}

}  // namespace

std::string StartAction(const Arguments& arguments) {
  const std::string bundle = arguments.bundle.empty() ? "." : arguments.bundle;
  std::string json;
  std::string socket_path;
  if (const Step step = ReadSpec(bundle, &json); !step.ok()) return step.Message();
  if (std::string error = ParseGroup(json, &socket_path); !error.empty()) return error;
  if (!IsServed(socket_path)) {
    const GroupLock lock(socket_path);
    if (!lock.held()) return Step::Failed("lock the folder of " + socket_path).Message();
    // Another `start` may have been quicker.
    if (!IsServed(socket_path)) {
      if (const Step step = StartDaemon(arguments, socket_path); !step.ok()) return step.Message();
    }
  }
  const std::string address = "unix://" + socket_path;
  if (const Step step = WriteAddress(bundle, address); !step.ok()) return step.Message();
  if (write(STDOUT_FILENO, address.data(), address.size()) != static_cast<ssize_t>(address.size())) {
    return Step::Failed("write the address").Message();
  }
  return {};
}

}  // namespace iluvatar::shim
