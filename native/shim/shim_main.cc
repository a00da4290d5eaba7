// containerd-shim-iluvatar-v1: a containerd shim (runtime v2) that makes containers itself, many in one process.
// docs/containerd-shim.md.
//   -namespace NS -id ID [-address A] [-publish-binary B] [-bundle DIR] [-debug] start | delete     by containerd
//   -namespace NS -socket PATH serve                                                                by `start`
//   -v | -info
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "shim/actions.h"
#include "shim/daemon.h"
#include "shim/protobuf.h"

namespace {

using iluvatar::shim::Arguments;

// Go's flags: one dash or two, the value apart or after "=".
bool Parse(int argc, char** argv, Arguments* arguments) {
  std::string ignored;
  const struct {
    const char* name;
    std::string* value;
  } flags[] = {{"namespace", &arguments->name_space}, {"id", &arguments->id}, {"bundle", &arguments->bundle},
               {"socket", &arguments->socket},        {"address", &ignored},  {"publish-binary", &ignored}};
  for (int i = 1; i < argc; ++i) {
    std::string text = argv[i];
    if (text[0] != '-') {
      arguments->action = text;
      continue;
    }
    text.erase(0, text.compare(0, 2, "--") == 0 ? 2 : 1);
    if (text == "v") arguments->version = true;
    if (text == "info") arguments->info = true;
    if (text == "v" || text == "info" || text == "debug") continue;
    const size_t equals = text.find('=');
    const std::string name = text.substr(0, equals);
    std::string* value = nullptr;
    for (const auto& flag : flags) {
      if (name == flag.name) value = flag.value;
    }
    if (value == nullptr || (equals == std::string::npos && i + 1 == argc)) return false;
    *value = equals != std::string::npos ? text.substr(equals + 1) : argv[++i];
  }
  return arguments->version || arguments->info || !arguments->action.empty();
}

std::string Serve(const Arguments& arguments) {
  const char* events = std::getenv("TTRPC_ADDRESS");
  const auto status =
      iluvatar::shim::RunDaemon(arguments.socket, events == nullptr ? "" : events, arguments.name_space);
  return status.ok() ? std::string() : std::string(status.syscall) + ": " + std::strerror(status.error);
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (!Parse(argc, argv, &arguments)) {
    std::fprintf(stderr, "usage: containerd-shim-iluvatar-v1 -namespace NS -id ID start | delete, or -v, or -info\n");
    return 2;
  }
  if (arguments.version) {
    std::printf("%s:\n  Runtime: %s\n", argv[0], iluvatar::shim::kRuntimeName);
    return 0;
  }
  if (arguments.info) {
    // containerd.types.RuntimeInfo, which containerd 2.x asks for once.
    const std::string answer = iluvatar::shim::ProtoWriter().Bytes(1, iluvatar::shim::kRuntimeName).Take();
    return std::fwrite(answer.data(), 1, answer.size(), stdout) == answer.size() ? 0 : 1;
  }
  std::string error = "unknown action " + arguments.action;
  if (arguments.action == "start") error = StartAction(arguments);
  if (arguments.action == "delete") error = DeleteAction(arguments);
  if (arguments.action == "serve") error = Serve(arguments);
  if (error.empty()) return 0;
  std::fprintf(stderr, "containerd-shim-iluvatar-v1: %s\n", error.c_str());
  return 1;
}
