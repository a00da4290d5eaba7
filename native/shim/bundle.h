// The files of a bundle, the folder that containerd makes for each container.
#ifndef ILUVATAR_SHIM_BUNDLE_H_
#define ILUVATAR_SHIM_BUNDLE_H_

#include <sys/types.h>

#include <string>

#include "sandbox/step.h"

namespace iluvatar::shim {

sandbox::Step ReadSpec(const std::string& bundle, std::string* json);

// init.pid: "<pid> <start time>", so that a later process of the same number is not taken for it.
sandbox::Step WritePid(const std::string& bundle, pid_t pid);
void RemovePid(const std::string& bundle);
// The process that init.pid names, as a descriptor; -1 when it is gone. `pid` receives the number, 0 without a file.
int OpenPid(const std::string& bundle, pid_t* pid);

// address: where the shim listens, for containerd's next start.
sandbox::Step WriteAddress(const std::string& bundle, const std::string& address);

bool BundleExists(const std::string& bundle);

}  // namespace iluvatar::shim

#endif  // ILUVATAR_SHIM_BUNDLE_H_
