// What the programs that run as pid 1 have instead of a C library: its entry point, system calls, memory, and the few
// functions that the sources it shares with the launcher call. The C library's own start reads the processor's caches
// with cpuid, each of which traps in a virtual machine: half a millisecond, a tenth of a container's start.
//
// One thread, no thread-local storage: the two pieces of state here (errno, the allocator's) are plain variables.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <new>

#include "supervise/bare_memory.h"

extern "C" [[noreturn]] void BareMain(int argc, char** argv);

extern "C" [[noreturn, gnu::used]] void BareStart(long* stack) {
  BareMain(static_cast<int>(stack[0]), reinterpret_cast<char**>(stack + 1));
}

#if defined(__x86_64__)
asm(".globl _start\n_start:\n  xor %ebp, %ebp\n  mov %rsp, %rdi\n  and $-16, %rsp\n  call BareStart\n");
#elif defined(__aarch64__)
asm(".globl _start\n_start:\n  mov x29, xzr\n  mov x30, xzr\n  mov x0, sp\n  b BareStart\n");
#else
#error "the entry point is not written for this architecture"
#endif

namespace {

int error_number = 0;

long Call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
#if defined(__x86_64__)
  long result;
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
#else
  register long x8 asm("x8") = number;
  register long result asm("x0") = a;
  register long x1 asm("x1") = b;
  register long x2 asm("x2") = c;
  register long x3 asm("x3") = d;
  register long x4 asm("x4") = e;
  register long x5 asm("x5") = f;
  asm volatile("svc 0" : "+r"(result) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
#endif
  if (result < 0 && result > -4096) {
    error_number = static_cast<int>(-result);
    return -1;
  }
  return result;
}

long Pointer(const void* pointer) { return reinterpret_cast<long>(pointer); }

// The kernel's signal sets have 64 bits; the C library's are larger, with the same beginning.
constexpr size_t kSignalSetBytes = 8;

iluvatar::supervise::BareMemory memory;

}  // namespace

namespace iluvatar::supervise {

void* BareMemory::Map(size_t size) {
  constexpr long kReadWrite = 3;
  constexpr long kPrivateAnonymous = 0x22;
  const long at = Call(SYS_mmap, 0, static_cast<long>(size), kReadWrite, kPrivateAnonymous, -1, 0);
  // What else could be done without memory: the end of pid 1 ends the container, and the worker notices.
  if (at == -1) _exit(1);
  return reinterpret_cast<void*>(at);
}

void BareMemory::Unmap(void* at, size_t size) { Call(SYS_munmap, Pointer(at), static_cast<long>(size)); }

}  // namespace iluvatar::supervise

void* operator new(size_t size) { return memory.Take(size); }
void operator delete(void* at) noexcept { memory.Give(at); }
void operator delete(void* at, size_t) noexcept { memory.Give(at); }

// Exceptions are off in all of our code: what would throw is a defect, and ends the container.
namespace std {
void __throw_length_error(const char*) { _exit(1); }
void __throw_logic_error(const char*) { _exit(1); }
void __throw_bad_alloc() { _exit(1); }
void __throw_bad_array_new_length() { _exit(1); }
void __throw_out_of_range_fmt(const char*, ...) { _exit(1); }
}  // namespace std

