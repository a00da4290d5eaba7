// The device nodes every container has.
#ifndef ILUVATAR_SHIM_DEVICES_H_
#define ILUVATAR_SHIM_DEVICES_H_

#include "sandbox/step.h"

namespace iluvatar::shim {

// Fills an empty folder, given by descriptor, with null, zero, full, random, urandom, tty and the usual links. The
// umask must be 0.
sandbox::Step MakeDevices(int folder);

}  // namespace iluvatar::shim

#endif  // ILUVATAR_SHIM_DEVICES_H_
