// See etc.h.
#include "sandbox/etc.h"

#include <sys/stat.h>

#include <string_view>

#include "sandbox/mounts.h"
#include "sandbox/root.h"
#include "sandbox/syscalls.h"

namespace iluvatar::sandbox {
namespace {

using system::UniqueFd;

// Larger files are left out: the root lives in memory.
constexpr size_t kMaxFileBytes = 1u << 20;

Step WriteText(const std::string& path, std::string_view text) {
  UniqueFd file(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!file.valid()) return Step::Failed("create " + path);
  while (!text.empty()) {
    const ssize_t written = write(file.get(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Step::Failed("write " + path);
    text.remove_prefix(static_cast<size_t>(written));
  }
  // Whatever the umask of the worker is, containers must be able to read it.
  return fchmod(file.get(), 0644) == 0 ? Step::Done() : Step::Failed("chmod " + path);
}

Step CopyFile(const std::string& from, const std::string& to) {
  UniqueFd source(open(from.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info;
  // Missing, unreadable for this user, or no file: a program inside finds it missing, as it would on such a host.
  if (!source.valid() || fstat(source.get(), &info) != 0 || !S_ISREG(info.st_mode)) return Step::Done();
  if (static_cast<size_t>(info.st_size) > kMaxFileBytes) return Step::Done();
  std::string text;
  char buffer[16384];
  for (;;) {
    const ssize_t got = read(source.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    text.append(buffer, static_cast<size_t>(got));
  }
  return WriteText(to, text);
}

// /etc/localtime is a symbolic link to an absolute path on most hosts: followed by hand, since the host's root is
// elsewhere now.
Step CopyLocalTime(const std::string& host) {
  char target[4096];
  const ssize_t length = readlink((host + "/localtime").c_str(), target, sizeof target - 1);
  if (length <= 0) return CopyFile(host + "/localtime", "/etc/localtime");
  target[length] = '\0';
  // It points into /usr, which is bound at the same place.
  return symlink(target, "/etc/localtime") == 0 ? Step::Done() : Step::Failed("symlink /etc/localtime");
}

}  // namespace

Step MakeEtc(const std::string& host, const std::vector<std::string>& name_servers) {
  if (Step step = MakeFolders("/etc"); !step.ok()) return step;
  for (const char* name : {"/ld.so.cache", "/ld.so.conf", "/nsswitch.conf", "/hosts", "/resolv.conf", "/mime.types",
                           "/timezone", "/protocols", "/services", "/host.conf", "/gai.conf"}) {
    if (Step step = CopyFile(host + name, std::string("/etc") + name); !step.ok()) return step;
  }
  if (!name_servers.empty()) {
    std::string text;
    for (const std::string& server : name_servers) text += "nameserver " + server + "\n";
    if (Step step = WriteText("/etc/resolv.conf", text); !step.ok()) return step;
  }
  if (Step step = CopyLocalTime(host); !step.ok()) return step;
  if (Step step = WriteText("/etc/passwd",
                            "root:x:0:0:root:/:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n");
      !step.ok()) {
    return step;
  }
  if (Step step = WriteText("/etc/group", "root:x:0:\nnogroup:x:65534:\n"); !step.ok()) return step;
  for (const char* name : {"/ssl", "/alternatives", "/pki", "/ca-certificates"}) {
    const std::string source = host + name;
    if (access(source.c_str(), R_OK | X_OK) != 0) continue;
    if (Step step = BindReadOnly(source, std::string("/etc") + name); !step.ok()) return step;
  }
  return Step::Done();
}

}  // namespace iluvatar::sandbox
