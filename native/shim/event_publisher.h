// Tells containerd what happens to containers, through its own ttrpc socket. What happens while containerd is away is
// kept, up to a bound, and told when it is back: of one container always in order, one at a time; of several at once.
// An event can be told twice, when containerd ends between taking it and saying so.
#ifndef ILUVATAR_SHIM_EVENT_PUBLISHER_H_
#define ILUVATAR_SHIM_EVENT_PUBLISHER_H_

#include <cstdint>
#include <list>
#include <set>
#include <string>

#include "shim/loop.h"
#include "shim/messages.h"
#include "shim/ttrpc.h"

namespace iluvatar::shim {

class EventPublisher {
 public:
  // `address`: path of containerd's ttrpc socket, empty = nobody is told; `name_space`: of containerd's.
  EventPublisher(Loop* loop, std::string address, std::string name_space)
      : loop_(loop), address_(std::move(address)), name_space_(std::move(name_space)) {}

  void Publish(TaskEvent event);
  // Tries to connect again, when it is time to.
  void Tick();
  size_t waiting() const { return events_.size(); }

 private:
  struct Pending {
    TaskEvent event;
    // 0 = not sent yet.
    uint32_t stream = 0;
  };

  void Connect();
  void Disconnect();
  void Flush();
  void Serve(uint32_t events);
  bool Read();
  bool Write();

  Loop* loop_;
  std::string address_;
  std::string name_space_;
  UniqueFd fd_;
  FrameBuffer incoming_;
  std::string outgoing_;
  std::list<Pending> events_;
  uint32_t next_stream_ = 1;
  int64_t retry_at_ = 0;
  int64_t back_off_ms_ = 0;
};

}  // namespace iluvatar::shim

#endif  // ILUVATAR_SHIM_EVENT_PUBLISHER_H_
