// The outcome of setting something up: which step failed, with which errno. Empty = all went well.
#ifndef ILUVATAR_SANDBOX_STEP_H_
#define ILUVATAR_SANDBOX_STEP_H_

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "sandbox/json.h"

namespace iluvatar::sandbox {

struct [[nodiscard]] Step {
  std::string name;
  int error = 0;

  bool ok() const { return name.empty(); }
  static Step Done() { return {}; }
  // Reads errno.
  static Step Failed(std::string name) { return {std::move(name), errno}; }
  static Step Failed(std::string name, int error) { return {std::move(name), error}; }

  std::string Message() const { return name + ": " + std::strerror(error); }
  // {"message","step","errno"}, the meta of a failed SPAWNED or EXITED.
  std::string Json() const {
    return "{\"message\":" + JsonQuote(Message()) + ",\"step\":" + JsonQuote(name) +
           ",\"errno\":" + std::to_string(error) + "}";
  }
};

}  // namespace iluvatar::sandbox

#endif  // ILUVATAR_SANDBOX_STEP_H_
