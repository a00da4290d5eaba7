// See cgroup_places.h.
#include "shim/cgroup_places.h"

#include <fcntl.h>

#include "cgroup/files.h"

namespace iluvatar::shim {

void Hierarchies::Read() {
  if (!cgroup::ReadMounts("/proc/self/mountinfo", &mounts_).ok()) mounts_.clear();
}

Step Hierarchies::OpenIn(const cgroup::Mount& mount, const std::string& path, CgroupPlaces* places) {
  const std::string folder = mount.path + path;
  if (mount.version == 2) {
    UniqueFd group(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!group.valid()) return errno == ENOENT ? Step::Done() : Step::Failed("open cgroup " + folder);
    places->unified = std::move(group);
  } else {
    UniqueFd file(open((folder + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
    if (!file.valid()) return errno == ENOENT ? Step::Done() : Step::Failed("open cgroup " + folder);
    places->processes.push_back(std::move(file));
  }
  places->folders.push_back(folder);
  return Step::Done();
}

Step Hierarchies::Open(const std::string& path, CgroupPlaces* places) {
  // A second look at the mounts before giving up: a hierarchy may have come since.
  for (const bool again : {mounts_.empty(), true}) {
    if (again) Read();
    for (const cgroup::Mount& mount : mounts_) {
      if (Step step = OpenIn(mount, path, places); !step.ok()) return step;
    }
    if (!places->folders.empty()) return Step::Done();
  }
  return Step::Failed("linux.cgroupsPath " + path + " in any hierarchy", ENOENT);
}

void Hierarchies::LeaveAll() {
  Read();
  for (const cgroup::Mount& mount : mounts_) {
    // Refused where a group that hands controllers down may hold no processes: then it stays where it is.
    if (!cgroup::WriteFile(mount.path + "/cgroup.procs", "0").ok()) continue;
  }
}

}  // namespace iluvatar::shim
