// Module `netlink` of the addon: NativeNetlink of src/native.ts.
#ifndef ILUVATAR_NETLINK_BINDING_H_
#define ILUVATAR_NETLINK_BINDING_H_

#include <napi.h>

Napi::Object InitNetlink(Napi::Env env);

#endif  // ILUVATAR_NETLINK_BINDING_H_
