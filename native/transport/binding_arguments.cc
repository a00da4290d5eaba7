#include "transport/binding_arguments.h"

#include <uv.h>

namespace iluvatar::transport {

void AddMethod(napi_env env, napi_value object, const Method& method, TransportEnvironment* environment) {
  napi_value function = nullptr;
  napi_create_function(env, method.name, NAPI_AUTO_LENGTH, method.callback, environment, &function);
  napi_set_named_property(env, object, method.name, function);
}

void SetNumber(napi_env env, napi_value object, const char* name, double number) {
  napi_value value = nullptr;
  napi_create_double(env, number, &value);
  napi_set_named_property(env, object, name, value);
}

void SetText(napi_env env, napi_value object, const char* name, const std::string& text) {
  napi_value value = nullptr;
  napi_create_string_utf8(env, text.data(), text.size(), &value);
  napi_set_named_property(env, object, name, value);
}

uint64_t OptionNumber(napi_env env, napi_value options, const char* name) {
  napi_value value = nullptr;
  double number = 0;
  if (napi_get_named_property(env, options, name, &value) != napi_ok ||
      napi_get_value_double(env, value, &number) != napi_ok || !(number > 0)) {
    return 0;
  }
  return number < 9e15 ? static_cast<uint64_t>(number) : static_cast<uint64_t>(9e15);
}

napi_value ThrowSystemError(napi_env env, const Status& status, const std::string& path) {
  const std::string code = uv_err_name(-status.error);
  std::string text = code + ": " + uv_strerror(-status.error) + ", " + status.syscall;
  if (!path.empty()) text += " '" + path + "'";
  napi_value code_value = nullptr;
  napi_value message = nullptr;
  napi_value error = nullptr;
  napi_create_string_utf8(env, code.data(), code.size(), &code_value);
  napi_create_string_utf8(env, text.data(), text.size(), &message);
  napi_create_error(env, code_value, message, &error);
  SetNumber(env, error, "errno", -status.error);
  SetText(env, error, "syscall", status.syscall);
  if (!path.empty()) SetText(env, error, "path", path);
  napi_throw(env, error);
  return nullptr;
}

}  // namespace iluvatar::transport
