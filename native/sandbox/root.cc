// See root.h.
#include "sandbox/root.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <string_view>

#include "sandbox/etc.h"
#include "sandbox/in_child.h"
#include "sandbox/mounts.h"
#include "sandbox/syscalls.h"
#include "sandbox/user_namespace.h"

namespace iluvatar::sandbox {
namespace {

// While the root is built, the host's is here.
constexpr char kOldRoot[] = "/.old";

bool IsBelow(std::string_view path, std::string_view folder) {
  return path.size() > folder.size() && path.substr(0, folder.size()) == folder && path[folder.size()] == '/';
}

// Usable as a path to bind: not something the root itself is made of. Below /tmp is fine: containers bind it again over
// their own.
bool IsBindable(const std::string& path) {
  for (const char* taken : {"/proc", "/dev", "/function", "/layers", "/iluvatar", "/.host", "/.empty", "/.old"}) {
    if (path == taken || IsBelow(path, taken)) return false;
  }
  return path != "/tmp" && path != "/etc";
}

// /usr, and /bin, /lib… as folders or, where the host has merged them into /usr, as the same symbolic links.
Step BindSystem() {
  for (const char* name : {"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}) {
    const std::string source = std::string(kOldRoot) + name;
    struct stat info;
    if (lstat(source.c_str(), &info) != 0) continue;
    if (S_ISLNK(info.st_mode)) {
      char target[4096];
      const ssize_t length = readlink(source.c_str(), target, sizeof target - 1);
      if (length < 0) return Step::Failed("readlink " + source);
      target[length] = '\0';
      if (symlink(target, name) != 0) return Step::Failed(std::string("symlink ") + name);
      continue;
    }
    if (Step step = BindReadOnly(source, name); !step.ok()) return step;
  }
  return Step::Done();
}

Step BindPaths(std::vector<std::string> paths, Root* root) {
  // Parents first, so that a path below a bound one is seen to be there already.
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> bound = {"/usr"};
  for (const std::string& path : paths) {
    if (!IsBindable(path)) return Step::Failed("bind " + path, EINVAL);
    if (std::any_of(bound.begin(), bound.end(),
                    [&path](const std::string& done) { return path == done || IsBelow(path, done); })) {
      continue;
    }
    if (IsBelow(path, "/tmp")) {
      root->late_paths.push_back(path);
      if (Step step = BindReadOnly(kOldRoot + path, LatePath(root->late_paths.size() - 1)); !step.ok()) return step;
    }
    if (Step step = BindReadOnly(kOldRoot + path, path); !step.ok()) return step;
    bound.push_back(path);
  }
  return Step::Done();
}

// Device nodes where mknod is allowed (they cost no mount, so containers copy fewer), binds of the host's elsewhere.
Step MakeDevices() {
  static constexpr struct {
    const char* path;
    unsigned minor;
  } kDevices[] = {{"/dev/null", 3}, {"/dev/zero", 5}, {"/dev/full", 7}, {"/dev/random", 8}, {"/dev/urandom", 9}};
  if (Step step = MakeFolders("/dev/shm"); !step.ok()) return step;
  for (const auto& device : kDevices) {
    if (mknod(device.path, S_IFCHR | 0666, makedev(1, device.minor)) == 0) {
      // The umask may have taken bits away.
      chmod(device.path, 0666);
      // In a user namespace mknod may succeed and the node still be unusable.
      system::UniqueFd usable(open(device.path, O_RDONLY | O_CLOEXEC));
      if (usable.valid()) continue;
      unlink(device.path);
    }
    const std::string source = std::string(kOldRoot) + device.path;
    if (Step step = MakeMountPoint(source, device.path); !step.ok()) return step;
    if (mount(source.c_str(), device.path, nullptr, MS_BIND, nullptr) != 0) {
      return Step::Failed(std::string("bind ") + device.path);
    }
  }
  static constexpr struct {
    const char* target;
    const char* link;
  } kLinks[] = {{"/proc/self/fd", "/dev/fd"},
                {"/proc/self/fd/0", "/dev/stdin"},
                {"/proc/self/fd/1", "/dev/stdout"},
                {"/proc/self/fd/2", "/dev/stderr"}};
  for (const auto& link : kLinks) {
    if (symlink(link.target, link.link) != 0) return Step::Failed(std::string("symlink ") + link.link);
  }
  return Step::Done();
}

Step BindHostFolders(const SpawnerConfig& config, Root* root) {
  const std::string host = kHostFolder;
  const size_t slash = config.agents.rfind('/');
  if (slash == 0) return Step::Failed("agents socket in /", EINVAL);
  if (Step step = BindReadOnly(kOldRoot + config.agents.substr(0, slash), host + "/run"); !step.ok()) return step;
  root->agents = host + "/run" + config.agents.substr(slash);
  if (Step step = BindReadOnly(kOldRoot + config.store, host + "/store"); !step.ok()) return step;
  // Zygotes see all layers where a container will see its own.
  const std::string layers = host + "/store/layers";
  if (access(layers.c_str(), F_OK) == 0) {
    if (mount(layers.c_str(), "/layers", nullptr, MS_BIND, nullptr) != 0) return Step::Failed("bind /layers");
  }
  // A user namespace may mount a proc of its own only where a complete one is in sight.
  if (root->user_namespace) {
    const std::string proc = host + "/proc";
    if (Step step = MakeFolders(proc); !step.ok()) return step;
    if (mount((std::string(kOldRoot) + "/proc").c_str(), proc.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) {
      root->off.push_back("proc: containers have no /proc: " + Step::Failed("bind /proc").Message());
    }
  }
  return Step::Done();
}

Step BuildRoot(const SpawnerConfig& config, Root* root) {
  for (const char* folder : {"/proc", "/tmp", "/function", "/layers", "/iluvatar/sockets", kHostFolder, kEmptyFolder}) {
    if (Step step = MakeFolders(folder); !step.ok()) return step;
  }
  // Their short names (docs/protocol.md); dangling once /.host is hidden.
  if (symlink("/.host/store", "/.store") != 0 || symlink("/.host/run", "/.run") != 0) return Step::Failed("symlink");
  // Node looks for the packages of an ES module in node_modules folders above it, and nowhere else.
  if (symlink("/layers/0/node_modules", "/node_modules") != 0) return Step::Failed("symlink /node_modules");
  if (chmod("/tmp", 01777) != 0) return Step::Failed("chmod /tmp");
  if (Step step = BindSystem(); !step.ok()) return step;
  if (Step step = MakeEtc(std::string(kOldRoot) + "/etc", config.name_servers); !step.ok()) return step;
  if (Step step = MakeDevices(); !step.ok()) return step;
  if (Step step = BindHostFolders(config, root); !step.ok()) return step;
  return BindPaths(config.paths, root);
}

// tmpfs over /tmp, and pivot into it: the only folder that exists everywhere, and after the pivot the host's /tmp is in
// sight again under the old root.
Step PivotIntoTmpfs() {
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return Step::Failed("make mounts private");
  if (mount("iluvatar", "/tmp", "tmpfs", MS_NOSUID, "mode=0755,size=16m") != 0) return Step::Failed("mount root tmpfs");
  if (mkdir("/tmp/.old", 0755) != 0) return Step::Failed("mkdir /.old");
  if (syscall(SYS_pivot_root, "/tmp", "/tmp/.old") != 0) return Step::Failed("pivot_root");
  if (chdir("/") != 0) return Step::Failed("chdir /");
  return Step::Done();
}

// Whether a view of one's own can be made here, tried up to the pivot: some systems allow the namespaces and then
// refuse the mounts in them.
bool CanHaveView(bool user_namespace) {
  return InChild([user_namespace] {
    if (user_namespace && !EnterUserNamespace().ok()) return false;
    return unshare(CLONE_NEWNS) == 0 && PivotIntoTmpfs().ok();
  });
}

}  // namespace

std::string LatePath(size_t index) { return std::string(kHostFolder) + "/paths/" + std::to_string(index); }

Step PrepareRoot(const SpawnerConfig& config, Root* root) {
  const bool is_root = geteuid() == 0;
  root->agents = config.agents;
  root->all_uids = is_root;
  if (!is_root) root->off.push_back("uid: containers run as the worker's own user " + std::to_string(getuid()));
  const bool may_enter = config.user_namespace != UserNamespace::kOff;
  if (config.user_namespace == UserNamespace::kOn || !CanHaveView(false)) {
    if (!may_enter || !CanHaveView(true)) {
      root->off.push_back(
          "namespaces: no right to mount, and no user namespaces: containers see the host's files, processes and "
          "network");
      return Step::Done();
    }
    if (Step step = EnterUserNamespace(); !step.ok()) return step;
    root->user_namespace = true;
  }
  if (unshare(CLONE_NEWNS) != 0) return Step::Failed("unshare mount namespace");
  if (Step step = PivotIntoTmpfs(); !step.ok()) return step;
  if (Step step = BuildRoot(config, root); !step.ok()) return step;
  if (umount2(kOldRoot, MNT_DETACH) != 0) return Step::Failed("unmount old root");
  if (rmdir(kOldRoot) != 0) return Step::Failed("rmdir old root");
  // The mount only, not the file system: device nodes stay usable, and nobody inside can write to it, uid 0 included.
  if (mount(nullptr, "/", nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID, nullptr) != 0) {
    return Step::Failed("make root read-only");
  }
  root->private_view = true;
  return Step::Done();
}

}  // namespace iluvatar::sandbox
