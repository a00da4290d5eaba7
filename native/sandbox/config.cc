// See config.h.
#include "sandbox/config.h"

#include <algorithm>
#include <array>

#include "sandbox/json.h"

namespace iluvatar::sandbox {
namespace {

constexpr size_t kMaxLayers = 16;
constexpr int64_t kMaxId = 0xFFFFFFFE;
constexpr int64_t kMaxMb = 1 << 20;
constexpr int64_t kMaxCount = 1 << 20;

// No empty, "." or ".." part: what is below a folder stays below it, and one spelling names one thing.
bool IsClean(std::string_view path) {
  for (;;) {
    const size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (part.empty() || part == "." || part == "..") return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

bool IsAbsolute(std::string_view path) { return path.size() > 1 && path[0] == '/' && IsClean(path.substr(1)); }

bool IsName(std::string_view text) { return IsClean(text) && text.find('/') == std::string_view::npos; }

bool HasEnvironmentNames(const StringPairs& env) {
  return std::all_of(env.begin(), env.end(),
                     [](const auto& pair) { return !pair.first.empty() && pair.first.find('=') == std::string::npos; });
}

}  // namespace

std::string ParseSpawnerConfig(std::string_view json, SpawnerConfig* config) {
  static constexpr std::array<std::string_view, 10> kKeys = {"name",    "agents",    "store",       "networks",
                                                             "cgroups", "paths",     "nameServers", "userNamespace",
                                                             "seccomp", "supervisor"};
  JsonReader reader(json);
  config->name = reader.RequiredString("name");
  config->agents = reader.RequiredString("agents");
  config->store = reader.RequiredString("store");
  config->networks = reader.String("networks", "");
  config->cgroups = reader.Strings("cgroups");
  config->paths = reader.Strings("paths");
  config->name_servers = reader.Strings("nameServers");
  config->seccomp = reader.Boolean("seccomp", true);
  config->supervisor = reader.String("supervisor", "");
  const std::string user_namespace = reader.String("userNamespace", "auto");
  if (!reader.ok()) return reader.error();
  for (const std::string& key : reader.Keys()) {
    if (std::find(kKeys.begin(), kKeys.end(), key) == kKeys.end()) return "unknown key " + JsonQuote(key);
  }
  if (user_namespace == "on") {
    config->user_namespace = UserNamespace::kOn;
  } else if (user_namespace == "off") {
    config->user_namespace = UserNamespace::kOff;
  } else if (user_namespace != "auto") {
    return "\"userNamespace\" must be auto, on or off";
  }
  std::vector<std::string> absolute = config->cgroups;
  absolute.insert(absolute.end(), config->paths.begin(), config->paths.end());
  absolute.push_back(config->agents);
  absolute.push_back(config->store);
  if (!config->supervisor.empty()) absolute.push_back(config->supervisor);
  if (!config->networks.empty()) absolute.push_back(config->networks);
  for (const std::string& path : absolute) {
    if (!IsAbsolute(path)) return JsonQuote(path) + " is not an absolute, normalised path";
  }
  for (const std::string& server : config->name_servers) {
    if (server.find_first_not_of("0123456789abcdefABCDEF.:") != std::string::npos) {
      return JsonQuote(server) + " is no address of a name server";
    }
  }
  return {};
}

std::string ParseSpawn(std::string_view json, SpawnRequest* request) {
  JsonReader reader(json);
  request->container = reader.RequiredString("container");
  request->token = reader.RequiredString("token");
  request->cgroup = reader.String("cgroup", "");
  const std::string network = reader.String("network", "none");
  request->network_namespace = reader.String("networkNamespace", "");
  request->uid = static_cast<uint32_t>(reader.Integer("uid", 0, 0, kMaxId));
  request->gid = static_cast<uint32_t>(reader.Integer("gid", 0, 0, kMaxId));
  request->tmp_mb = static_cast<uint32_t>(reader.Integer("tmpMb", 64, 1, kMaxMb));
  request->files = static_cast<uint32_t>(reader.Integer("files", 1024, 16, kMaxCount));
  request->processes = static_cast<uint32_t>(reader.Integer("processes", 0, 0, kMaxCount));
  request->rlimit_data_mb = static_cast<uint32_t>(reader.Integer("rlimitDataMb", 0, 0, kMaxMb));
  request->own_runtime = !reader.Has("argv");
  request->argv = reader.Strings("argv");
  request->env = reader.StringMap("env");
  if (!reader.ok()) return reader.error();
  if (network != "none" && network != "host" && network != "bridge") {
    return "\"network\" must be none, host or bridge";
  }
  request->host_network = network == "host";
  const std::string& named = request->network_namespace;
  if (network == "bridge" ? !IsName(named) : !named.empty()) {
    return "\"networkNamespace\" must be a file name with network \"bridge\", and absent otherwise";
  }
  // A cgroup may be nested, so that it can carry the worker's name; it must not leave its parent.
  if (!request->cgroup.empty() && !IsClean(request->cgroup)) return "\"cgroup\" is not a clean relative path";
  if (!request->own_runtime && request->argv.empty()) return "\"argv\" is empty";
  if (!HasEnvironmentNames(request->env)) return "\"env\" has a name that is empty or contains =";
  return {};
}

std::string ParseAssign(std::string_view json, AssignRequest* request) {
  JsonReader reader(json);
  request->function = reader.String("function", "");
  request->code = reader.String("code", "");
  request->layers = reader.Strings("layers");
  request->sockets = reader.Boolean("sockets", false);
  request->entry = reader.String("entry", "");
  request->tmp_mb = static_cast<uint32_t>(reader.Integer("tmpMb", 0, 0, kMaxMb));
  request->rlimit_data_mb = static_cast<uint32_t>(reader.Integer("rlimitDataMb", 0, 0, kMaxMb));
  request->argv = reader.Strings("argv");
  request->env = reader.StringMap("env");
  if (!reader.ok()) return reader.error();
  if (!request->code.empty() && !IsClean(request->code)) return "\"code\" leaves the store";
  if (request->layers.size() > kMaxLayers) return "more than 16 layers";
  for (const std::string& layer : request->layers) {
    if (!IsClean(layer)) return "a layer leaves the store";
  }
  if (!HasEnvironmentNames(request->env)) return "\"env\" has a name that is empty or contains =";
  return {};
}

}  // namespace iluvatar::sandbox
