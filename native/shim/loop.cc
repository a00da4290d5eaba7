// See loop.h.
#include "shim/loop.h"

#include <sys/epoll.h>

#include <algorithm>
#include <ctime>

namespace iluvatar::shim {

int64_t NowMs() {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

Status Loop::Open() {
  epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
  return epoll_.valid() ? Status::Ok() : Status::Errno("epoll_create1");
}

Status Loop::Watch(int fd, uint32_t events, Handler handler) {
  struct epoll_event event = {events, {.fd = fd}};
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return Status::Errno("epoll_ctl");
  handlers_[fd] = std::make_shared<Handler>(std::move(handler));
  return Status::Ok();
}

Status Loop::Change(int fd, uint32_t events) {
  struct epoll_event event = {events, {.fd = fd}};
  return epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) == 0 ? Status::Ok() : Status::Errno("epoll_ctl");
}

void Loop::Forget(int fd) {
  if (handlers_.erase(fd) == 0) return;
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

Status Loop::Run(int tick_ms, const std::function<void()>& tick) {
  constexpr int kMostEvents = 64;
  struct epoll_event events[kMostEvents];
  running_ = true;
  int64_t next_tick = NowMs() + tick_ms;
  while (running_) {
    const int wait = static_cast<int>(std::max<int64_t>(0, next_tick - NowMs()));
    const int count = epoll_wait(epoll_.get(), events, kMostEvents, wait);
    if (count < 0 && errno != EINTR) return Status::Errno("epoll_wait");
    for (int i = 0; i < count; ++i) {
      // Forgotten by an earlier handler of this round; a new descriptor of the same number gets an event that is not
      // its own, which every handler takes for nothing to read.
      const auto found = handlers_.find(events[i].data.fd);
      if (found == handlers_.end()) continue;
      const std::shared_ptr<Handler> handler = found->second;
      (*handler)(events[i].events);
    }
    if (NowMs() < next_tick) continue;
    next_tick = NowMs() + tick_ms;
    tick();
  }
  return Status::Ok();
}

}  // namespace iluvatar::shim
