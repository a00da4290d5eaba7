// Status as a JavaScript error of Node's own shape: `code`, `errno` (negative), `syscall`, `path`. For binding.cc files
// only.
#ifndef ILUVATAR_SYSTEM_SYSTEM_ERROR_H_
#define ILUVATAR_SYSTEM_SYSTEM_ERROR_H_

#include <napi.h>
#include <uv.h>

#include "system/status.h"

namespace iluvatar::system {

inline Napi::Error SystemError(Napi::Env env, const Status& status) {
  const char* code = uv_err_name(-status.error);
  std::string message = std::string(code) + ": " + uv_strerror(-status.error) + ", " + status.syscall;
  if (!status.path.empty()) message += " '" + status.path + "'";
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  error.Set("errno", Napi::Number::New(env, -status.error));
  error.Set("syscall", Napi::String::New(env, status.syscall));
  if (!status.path.empty()) error.Set("path", Napi::String::New(env, status.path));
  return error;
}

inline void ThrowSystemError(Napi::Env env, const Status& status) {
  SystemError(env, status).ThrowAsJavaScriptException();
}

}  // namespace iluvatar::system

#endif  // ILUVATAR_SYSTEM_SYSTEM_ERROR_H_
