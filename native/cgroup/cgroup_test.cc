// Tests of the cgroup readers on text that no kernel would write: under sanitizers, with mutations of real files.
// Arguments: seed, rounds, an empty folder to work in.
#include "cgroup/cgroup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <random>

#include "cgroup/files.h"
#include "system/unique_fd.h"
#include "testing/check_test.h"

namespace {

using namespace iluvatar::cgroup;

void Write(const std::string& path, const std::string& text) {
  iluvatar::system::UniqueFd file(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  CHECK(file.valid() && write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
}

void TestMounts(const std::string& folder) {
  const std::string v2 = folder + "/a b";
  CHECK(mkdir(v2.c_str(), 0755) == 0);
  Write(v2 + "/cgroup.controllers", "cpu memory pids\n");
  std::string escaped = v2;
  escaped.replace(escaped.find(' '), 1, "\\040");
  Write(folder + "/mountinfo",
        "24 1 0:21 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n"
        "30 23 0:26 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
        "31 23 0:27 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n"
        "32 23 0:28 / " +
            escaped +
            " rw shared:9 master:2 - cgroup2 cgroup2 rw,nsdelegate\n"
            "cut line\n");
  std::vector<Mount> mounts;
  CHECK(ReadMounts(folder + "/mountinfo", &mounts).ok());
  CHECK(mounts.size() == 2);
  CHECK(mounts[0].version == 1 && mounts[0].path == "/sys/fs/cgroup/cpu,cpuacct");
  CHECK((mounts[0].controllers == std::vector<std::string>{"cpu", "cpuacct"}));
  CHECK(mounts[1].version == 2 && mounts[1].path == v2);
  CHECK((mounts[1].controllers == std::vector<std::string>{"cpu", "memory", "pids"}));
  const Status missing = ReadMounts(folder + "/none", &mounts);
  CHECK(missing.error == ENOENT && missing.path == folder + "/none");
}

void TestKeys() {
  CHECK(FindKey("oom_kill_disable 0\noom_kill 3\n", "oom_kill") == 3u);
  CHECK(FindKey("oom_kill 4", "oom_kill") == 4u);
  CHECK(!FindKey("xoom_kill 4\noom_kill\noom_kill x\n", "oom_kill"));
  CHECK(!FindKey("", "max"));
  CHECK(!FindKey("max 99999999999999999999999\n", "max"));
}

// As the kernel would make them with each folder; ordinary files keep what is longer than the last write.
void TestCpuset(const std::string& folder) {
  const std::string root = folder + "/cpuset";
  const std::string dir = root + "/worker";
  for (const std::string& made : {root, dir}) CHECK(mkdir(made.c_str(), 0755) == 0);
  Write(root + "/cpuset.cpus", "0-1\n");
  Write(root + "/cpuset.mems", "0\n");
  for (const char* file : {"/cpuset.cpus", "/cpuset.mems"}) Write(dir + file, "\n");
  CHECK(SetCpuset(dir, 1, "0-1").ok());
  std::string text;
  CHECK(ReadFile(dir + "/cpuset.cpus", &text).ok() && text == "0-1");
  CHECK(ReadFile(dir + "/cpuset.mems", &text).ok() && text == "0");
  CHECK(SetCpuset(root + "/none", 1, "0").error == ENOENT);
  CHECK(!SetCpuset("relative", 1, "0").ok());
}

void TestMemory(const std::string& folder) {
  const std::string dir = folder + "/memory";
  CHECK(mkdir(dir.c_str(), 0755) == 0);
  Write(dir + "/memory.current", "1000\n");
  Write(dir + "/memory.stat", "file 300\nshmem 100\n");
  MemoryUse use;
  CHECK(ReadMemory({dir}, {2}, &use).ok());
  CHECK(use.used_bytes == 800 && use.cache_bytes == 200);
  // Shared memory that was counted after the files were.
  Write(dir + "/memory.stat", "file 300\nshmem 400\n");
  CHECK(ReadMemory({dir}, {2}, &use).ok());
  CHECK(use.used_bytes == 1000 && use.cache_bytes == 0);
}

void TestOpenFiles(const std::string& folder) {
  Write(folder + "/cpu.stat", "nr_throttled 1\nthrottled_time 2500\n");
  iluvatar::system::UniqueFd file(open((folder + "/cpu.stat").c_str(), O_RDONLY | O_CLOEXEC));
  CHECK(ThrottledUs(file.get()) == 2u && !CounterValue(file.get()));
  CHECK(!ThrottledUs(-1) && !CounterValue(-1));
  Write(folder + "/peak", "77\n");
  file.reset(open((folder + "/peak").c_str(), O_RDONLY | O_CLOEXEC));
  CHECK(CounterValue(file.get()) == 77u && !ThrottledUs(file.get()));
}

void Fuzz(unsigned seed, int rounds, const std::string& folder) {
  const std::string files[] = {"memory.events", "memory.oom_control", "memory.stat",          "cpu.stat",
                               "cgroup.procs",  "memory.current",     "memory.usage_in_bytes"};
  const std::string texts[] = {"oom_kill 1\nmax 2\n", "usage_usec 5\nthrottled_usec 7\n", "123\n456\n", "max\n",
                               "file 7\nshmem 3\ntotal_cache 9\ntotal_shmem 2\n"};
  const std::string mountinfo = "30 23 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n";
  std::mt19937 random(seed);
  const auto mutate = [&random](std::string text) {
    for (int change = 0; change < 3 && !text.empty(); ++change)
      text[random() % text.size()] = static_cast<char>(random());
    return text;
  };
  for (int round = 0; round < rounds; ++round) {
    Write(folder + "/" + files[random() % std::size(files)], mutate(texts[random() % std::size(texts)]));
    Write(folder + "/mountinfo", mutate(mountinfo + mountinfo));
    Evidence evidence;
    std::vector<int> pids;
    std::vector<Mount> mounts;
    MemoryUse use;
    for (const int version : {1, 2}) {
      CHECK(ReadEvidence({folder}, {version}, &evidence).ok());
      (void)ReadMemory({folder}, {version}, &use).ok();
    }
    const iluvatar::system::UniqueFd stat(open((folder + "/cpu.stat").c_str(), O_RDONLY | O_CLOEXEC));
    (void)ThrottledUs(stat.get());
    (void)CounterValue(stat.get());
    CHECK(Pids({folder}, &pids).ok());
    for (const int pid : pids) CHECK(pid > 0);
    CHECK(ReadMounts(folder + "/mountinfo", &mounts).ok());
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const unsigned seed = static_cast<unsigned>(std::strtoul(argv[1], nullptr, 10));
  const int rounds = std::atoi(argv[2]);
  std::printf("seed %u, %d rounds\n", seed, rounds);
  TestMounts(argv[3]);
  TestKeys();
  TestCpuset(argv[3]);
  TestMemory(argv[3]);
  TestOpenFiles(argv[3]);
  Fuzz(seed, rounds, argv[3]);
  std::printf("ok\n");
  return 0;
}
