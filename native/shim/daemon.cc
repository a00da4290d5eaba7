// See daemon.h.
#include "shim/daemon.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include <csignal>

#include "cgroup/files.h"
#include "shim/event_publisher.h"
#include "shim/group_lock.h"
#include "shim/loop.h"
#include "shim/task_service.h"
#include "shim/ttrpc_server.h"

namespace iluvatar::shim {
namespace {

constexpr int kTickMs = 1000;
constexpr int64_t kIdleMs = 10'000;
// Events that nobody comes to fetch do not keep it alive longer than this.
constexpr int64_t kEventsMs = 600'000;

// SIGCHLD is read from a descriptor. Those that end a process are ignored: its containers would be left without a
// parent that knows them.
Status TakeSignals(UniqueFd* children) {
  for (const int number : {SIGPIPE, SIGHUP, SIGINT, SIGTERM}) signal(number, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  children->reset(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
  return children->valid() ? Status::Ok() : Status::Errno("signalfd");
}

// Each container costs a connection, a pidfd and a channel. Returns what the limit was.
struct rlimit RaiseFiles() {
  struct rlimit before = {1024, 1024};
  getrlimit(RLIMIT_NOFILE, &before);
  const struct rlimit raised = {before.rlim_max, before.rlim_max};
  setrlimit(RLIMIT_NOFILE, &raised);
  return before;
}

bool IsSame(const std::string& path, const struct stat& file) {
  struct stat now;
  return stat(path.c_str(), &now) == 0 && now.st_dev == file.st_dev && now.st_ino == file.st_ino;
}

// Out of sight of `start`, which from now on makes a daemon of its own, and then a look at who came before that.
// `ours`: the socket as it was at the start. Where something else is by now, or nothing, nobody can come.
bool CanEnd(const std::string& socket, const struct stat& ours, TtrpcServer* server) {
  if (!IsSame(socket, ours)) return true;
  const GroupLock lock(socket);
  if (!lock.held()) return false;
  const std::string closing = socket + ".closing";
  if (rename(socket.c_str(), closing.c_str()) != 0) return true;
  if (server->AcceptAll() == 0) {
    unlink(closing.c_str());
    return true;
  }
  rename(closing.c_str(), socket.c_str());
  return false;
}

}  // namespace

Status RunDaemon(const std::string& socket, const std::string& events, const std::string& name_space) {
  UniqueFd listening(kListeningFd);
  if (fcntl(kListeningFd, F_SETFD, FD_CLOEXEC) != 0) return Status::Errno("fcntl");
  struct stat ours = {};
  if (stat(socket.c_str(), &ours) != 0) return Status::Errno("stat", socket);
  UniqueFd children;
  if (Status status = TakeSignals(&children); !status.ok()) return status;
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  // The last to go when memory runs out. Refused to whoever may not: then it is as likely a victim as any other.
  (void)cgroup::WriteFile("/proc/self/oom_score_adj", "-999").ok();
  umask(022);

  Loop loop;
  if (Status status = loop.Open(); !status.ok()) return status;
  EventPublisher publisher(&loop, events, name_space);
  TaskService* handler = nullptr;
  TtrpcServer server(&loop, [&handler](Reply reply, const TtrpcRequest& request) { handler->Handle(reply, request); });
  TaskService service(&loop, &server, &publisher, name_space, RaiseFiles());
  handler = &service;
  service.hierarchies()->LeaveAll();
  if (Status status = server.Listen(std::move(listening)); !status.ok()) return status;
  Status status = loop.Watch(children.get(), EPOLLIN, [&](uint32_t) {
    struct signalfd_siginfo info;
    while (read(children.get(), &info, sizeof info) > 0) {
    }
    service.Reap();
  });
  if (!status.ok()) return status;
  return loop.Run(kTickMs, [&] {
    publisher.Tick();
    service.Tick();
    const int64_t idle = NowMs() - server.last_activity();
    if (service.size() != 0 || server.connections() != 0 || idle < kIdleMs) return;
    if (publisher.waiting() != 0 && idle < kEventsMs) return;
    if (CanEnd(socket, ours, &server)) loop.Stop();
  });
}

}  // namespace iluvatar::shim
