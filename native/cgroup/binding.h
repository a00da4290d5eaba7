// Module `cgroup` of the addon: NativeCgroup of src/native.ts.
#ifndef ILUVATAR_CGROUP_BINDING_H_
#define ILUVATAR_CGROUP_BINDING_H_

#include <napi.h>

Napi::Object InitCgroup(Napi::Env env);

#endif  // ILUVATAR_CGROUP_BINDING_H_
