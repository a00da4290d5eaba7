// See client.h.
#include "keeper/client.h"

#include <cerrno>
#include <new>
#include <utility>

namespace iluvatar::keeper {
namespace {

// Messages of one wake-up, before the loop has its turn.
constexpr int kBatch = 256;

napi_value TextOf(napi_env env, std::string_view text) {
  napi_value value = nullptr;
  napi_create_string_utf8(env, text.data(), text.size(), &value);
  return value;
}

// The descriptors become JavaScript's.
napi_value ToArray(napi_env env, std::vector<HeldItem>* items) {
  napi_value array = nullptr;
  napi_create_array_with_length(env, items->size(), &array);
  for (uint32_t i = 0; i < items->size(); i++) {
    napi_handle_scope scope = nullptr;
    if (napi_open_handle_scope(env, &scope) != napi_ok) break;
    HeldItem& item = (*items)[i];
    napi_value object = nullptr;
    napi_value fds = nullptr;
    napi_create_object(env, &object);
    napi_create_array_with_length(env, item.descriptors.size(), &fds);
    napi_set_named_property(env, object, "key", TextOf(env, item.key));
    napi_set_named_property(env, object, "text", TextOf(env, item.text));
    for (uint32_t n = 0; n < item.descriptors.size(); n++) {
      napi_value fd = nullptr;
      napi_create_int32(env, item.descriptors[n].get(), &fd);
      if (napi_set_element(env, fds, n, fd) == napi_ok) (void)item.descriptors[n].release();
    }
    napi_set_named_property(env, object, "fds", fds);
    napi_set_element(env, array, i, object);
    napi_close_handle_scope(env, scope);
  }
  return array;
}

}  // namespace

Client* Client::Create(napi_env env, UniqueFd fd, napi_value receiver) {
  uv_loop_t* loop = nullptr;
  std::unique_ptr<Client, void (*)(Client*)> made(new (std::nothrow) Client(env), [](Client* each) { delete each; });
  // The hook before the handle: with a handle open and no hook, the end of the environment would abort the process.
  const bool ready = made && napi_get_uv_event_loop(env, &loop) == napi_ok &&
                     napi_create_reference(env, receiver, 1, &made->receiver_) == napi_ok &&
                     napi_async_init(env, receiver, TextOf(env, "IluvatarKeeper"), &made->context_) == napi_ok &&
                     napi_add_async_cleanup_hook(env, OnEnvironmentEnd, made.get(), &made->hook_) == napi_ok;
  if (!ready || uv_poll_init(loop, &made->poll_, fd.get()) != 0) {
    if (made && made->hook_ != nullptr) napi_remove_async_cleanup_hook(made->hook_);
    if (made && made->receiver_ != nullptr) napi_delete_reference(env, made->receiver_);
    napi_throw_error(env, "ERR_KEEPER", "the connection to the keeper cannot be watched");
    return nullptr;
  }
  made->fd_ = std::move(fd);
  made->open_ = true;
  made->poll_.data = made.get();
  uv_poll_start(&made->poll_, UV_READABLE, OnReady);
  // What is held does not keep a process alive that has nothing else to do.
  uv_unref(reinterpret_cast<uv_handle_t*>(&made->poll_));
  return made.release();
}

int Client::Say(const Message& message, std::span<const int> descriptors) {
  return open_ ? Send(fd_.get(), message, descriptors) : EPIPE;
}

int Client::List() {
  const int error = Say({Type::kList, {}, {}, 0}, {});
  if (error == 0 && lists_++ == 0) uv_ref(reinterpret_cast<uv_handle_t*>(&poll_));
  return error;
}

void Client::Close() {
  if (!open_) return;
  open_ = false;
  uv_close(reinterpret_cast<uv_handle_t*>(&poll_), [](uv_handle_t* handle) {
    Client* self = static_cast<Client*>(handle->data);
    self->handle_closed_ = true;
    // Only the hook may end this object: before, JavaScript can still call its functions.
    if (!self->environment_ends_) return;
    napi_remove_async_cleanup_hook(self->hook_);
    delete self;
  });
  fd_.reset();
  items_.clear();
  napi_delete_reference(env_, std::exchange(receiver_, nullptr));
}

void Client::OnEnvironmentEnd(napi_async_cleanup_hook_handle hook, void* data) {
  Client* self = static_cast<Client*>(data);
  self->environment_ends_ = true;
  self->Close();
  if (!self->handle_closed_) return;
  napi_remove_async_cleanup_hook(hook);
  delete self;
}

void Client::OnReady(uv_poll_t* handle, int /*status*/, int /*events*/) {
  // A status other than 0 is an error that reading tells, too.
  static_cast<Client*>(handle->data)->Read();
}

void Client::Read() {
  napi_handle_scope scope = nullptr;
  if (napi_open_handle_scope(env_, &scope) != napi_ok) return;
  // Whoever is told something may close this.
  for (int i = 0; i < kBatch && open_; i++) {
    const Receipt receipt = Receive(fd_.get(), received_.get());
    if (receipt == Receipt::kNothing) break;
    if (receipt == Receipt::kMessage) {
      Take();
    } else if (receipt == Receipt::kEnd) {
      End(errno == 0 ? nullptr : uv_err_name(-errno));
    } else {
      End("EBADMSG");
    }
  }
  napi_close_handle_scope(env_, scope);
}

void Client::Take() {
  const Message& message = received_->message;
  if (received_->descriptors_lost) return End("EMFILE");
  if (message.type == Type::kFull) return Tell("onFull", TextOf(env_, message.key));
  if (message.type == Type::kItem && lists_ > 0) {
    HeldItem& item = items_.emplace_back();
    item.key = message.key;
    item.text = message.text;
    item.descriptors.reserve(message.descriptors);
    for (size_t i = 0; i < message.descriptors; i++) item.descriptors.push_back(std::move(received_->descriptors[i]));
    return;
  }
  if (message.type != Type::kEnd || lists_ == 0) return End("EBADMSG");
  if (--lists_ == 0) uv_unref(reinterpret_cast<uv_handle_t*>(&poll_));
  std::vector<HeldItem> items = std::exchange(items_, {});
  Tell("onListed", ToArray(env_, &items));
}

void Client::End(const char* code) {
  napi_value value = nullptr;
  if (code == nullptr) {
    napi_get_null(env_, &value);
  } else {
    value = TextOf(env_, code);
  }
  // Before the method is called: it may open another, and this one is over for it.
  napi_value receiver = nullptr;
  napi_get_reference_value(env_, receiver_, &receiver);
  Close();
  Call(receiver, "onEnd", value);
}

void Client::Tell(const char* method, napi_value argument) {
  napi_value receiver = nullptr;
  napi_get_reference_value(env_, receiver_, &receiver);
  Call(receiver, method, argument);
}

void Client::Call(napi_value receiver, const char* method, napi_value argument) {
  napi_value function = nullptr;
  if (napi_get_named_property(env_, receiver, method, &function) != napi_ok) return;
  if (napi_make_callback(env_, context_, receiver, function, 1, &argument, nullptr) != napi_pending_exception) return;
  // An exception of the receiver belongs to its environment (uncaughtException); swallowing it would hide a defect. A
  // terminated worker thread has nothing to take: then this is a no-op.
  napi_value error = nullptr;
  bool pending = false;
  if (napi_is_exception_pending(env_, &pending) == napi_ok && pending &&
      napi_get_and_clear_last_exception(env_, &error) == napi_ok && error != nullptr) {
    napi_fatal_exception(env_, error);
  }
}

}  // namespace iluvatar::keeper
