// An old agent takes one request at a time and its replies carry no id: this remembers which request is out and keeps
// the others in order.
#ifndef ILUVATAR_TRANSPORT_LEGACY_QUEUE_H_
#define ILUVATAR_TRANSPORT_LEGACY_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <utility>

#include "transport/frame.h"

namespace iluvatar::transport {

struct LegacyRequest {
  uint32_t request_id;
  // INVOKE or PING.
  uint8_t type;
  size_t bytes;
  std::unique_ptr<uint8_t[]> body;
};

class LegacyQueue {
 public:
  // What the outstanding request was.
  struct Active {
    uint32_t request_id;
    uint8_t type;
    int64_t started_us;
  };

  bool busy() const { return busy_; }
  const Active& active() const { return active_; }
  void Begin(uint32_t request_id, uint8_t type, int64_t now_us) {
    active_ = {request_id, type, now_us};
    busy_ = true;
  }
  // The reply is here.
  void Finish() { busy_ = false; }

  void Push(LegacyRequest request) {
    waiting_bytes_ += request.bytes;
    waiting_.push_back(std::move(request));
  }
  bool Pop(LegacyRequest* request) {
    if (waiting_.empty()) return false;
    *request = std::move(waiting_.front());
    waiting_.pop_front();
    waiting_bytes_ -= request->bytes;
    return true;
  }
  size_t waiting_bytes() const { return waiting_bytes_; }

 private:
  std::deque<LegacyRequest> waiting_;
  Active active_ = {};
  size_t waiting_bytes_ = 0;
  bool busy_ = false;
};

}  // namespace iluvatar::transport

#endif  // ILUVATAR_TRANSPORT_LEGACY_QUEUE_H_
