// The transport's Node-API functions for connections that speak HTTP/2, and for payloads that are read and answered
// where they lie; in the order of NativeTransport in src/native.ts.
#ifndef ILUVATAR_TRANSPORT_BINDING_HTTP2_H_
#define ILUVATAR_TRANSPORT_BINDING_HTTP2_H_

#include <node_api.h>

#include "transport/environment.h"

namespace iluvatar::transport {

void AddHttp2Methods(napi_env env, napi_value object, TransportEnvironment* environment);

}  // namespace iluvatar::transport

#endif  // ILUVATAR_TRANSPORT_BINDING_HTTP2_H_
