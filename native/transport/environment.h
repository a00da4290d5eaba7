// One transport inside one JavaScript environment: joins an EventLoop to the callback that receives its records, and
// sees to it that everything is closed before the environment ends, even when a worker thread is terminated in the
// middle of its traffic.
//
// Life: made by `create`, closed by `destroy()` or by the environment's cleanup hook, deleted only by that hook, since
// JavaScript may hold its functions until then.
#ifndef ILUVATAR_TRANSPORT_ENVIRONMENT_H_
#define ILUVATAR_TRANSPORT_ENVIRONMENT_H_

#include <node_api.h>

#include <memory>
#include <vector>

#include "transport/event_loop.h"

namespace iluvatar::transport {

class TransportEnvironment final : private EventReceiver {
 public:
  // nullptr with an exception pending.
  static TransportEnvironment* Create(napi_env env, const LoopOptions& options, napi_value on_events,
                                      napi_value events);

  EventLoop& loop() { return *loop_; }
  bool destroyed() const { return loop_->closed(); }
  // Drops everything at once. Idempotent.
  void Destroy();
  // Scratch for strings; kept, so that small metas allocate nothing.
  std::vector<char>& text() { return text_; }
  // Memory that JavaScript sees too, for a few bytes that are not worth a buffer of their own. Anything but a
  // Uint8Array is none.
  void ShareWindow(napi_value window);
  uint8_t* window() const { return window_; }
  size_t window_bytes() const { return window_bytes_; }

 private:
  explicit TransportEnvironment(napi_env env) : env_(env) {}
  ~TransportEnvironment() override = default;
  void Deliver(uint32_t count) override;
  void Closed() override;
  static void OnEnvironmentEnd(napi_async_cleanup_hook_handle handle, void* data);

  napi_env env_;
  std::unique_ptr<EventLoop> loop_;
  napi_ref on_events_ = nullptr;
  napi_ref events_ = nullptr;
  napi_ref window_reference_ = nullptr;
  uint8_t* window_ = nullptr;
  size_t window_bytes_ = 0;
  napi_ref resource_ = nullptr;
  napi_async_context context_ = nullptr;
  napi_async_cleanup_hook_handle hook_ = nullptr;
  std::vector<char> text_;
  bool ending_ = false;
  bool all_closed_ = false;
};

}  // namespace iluvatar::transport

#endif  // ILUVATAR_TRANSPORT_ENVIRONMENT_H_
