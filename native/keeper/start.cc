// See start.h.
#include "keeper/start.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

#include "transport/unix_socket.h"

namespace iluvatar::keeper {
namespace {

constexpr int kBacklog = 64;
constexpr int kListeningFd = 3;

// posix_spawn and not fork: the memory of a worker is not copied for it. Signals as a new program expects them.
int Spawn(const std::string& program, int listening, const std::string& path, int64_t grace_ms, pid_t* child) {
  std::string arguments[] = {program, "--path", path, "--grace-ms", std::to_string(grace_ms)};
  char* argv[] = {arguments[0].data(), arguments[1].data(), arguments[2].data(),
                  arguments[3].data(), arguments[4].data(), nullptr};
  char* const environment[] = {nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, listening, kListeningFd);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  const int error = posix_spawn(child, program.c_str(), &actions, &attributes, argv, environment);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

}  // namespace

Status Start(const std::string& path, int64_t grace_ms, const std::string& program) {
  // The keeper's working directory is another.
  if (path.empty() || path[0] != '/' || grace_ms < 0) return {EINVAL, "start", path};
  UniqueFd listening;
  transport::BoundPath bound;
  const transport::Status made = transport::ListenUnix(path, 0600, kBacklog, &listening, &bound, SOCK_SEQPACKET);
  if (!made.ok()) return {made.error, made.syscall, path};
  // Above the place it goes to: duplicated onto itself it would stay close-on-exec.
  UniqueFd high(fcntl(listening.get(), F_DUPFD_CLOEXEC, kListeningFd + 1));
  pid_t child = 0;
  const int error = high.valid() ? Spawn(program, high.get(), path, grace_ms, &child) : errno;
  if (error != 0) {
    transport::RemoveBoundPath(bound);
    return {error, "posix_spawn", program};
  }
  // It goes on as its own child, and this one ends at once.
  int status = 0;
  pid_t ended = 0;
  do {
    ended = waitpid(child, &status, 0);
  } while (ended < 0 && errno == EINTR);
  if (ended == child && WIFEXITED(status) && WEXITSTATUS(status) == 0) return Status::Ok();
  transport::RemoveBoundPath(bound);
  return {EIO, "start", program};
}

Status Connect(const std::string& path, UniqueFd* fd) {
  const transport::Status status = transport::ConnectUnix(path, fd, SOCK_SEQPACKET);
  if (!status.ok()) return {status.error, status.syscall, path};
  // Who listened. Another user's socket at this path would be given our containers' connections.
  ucred peer = {};
  socklen_t size = sizeof(peer);
  if (getsockopt(fd->get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return Status::Errno("getsockopt", path);
  if (peer.uid != geteuid() && peer.uid != 0) {
    fd->reset();
    return {EPERM, "connect", path};
  }
  return Status::Ok();
}

}  // namespace iluvatar::keeper
