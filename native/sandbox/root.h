// The prepared root: a private, read-only view of the system that a spawner builds once and lives in, so that a
// container needs nothing but a copy of its mount table and a few mounts.
//
//   /usr, /lib*, /bin, /sbin     of the host, read-only            /etc          a few harmless files
//   `paths`                      of the host, read-only            /dev          null zero full random urandom shm
//   /proc /tmp /dev/shm          mounted per container             /function /layers /iluvatar/sockets   bound at
//   ASSIGN
//   /.host/…                     the store, the agents socket, the old agents' sockets: hidden from a container at
//   ASSIGN by one bind of /.empty over /.host
#ifndef ILUVATAR_SANDBOX_ROOT_H_
#define ILUVATAR_SANDBOX_ROOT_H_

#include <string>
#include <vector>

#include "sandbox/config.h"
#include "sandbox/step.h"

namespace iluvatar::sandbox {

// How much of the above this process could have.
struct Root {
  // False: no private view at all (degraded mode); containers are plain processes.
  bool private_view = false;
  bool user_namespace = false;
  // May change to any uid (root, outside of a user namespace or with all ids mapped).
  bool all_uids = false;
  // Path of the agents socket as seen from here on.
  std::string agents;
  // `paths` that containers must bind again, since they lie under a folder that each container covers with its own
  // (/tmp, …).
  std::vector<std::string> late_paths;
  // Sentences about protections that are missing.
  std::vector<std::string> off;
};

inline constexpr char kHostFolder[] = "/.host";
inline constexpr char kEmptyFolder[] = "/.empty";

// Where the i-th of `late_paths` is kept.
std::string LatePath(size_t index);

// Builds and enters it. On failure the process may be left in a half-built view: it must not go on.
Step PrepareRoot(const SpawnerConfig& config, Root* root);

// mkdir -p; 0755.
Step MakeFolders(const std::string& path);

// An empty file or folder to mount on, as `source` is a file or a folder, with its parents.
Step MakeMountPoint(const std::string& source, const std::string& target);

}  // namespace iluvatar::sandbox

#endif  // ILUVATAR_SANDBOX_ROOT_H_
