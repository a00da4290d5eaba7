#include "transport/out_queue.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace iluvatar::transport {

namespace {

constexpr size_t kVectors = 64;
constexpr size_t kTurnBytes = 4u << 20;

}  // namespace

BlockPool::~BlockPool() {
  for (size_t i = 0; i < count_; i++) std::free(kept_[i]);
}

uint8_t* BlockPool::Take() {
  if (count_ > 0) return kept_[--count_];
  return static_cast<uint8_t*>(std::malloc(kBlockBytes));
}

void BlockPool::Give(uint8_t* block) {
  if (count_ < kKept) {
    kept_[count_++] = block;
  } else {
    std::free(block);
  }
}

uint8_t* OutQueue::Reserve(size_t size) {
  if (!segments_.empty()) {
    Segment& last = segments_.back();
    if (last.memory != nullptr && last.capacity - last.end >= size) return last.memory + last.end;
  }
  const bool block = size <= BlockPool::kBlockBytes;
  uint8_t* memory = block ? pool_.Take() : static_cast<uint8_t*>(std::malloc(size));
  if (memory == nullptr) return nullptr;
  segments_.push_back({memory, 0, 0, block ? BlockPool::kBlockBytes : size, PayloadRef()});
  return memory;
}

void OutQueue::Commit(size_t size) {
  segments_.back().end += size;
  pending_ += size;
}

void OutQueue::AppendBody(PayloadRef payload) {
  const size_t size = static_cast<size_t>(payload->body_bytes);
  if (size == 0) return;
  segments_.push_back({nullptr, 0, size, size, std::move(payload)});
  pending_ += size;
}

WriteResult OutQueue::Write(int fd, int* error, uint64_t* writes) {
  size_t written = 0;
  while (pending_ > 0) {
    if (written >= kTurnBytes) return WriteResult::kBlocked;
    iovec vectors[kVectors];
    size_t count = 0;
    for (const Segment& segment : segments_) {
      if (count == kVectors) break;
      if (segment.end == segment.begin) continue;
      vectors[count++] = {const_cast<uint8_t*>(segment.data()) + segment.begin, segment.end - segment.begin};
    }
    ssize_t sent;
    (*writes)++;
    if (count == 1) {
      sent = send(fd, vectors[0].iov_base, vectors[0].iov_len, MSG_NOSIGNAL | MSG_DONTWAIT);
    } else {
      msghdr message = {};
      message.msg_iov = vectors;
      message.msg_iovlen = count;
      sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return WriteResult::kBlocked;
      // ENOBUFS passes like a full socket; treating it as fatal would lose frames under memory pressure.
      if (errno == ENOBUFS) return WriteResult::kBlocked;
      *error = errno;
      return WriteResult::kFailed;
    }
    written += static_cast<size_t>(sent);
    Consume(static_cast<size_t>(sent));
  }
  return WriteResult::kDone;
}

void OutQueue::Consume(size_t size) {
  pending_ -= size;
  while (!segments_.empty()) {
    Segment& first = segments_.front();
    const size_t here = first.end - first.begin;
    if (size < here) {
      first.begin += size;
      return;
    }
    size -= here;
    Release(first);
    segments_.pop_front();
  }
}

void OutQueue::Release(Segment& segment) {
  if (segment.memory == nullptr) return;
  if (segment.capacity == BlockPool::kBlockBytes) {
    pool_.Give(segment.memory);
  } else {
    std::free(segment.memory);
  }
  segment.memory = nullptr;
}

void OutQueue::Clear() {
  for (Segment& segment : segments_) Release(segment);
  segments_.clear();
  pending_ = 0;
}

}  // namespace iluvatar::transport
