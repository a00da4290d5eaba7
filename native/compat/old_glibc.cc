// What the static libraries of a newer compiler ask a C library for that an older one does not have: linked into what
// is built for a JetPack with glibc 2.31 (scripts/build-arm64.mjs), and into nothing else. Hidden: nobody but the
// library they are linked into sees them.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

#if !defined(__aarch64__)
#error "the kernel's struct stat is that of the C library on 64-bit ARM; elsewhere it may not be"
#endif

extern "C" {

// 2.36. A random device that has no randomness must not go on.
uint32_t arc4random() noexcept {
  uint32_t value = 0;
  while (getrandom(&value, sizeof value, 0) != static_cast<ssize_t>(sizeof value)) {
    if (errno != EINTR) abort();
  }
  return value;
}

// 2.35. "Not found" ends the search for who catches an exception: nothing here does, and one that is thrown ends the
// process either way.
int _dl_find_object(void*, struct dl_find_object*) noexcept { return -1; }

// 2.32. With it some counters save an atomic operation while there is one thread: there never is.
char __libc_single_threaded = 0;

// 2.33; before, they were inline functions.
int fstat64(int fd, struct stat64* status) noexcept { return static_cast<int>(syscall(SYS_fstat, fd, status)); }
int stat64(const char* path, struct stat64* status) noexcept {
  return static_cast<int>(syscall(SYS_newfstatat, AT_FDCWD, path, status, 0));
}
int lstat64(const char* path, struct stat64* status) noexcept {
  return static_cast<int>(syscall(SYS_newfstatat, AT_FDCWD, path, status, AT_SYMLINK_NOFOLLOW));
}
int mknod(const char* path, mode_t mode, dev_t device) noexcept {
  return static_cast<int>(syscall(SYS_mknodat, AT_FDCWD, path, mode, static_cast<unsigned>(device)));
}
}
