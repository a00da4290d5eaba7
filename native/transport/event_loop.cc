// Life of the loop object, its listeners and the delivery of records; the connections are in event_loop_connections.cc.
#include "transport/event_loop.h"

#include <sched.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

#include "transport/peer.h"

namespace iluvatar::transport {

namespace {

// A turn of accepting: more would delay the connections that are open already.
constexpr int kAcceptBatch = 64;
// Spins that found nothing in a row before spinning is given up, and sleeps until it is tried again.
constexpr uint32_t kMostVainSpins = 4;
constexpr uint32_t kSkippedSpins = 64;

// Out of descriptors: accepting at once again would only spin, since the listener stays readable.
constexpr uint64_t kAcceptRetryMs = 50;
// Deliveries within one phase; a receiver that always causes another must not keep the loop from everything else.
constexpr int kSettleTurns = 16;

}  // namespace

EventLoop::EventLoop(uv_loop_t* loop, const LoopOptions& options, EventReceiver& receiver)
    : loop_(loop), options_(options), receiver_(receiver) {
  shared_.max_body_bytes = options.max_body_bytes;
  shared_.high_water_bytes = static_cast<size_t>(options.high_water_bytes);
}

EventLoop::~EventLoop() = default;

int EventLoop::Open() {
  scratch_.reset(new (std::nothrow) uint8_t[kScratchBytes]);
  if (!scratch_) return UV_ENOMEM;
  uv_prepare_init(loop_, &prepare_);
  uv_check_init(loop_, &check_);
  uv_idle_init(loop_, &again_);
  uv_timer_init(loop_, &accept_retry_);
  open_handles_ = 4;
  for (uv_handle_t* handle :
       {reinterpret_cast<uv_handle_t*>(&prepare_), reinterpret_cast<uv_handle_t*>(&check_),
        reinterpret_cast<uv_handle_t*>(&again_), reinterpret_cast<uv_handle_t*>(&accept_retry_)}) {
    handle->data = this;
    // Whether the program may end is decided in one place: UpdateReference.
    uv_unref(handle);
  }
  uv_prepare_start(&prepare_, OnPrepare);
  uv_check_start(&check_, OnCheck);
  return 0;
}

void EventLoop::Close() {
  if (closed_) return;
  closed_ = true;
  event_count_ = 0;
  deferred_.clear();
  for (const Slot& slot : slots_) {
    if (slot.peer != nullptr) ClosePeer(slot.peer, 0);
  }
  for (Listener* listener : listeners_) CloseListenerHandle(listener);
  listeners_.clear();
  shared_.payloads.DropAll();
  CloseOwnHandle(reinterpret_cast<uv_handle_t*>(&prepare_));
  CloseOwnHandle(reinterpret_cast<uv_handle_t*>(&check_));
  CloseOwnHandle(reinterpret_cast<uv_handle_t*>(&again_));
  CloseOwnHandle(reinterpret_cast<uv_handle_t*>(&accept_retry_));
}

void EventLoop::CloseOwnHandle(uv_handle_t* handle) {
  uv_close(handle, [](uv_handle_t* gone) { static_cast<EventLoop*>(gone->data)->HandleGone(); });
}

void EventLoop::HandleGone() {
  if (--open_handles_ == 0 && closed_) receiver_.Closed();
}

void EventLoop::UpdateReference() {
  uv_handle_t* handle = reinterpret_cast<uv_handle_t*>(&prepare_);
  if (open_connections_ > 0 || !listeners_.empty()) {
    uv_ref(handle);
  } else {
    uv_unref(handle);
  }
}

Status EventLoop::Listen(const std::string& path, unsigned mode, int backlog, uint32_t* id) {
  std::unique_ptr<Listener> listener(new (std::nothrow) Listener);
  if (!listener) return {ENOMEM, "listen"};
  const Status status = ListenUnix(path, mode, backlog, &listener->fd, &listener->bound);
  return status.ok() ? Watch(std::move(listener), id) : status;
}

Status EventLoop::ListenOn(int fd, uint32_t* id) {
  std::unique_ptr<Listener> listener(new (std::nothrow) Listener);
  if (!listener) return {ENOMEM, "listen"};
  const Status status = CopyListener(fd, &listener->fd);
  return status.ok() ? Watch(std::move(listener), id) : status;
}

Status EventLoop::Watch(std::unique_ptr<Listener> listener, uint32_t* id) {
  const int error = uv_poll_init(loop_, &listener->poll, listener->fd.get());
  if (error != 0) {
    RemoveBoundPath(listener->bound);
    return {-error, "uv_poll_init"};
  }
  open_handles_++;
  listener->loop = this;
  listener->id = next_listener_++;
  listener->poll.data = listener.get();
  uv_unref(reinterpret_cast<uv_handle_t*>(&listener->poll));
  uv_poll_start(&listener->poll, UV_READABLE, OnListenerReady);
  *id = listener->id;
  listeners_.push_back(listener.release());
  UpdateReference();
  return {};
}

void EventLoop::CloseListener(uint32_t id) {
  const auto found =
      std::find_if(listeners_.begin(), listeners_.end(), [id](const Listener* each) { return each->id == id; });
  if (found == listeners_.end()) return;
  Listener* listener = *found;
  listeners_.erase(found);
  CloseListenerHandle(listener);
  UpdateReference();
}

void EventLoop::CloseListenerHandle(Listener* listener) {
  listener->gone = true;
  uv_close(reinterpret_cast<uv_handle_t*>(&listener->poll), [](uv_handle_t* handle) {
    Listener* gone = static_cast<Listener*>(handle->data);
    EventLoop* loop = gone->loop;
    delete gone;
    loop->HandleGone();
  });
  RemoveBoundPath(listener->bound);
  listener->fd.reset();
}

void EventLoop::OnListenerReady(uv_poll_t* handle, int /*status*/, int /*events*/) {
  Listener* listener = static_cast<Listener*>(handle->data);
  listener->loop->Accept(listener);
}

void EventLoop::Accept(Listener* listener) {
  // A full event array is delivered from within: the receiver may close this listener or everything.
  for (int i = 0; i < kAcceptBatch && !closed_ && !listener->gone; i++) {
    UniqueFd fd(accept4(listener->fd.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd.valid()) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        uv_poll_stop(&listener->poll);
        RetryAcceptLater();
      }
      return;
    }
    Peer* peer = nullptr;
    // A failure closes the one connection: its peer sees the end of the stream.
    if (!Adopt(std::move(fd), Dialect::kFramed, &peer).ok()) continue;
    Greet(peer, hello_);
    peer->accepted = true;
    Emit(peer->id, kConnectionOpen, listener->id);
  }
}

