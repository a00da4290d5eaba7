// A supervisor's last words when it could not do its work.
#ifndef ILUVATAR_SANDBOX_REPORT_H_
#define ILUVATAR_SANDBOX_REPORT_H_

#include <cstdint>

#include "sandbox/step.h"

namespace iluvatar::sandbox {

// `request_id` 0: on its own connection, which is ended; else on the spawner's, which is still in use by its owner.
[[noreturn]] void ReportAndExit(int fd, uint32_t request_id, const Step& step);

}  // namespace iluvatar::sandbox

#endif  // ILUVATAR_SANDBOX_REPORT_H_
