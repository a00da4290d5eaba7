// See cell.h.
#include "sandbox/cell.h"

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "sandbox/syscalls.h"
#include "system/unique_fd.h"

namespace iluvatar::sandbox {
namespace {

using system::UniqueFd;

// Like /tmp it is counted against the container's memory; this only bounds it.
constexpr uint32_t kSharedMemoryMb = 64;

// Room for a socket and the few files that servers put beside it.
constexpr char kSocketFolderOptions[] = "mode=1777,size=64k,nr_inodes=16";

std::string TmpOptions(uint32_t size_mb) { return "mode=1777,size=" + std::to_string(size_mb) + "m"; }

Step BringUpLoopback() {
  UniqueFd any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!any.valid()) return Step::Failed("socket for lo");
  struct ifreq request = {};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  return ioctl(any.get(), SIOCSIFFLAGS, &request) == 0 ? Step::Done() : Step::Failed("bring up lo");
}

// The bind inherits read-only, nosuid and nodev from the mount its source lies on.
Step Bind(const std::string& source, const std::string& target) {
  return mount(source.c_str(), target.c_str(), nullptr, MS_BIND, nullptr) == 0 ? Step::Done()
                                                                               : Step::Failed("bind " + target);
}

// A folder of its own for the mount points, since the root is shared by all containers and read-only.
Step BindLayers(const std::string& store, const std::vector<std::string>& layers) {
  if (mount("layers", "/layers", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m") != 0) {
    return Step::Failed("mount /layers");
  }
  for (size_t i = 0; i < layers.size(); ++i) {
    const std::string name = layers[i].substr(layers[i].rfind('/') + 1);
    const std::string target = "/layers/" + name;
    if (mkdir(target.c_str(), 0755) != 0) return Step::Failed("mkdir " + target);
    if (Step step = Bind(store + layers[i], target); !step.ok()) return step;
    const std::string number = "/layers/" + std::to_string(i);
    if (name != std::to_string(i) && symlink(name.c_str(), number.c_str()) != 0) {
      return Step::Failed("symlink " + number);
    }
  }
  if (mount(nullptr, "/layers", nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV, nullptr) != 0) {
    return Step::Failed("make /layers read-only");
  }
  return Step::Done();
}

}  // namespace

Step JoinCgroups(const Cell& cell) {
  if (cell.request->cgroup.empty()) return Step::Done();
  const std::string file = cell.request->cgroup + "/cgroup.procs";
  for (const CgroupParent& parent : *cell.cgroups) {
    if (parent.version2 && cell.born_in_cgroup) continue;
    UniqueFd processes(openat(parent.fd, file.c_str(), O_WRONLY | O_CLOEXEC));
    if (!processes.valid()) return Step::Failed("open cgroup " + file);
    if (write(processes.get(), "0", 1) != 1) return Step::Failed("join cgroup " + file);
  }
  return Step::Done();
}

Step IsolateNetwork(const Cell& cell) {
  const std::string& name = cell.request->network_namespace;
  if (name.empty()) {
    return !cell.own_network() || unshare(CLONE_NEWNET) == 0 ? Step::Done() : Step::Failed("unshare network");
  }
  UniqueFd space(openat(cell.networks, name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!space.valid()) return Step::Failed("open network namespace " + name);
  return setns(space.get(), CLONE_NEWNET) == 0 ? Step::Done() : Step::Failed("enter network namespace " + name);
}

Step IsolateRest(const Cell& cell) {
  const int flags = cell.namespaces & CLONE_NEWCGROUP;
  if (flags != 0 && unshare(flags) != 0) return Step::Failed("unshare cgroup");
  if ((cell.namespaces & CLONE_NEWUTS) != 0) {
    const std::string& name = cell.request->container;
    if (sethostname(name.data(), std::min<size_t>(name.size(), 64)) != 0) return Step::Failed("sethostname");
  }
  return Step::Done();
}

Step MountProc(const Cell& cell) {
  if (!cell.root->private_view) return Step::Done();
  // hidepid: an agent sees its own processes, not the supervisor. A user namespace may be refused a proc of its own
  // (said at start): then there is none.
  if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "hidepid=2") != 0 &&
      !cell.root->user_namespace) {
    return Step::Failed("mount /proc");
  }
  return Step::Done();
}

Step FinishIsolation(const Cell& cell) {
  if (cell.own_network()) {
    if (Step step = BringUpLoopback(); !step.ok()) return step;
  }
  if (!cell.root->private_view) return Step::Done();
  if (mount("tmp", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, TmpOptions(cell.request->tmp_mb).c_str()) != 0) {
    return Step::Failed("mount /tmp");
  }
  const uint32_t shared_mb = std::min(cell.request->tmp_mb, kSharedMemoryMb);
  if (mount("shm", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, TmpOptions(shared_mb).c_str()) != 0) {
    return Step::Failed("mount /dev/shm");
  }
  for (size_t i = 0; i < cell.root->late_paths.size(); ++i) {
    const std::string& path = cell.root->late_paths[i];
    if (path.compare(0, 5, "/tmp/") != 0) continue;
    if (Step step = MakeMountPoint(LatePath(i), path); !step.ok()) return step;
    if (Step step = Bind(LatePath(i), path); !step.ok()) return step;
  }
  return Step::Done();
}

Step MountFunction(const Cell& cell, const AssignRequest& assign) {
  if (!cell.root->private_view) return Step::Done();
  const std::string store = std::string(kHostFolder) + "/store/";
  if (!assign.code.empty()) {
    if (Step step = Bind(store + assign.code, "/function"); !step.ok()) return step;
  }
  // Without layers too: a zygote's /layers shows those of everybody.
  if (assign.layers.empty()) {
    if (Step step = Bind(kEmptyFolder, "/layers"); !step.ok()) return step;
  } else {
    if (Step step = BindLayers(store, assign.layers); !step.ok()) return step;
  }
  // Of the container's own, not a folder of the host's: what is written there must not fill the host's disk. The worker
  // reaches the socket through /proc.
  if (assign.sockets) {
    const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    if (mount("sockets", "/iluvatar/sockets", "tmpfs", flags, kSocketFolderOptions) != 0) {
      return Step::Failed("mount /iluvatar/sockets");
    }
  }
  if (assign.tmp_mb != 0 && assign.tmp_mb != cell.request->tmp_mb) {
    const unsigned long flags = MS_REMOUNT | MS_NOSUID | MS_NODEV;
    if (mount("tmp", "/tmp", "tmpfs", flags, TmpOptions(assign.tmp_mb).c_str()) != 0) {
      return Step::Failed("resize /tmp");
    }
  }
  // Covered, not unmounted: an unmount waits for an RCU grace period. All that was under /.host goes out of sight at
  // once.
  return Bind(kEmptyFolder, kHostFolder);
}

}  // namespace iluvatar::sandbox
