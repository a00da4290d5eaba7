// The /etc of a container: what programs need to find libraries, names, certificates and the time zone, and nothing
// about this host's users or secrets.
#ifndef ILUVATAR_SANDBOX_ETC_H_
#define ILUVATAR_SANDBOX_ETC_H_

#include <string>
#include <vector>

#include "sandbox/step.h"

namespace iluvatar::sandbox {

// Fills /etc from `host`. Files are copied, not bound, since every mount is copied for every container; what the host
// lacks is left out. `name_servers` take the place of the host's.
Step MakeEtc(const std::string& host, const std::vector<std::string>& name_servers);

}  // namespace iluvatar::sandbox

#endif  // ILUVATAR_SANDBOX_ETC_H_
