// See marks.h.
#include "keeper/marks.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <utility>

namespace iluvatar::keeper {
namespace {

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

}  // namespace

Status MakeMarks(size_t bytes, UniqueFd* fd) {
  if (bytes == 0 || bytes > kMaxMarkBytes) return {EINVAL, "memfd_create", {}};
  UniqueFd made(memfd_create("iluvatar-marks", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!made.valid()) return Status::Errno("memfd_create");
  if (ftruncate(made.get(), static_cast<off_t>(bytes)) != 0) return Status::Errno("ftruncate");
  if (fcntl(made.get(), F_ADD_SEALS, kSeals) != 0) return Status::Errno("fcntl");
  *fd = std::move(made);
  return Status::Ok();
}

Status MapMarks(int fd, uint8_t** data, size_t* bytes) {
  struct stat file = {};
  if (fstat(fd, &file) != 0) return Status::Errno("fstat");
  const int seals = fcntl(fd, F_GET_SEALS);
  if (seals < 0 || (seals & kSeals) != kSeals || file.st_size <= 0) return {EINVAL, "mmap", {}};
  const auto size = static_cast<size_t>(file.st_size);
  if (size > kMaxMarkBytes) return {EINVAL, "mmap", {}};
  void* mapped = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (mapped == MAP_FAILED) return Status::Errno("mmap");
  *data = static_cast<uint8_t*>(mapped);
  *bytes = size;
  return Status::Ok();
}

void UnmapMarks(uint8_t* data, size_t bytes) { munmap(data, bytes); }

}  // namespace iluvatar::keeper
