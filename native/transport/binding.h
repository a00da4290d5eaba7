// The transport module of the addon: NativeTransport of src/native.ts.
#ifndef ILUVATAR_TRANSPORT_BINDING_H_
#define ILUVATAR_TRANSPORT_BINDING_H_

#include <napi.h>

// `{ create(options) }`.
Napi::Object InitTransport(Napi::Env env);

#endif  // ILUVATAR_TRANSPORT_BINDING_H_
