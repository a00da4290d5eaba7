// See event_publisher.h.
#include "shim/event_publisher.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>

namespace iluvatar::shim {
namespace {

// Four for each of a thousand containers; the oldest go first.
constexpr size_t kMostWaiting = 4096;
// How many containerd is given to work on at once.
constexpr size_t kMostInFlight = 16;
constexpr int64_t kFirstBackOffMs = 50;
constexpr int64_t kMostBackOffMs = 2000;

}  // namespace

void EventPublisher::Publish(TaskEvent event) {
  if (address_.empty()) return;
  if (events_.size() >= kMostWaiting) {
    const auto oldest =
        std::find_if(events_.begin(), events_.end(), [](const Pending& pending) { return pending.stream == 0; });
    if (oldest != events_.end()) events_.erase(oldest);
  }
  events_.push_back({std::move(event), 0});
  if (!fd_.valid()) Connect();
  Flush();
}

void EventPublisher::Tick() {
  if (fd_.valid() || events_.empty()) return;
  Connect();
  Flush();
}

void EventPublisher::Connect() {
  if (NowMs() < retry_at_) return;
  struct sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (address_.size() >= sizeof address.sun_path) return;
  std::memcpy(address.sun_path, address_.data(), address_.size());
  fd_.reset(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  // A unix socket connects at once or not at all.
  if (!fd_.valid() || connect(fd_.get(), reinterpret_cast<struct sockaddr*>(&address), sizeof address) != 0 ||
      !loop_->Watch(fd_.get(), EPOLLIN, [this](uint32_t events) { Serve(events); }).ok()) {
    Disconnect();
  }
}

void EventPublisher::Disconnect() {
  if (fd_.valid()) loop_->Forget(fd_.get());
  fd_.reset();
  incoming_ = {};
  outgoing_.clear();
  next_stream_ = 1;
  for (Pending& pending : events_) pending.stream = 0;
  back_off_ms_ = std::clamp(back_off_ms_ * 2, kFirstBackOffMs, kMostBackOffMs);
  retry_at_ = NowMs() + back_off_ms_;
}

void EventPublisher::Flush() {
  if (!fd_.valid()) return;
  std::set<std::string> busy;
  size_t in_flight = 0;
  for (Pending& pending : events_) {
    if (in_flight == kMostInFlight) break;
    const bool first = busy.insert(pending.event.container).second;
    if (pending.stream != 0) {
      ++in_flight;
      continue;
    }
    if (!first) continue;
    ++in_flight;
    pending.stream = next_stream_;
    next_stream_ += 2;
    const std::string request = EncodeRequest(
        {"containerd.services.events.ttrpc.v1.Events", "Forward", EncodeForward(pending.event, name_space_)});
    outgoing_ += EncodeFrame({pending.stream, FrameType::kRequest, 0, request});
  }
  if (!Write()) Disconnect();
}

void EventPublisher::Serve(uint32_t events) {
  const bool alive = ((events & EPOLLOUT) == 0 || Write()) && Read();
  if (!alive) return Disconnect();
  Flush();
}

bool EventPublisher::Read() {
  char buffer[4096];
  const ssize_t got = recv(fd_.get(), buffer, sizeof buffer, 0);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  if (got == 0) return false;
  incoming_.Append({buffer, static_cast<size_t>(got)});
  for (;;) {
    TtrpcFrame frame;
    const FrameBuffer::Result result = incoming_.Next(&frame);
    if (result != FrameBuffer::Result::kFrame) return result == FrameBuffer::Result::kIncomplete;
    back_off_ms_ = 0;
    // Refused or not, it was told: containerd does not change its mind about an event.
    events_.remove_if([&frame](const Pending& pending) { return pending.stream == frame.stream; });
  }
}

bool EventPublisher::Write() {
  while (!outgoing_.empty()) {
    const ssize_t sent = send(fd_.get(), outgoing_.data(), outgoing_.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno != EAGAIN) return false;
    if (sent < 0) break;
    outgoing_.erase(0, static_cast<size_t>(sent));
  }
  return loop_->Change(fd_.get(), outgoing_.empty() ? EPOLLIN : EPOLLIN | EPOLLOUT).ok();
}

}  // namespace iluvatar::shim