extern "C" {

int* __errno_location() noexcept { return &error_number; }

void* memcpy(void* __restrict to, const void* __restrict from, size_t size) noexcept {
  auto* bytes = static_cast<char*>(to);
  const auto* source = static_cast<const char*>(from);
  for (size_t i = 0; i < size; ++i) bytes[i] = source[i];
  return to;
}

void* memmove(void* to, const void* from, size_t size) noexcept {
  auto* bytes = static_cast<char*>(to);
  const auto* source = static_cast<const char*>(from);
  if (bytes <= source) return memcpy(to, from, size);
  for (size_t i = size; i > 0; --i) bytes[i - 1] = source[i - 1];
  return to;
}

void* memset(void* to, int value, size_t size) noexcept {
  auto* bytes = static_cast<char*>(to);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(value);
  return to;
}

int memcmp(const void* one, const void* other, size_t size) noexcept {
  const auto* a = static_cast<const unsigned char*>(one);
  const auto* b = static_cast<const unsigned char*>(other);
  for (size_t i = 0; i < size; ++i) {
    if (a[i] != b[i]) return a[i] - b[i];
  }
  return 0;
}

const void* memchr(const void* in, int value, size_t size) noexcept {
  const auto* bytes = static_cast<const unsigned char*>(in);
  for (size_t i = 0; i < size; ++i) {
    if (bytes[i] == static_cast<unsigned char>(value)) return bytes + i;
  }
  return nullptr;
}

size_t strlen(const char* text) noexcept {
  size_t length = 0;
  while (text[length] != '\0') ++length;
  return length;
}

char* strcpy(char* __restrict to, const char* __restrict from) noexcept {
  memcpy(to, from, strlen(from) + 1);
  return to;
}

// What setting up a container is refused with; for the rest the number has to do, which goes to the worker beside it.
char* strerror(int error) noexcept {
  static constexpr struct {
    int error;
    const char* text;
  } kTexts[] = {{EPERM, "Operation not permitted"},
                {ENOENT, "No such file or directory"},
                {EIO, "Input/output error"},
                {ENOMEM, "Cannot allocate memory"},
                {EACCES, "Permission denied"},
                {EBUSY, "Device or resource busy"},
                {EEXIST, "File exists"},
                {ENODEV, "No such device"},
                {ENOTDIR, "Not a directory"},
                {EINVAL, "Invalid argument"},
                {ENFILE, "Too many open files in system"},
                {EMFILE, "Too many open files"},
                {ENOSPC, "No space left on device"},
                {EROFS, "Read-only file system"},
                {EPIPE, "Broken pipe"},
                {ENAMETOOLONG, "File name too long"},
                {ENOSYS, "Function not implemented"},
                {ELOOP, "Too many levels of symbolic links"},
                {EPROTO, "Protocol error"},
                {ECONNRESET, "Connection reset by peer"},
                {EALREADY, "Operation already in progress"}};
  for (const auto& known : kTexts) {
    if (known.error == error) return const_cast<char*>(known.text);
  }
  return const_cast<char*>("Unknown error");
}

[[noreturn]] void _exit(int status) {
  for (;;) Call(SYS_exit_group, status);
}

ssize_t read(int fd, void* to, size_t size) { return Call(SYS_read, fd, Pointer(to), static_cast<long>(size)); }
ssize_t write(int fd, const void* from, size_t size) {
  return Call(SYS_write, fd, Pointer(from), static_cast<long>(size));
}
int close(int fd) { return static_cast<int>(Call(SYS_close, fd)); }

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const int mode = (flags & O_CREAT) != 0 ? va_arg(arguments, int) : 0;
  va_end(arguments);
  return static_cast<int>(Call(SYS_openat, AT_FDCWD, Pointer(path), flags, mode));
}

int fcntl(int fd, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  const long argument = va_arg(arguments, long);
  va_end(arguments);
  return static_cast<int>(Call(SYS_fcntl, fd, command, argument));
}

int ioctl(int fd, unsigned long command, ...) noexcept {
  va_list arguments;
  va_start(arguments, command);
  const long argument = va_arg(arguments, long);
  va_end(arguments);
  return static_cast<int>(Call(SYS_ioctl, fd, static_cast<long>(command), argument));
}

int prctl(int option, ...) noexcept {
  va_list arguments;
  va_start(arguments, option);
  long a[4];
  for (long& argument : a) argument = va_arg(arguments, long);
  va_end(arguments);
  // Callers pass plain ints, of which only the lower half is sure.
  return static_cast<int>(Call(SYS_prctl, option, static_cast<int>(a[0]), static_cast<int>(a[1]),
                               static_cast<int>(a[2]), static_cast<int>(a[3])));
}

