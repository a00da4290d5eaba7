// NativeNetlink: argument and result conversion, and the way to a thread that may block.
#include "netlink/binding.h"

#include <functional>
#include <memory>
#include <utility>

#include "netlink/networks.h"
#include "system/system_error.h"

namespace {

namespace netlink = iluvatar::netlink;
using iluvatar::system::Status;
using iluvatar::system::SystemError;
using Strings = std::vector<std::string>;

// `Result` is what `work` leaves for `convert` to make a JavaScript value of, on the thread of the caller.
template <typename Result>
class Work : public Napi::AsyncWorker {
 public:
  using Run = std::function<Status(Result*)>;
  using Convert = std::function<Napi::Value(Napi::Env, const Result&)>;

  static Napi::Value Start(Napi::Env env, Run run, Convert convert) {
    // Deletes itself when it has answered.
    auto* work = new Work(env, std::move(run), std::move(convert));
    const Napi::Promise promise = work->deferred_.Promise();
    work->Queue();
    return promise;
  }

 protected:
  void Execute() override { status_ = run_(&result_); }

  void OnOK() override {
    const Napi::HandleScope scope(Env());
    if (status_.ok()) {
      deferred_.Resolve(convert_(Env(), result_));
    } else {
      deferred_.Reject(SystemError(Env(), status_).Value());
    }
  }

 private:
  Work(Napi::Env env, Run run, Convert convert)
      : AsyncWorker(env, "iluvatar.netlink"), deferred_(env), run_(std::move(run)), convert_(std::move(convert)) {}

  Napi::Promise::Deferred deferred_;
  Run run_;
  Convert convert_;
  Result result_ = {};
  Status status_;
};

struct Nothing {};

Napi::Value Undefined(Napi::Env env, const Nothing&) { return env.Undefined(); }

Napi::Value Refuse(Napi::Env env, const Status& status) {
  iluvatar::system::ThrowSystemError(env, status);
  return env.Undefined();
}

std::string ToText(const Napi::Value& value) { return value.ToString(); }

Strings ToStrings(const Napi::Value& value) {
  const Napi::Array array = value.As<Napi::Array>();
  Strings strings;
  for (uint32_t i = 0; i < array.Length(); ++i) strings.push_back(ToText(array.Get(i)));
  return strings;
}

// "10.0.0.1/22"
Status ToAddress(const std::string& text, netlink::Address* address) {
  const size_t slash = text.find('/');
  int length = -1;
  if (slash != std::string::npos && text.size() - slash - 1 <= 2) length = std::atoi(text.c_str() + slash + 1);
  if (length < 1 || length > 32 || !netlink::ParseIp(std::string_view(text).substr(0, slash), &address->ip)) {
    return {EINVAL, "read address", text};
  }
  address->prefix_length = static_cast<uint8_t>(length);
  return Status::Ok();
}

Status ToMac(const std::string& text, netlink::Mac* mac) {
  return netlink::ParseMac(text, mac) ? Status::Ok() : Status{EINVAL, "read MAC", text};
}

Status ToLinkName(const std::string& text) {
  return netlink::IsLinkName(text) ? Status::Ok() : Status{EINVAL, "read link name", text};
}

Napi::Value CreateBridge(const Napi::CallbackInfo& info) {
  const std::string name = ToText(info[0]);
  netlink::Mac mac;
  netlink::Address address;
  if (Status status = ToLinkName(name); !status.ok()) return Refuse(info.Env(), status);
  if (Status status = ToMac(ToText(info[1]), &mac); !status.ok()) return Refuse(info.Env(), status);
  if (Status status = ToAddress(ToText(info[2]), &address); !status.ok()) return Refuse(info.Env(), status);
  return Work<Nothing>::Start(
      info.Env(), [=](Nothing*) { return netlink::CreateBridge(name, mac, address); }, &Undefined);
}

Status ToRequest(const Napi::Object& object, netlink::NamespaceRequest* request) {
  request->path = ToText(object.Get("path"));
  request->host_link = ToText(object.Get("hostLink"));
  request->link = ToText(object.Get("link"));
  request->isolated = object.Get("isolated").ToBoolean();
  for (const std::string& name : {request->host_link, request->link}) {
    if (Status status = ToLinkName(name); !status.ok()) return status;
  }
  if (Status status = ToMac(ToText(object.Get("mac")), &request->mac); !status.ok()) return status;
  if (Status status = ToMac(ToText(object.Get("gatewayMac")), &request->gateway_mac); !status.ok()) return status;
  if (Status status = ToAddress(ToText(object.Get("address")), &request->address); !status.ok()) return status;
  const std::string gateway = ToText(object.Get("gateway"));
  return netlink::ParseIp(gateway, &request->gateway) ? Status::Ok() : Status{EINVAL, "read address", gateway};
}

using Outcomes = std::vector<Status>;

// null for each that worked.
Napi::Value ToArray(Napi::Env env, const Outcomes& outcomes) {
  Napi::Array array = Napi::Array::New(env, outcomes.size());
  for (uint32_t i = 0; i < outcomes.size(); ++i) {
    array.Set(i, outcomes[i].ok() ? env.Null() : SystemError(env, outcomes[i]).Value());
  }
  return array;
}

Napi::Value CreateNamespaces(const Napi::CallbackInfo& info) {
  const std::string bridge = ToText(info[0]);
  const Napi::Array array = info[1].As<Napi::Array>();
  std::vector<netlink::NamespaceRequest> requests(array.Length());
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Status status = ToRequest(array.Get(i).As<Napi::Object>(), &requests[i]);
    if (!status.ok()) return Refuse(info.Env(), status);
  }
  return Work<Outcomes>::Start(
      info.Env(),
      [=](Outcomes* outcomes) {
        *outcomes = netlink::CreateNamespaces(bridge, requests);
        return Status::Ok();
      },
      &ToArray);
}

