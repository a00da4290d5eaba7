// See namespaces.h.
#include "netlink/namespaces.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "netlink/links.h"

namespace iluvatar::netlink {
namespace {

using system::UniqueFd;

constexpr int kLoopback = 1;
constexpr char kOwn[] = "/proc/thread-self/ns/net";

void* Call(void* work) {
  (*static_cast<const std::function<void()>*>(work))();
  return nullptr;
}

// pthreads and not std::thread, which can report a failure only by an exception.
Status OnOwnThread(const std::function<void()>& work) {
  pthread_t thread;
  const int error = pthread_create(&thread, nullptr, &Call, const_cast<std::function<void()>*>(&work));
  if (error != 0) return {error, "pthread_create", {}};
  pthread_join(thread, nullptr);
  return Status::Ok();
}

// The calling thread is in the new namespace afterwards, for good.
Status MakeOne(const std::string& path, Namespace* made) {
  if (unshare(CLONE_NEWNET) != 0) return Status::Errno("create network namespace", path);
  made->fd.reset(open(kOwn, O_RDONLY | O_CLOEXEC));
  if (!made->fd.valid()) return Status::Errno("open network namespace", path);
  if (Status status = made->socket.Open(); !status.ok()) return status;
  if (Status status = made->socket.Run({SetUp(kLoopback, true, "lo")}); !status.ok()) return status;
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file.valid()) return Status::Errno("create", path);
  if (mount(kOwn, path.c_str(), nullptr, MS_BIND, nullptr) == 0) return Status::Ok();
  Status failure = Status::Errno("mount network namespace", path);
  unlink(path.c_str());
  return failure;
}

}  // namespace

std::vector<Namespace> MakeNamespaces(const std::vector<std::string>& paths) {
  std::vector<Namespace> made(paths.size());
  const Status status = OnOwnThread([&] {
    for (size_t i = 0; i < paths.size(); ++i) made[i].status = MakeOne(paths[i], &made[i]);
  });
  if (!status.ok()) {
    for (Namespace& one : made) one.status = status;
  }
  return made;
}

Status RemoveNamespace(const std::string& path) {
  // Detached: a process that is just entering it must not keep the rest waiting.
  if (umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL && errno != ENOENT) {
    return Status::Errno("unmount network namespace", path);
  }
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return Status::Errno("unlink", path);
  return Status::Ok();
}

Status InNamespace(const std::string& path, const std::function<Status()>& work) {
  Status outcome;
  const Status started = OnOwnThread([&] {
    const UniqueFd space(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!space.valid()) {
      outcome = Status::Errno("open", path);
    } else if (setns(space.get(), CLONE_NEWNET) != 0) {
      outcome = Status::Errno("enter network namespace", path);
    } else {
      outcome = work();
    }
  });
  return started.ok() ? outcome : started;
}

}  // namespace iluvatar::netlink
