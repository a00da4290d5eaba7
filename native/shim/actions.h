// What containerd executes this program for, once per container each. Source: containerd's core/runtime/v2/README.md.
#ifndef ILUVATAR_SHIM_ACTIONS_H_
#define ILUVATAR_SHIM_ACTIONS_H_

#include <string>

namespace iluvatar::shim {

struct Arguments {
  std::string name_space;
  std::string id;
  // Empty = the working folder.
  std::string bundle;
  // Of `serve`.
  std::string socket;
  std::string action;
  bool version = false;
  bool info = false;
};

// What -v and -info name: the runtime.
inline constexpr char kRuntimeName[] = "dev.iluvatar.v1";

// Both return a sentence when they fail.

// Makes sure that the daemon of the bundle's group listens, and prints its address.
std::string StartAction(const Arguments& arguments);

// Ends what may be left of a container whose daemon is dead (or, in containerd 1.x, of any deleted one) and prints its
// end. Mounts are not left: they are the container's own, and go with its last process.
std::string DeleteAction(const Arguments& arguments);

}  // namespace iluvatar::shim

#endif  // ILUVATAR_SHIM_ACTIONS_H_
