// Small questions to the operating system that Node does not ask: limits, the shared monotonic clock, signals, and what
// the sandbox may use.
#ifndef ILUVATAR_SYSTEM_SYSTEM_H_
#define ILUVATAR_SYSTEM_SYSTEM_H_

#include <cstdint>
#include <string>

#include "system/status.h"

namespace iluvatar::system {

// Raises the soft limit of open files to the hard one. `limit` receives it.
Status RaiseFileLimit(uint64_t* limit);

// CLOCK_MONOTONIC in µs: the same origin in every process of this machine.
int64_t MonotonicUs();

// `*delivered` false when there is no such process. Refuses pid <= 0, which would signal whole groups.
Status Kill(int pid, int signal, bool* delivered);

// Makes a named pipe that only its owner may use, and opens it for reading without waiting for a writer; for writing
// too, so that one writer's end is not the pipe's. The caller closes `*fd`. EEXIST where something stands already.
Status OpenFifo(const std::string& path, int* fd);

// Runs `<folder of this library>/iluvatar-launcher --probe` and returns the JSON it prints. A child is needed because
// every try (unshare, seccomp, mounts) would change the calling process for good.
Status ProbeSandbox(std::string* json);

}  // namespace iluvatar::system

#endif  // ILUVATAR_SYSTEM_SYSTEM_H_
