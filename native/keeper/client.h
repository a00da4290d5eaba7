// One connection to a keeper inside one JavaScript environment. What the keeper says is read on the environment's loop
// and given to a receiver; sending never waits.
//
// Life: closed by Close, by the keeper's end, or by the environment's cleanup hook, also when a worker thread is
// terminated; deleted only by that hook, since JavaScript may hold its functions until then.
#ifndef ILUVATAR_KEEPER_CLIENT_H_
#define ILUVATAR_KEEPER_CLIENT_H_

#include <node_api.h>
#include <uv.h>

#include <memory>
#include <string>
#include <vector>

#include "keeper/protocol.h"
#include "system/status.h"

namespace iluvatar::keeper {

using system::Status;

struct HeldItem {
  std::string key;
  std::string text;
  std::vector<UniqueFd> descriptors;
};

class Client {
 public:
  // `receiver` has the methods onFull(key), onListed(items) and onEnd(code or null), called from the loop. nullptr with
  // an exception pending.
  static Client* Create(napi_env env, UniqueFd fd, napi_value receiver);

  // As Send of protocol.h; EPIPE once it is closed.
  int Say(const Message& message, std::span<const int> descriptors);
  // LIST; the loop stays alive until it is answered.
  int List();
  // Nothing is received any more. Idempotent.
  void Close();

 private:
  explicit Client(napi_env env) : env_(env), received_(new Received()) {}
  ~Client() = default;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  static void OnReady(uv_poll_t* handle, int status, int events);
  static void OnEnvironmentEnd(napi_async_cleanup_hook_handle hook, void* data);
  void Read();
  // An item, or the end of a list, or a refusal.
  void Take();
  void End(const char* code);
  void Tell(const char* method, napi_value argument);
  void Call(napi_value receiver, const char* method, napi_value argument);

  const napi_env env_;
  const std::unique_ptr<Received> received_;
  UniqueFd fd_;
  uv_poll_t poll_ = {};
  napi_ref receiver_ = nullptr;
  napi_async_context context_ = nullptr;
  napi_async_cleanup_hook_handle hook_ = nullptr;
  std::vector<HeldItem> items_;
  // Asked for and not yet answered.
  int lists_ = 0;
  bool open_ = false;
  bool handle_closed_ = false;
  bool environment_ends_ = false;
};

}  // namespace iluvatar::keeper

#endif  // ILUVATAR_KEEPER_CLIENT_H_
