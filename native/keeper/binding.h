// Module `keeper` of the addon: NativeKeeper of src/native.ts.
#ifndef ILUVATAR_KEEPER_BINDING_H_
#define ILUVATAR_KEEPER_BINDING_H_

#include <napi.h>

Napi::Object InitKeeper(Napi::Env env);

#endif  // ILUVATAR_KEEPER_BINDING_H_
