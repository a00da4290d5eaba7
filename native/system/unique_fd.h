// A file descriptor that closes itself. Never throws; closing keeps errno, so that it may happen between a failing call
// and its report.
#ifndef ILUVATAR_SYSTEM_UNIQUE_FD_H_
#define ILUVATAR_SYSTEM_UNIQUE_FD_H_

#include <unistd.h>

#include <cerrno>
#include <utility>

namespace iluvatar::system {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    reset(other.release());
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1) {
    if (fd_ >= 0 && fd_ != fd) {
      const int saved = errno;
      ::close(fd_);
      errno = saved;
    }
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

}  // namespace iluvatar::system

#endif  // ILUVATAR_SYSTEM_UNIQUE_FD_H_
