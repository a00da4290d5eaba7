// Starts a keeper, and connects to one.
#ifndef ILUVATAR_KEEPER_START_H_
#define ILUVATAR_KEEPER_START_H_

#include <cstdint>
#include <string>

#include "system/status.h"
#include "system/unique_fd.h"

namespace iluvatar::keeper {

using system::Status;
using system::UniqueFd;

// Listens at `path`, which is absolute, and has `program` (iluvatar-keeper) serve there, in a session of its own and
// without any other descriptor. Whoever connects from now on is heard. EADDRINUSE when somebody listens there already.
Status Start(const std::string& path, int64_t grace_ms, const std::string& program);

// EAGAIN when too many wait to be let in; EPERM when who listens there is neither this process's user nor root.
Status Connect(const std::string& path, UniqueFd* fd);

}  // namespace iluvatar::keeper

#endif  // ILUVATAR_KEEPER_START_H_
