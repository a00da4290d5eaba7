// The C interface of cell_library.h over Spawner. The process has at most one spawner in use; the handle keeps it
// without a global.
#include "sandbox/cell_library.h"

#include <cstdio>
#include <new>

#include "sandbox/spawner.h"

struct iluvatar_spawner {
  iluvatar::sandbox::Spawner spawner;
};

extern "C" {

iluvatar_spawner* iluvatar_spawner_open(const char* config_json, char* error, size_t error_size) {
  auto* handle = new (std::nothrow) iluvatar_spawner;
  const std::string failure = handle == nullptr ? "out of memory" : handle->spawner.Open(config_json);
  if (failure.empty()) return handle;
  if (error != nullptr && error_size > 0) std::snprintf(error, error_size, "%s", failure.c_str());
  delete handle;
  return nullptr;
}

int iluvatar_spawner_ready(iluvatar_spawner* spawner, const char* failure) { return spawner->spawner.Ready(failure); }

int iluvatar_spawner_next(iluvatar_spawner* spawner) { return spawner->spawner.Next(); }

int iluvatar_spawn(iluvatar_spawner* spawner) { return spawner->spawner.Spawn(); }

const char* iluvatar_spawner_meta(const iluvatar_spawner* spawner) { return spawner->spawner.meta().c_str(); }

const char* iluvatar_spawner_store(const iluvatar_spawner* spawner) { return spawner->spawner.store(); }

}  // extern "C"
