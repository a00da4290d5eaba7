#include "transport/environment.h"

#include <uv.h>

#include <new>

namespace iluvatar::transport {

TransportEnvironment* TransportEnvironment::Create(napi_env env, const LoopOptions& options, napi_value on_events,
                                                   napi_value events) {
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) {
    napi_throw_error(env, "ERR_TRANSPORT", "this environment has no event loop");
    return nullptr;
  }
  std::unique_ptr<TransportEnvironment, void (*)(TransportEnvironment*)> made(
      new (std::nothrow) TransportEnvironment(env), [](TransportEnvironment* each) { delete each; });
  if (!made) {
    napi_throw_error(env, "ENOMEM", "no memory for a transport");
    return nullptr;
  }
  napi_value name = nullptr;
  napi_value resource = nullptr;
  const bool ready = napi_create_string_utf8(env, "IluvatarTransport", NAPI_AUTO_LENGTH, &name) == napi_ok &&
                     napi_create_object(env, &resource) == napi_ok &&
                     napi_create_reference(env, resource, 1, &made->resource_) == napi_ok &&
                     napi_create_reference(env, on_events, 1, &made->on_events_) == napi_ok &&
                     // The array's memory is written from C++ for as long as the transport lives.
                     napi_create_reference(env, events, 1, &made->events_) == napi_ok &&
                     napi_async_init(env, resource, name, &made->context_) == napi_ok;
  if (!ready) return nullptr;
  made->loop_.reset(new EventLoop(loop, options, *made));
  // The hook first: with handles open and no hook, the end of the environment would abort the process.
  if (napi_add_async_cleanup_hook(env, OnEnvironmentEnd, made.get(), &made->hook_) != napi_ok) return nullptr;
  if (made->loop_->Open() != 0) {
    napi_remove_async_cleanup_hook(made->hook_);
    napi_throw_error(env, "ENOMEM", "no memory for a transport");
    return nullptr;
  }
  return made.release();
}

void TransportEnvironment::ShareWindow(napi_value window) {
  napi_typedarray_type type = napi_int8_array;
  size_t bytes = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(env_, window, &type, &bytes, &data, nullptr, nullptr) != napi_ok ||
      type != napi_uint8_array || napi_create_reference(env_, window, 1, &window_reference_) != napi_ok) {
    return;
  }
  window_ = static_cast<uint8_t*>(data);
  window_bytes_ = bytes;
}

void TransportEnvironment::Destroy() {
  if (loop_->closed()) return;
  loop_->Close();
  napi_delete_reference(env_, on_events_);
  napi_delete_reference(env_, events_);
  if (window_reference_ != nullptr) napi_delete_reference(env_, window_reference_);
  napi_delete_reference(env_, resource_);
}

void TransportEnvironment::Closed() {
  all_closed_ = true;
  // Only the hook may end this object: before, JavaScript can still call its functions.
  if (ending_) {
    napi_remove_async_cleanup_hook(hook_);
    delete this;
  }
}

void TransportEnvironment::OnEnvironmentEnd(napi_async_cleanup_hook_handle handle, void* data) {
  TransportEnvironment* self = static_cast<TransportEnvironment*>(data);
  self->ending_ = true;
  self->Destroy();
  if (self->all_closed_) {
    napi_remove_async_cleanup_hook(handle);
    delete self;
  }
}

void TransportEnvironment::Deliver(uint32_t count) {
  napi_handle_scope scope = nullptr;
  if (napi_open_handle_scope(env_, &scope) != napi_ok) return;
  napi_value callback = nullptr;
  napi_value receiver = nullptr;
  napi_value argument = nullptr;
  napi_get_reference_value(env_, on_events_, &callback);
  napi_get_global(env_, &receiver);
  napi_create_uint32(env_, count, &argument);
  // make_callback and not call_function: promises and nextTicks made inside run before it returns, so that their sends
  // are part of this batch.
  const napi_status status = napi_make_callback(env_, context_, receiver, callback, 1, &argument, nullptr);
  if (status == napi_pending_exception) {
    // An exception of the receiver belongs to its environment (uncaughtException); swallowing it would hide a defect. A
    // terminated worker has nothing to take: then this is a no-op.
    napi_value error = nullptr;
    bool pending = false;
    if (napi_is_exception_pending(env_, &pending) == napi_ok && pending &&
        napi_get_and_clear_last_exception(env_, &error) == napi_ok && error != nullptr) {
      napi_fatal_exception(env_, error);
    }
  }
  napi_close_handle_scope(env_, scope);
}

}  // namespace iluvatar::transport
