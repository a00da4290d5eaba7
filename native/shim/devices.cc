// See devices.h.
#include "shim/devices.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace iluvatar::shim {

using sandbox::Step;

Step MakeDevices(int folder) {
  static constexpr struct {
    const char* name;
    unsigned major;
    unsigned minor;
  } kDevices[] = {{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};
  for (const auto& device : kDevices) {
    if (mknodat(folder, device.name, S_IFCHR | 0666, makedev(device.major, device.minor)) != 0) {
      return Step::Failed(std::string("make device ") + device.name);
    }
  }
  static constexpr struct {
    const char* target;
    const char* name;
  } kLinks[] = {{"/proc/self/fd", "fd"},
                {"/proc/self/fd/0", "stdin"},
                {"/proc/self/fd/1", "stdout"},
                {"/proc/self/fd/2", "stderr"},
                {"pts/ptmx", "ptmx"}};
  for (const auto& link : kLinks) {
    if (symlinkat(link.target, folder, link.name) != 0) return Step::Failed(std::string("make link ") + link.name);
  }
  return Step::Done();
}

}  // namespace iluvatar::shim
