// See spawner.h.
#include "sandbox/spawner.h"

#include <poll.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "sandbox/probe.h"
#include "sandbox/supervisor.h"
#include "sandbox/syscalls.h"

namespace iluvatar::sandbox {
namespace {

using system::UniqueFd;
namespace types = transport::frame_type;
namespace status = transport::frame_status;

// CGROUP2_SUPER_MAGIC
constexpr long kCgroup2Magic = 0x63677270;

// What a child zygote writes when it is ready; anything else is its failure in words.
constexpr char kReadyReport[] = "\x01";
constexpr size_t kMostReport = 16 * 1024;

// Descriptors of the spawner stay clear of the fixed numbers that children set up.
constexpr int kFirstFd = 20;

struct NamespaceName {
  int flag;
  const char* name;
};

constexpr NamespaceName kNamespaces[] = {{CLONE_NEWNS, "mount"},    {CLONE_NEWPID, "pid"},
                                         {CLONE_NEWIPC, "ipc"},     {CLONE_NEWUTS, "uts"},
                                         {CLONE_NEWNET, "network"}, {CLONE_NEWCGROUP, "cgroup"}};

// Ends of children are of no interest here: supervisors report through their connections, zygotes through their
// reports.
void IgnoreChildren() { signal(SIGCHLD, SIG_IGN); }

std::string JsonStrings(const std::vector<std::string>& strings) {
  std::string json = "[";
  for (const std::string& text : strings) json += (json.size() > 1 ? "," : "") + JsonQuote(text);
  return json + "]";
}

}  // namespace

std::string Spawner::Open(const std::string& config_json) {
  if (std::string error = ParseSpawnerConfig(config_json, &config_); !error.empty()) {
    return "spawner configuration: " + error;
  }
  // Out of the terminal's foreground group: Ctrl-C is for the worker. Fails for a group leader, which is out of it
  // already.
  setsid();
  for (const std::string& path : config_.cgroups) {
    // Kept across the change of root, and independent of it. O_RDONLY since CLONE_INTO_CGROUP opens below it.
    UniqueFd dir(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!dir.valid()) return "cgroup folder " + Step::Failed(path).Message();
    UniqueFd high(fcntl(dir.get(), F_DUPFD_CLOEXEC, kFirstFd));
    struct statfs info;
    if (!high.valid() || fstatfs(high.get(), &info) != 0) return "cgroup folder " + Step::Failed(path).Message();
    cgroups_.push_back({high.get(), info.f_type == kCgroup2Magic});
    cgroup_fds_.push_back(std::move(high));
  }
  if (!config_.supervisor.empty()) {
    UniqueFd program(open(config_.supervisor.c_str(), O_PATH | O_CLOEXEC));
    if (!program.valid()) return Step::Failed("open " + config_.supervisor).Message();
    supervisor_.reset(fcntl(program.get(), F_DUPFD_CLOEXEC, kFirstFd));
    if (!supervisor_.valid()) return Step::Failed("dup " + config_.supervisor).Message();
  }
  if (!config_.networks.empty()) {
    // Kept as those are: below it the worker's mounts are seen from whatever root.
    UniqueFd dir(open(config_.networks.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (dir.valid()) networks_.reset(fcntl(dir.get(), F_DUPFD_CLOEXEC, kFirstFd));
    if (!networks_.valid()) return "folder of networks " + Step::Failed(config_.networks).Message();
  }
  if (cgroups_.empty()) root_.off.push_back("cgroups: no limits on CPU, and memory only by address space");
  if (!config_.seccomp) root_.off.push_back("seccomp: switched off by configuration");
  if (const Step step = PrepareRoot(config_, &root_); !step.ok()) return "cannot prepare the root: " + step.Message();
  if (!root_.private_view) {
    setenv("ILUVATAR_STORE", config_.store.c_str(), 1);
    return {};
  }
  for (const NamespaceName& space : kNamespaces) {
    if (CanUnshare(space.flag)) {
      namespaces_ |= space.flag;
    } else {
      root_.off.push_back(std::string(space.name) + " namespace: not allowed here");
    }
  }
  return {};
}

bool Spawner::ExecutesSupervisors() const {
#ifdef __SANITIZE_ADDRESS__
  // The sanitizer keeps books of the stack, which a child that shares it would leave wrong.
  return false;
#endif
  return supervisor_.valid() && root_.private_view && root_.all_uids && (namespaces_ & CLONE_NEWPID) != 0;
}

int Spawner::Ready(const char* failure) {
  if (failure != nullptr) {
    if (!report_.valid()) return -EINVAL;
    std::string text = failure;
    text.resize(std::min(text.size(), kMostReport));
    if (text.empty()) text = "unknown failure";
    const ssize_t written = write(report_.get(), text.data(), text.size());
    report_.reset();
    return written < 0 ? -errno : 0;
  }
  const int connected = ConnectUnix(root_.agents);
  if (connected < 0) return connected;
  UniqueFd low(connected);
  connection_ = UniqueFd(fcntl(low.get(), F_DUPFD_CLOEXEC, kFirstFd));
  if (!connection_.valid()) return -errno;
  IgnoreChildren();
  const std::string hello = "{\"role\":\"spawner\",\"name\":" + JsonQuote(config_.name) +
                            ",\"pid\":" + std::to_string(getpid()) + ",\"off\":" + JsonStrings(root_.off) + "}";
  if (const int sent = SendAll(connection_.get(), Hello(hello)); sent < 0) return sent;
  if (report_.valid()) {
    const ssize_t written = write(report_.get(), kReadyReport, 1);
    report_.reset();
    if (written < 0) return -errno;
  }
  return 0;
}

int Spawner::WaitForWorker() {
  for (;;) {
    std::vector<struct pollfd> fds = {{connection_.get(), POLLIN, 0}};
    for (const PendingZygote& zygote : zygotes_) fds.push_back({zygote.report.get(), POLLIN, 0});
    if (poll(fds.data(), fds.size(), -1) < 0) {
      if (errno == EINTR) continue;
      return -errno;
    }
    for (size_t i = zygotes_.size(); i-- > 0;) {
      if (fds[i + 1].revents == 0) continue;
      FinishZygote(&zygotes_[i]);
      zygotes_.erase(zygotes_.begin() + static_cast<std::ptrdiff_t>(i));
    }
    if (fds[0].revents != 0) return 0;
  }
}

int Spawner::Next() {
  for (;;) {
    if (!zygotes_.empty()) {
      if (const int waited = WaitForWorker(); waited < 0) return waited;
    }
    const int got = ReadRequest(connection_.get(), &frame_);
    if (got == -ECONNRESET) return 0;
    if (got <= 0) return got;
    if (frame_.header.type == types::kSpawn) return 1;
    if (frame_.header.type == types::kZygote) return 2;
    // A frame that no spawner answers is a defect of the worker; ending says so louder than silence.
    return -EPROTO;
  }
}

int Spawner::Answer(uint8_t answer_status, uint32_t request_id, uint32_t pid, const std::string& meta) {
  return SendAll(connection_.get(),
                 Encode({.type = types::kSpawned, .status = answer_status, .request_id = request_id, .x0 = pid}, meta));
}

int Spawner::Refuse(uint32_t request_id, const Step& step) {
  const int sent = Answer(status::kStartFailed, request_id, 0, step.Json());
  return sent < 0 ? sent : -(step.error == 0 ? EIO : step.error);
}

int Spawner::Spawn() {
  if (frame_.header.type == types::kSpawn) return SpawnCell();
  if (frame_.header.type == types::kZygote) return SpawnZygote();
  return -EINVAL;
}

void Spawner::RefuseZygote() {
  Refuse(frame_.header.request_id, Step::Failed("a launcher has no interpreter to fork", ENOTSUP));
}

int Spawner::SpawnCell() {
  const uint32_t request_id = frame_.header.request_id;
  SpawnRequest request;
  if (const std::string error = ParseSpawn(frame_.meta, &request); !error.empty()) {
    return Refuse(request_id, Step::Failed("spawn request: " + error, EINVAL));
  }
  const int flags = namespaces_ & (CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS);
  UniqueFd born_in;
  if (!request.cgroup.empty()) {
    for (const CgroupParent& parent : cgroups_) {
      if (parent.version2) born_in.reset(openat(parent.fd, request.cgroup.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    }
  }
  Cell cell = {&config_, &root_, &request, &cgroups_, namespaces_, born_in.valid(), -1, networks_.get()};
  pid_t pid = -1;
  if (ExecutesSupervisors()) {
    cell.program = supervisor_.get();
    const CloneArguments sharing(static_cast<uint64_t>(flags) | CLONE_VM | CLONE_VFORK, born_in.get());
    pid = static_cast<pid_t>(iluvatar_clone_sharing(&sharing, sharing.size()));
    // What it would not do, a copy may; and if not, says why.
    if (pid < 0) cell.program = -1;
  }
  if (pid < 0) pid = ForkInto(static_cast<uint64_t>(flags), born_in.get());
  if (pid < 0 && born_in.valid()) {
    // Old kernel, or a domain that takes no processes this way: move in afterwards, which reports why it cannot.
    cell.born_in_cgroup = false;
    pid = ForkInto(static_cast<uint64_t>(flags), -1);
  }
  if (pid < 0) return Refuse(request_id, Step::Failed("clone"));
  if (pid > 0) {
    const int sent = Answer(status::kOk, request_id, static_cast<uint32_t>(pid), {});
    return sent < 0 ? sent : 0;
  }

  RunSupervisor(cell, connection_.get(), request_id);
  // The agent. Every descriptor of ours was closed on the way, and the numbers are others' now.
  born_in.release();
  connection_.release();
  report_.release();
  supervisor_.release();
  networks_.release();
  for (UniqueFd& fd : cgroup_fds_) fd.release();
  for (PendingZygote& zygote : zygotes_) zygote.report.release();
  return 1;
}

int Spawner::SpawnZygote() {
  const uint32_t request_id = frame_.header.request_id;
  JsonReader reader(frame_.meta);
  std::string name = reader.RequiredString("name");
  if (!reader.ok()) return Refuse(request_id, Step::Failed("zygote request: " + reader.error(), EINVAL));
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return Refuse(request_id, Step::Failed("pipe"));
  UniqueFd reads(fcntl(ends[0], F_DUPFD_CLOEXEC, kFirstFd));
  UniqueFd writes(fcntl(ends[1], F_DUPFD_CLOEXEC, kFirstFd));
  close(ends[0]);
  close(ends[1]);
  if (!reads.valid() || !writes.valid()) return Refuse(request_id, Step::Failed("pipe"));
  const pid_t pid = fork();
  if (pid < 0) return Refuse(request_id, Step::Failed("fork"));
  if (pid > 0) {
    // Answered when the child says how its imports went.
    zygotes_.push_back({std::move(reads), request_id, pid});
    return 0;
  }
  connection_.reset();
  zygotes_.clear();
  reads.reset();
  report_ = std::move(writes);
  config_.name = std::move(name);
  // Imports may start processes and wait for them.
  signal(SIGCHLD, SIG_DFL);
  return 2;
}

void Spawner::FinishZygote(PendingZygote* zygote) {
  std::string report(kMostReport, '\0');
  ssize_t got;
  do {
    got = read(zygote->report.get(), report.data(), report.size());
  } while (got < 0 && errno == EINTR);
  report.resize(got > 0 ? static_cast<size_t>(got) : 0);
  if (report == kReadyReport) {
    Answer(status::kOk, zygote->request_id, static_cast<uint32_t>(zygote->pid), {});
    return;
  }
  if (report.empty()) report = "the zygote died while it imported";
  const std::string meta = "{\"message\":" + JsonQuote(report) + ",\"step\":\"import\",\"errno\":0}";
  Answer(status::kStartFailed, zygote->request_id, 0, meta);
}

}  // namespace iluvatar::sandbox
