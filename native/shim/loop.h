// The daemon's one loop: descriptors and what to do when they are ready, and one function for when time has passed.
#ifndef ILUVATAR_SHIM_LOOP_H_
#define ILUVATAR_SHIM_LOOP_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "system/status.h"
#include "system/unique_fd.h"

namespace iluvatar::shim {

using system::Status;
using system::UniqueFd;

class Loop {
 public:
  using Handler = std::function<void(uint32_t events)>;

  Status Open();
  // `events`: EPOLLIN, EPOLLOUT. The descriptor stays the caller's, who must Forget it before closing it. A handler may
  // forget any descriptor, its own included.
  Status Watch(int fd, uint32_t events, Handler handler);
  Status Change(int fd, uint32_t events);
  void Forget(int fd);

  // Until Stop; `tick` is called about every `tick_ms` milliseconds.
  Status Run(int tick_ms, const std::function<void()>& tick);
  void Stop() { running_ = false; }

 private:
  UniqueFd epoll_;
  std::map<int, std::shared_ptr<Handler>> handlers_;
  bool running_ = false;
};

// CLOCK_MONOTONIC, in milliseconds.
int64_t NowMs();

}  // namespace iluvatar::shim

#endif  // ILUVATAR_SHIM_LOOP_H_
