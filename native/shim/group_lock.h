// Held while a group's daemon is started or ends, so that there is one at most. It is a lock on the folder of the
// socket, which leaves nothing behind.
#ifndef ILUVATAR_SHIM_GROUP_LOCK_H_
#define ILUVATAR_SHIM_GROUP_LOCK_H_

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <string>

#include "system/unique_fd.h"

namespace iluvatar::shim {

class GroupLock {
 public:
  explicit GroupLock(const std::string& socket)
      : folder_(open(socket.substr(0, socket.rfind('/') + 1).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    int result = -1;
    do {
      result = flock(folder_.get(), LOCK_EX);
    } while (result != 0 && errno == EINTR);
    held_ = result == 0;
  }
  // False, with errno set, when the folder is missing.
  bool held() const { return held_; }

 private:
  system::UniqueFd folder_;
  bool held_ = false;
};

}  // namespace iluvatar::shim

#endif  // ILUVATAR_SHIM_GROUP_LOCK_H_
