// Owner of one file descriptor: closed exactly once, on every path out.
#ifndef ILUVATAR_TRANSPORT_UNIQUE_FD_H_
#define ILUVATAR_TRANSPORT_UNIQUE_FD_H_

#include <unistd.h>

namespace iluvatar::transport {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.Release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) Reset(other.Release());
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { Reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int Release() {
    int fd = fd_;
    fd_ = -1;
    return fd;
  }
  void Reset(int fd = -1) {
    // No retry on EINTR: Linux has released the number by then, and closing it again could close another thread's new
    // descriptor.
    if (fd_ >= 0) close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

}  // namespace iluvatar::transport

#endif  // ILUVATAR_TRANSPORT_UNIQUE_FD_H_
