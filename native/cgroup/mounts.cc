// Where the hierarchies are, and the option that makes moving into them cheap.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "cgroup/cgroup.h"
#include "cgroup/files.h"
#include "system/unique_fd.h"

namespace iluvatar::cgroup {
namespace {

constexpr std::array<std::string_view, 13> kControllers = {"cpu",     "cpuacct", "cpuset",    "memory",  "pids",
                                                           "blkio",   "devices", "freezer",   "net_cls", "net_prio",
                                                           "hugetlb", "rdma",    "perf_event"};

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const size_t end = text.find(separator);
    if (const std::string_view part = text.substr(0, end); !part.empty()) parts.push_back(part);
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// mountinfo writes space, tab, newline and backslash as \ooo.
std::string Unescape(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      plain += static_cast<char>(((text[i + 1] - '0') << 6) | ((text[i + 2] - '0') << 3) | (text[i + 3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

// From 6.18 on the kernel keeps cheap moves once any hierarchy has asked for them.
bool OptionOutlivesHierarchy() {
  struct utsname name;
  unsigned major = 0;
  unsigned minor = 0;
  if (uname(&name) != 0 || std::sscanf(name.release, "%u.%u", &major, &minor) != 2) return false;
  return major > 6 || (major == 6 && minor >= 18);
}

}  // namespace

Status ReadMounts(const std::string& mountinfo, std::vector<Mount>* mounts) {
  mounts->clear();
  std::string text;
  if (const Status status = ReadFile(mountinfo, &text); !status.ok()) return status;
  for (const std::string_view line : Split(text, '\n')) {
    // "id parent dev root mountpoint options [fields] - type source super-options"
    const std::vector<std::string_view> fields = Split(line, ' ');
    const auto dash = std::find(fields.begin(), fields.end(), "-");
    if (fields.size() < 5 || fields.end() - dash < 4) continue;
    const std::string_view type = dash[1];
    Mount mount{0, {}, Unescape(fields[4])};
    if (type == "cgroup2") {
      mount.version = 2;
      std::string controllers;
      if (!ReadFile(mount.path + "/cgroup.controllers", &controllers).ok()) continue;
      if (!controllers.empty() && controllers.back() == '\n') controllers.pop_back();
      for (const std::string_view controller : Split(controllers, ' ')) mount.controllers.emplace_back(controller);
    } else if (type == "cgroup") {
      mount.version = 1;
      for (const std::string_view option : Split(dash[3], ',')) {
        if (std::find(kControllers.begin(), kControllers.end(), option) != kControllers.end()) {
          mount.controllers.emplace_back(option);
        }
      }
      if (mount.controllers.empty()) continue;
    } else {
      continue;
    }
    mounts->push_back(std::move(mount));
  }
  return Status::Ok();
}

Status FavorDynmods(const std::string& path, const std::string& name) {
  const bool made = mkdir(path.c_str(), 0700) == 0;
  if (!made && errno != EEXIST) return Status::Errno("mkdir", path);
  const std::string options = "none,name=" + name + ",favordynmods";
  Status status = Status::Ok();
  if (mount("none", path.c_str(), "cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC, options.c_str()) != 0) {
    status = Status::Errno("mount", path);
  } else {
    system::UniqueFd keep(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!keep.valid()) status = Status::Errno("open", path);
    if (umount2(path.c_str(), MNT_DETACH) != 0 && status.ok()) status = Status::Errno("umount2", path);
    // Deliberately left open for the life of the process on older kernels: closing it would end the hierarchy and the
    // option with it.
    if (status.ok() && !OptionOutlivesHierarchy()) keep.release();
  }
  if (made) rmdir(path.c_str());
  return status;
}

}  // namespace iluvatar::cgroup
