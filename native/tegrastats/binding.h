// Module `tegrastats` of the addon: NativeTegrastats of src/native.ts.
#ifndef ILUVATAR_TEGRASTATS_BINDING_H_
#define ILUVATAR_TEGRASTATS_BINDING_H_

#include <napi.h>

Napi::Object InitTegrastats(Napi::Env env);

#endif  // ILUVATAR_TEGRASTATS_BINDING_H_
