// Arguments and results of the transport's Node-API functions: read without checks beyond memory safety, since
// src/transport checks them.
#ifndef ILUVATAR_TRANSPORT_BINDING_ARGUMENTS_H_
#define ILUVATAR_TRANSPORT_BINDING_ARGUMENTS_H_

#include <node_api.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "transport/environment.h"

namespace iluvatar::transport {

// A string or bytes of JavaScript, measured but not copied yet.
struct Bytes {
  napi_value text = nullptr;
  const void* data = nullptr;
  size_t size = 0;

  // One byte behind the end must be writable.
  void CopyTo(napi_env env, uint8_t* target) const {
    if (text != nullptr) {
      napi_get_value_string_utf8(env, text, reinterpret_cast<char*>(target), size + 1, nullptr);
    } else if (size > 0) {
      std::memcpy(target, data, size);
    }
  }
};

template <size_t kArguments>
class Call {
 public:
  Call(napi_env env, napi_callback_info info) : env_(env) {
    size_t count = kArguments;
    void* data = nullptr;
    napi_get_cb_info(env, info, &count, arguments_, nullptr, &data);
    environment_ = static_cast<TransportEnvironment*>(data);
  }

  napi_env env() const { return env_; }
  TransportEnvironment* environment() const { return environment_; }
  EventLoop& loop() const { return environment_->loop(); }

  // False with an exception pending: the transport was destroyed.
  bool live() const {
    if (!environment_->destroyed()) return true;
    napi_throw_error(env_, "ERR_TRANSPORT_DESTROYED", "the transport was destroyed");
    return false;
  }

  uint32_t Number(size_t index) const {
    uint32_t value = 0;
    napi_get_value_uint32(env_, arguments_[index], &value);
    return value;
  }

  // Bytes, of which there may be more than a u32 holds; Infinity is UINT64_MAX.
  uint64_t Size(size_t index) const {
    double value = 0;
    napi_get_value_double(env_, arguments_[index], &value);
    if (!(value > 0)) return 0;
    return value < 9e15 ? static_cast<uint64_t>(value) : UINT64_MAX;
  }

  bool Flag(size_t index) const {
    bool value = false;
    napi_get_value_bool(env_, arguments_[index], &value);
    return value;
  }

  std::string Text(size_t index) const {
    size_t size = 0;
    napi_get_value_string_utf8(env_, arguments_[index], nullptr, 0, &size);
    std::string text(size, '\0');
    napi_get_value_string_utf8(env_, arguments_[index], text.data(), size + 1, nullptr);
    return text;
  }

  // Valid until the next call of this or another function; empty for null.
  std::string_view BorrowText(size_t index) const {
    size_t size = 0;
    if (napi_get_value_string_utf8(env_, arguments_[index], nullptr, 0, &size) != napi_ok) return {};
    std::vector<char>& text = environment_->text();
    if (text.size() < size + 1) text.resize(size + 1);
    napi_get_value_string_utf8(env_, arguments_[index], text.data(), size + 1, nullptr);
    return {text.data(), size};
  }

  // A string, a Uint8Array or null (empty).
  Bytes Measure(size_t index) const {
    Bytes bytes;
    napi_valuetype kind = napi_null;
    napi_typeof(env_, arguments_[index], &kind);
    if (kind == napi_string) {
      bytes.text = arguments_[index];
      napi_get_value_string_utf8(env_, bytes.text, nullptr, 0, &bytes.size);
    } else if (kind == napi_object) {
      napi_typedarray_type type;
      size_t length = 0;
      void* data = nullptr;
      // Anything but bytes is an empty body rather than memory that is read by a wrong length.
      if (napi_get_typedarray_info(env_, arguments_[index], &type, &length, &data, nullptr, nullptr) == napi_ok &&
          type == napi_uint8_array) {
        bytes.data = data;
        bytes.size = length;
      }
    }
    return bytes;
  }

 private:
  napi_env env_;
  napi_value arguments_[kArguments];
  TransportEnvironment* environment_ = nullptr;
};

inline napi_value MakeNumber(napi_env env, uint32_t number) {
  napi_value value = nullptr;
  napi_create_uint32(env, number, &value);
  return value;
}

inline napi_value MakeBoolean(napi_env env, bool boolean) {
  napi_value value = nullptr;
  napi_get_boolean(env, boolean, &value);
  return value;
}

struct Method {
  const char* name;
  napi_callback callback;
};
void AddMethod(napi_env env, napi_value object, const Method& method, TransportEnvironment* environment);

void SetNumber(napi_env env, napi_value object, const char* name, double number);
void SetText(napi_env env, napi_value object, const char* name, const std::string& text);
// 0 when it is not a positive number.
uint64_t OptionNumber(napi_env env, napi_value options, const char* name);
// As Node's own system errors: code, errno, syscall, and path unless empty. Returns nullptr.
napi_value ThrowSystemError(napi_env env, const Status& status, const std::string& path);

}  // namespace iluvatar::transport

#endif  // ILUVATAR_TRANSPORT_BINDING_ARGUMENTS_H_