long syscall(long number, ...) noexcept {
  va_list arguments;
  va_start(arguments, number);
  long a[6];
  for (long& argument : a) argument = va_arg(arguments, long);
  va_end(arguments);
  return Call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int poll(struct pollfd* fds, nfds_t count, int timeout_ms) {
  struct timespec limit = {timeout_ms / 1000, timeout_ms % 1000 * 1'000'000L};
  return static_cast<int>(Call(SYS_ppoll, Pointer(fds), static_cast<long>(count),
                               Pointer(timeout_ms < 0 ? nullptr : &limit), 0, kSignalSetBytes));
}

int socket(int family, int type, int protocol) noexcept {
  return static_cast<int>(Call(SYS_socket, family, type, protocol));
}
ssize_t send(int fd, const void* from, size_t size, int flags) {
  return Call(SYS_sendto, fd, Pointer(from), static_cast<long>(size), flags);
}
ssize_t recv(int fd, void* to, size_t size, int flags) {
  return Call(SYS_recvfrom, fd, Pointer(to), static_cast<long>(size), flags);
}
int shutdown(int fd, int how) noexcept { return static_cast<int>(Call(SYS_shutdown, fd, how)); }
int setsockopt(int fd, int level, int option, const void* value, socklen_t size) noexcept {
  return static_cast<int>(Call(SYS_setsockopt, fd, level, option, Pointer(value), size));
}

pid_t getpid() noexcept { return static_cast<pid_t>(Call(SYS_getpid)); }
int kill(pid_t pid, int signal_number) noexcept { return static_cast<int>(Call(SYS_kill, pid, signal_number)); }
pid_t waitpid(pid_t pid, int* status, int options) {
  return static_cast<pid_t>(Call(SYS_wait4, pid, Pointer(status), options));
}

int sigemptyset(sigset_t* set) noexcept {
  memset(set, 0, sizeof *set);
  return 0;
}
int sigaddset(sigset_t* set, int number) noexcept {
  *reinterpret_cast<uint64_t*>(set) |= uint64_t{1} << (number - 1);
  return 0;
}
int sigprocmask(int how, const sigset_t* set, sigset_t* old) noexcept {
  return static_cast<int>(Call(SYS_rt_sigprocmask, how, Pointer(set), Pointer(old), kSignalSetBytes));
}
int signalfd(int fd, const sigset_t* set, int flags) noexcept {
  return static_cast<int>(Call(SYS_signalfd4, fd, Pointer(set), kSignalSetBytes, flags));
}

int prlimit(pid_t pid, __rlimit_resource resource, const struct rlimit* limit, struct rlimit* old) noexcept {
  return static_cast<int>(Call(SYS_prlimit64, pid, resource, Pointer(limit), Pointer(old)));
}

int mount(const char* source, const char* target, const char* type, unsigned long flags, const void* data) noexcept {
  return static_cast<int>(
      Call(SYS_mount, Pointer(source), Pointer(target), Pointer(type), static_cast<long>(flags), Pointer(data)));
}
int mkdir(const char* path, mode_t mode) noexcept {
  return static_cast<int>(Call(SYS_mkdirat, AT_FDCWD, Pointer(path), mode));
}
int symlink(const char* target, const char* path) noexcept {
  return static_cast<int>(Call(SYS_symlinkat, Pointer(target), AT_FDCWD, Pointer(path)));
}
int stat(const char* __restrict path, struct stat* __restrict info) noexcept {
  // The layouts agree on both architectures.
  return static_cast<int>(Call(SYS_newfstatat, AT_FDCWD, Pointer(path), Pointer(info), 0));
}

int clock_gettime(clockid_t clock, struct timespec* now) noexcept {
  return static_cast<int>(Call(SYS_clock_gettime, clock, Pointer(now)));
}

}  // extern "C"
