// Bytes in memory that outlive their process: a file in memory, mapped shared. What one process writes is there for the
// next that maps the same descriptor, also when the first was killed right after.
#ifndef ILUVATAR_KEEPER_MARKS_H_
#define ILUVATAR_KEEPER_MARKS_H_

#include <cstddef>
#include <cstdint>

#include "system/status.h"
#include "system/unique_fd.h"

namespace iluvatar::keeper {

using system::Status;
using system::UniqueFd;

inline constexpr size_t kMaxMarkBytes = 1 << 26;

// A new one of `bytes` zeros, which will neither shrink nor grow. EINVAL for none, or more than kMaxMarkBytes.
Status MakeMarks(size_t bytes, UniqueFd* fd);

// `*data` stays until UnmapMarks. EINVAL for a descriptor that MakeMarks did not make: one that shrinks would end who
// reads it with SIGBUS.
Status MapMarks(int fd, uint8_t** data, size_t* bytes);
void UnmapMarks(uint8_t* data, size_t bytes);

}  // namespace iluvatar::keeper

#endif  // ILUVATAR_KEEPER_MARKS_H_