void EventLoop::RetryAcceptLater() {
  uv_timer_start(
      &accept_retry_,
      [](uv_timer_t* timer) {
        EventLoop* self = static_cast<EventLoop*>(timer->data);
        for (Listener* listener : self->listeners_) uv_poll_start(&listener->poll, UV_READABLE, OnListenerReady);
      },
      kAcceptRetryMs, 0);
}

uint32_t* EventLoop::NextRecord() {
  if (delivering_) {
    deferred_.resize(deferred_.size() + kEventWords);
    return deferred_.data() + deferred_.size() - kEventWords;
  }
  if (event_count_ == options_.event_capacity) DeliverNow();
  if (closed_) return nullptr;
  return options_.events + kEventWords * event_count_++;
}

void EventLoop::Emit(uint32_t connection, uint32_t kind, uint32_t last) {
  uint32_t* record = NextRecord();
  if (record == nullptr) return;
  std::fill(record, record + kEventWords, 0);
  record[0] = connection;
  record[1] = kind;
  record[11] = last;
}

uint32_t EventLoop::AddReason(std::string code, std::string message) {
  // Room for the record first: a delivery between this and the record would throw the reason away.
  if (!delivering_ && event_count_ == options_.event_capacity) DeliverNow();
  reasons_.push_back({std::move(code), std::move(message)});
  return static_cast<uint32_t>(reasons_.size());
}

const CloseReason* EventLoop::Reason(uint32_t index) const {
  return index == 0 || index > reasons_.size() ? nullptr : &reasons_[index - 1];
}

void EventLoop::DeliverNow() {
  delivering_ = true;
  receiver_.Deliver(event_count_);
  delivering_ = false;
  event_count_ = 0;
  if (closed_) return;
  const size_t count = std::min<size_t>(deferred_.size() / kEventWords, options_.event_capacity);
  if (count == 0) {
    reasons_.clear();
    return;
  }
  std::memcpy(options_.events, deferred_.data(), count * kEventWords * sizeof(uint32_t));
  deferred_.erase(deferred_.begin(), deferred_.begin() + static_cast<ptrdiff_t>(count * kEventWords));
  event_count_ = static_cast<uint32_t>(count);
}

void EventLoop::Settle() {
  for (int turn = 0; turn < kSettleTurns && !closed_; turn++) {
    FlushDirty();
    if (closed_) return;
    if (event_count_ == 0) {
      if (uv_is_active(reinterpret_cast<uv_handle_t*>(&again_)) != 0) uv_idle_stop(&again_);
      return;
    }
    DeliverNow();
  }
  // The rest waits for the next iteration, which must not sleep first.
  if (!closed_) uv_idle_start(&again_, [](uv_idle_t*) {});
}

void EventLoop::OnCheck(uv_check_t* handle) { static_cast<EventLoop*>(handle->data)->Settle(); }

void EventLoop::OnPrepare(uv_prepare_t* handle) {
  EventLoop* self = static_cast<EventLoop*>(handle->data);
  self->Settle();
  const uint64_t in_flight = self->shared_.counters.in_flight;
  // With more at work than there are other cores, spinning would take the time of those we wait for.
  if (!self->closed_ && self->options_.spin_us > 0 && in_flight > 0 && in_flight <= self->other_cores_) {
    self->SpinForWork();
  }
}

uint64_t EventLoop::OtherCores() {
  const long cores = sysconf(_SC_NPROCESSORS_ONLN);
  return cores > 2 ? static_cast<uint64_t>(cores - 1) : 1;
}

void EventLoop::SpinForWork() {
  const int timeout = uv_backend_timeout(loop_);
  if (timeout == 0) return;  // it will not sleep anyway
  // Functions that run longer than we spin would make every spin a waste: after a few in vain only now and then one
  // tries again.
  if (vain_spins_ >= kMostVainSpins && ++skipped_spins_ < kSkippedSpins) return;
  skipped_spins_ = 0;
  uint64_t spin_ns = options_.spin_us * 1000;
  if (timeout > 0) spin_ns = std::min<uint64_t>(spin_ns, static_cast<uint64_t>(timeout) * 1000000);
  const int backend = uv_backend_fd(loop_);
  const uint64_t until = uv_hrtime() + spin_ns;
  // Looks at the loop's own epoll set without taking anything from it, so that every kind of work ends the spinning,
  // not only ours. libuv's poll, which follows, finds the same descriptors ready.
  epoll_event event;
  // Yields in between: on a busy machine the work waited for may need this very core.
  bool found = false;
  while (!(found = epoll_wait(backend, &event, 1, 0) > 0) && uv_hrtime() < until) sched_yield();
  vain_spins_ = found ? 0 : std::min(vain_spins_ + 1, kMostVainSpins);
}

}  // namespace iluvatar::transport