Napi::Value CreateBareNamespaces(const Napi::CallbackInfo& info) {
  const Strings paths = ToStrings(info[0]);
  return Work<Outcomes>::Start(
      info.Env(),
      [=](Outcomes* outcomes) {
        *outcomes = netlink::CreateBareNamespaces(paths);
        return Status::Ok();
      },
      &ToArray);
}

Napi::Value ForgetNeighbours(const Napi::CallbackInfo& info) {
  const std::string bridge = ToText(info[0]);
  std::vector<uint32_t> addresses;
  for (const std::string& text : ToStrings(info[1])) {
    if (!netlink::ParseIp(text, &addresses.emplace_back())) return Refuse(info.Env(), {EINVAL, "read address", text});
  }
  return Work<Nothing>::Start(
      info.Env(), [=](Nothing*) { return netlink::ForgetNeighbours(bridge, addresses); }, &Undefined);
}

Napi::Value RemoveNamespaces(const Napi::CallbackInfo& info) {
  const Strings paths = ToStrings(info[0]);
  const Strings links = ToStrings(info[1]);
  return Work<Nothing>::Start(
      info.Env(), [=](Nothing*) { return netlink::RemoveNamespaces(paths, links); }, &Undefined);
}

// As ToAddress reads them.
Napi::Array ToTexts(Napi::Env env, const std::vector<netlink::Address>& addresses) {
  Napi::Array array = Napi::Array::New(env, addresses.size());
  for (uint32_t i = 0; i < addresses.size(); ++i) {
    array.Set(i, Napi::String::New(env, netlink::FormatAddress(addresses[i])));
  }
  return array;
}

Napi::Value Links(const Napi::CallbackInfo& info) {
  using Links = std::vector<netlink::Link>;
  const std::string prefix = ToText(info[0]);
  return Work<Links>::Start(
      info.Env(),
      [=](Links* links) {
        netlink::RouteSocket socket;
        if (Status status = socket.Open(); !status.ok()) return status;
        if (Status status = netlink::ListLinks(&socket, prefix, links); !status.ok()) return status;
        return netlink::ListAddresses(&socket, links);
      },
      [](Napi::Env env, const Links& links) -> Napi::Value {
        Napi::Array array = Napi::Array::New(env, links.size());
        for (uint32_t i = 0; i < links.size(); ++i) {
          Napi::Object object = Napi::Object::New(env);
          object.Set("name", Napi::String::New(env, links[i].name));
          object.Set("kind", Napi::String::New(env, links[i].kind));
          object.Set("index", Napi::Number::New(env, links[i].index));
          object.Set("master", Napi::Number::New(env, links[i].master));
          object.Set("up", Napi::Boolean::New(env, links[i].up));
          object.Set("isolated", Napi::Boolean::New(env, links[i].isolated));
          object.Set("addresses", ToTexts(env, links[i].addresses));
          array.Set(i, object);
        }
        return array;
      });
}

Napi::Value DeleteLinks(const Napi::CallbackInfo& info) {
  const Strings names = ToStrings(info[0]);
  return Work<size_t>::Start(
      info.Env(), [=](size_t* deleted) { return netlink::DeleteLinks(names, deleted); },
      [](Napi::Env env, const size_t& deleted) -> Napi::Value {
        return Napi::Number::New(env, static_cast<double>(deleted));
      });
}

}  // namespace

Napi::Object InitNetlink(Napi::Env env) {
  Napi::Object exports = Napi::Object::New(env);
  exports.Set("createBridge", Napi::Function::New<CreateBridge>(env, "createBridge"));
  exports.Set("createNamespaces", Napi::Function::New<CreateNamespaces>(env, "createNamespaces"));
  exports.Set("createBareNamespaces", Napi::Function::New<CreateBareNamespaces>(env, "createBareNamespaces"));
  exports.Set("forgetNeighbours", Napi::Function::New<ForgetNeighbours>(env, "forgetNeighbours"));
  exports.Set("removeNamespaces", Napi::Function::New<RemoveNamespaces>(env, "removeNamespaces"));
  exports.Set("links", Napi::Function::New<Links>(env, "links"));
  exports.Set("deleteLinks", Napi::Function::New<DeleteLinks>(env, "deleteLinks"));
  return exports;
}
