// What spawners are told: their configuration, and the metas of SPAWN and ASSIGN, checked and typed. Pure.
#ifndef ILUVATAR_SANDBOX_CONFIG_H_
#define ILUVATAR_SANDBOX_CONFIG_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace iluvatar::sandbox {

using StringPairs = std::vector<std::pair<std::string, std::string>>;

enum class UserNamespace { kAuto, kOn, kOff };

// cell_library.h documents the fields.
struct SpawnerConfig {
  std::string name;
  std::string agents;
  std::string store;
  std::string networks;
  std::vector<std::string> cgroups;
  std::vector<std::string> paths;
  // Of /etc/resolv.conf; none = the host's file.
  std::vector<std::string> name_servers;
  UserNamespace user_namespace = UserNamespace::kAuto;
  bool seccomp = true;
  std::string supervisor;
};

struct SpawnRequest {
  std::string container;
  std::string token;
  // One path component; "" = no cgroup.
  std::string cgroup;
  bool host_network = false;
  // File below the spawner's `networks`: a namespace made ready by the worker; "" = none.
  std::string network_namespace;
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t tmp_mb = 0;
  uint32_t files = 0;
  uint32_t processes = 0;
  // Address-space limit where there is no memory cgroup; MiB, 0 = none.
  uint32_t rlimit_data_mb = 0;
  // Empty with `own_runtime` false never happens.
  std::vector<std::string> argv;
  // argv null: the agent is the spawner's own runtime.
  bool own_runtime = false;
  StringPairs env;

  // There is more to be seen than `lo`.
  bool has_links() const { return host_network || !network_namespace.empty(); }
  bool waits_for_assign() const { return argv.size() == 1 && argv[0] == "@assign"; }
};

struct AssignRequest {
  std::string function;
  // Relative to the store, checked not to leave it.
  std::string code;
  std::vector<std::string> layers;
  // A place for the socket of an old agent.
  bool sockets = false;
  std::string entry;
  uint32_t tmp_mb = 0;
  uint32_t rlimit_data_mb = 0;
  std::vector<std::string> argv;
  StringPairs env;
};

// Each returns "" or a sentence saying what is wrong.
std::string ParseSpawnerConfig(std::string_view json, SpawnerConfig* config);
std::string ParseSpawn(std::string_view json, SpawnRequest* request);
std::string ParseAssign(std::string_view json, AssignRequest* request);

}  // namespace iluvatar::sandbox

#endif  // ILUVATAR_SANDBOX_CONFIG_H_
