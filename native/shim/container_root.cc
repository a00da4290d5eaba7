// The container's view of files: see EnterRoot in init_plan.h.
//
// Everything is put together below the new root while the host's is still in sight, each mount made detached and then
// attached to a place that was looked up from inside the new root: an image's links, however they are made, lead
// nowhere else. No mount is shared with, or seen by, the host.
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "shim/devices.h"
#include "shim/init_plan.h"
#include "shim/mount_syscalls.h"

namespace iluvatar::shim {
namespace {

// The options of a root mount that are the mount's; everything else is a parameter of the file system.
constexpr struct {
  const char* option;
  unsigned long flag;
  uint64_t attribute;
} kFlags[] = {{"ro", MS_RDONLY, kReadOnly},   {"rw", 0, 0},
              {"bind", MS_BIND, 0},           {"rbind", MS_BIND | MS_REC, 0},
              {"nosuid", MS_NOSUID, kNoSuid}, {"nodev", MS_NODEV, kNoDev},
              {"noexec", MS_NOEXEC, kNoExec}, {"noatime", MS_NOATIME, kNoAccessTime}};

Step MountRootPart(const RootMount& part, const std::string& target) {
  unsigned long flags = 0;
  sandbox::MountAttributes attributes;
  std::string parameters;
  for (const std::string& option : part.options) {
    const auto known = std::find_if(std::begin(kFlags), std::end(kFlags),
                                    [&option](const auto& flag) { return option == flag.option; });
    if (known != std::end(kFlags)) {
      flags |= known->flag;
      attributes.attr_set |= known->attribute;
    } else {
      parameters += (parameters.empty() ? "" : ",") + option;
    }
  }
  const bool bind = (flags & MS_BIND) != 0;
  // A bind takes no option, and says nothing about those it passes over.
  if (bind && !parameters.empty()) return Step::Failed("root bind with " + parameters, ENOTSUP);
  if (bind) flags &= MS_BIND | MS_REC;
  if (mount(part.source.c_str(), target.c_str(), part.type.c_str(), flags, parameters.c_str()) != 0) {
    return Step::Failed("mount root " + part.type + " at " + target);
  }
  if (!bind || attributes.attr_set == 0) return Step::Done();
  if ((attributes.attr_set & kAccessTimes) != 0) attributes.attr_clr = kAccessTimes;
  UniqueFd made(open(target.c_str(), O_PATH | O_CLOEXEC));
  const bool restricted = made.valid() && SetAttributes(made.get(), sandbox::kRecursive, attributes) == 0;
  return restricted ? Step::Done() : Step::Failed("restrict root " + target);
}

// The root as a mount of its own, without device nodes; `root` can be looked up from, and becomes the process's.
Step AttachRoot(const InitPlan& plan, UniqueFd* root) {
  const bool shared = plan.rootfs.empty();
  if (shared) {
    UniqueFd place(open(plan.root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!place.valid()) return Step::Failed("open root " + plan.root);
    root->reset(OpenTree(place.get(), "", kCloneTree | AT_EMPTY_PATH | sandbox::kRecursive));
    if (!root->valid()) return Step::Failed("clone root " + plan.root);
    if (MoveMount(root->get(), place.get()) != 0) return Step::Failed("attach root " + plan.root);
  } else {
    if (mkdir(plan.root.c_str(), 0711) != 0 && errno != EEXIST) return Step::Failed("mkdir " + plan.root);
    for (const RootMount& part : plan.rootfs) {
      if (Step step = MountRootPart(part, plan.root); !step.ok()) return step;
    }
    root->reset(open(plan.root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!root->valid()) return Step::Failed("open root " + plan.root);
  }
  sandbox::MountAttributes attributes;
  attributes.attr_set = kNoDev;
  attributes.propagation = MS_PRIVATE;
  // All that lies below a read-only root is; the top itself follows when the places to mount on are there.
  if (plan.spec.read_only_root && shared) attributes.attr_set |= kReadOnly;
  if (SetAttributes(root->get(), sandbox::kRecursive, attributes) != 0) return Step::Failed("restrict root");
  if (plan.spec.read_only_root && shared) {
    sandbox::MountAttributes writable;
    writable.attr_clr = kReadOnly;
    if (SetAttributes(root->get(), 0, writable) != 0) return Step::Failed("restrict root");
  }
  return Step::Done();
}

// Opens `path` inside the root; what is missing of it is made: folders, and a file at the end unless `folder`.
Step OpenPlace(int root, const std::string& path, bool folder, UniqueFd* place) {
  place->reset(OpenInside(root, path.c_str(), O_PATH));
  if (place->valid()) return Step::Done();
  if (errno != ENOENT) return Step::Failed("open mount point " + path);
  UniqueFd parent(OpenInside(root, "/", O_PATH | O_DIRECTORY));
  for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string prefix = path.substr(0, slash);
    const bool last = slash == std::string::npos;
    UniqueFd next(OpenInside(root, prefix.c_str(), O_PATH));
    if (!next.valid()) {
      const std::string name = prefix.substr(prefix.rfind('/') + 1);
      const int made = last && !folder ? mknodat(parent.get(), name.c_str(), S_IFREG | 0644, 0)
                                       : mkdirat(parent.get(), name.c_str(), 0755);
      // Another container of the same root may have been quicker.
      if (made != 0 && errno != EEXIST) return Step::Failed("make mount point " + path);
      next.reset(OpenInside(root, prefix.c_str(), O_PATH));
      if (!next.valid()) return Step::Failed("open mount point " + path);
    }
    parent = std::move(next);
    if (last) break;
  }
  *place = std::move(parent);
  return Step::Done();
}

Step MakeBind(const MountPlan& plan, UniqueFd* made) {
  const unsigned depth = plan.recursive ? sandbox::kRecursive : 0;
  made->reset(OpenTree(AT_FDCWD, plan.source.c_str(), kCloneTree | depth));
  if (!made->valid()) return Step::Failed("bind " + plan.source);
  sandbox::MountAttributes attributes;
  attributes.attr_set = plan.attributes;
  if ((plan.attributes & kAccessTimes) != 0) attributes.attr_clr = kAccessTimes;
  attributes.propagation = MS_PRIVATE;
  // Read-only holds for everything mounted below too.
  if (SetAttributes(made->get(), depth, attributes) != 0) return Step::Failed("restrict bind " + plan.source);
  return Step::Done();
}

Step MakeFileSystem(const MountPlan& plan, const char* type, UniqueFd* made) {
  const std::string where = std::string(type) + " for " + plan.destination;
  UniqueFd context(FsOpen(type));
  if (!context.valid()) return Step::Failed("fsopen " + where);
  FsConfig(context.get(), kSetString, "source", type);
  for (const auto& [key, value] : plan.parameters) {
    const bool flag = value.empty();
    if (FsConfig(context.get(), flag ? kSetFlag : kSetString, key.c_str(), flag ? nullptr : value.c_str()) != 0) {
      return Step::Failed("option " + key + " of " + where);
    }
  }
  if (FsConfig(context.get(), kCreateSuper, nullptr, nullptr) != 0) return Step::Failed("create " + where);
  made->reset(FsMount(context.get(), plan.attributes & ~(plan.destination == "/dev" ? kReadOnly : 0)));
  return made->valid() ? Step::Done() : Step::Failed("fsmount " + where);
}

const char* TypeOf(MountKind kind) {
  switch (kind) {
    case MountKind::kProc:
      return "proc";
    case MountKind::kSysfs:
      return "sysfs";
    case MountKind::kMqueue:
      return "mqueue";
    case MountKind::kDevpts:
      return "devpts";
    default:
      return "tmpfs";
  }
}

Step Attach(int root, const MountPlan& plan) {
  UniqueFd made;
  bool folder = true;
  if (plan.kind == MountKind::kBind) {
    if (Step step = MakeBind(plan, &made); !step.ok()) return step;
    struct stat info;
    folder = fstat(made.get(), &info) == 0 && S_ISDIR(info.st_mode);
  } else if (Step step = MakeFileSystem(plan, TypeOf(plan.kind), &made); !step.ok()) {
    return step;
  }
  if (plan.kind == MountKind::kTmpfs && plan.destination == "/dev") {
    if (Step step = MakeDevices(made.get()); !step.ok()) return step;
  }
  UniqueFd place;
  if (Step step = OpenPlace(root, plan.destination, folder, &place); !step.ok()) return step;
  return MoveMount(made.get(), place.get()) == 0 ? Step::Done() : Step::Failed("mount " + plan.destination);
}

Step MakeReadOnly(int root, const std::string& path) {
  UniqueFd place(OpenInside(root, path.c_str(), O_PATH));
  // Nothing there: nothing to protect.
  if (!place.valid()) return Step::Done();
  UniqueFd tree(OpenTree(place.get(), "", kCloneTree | AT_EMPTY_PATH | sandbox::kRecursive));
  sandbox::MountAttributes attributes;
  attributes.attr_set = kReadOnly;
  if (!tree.valid() || SetAttributes(tree.get(), sandbox::kRecursive, attributes) != 0 ||
      MoveMount(tree.get(), place.get()) != 0) {
    return Step::Failed("make read-only " + path);
  }
  return Step::Done();
}

// Folders get an empty one on top, files /dev/null.
Step Mask(int root, int null, const std::string& path, UniqueFd* empty) {
  UniqueFd place(OpenInside(root, path.c_str(), O_PATH));
  struct stat info;
  if (!place.valid() || fstat(place.get(), &info) != 0) return Step::Done();
  if (!S_ISDIR(info.st_mode)) {
    UniqueFd cover(OpenTree(null, "", kCloneTree | AT_EMPTY_PATH));
    const bool covered = cover.valid() && MoveMount(cover.get(), place.get()) == 0;
    return covered ? Step::Done() : Step::Failed("mask " + path);
  }
  // One file system for all of them: the first is mounted, the others are binds of it.
  UniqueFd cover;
  if (empty->valid()) {
    cover.reset(OpenTree(empty->get(), "", kCloneTree | AT_EMPTY_PATH));
    if (!cover.valid()) return Step::Failed("mask " + path);
  } else {
    MountPlan plan;
    plan.destination = path;
    plan.attributes = kReadOnly | kNoSuid | kNoDev | kNoExec;
    plan.parameters = {{"size", "0"}, {"mode", "0755"}};
    if (Step step = MakeFileSystem(plan, "tmpfs", &cover); !step.ok()) return step;
  }
  if (MoveMount(cover.get(), place.get()) != 0) return Step::Failed("mask " + path);
  if (!empty->valid()) *empty = std::move(cover);
  return Step::Done();
}

}  // namespace

Step EnterRoot(const InitPlan& plan, UniqueFd* null) {
  // The copy of the host's mounts must neither hear of its changes nor pass ours on, least of all the last unmount.
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return Step::Failed("make mounts private");
  UniqueFd root;
  if (Step step = AttachRoot(plan, &root); !step.ok()) return step;
  const mode_t mask = umask(0);
  for (const MountPlan& part : plan.spec.mounts) {
    if (Step step = Attach(root.get(), part); !step.ok()) return step;
  }
  umask(mask);
  null->reset(OpenInside(root.get(), "/dev/null", O_RDWR));
  if (!null->valid()) return Step::Failed("open /dev/null of the container");
  UniqueFd null_file(OpenInside(root.get(), "/dev/null", O_PATH));
  UniqueFd empty;
  for (const std::string& path : plan.spec.read_only) {
    if (Step step = MakeReadOnly(root.get(), path); !step.ok()) return step;
  }
  for (const std::string& path : plan.spec.masked) {
    if (Step step = Mask(root.get(), null_file.get(), path, &empty); !step.ok()) return step;
  }
  if (plan.spec.read_only_root) {
    sandbox::MountAttributes attributes;
    attributes.attr_set = kReadOnly;
    if (SetAttributes(root.get(), 0, attributes) != 0) return Step::Failed("make root read-only");
  }
  if (fchdir(root.get()) != 0) return Step::Failed("chdir to root");
  if (syscall(SYS_pivot_root, ".", ".") != 0) return Step::Failed("pivot_root");
  if (umount2(".", MNT_DETACH) != 0) return Step::Failed("unmount old root");
  return chdir("/") == 0 ? Step::Done() : Step::Failed("chdir /");
}

}  // namespace iluvatar::shim
