// How C++ of this addon reports failure: which system call, on what, with which errno. Only binding.cc turns it into a
// JavaScript error.
#ifndef ILUVATAR_SYSTEM_STATUS_H_
#define ILUVATAR_SYSTEM_STATUS_H_

#include <cerrno>
#include <string>
#include <utility>

namespace iluvatar::system {

struct [[nodiscard]] Status {
  int error = 0;  // errno; 0 = success
  const char* syscall = "";
  std::string path;

  bool ok() const { return error == 0; }
  static Status Ok() { return {}; }
  static Status Errno(const char* syscall, std::string path = {}) { return {errno, syscall, std::move(path)}; }
};

}  // namespace iluvatar::system

#endif  // ILUVATAR_SYSTEM_STATUS_H_
