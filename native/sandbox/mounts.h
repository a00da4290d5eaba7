// Binds that are read-only all the way down, and places to mount on.
#ifndef ILUVATAR_SANDBOX_MOUNTS_H_
#define ILUVATAR_SANDBOX_MOUNTS_H_

#include <string>

#include "sandbox/step.h"
#include "system/unique_fd.h"

namespace iluvatar::sandbox {

// Binds `source` with everything mounted below it at `target` (made when missing), read-only, nosuid, nodev.
Step BindReadOnly(const std::string& source, const std::string& target);

}  // namespace iluvatar::sandbox

#endif  // ILUVATAR_SANDBOX_MOUNTS_H_
