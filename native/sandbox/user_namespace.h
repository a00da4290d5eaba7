// Entering a user namespace of one's own.
#ifndef ILUVATAR_SANDBOX_USER_NAMESPACE_H_
#define ILUVATAR_SANDBOX_USER_NAMESPACE_H_

#include "sandbox/step.h"

namespace iluvatar::sandbox {

// As an ordinary user: only the own uid and gid exist inside, under the same numbers. As root: every id, under the same
// numbers, so that containers still get uids of their own.
Step EnterUserNamespace();

}  // namespace iluvatar::sandbox

#endif  // ILUVATAR_SANDBOX_USER_NAMESPACE_H_
