// What this machine lets this process use, each thing tried for real in a short-lived child.
#ifndef ILUVATAR_SANDBOX_PROBE_H_
#define ILUVATAR_SANDBOX_PROBE_H_

#include <string>

namespace iluvatar::sandbox {

// JSON in the shape of SandboxSupport (src/native.ts).
std::string ProbeSupport();

// Whether unshare(flags) works here, tried in a child.
bool CanUnshare(int flags);

}  // namespace iluvatar::sandbox

#endif  // ILUVATAR_SANDBOX_PROBE_H_
