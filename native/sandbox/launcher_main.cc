// iluvatar-launcher: the spawner of containers whose runtime is executed in them (Node, binaries).
//   iluvatar-launcher --config JSON   serves until the worker's connection ends (cell_library.h documents the
//   configuration) iluvatar-launcher --probe         prints what the machine allows, as JSON
#include <csignal>
#include <cstdio>
#include <cstring>

#include "sandbox/probe.h"
#include "sandbox/spawner.h"

namespace {

int Serve(const char* config) {
  iluvatar::sandbox::Spawner spawner;
  if (const std::string error = spawner.Open(config); !error.empty()) {
    std::fprintf(stderr, "iluvatar-launcher: %s\n", error.c_str());
    return 1;
  }
  if (const int ready = spawner.Ready(nullptr); ready < 0) {
    std::fprintf(stderr, "iluvatar-launcher: connect to the worker: %s\n", std::strerror(-ready));
    return 1;
  }
  for (;;) {
    const int request = spawner.Next();
    if (request == 0) return 0;
    if (request < 0) {
      std::fprintf(stderr, "iluvatar-launcher: connection to the worker: %s\n", std::strerror(-request));
      return 1;
    }
    if (request == 2) {
      spawner.RefuseZygote();
      continue;
    }
    // Failures were answered; the next request may work.
    spawner.Spawn();
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "--probe") == 0) {
    std::printf("%s\n", iluvatar::sandbox::ProbeSupport().c_str());
    return 0;
  }
  if (argc == 3 && std::strcmp(argv[1], "--config") == 0) {
    std::signal(SIGPIPE, SIG_IGN);
    return Serve(argv[2]);
  }
  std::fprintf(stderr, "usage: iluvatar-launcher --config JSON | --probe\n");
  return 2;
}
