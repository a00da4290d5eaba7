// Module `system` of the addon: NativeSystem of src/native.ts.
#ifndef ILUVATAR_SYSTEM_BINDING_H_
#define ILUVATAR_SYSTEM_BINDING_H_

#include <napi.h>

Napi::Object InitSystem(Napi::Env env);

#endif  // ILUVATAR_SYSTEM_BINDING_H_
