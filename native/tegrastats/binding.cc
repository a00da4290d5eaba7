// NativeTegrastats: argument and result conversion only. Nothing is made for JavaScript here but the reader: what it
// reads goes into two arrays of the caller's.
#include "tegrastats/binding.h"

#include <optional>

#include "tegrastats/reader.h"

namespace {

using iluvatar::tegrastats::Reader;

class ReaderObject : public Napi::ObjectWrap<ReaderObject> {
 public:
  static Napi::Function Class(Napi::Env env) {
    return DefineClass(env, "TegrastatsReader",
                       {InstanceMethod<&ReaderObject::Push>("push"), InstanceMethod<&ReaderObject::End>("end"),
                        InstanceMethod<&ReaderObject::TooLong>("tooLong")});
  }

  explicit ReaderObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ReaderObject>(info) {
    if (!IsArray(info[0], napi_float64_array, Reader::kMinWords) ||
        !IsArray(info[1], napi_uint8_array, Reader::kMinText)) {
      Napi::TypeError::New(info.Env(), "a reader needs a Float64Array and a Uint8Array that are large enough")
          .ThrowAsJavaScriptException();
      return;
    }
    auto words = info[0].As<Napi::Float64Array>();
    auto text = info[1].As<Napi::Uint8Array>();
    words_ = Napi::Persistent(words);
    text_ = Napi::Persistent(text);
    reader_.emplace(words.Data(), words.ElementLength(), reinterpret_cast<char*>(text.Data()), text.ElementLength());
  }

 private:
  static bool IsArray(const Napi::Value& value, napi_typedarray_type type, size_t length) {
    if (!value.IsTypedArray()) return false;
    const auto array = value.As<Napi::TypedArray>();
    return array.TypedArrayType() == type && array.ElementLength() >= length;
  }

  Napi::Value Push(const Napi::CallbackInfo& info) {
    if (!reader_ || !info[0].IsTypedArray()) {
      Napi::TypeError::New(info.Env(), "push needs bytes").ThrowAsJavaScriptException();
      return info.Env().Undefined();
    }
    const Napi::Uint8Array chunk = info[0].As<Napi::Uint8Array>();
    const size_t size = chunk.ByteLength();
    const size_t from = info[1].As<Napi::Number>().Uint32Value();
    if (from >= size) return Napi::Number::New(info.Env(), static_cast<double>(reader_->Push({})));
    const char* bytes = reinterpret_cast<const char*>(chunk.Data()) + from;
    return Napi::Number::New(info.Env(), static_cast<double>(reader_->Push({bytes, size - from})));
  }

  void End(const Napi::CallbackInfo&) {
    if (reader_) reader_->End();
  }

  Napi::Value TooLong(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), reader_ ? static_cast<double>(reader_->too_long()) : 0);
  }

  // They keep the memory alive that the reader writes to.
  Napi::Reference<Napi::Float64Array> words_;
  Napi::Reference<Napi::Uint8Array> text_;
  std::optional<Reader> reader_;
};

}  // namespace

Napi::Object InitTegrastats(Napi::Env env) {
  Napi::Object exports = Napi::Object::New(env);
  exports.Set("Reader", ReaderObject::Class(env));
  return exports;
}
