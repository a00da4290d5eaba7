// NativeTegrastats: argument and result conversion only. Nothing is made for JavaScript here but the reader: what it
// reads goes into two arrays of the caller's. Raw Node-API: `push` is called for each line of a board, and the C++
// wrapper of an array costs as much as to read the line.
#include "tegrastats/binding.h"

#include <algorithm>

#include "tegrastats/reader.h"

namespace {

using iluvatar::tegrastats::Reader;

struct ReaderObject {
  Reader reader;
  // They keep the memory alive that the reader writes to.
  Napi::Reference<Napi::Value> words;
  Napi::Reference<Napi::Value> text;
};

struct Array {
  void* data = nullptr;
  size_t length = 0;
};

// False when the value is no array of that type.
bool ReadArray(napi_env env, napi_value value, napi_typedarray_type wanted, Array* array) {
  napi_typedarray_type type = napi_int8_array;
  return napi_get_typedarray_info(env, value, &type, &array->length, &array->data, nullptr, nullptr) == napi_ok &&
         type == wanted;
}

napi_value Refuse(napi_env env, const char* message) {
  napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", message);
  return nullptr;
}

// nullptr with an exception pending: `this` is something else.
template <size_t kArguments>
ReaderObject* Self(napi_env env, napi_callback_info info, napi_value* arguments) {
  size_t count = kArguments;
  napi_value self = nullptr;
  void* object = nullptr;
  if (napi_get_cb_info(env, info, &count, arguments, &self, nullptr) == napi_ok &&
      napi_unwrap(env, self, &object) == napi_ok) {
    return static_cast<ReaderObject*>(object);
  }
  Refuse(env, "this is no reader");
  return nullptr;
}

napi_value Construct(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value arguments[2] = {};
  napi_value self = nullptr;
  Array words;
  Array text;
  if (napi_get_cb_info(env, info, &count, arguments, &self, nullptr) != napi_ok ||
      !ReadArray(env, arguments[0], napi_float64_array, &words) || words.length < Reader::kMinWords ||
      !ReadArray(env, arguments[1], napi_uint8_array, &text) || text.length < Reader::kMinText) {
    return Refuse(env, "a reader needs a Float64Array and a Uint8Array that are large enough");
  }
  auto* object = new ReaderObject{
      {static_cast<double*>(words.data), words.length, static_cast<char*>(text.data), text.length},
      Napi::Persistent(Napi::Value(env, arguments[0])),
      Napi::Persistent(Napi::Value(env, arguments[1])),
  };
  const auto destroy = [](napi_env, void* data, void*) { delete static_cast<ReaderObject*>(data); };
  if (napi_wrap(env, self, object, destroy, nullptr, nullptr) != napi_ok) {
    delete object;
    return Refuse(env, "a reader is made with new");
  }
  return self;
}

napi_value Push(napi_env env, napi_callback_info info) {
  napi_value arguments[2] = {};
  ReaderObject* object = Self<2>(env, info, arguments);
  if (object == nullptr) return nullptr;
  Array chunk;
  uint32_t from = 0;
  if (!ReadArray(env, arguments[0], napi_uint8_array, &chunk) ||
      napi_get_value_uint32(env, arguments[1], &from) != napi_ok) {
    return Refuse(env, "push needs bytes and a number");
  }
  const std::string_view bytes(static_cast<const char*>(chunk.data), chunk.length);
  const size_t taken = object->reader.Push(bytes.substr(std::min<size_t>(from, bytes.size())));
  napi_value result = nullptr;
  napi_create_double(env, static_cast<double>(taken), &result);
  return result;
}

napi_value End(napi_env env, napi_callback_info info) {
  ReaderObject* object = Self<0>(env, info, nullptr);
  if (object != nullptr) object->reader.End();
  return nullptr;
}

napi_value TooLong(napi_env env, napi_callback_info info) {
  ReaderObject* object = Self<0>(env, info, nullptr);
  if (object == nullptr) return nullptr;
  napi_value result = nullptr;
  napi_create_double(env, static_cast<double>(object->reader.too_long()), &result);
  return result;
}

}  // namespace

Napi::Object InitTegrastats(Napi::Env env) {
  const auto method = [](const char* name, napi_callback callback) {
    return napi_property_descriptor{name, nullptr, callback, nullptr, nullptr, nullptr, napi_default_method, nullptr};
  };
  const napi_property_descriptor methods[] = {method("push", Push), method("end", End), method("tooLong", TooLong)};
  napi_value reader = nullptr;
  napi_define_class(env, "TegrastatsReader", NAPI_AUTO_LENGTH, Construct, nullptr, std::size(methods), methods,
                    &reader);
  Napi::Object exports = Napi::Object::New(env);
  exports.Set("Reader", Napi::Value(env, reader));
  return exports;
}
