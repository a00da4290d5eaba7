// What Python has no function for: `raw calls` tries system calls and prints "name: refusal" for each (0 = it worked), `raw identity FILE` says whose rights it has and
// whether it reads FILE, `raw forks N` forks until it may not, at most N times, `raw daemon` leaves a process that outlives its parents.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static void Say(const char* name, long result) { printf("%s: %s\n", name, result < 0 ? strerrorname_np(errno) : "0"); }

static void Mounts(void) {
  Say("mount a tmpfs", mount("tmpfs", "/tmp", "tmpfs", 0, ""));
  Say("mount proc", mount("proc", "/tmp", "proc", 0, ""));
  Say("mount a cgroup hierarchy", mount("none", "/tmp", "cgroup", 0, "memory"));
  Say("mount cgroup2", mount("none", "/tmp", "cgroup2", 0, ""));
  Say("bind a folder", mount("/usr", "/tmp", NULL, MS_BIND, NULL));
  Say("make the root writable", mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL));
  Say("unmount /proc", umount2("/proc", MNT_DETACH));
  Say("pivot_root", syscall(SYS_pivot_root, "/tmp", "/tmp"));
  Say("chroot", chroot("/tmp"));
  Say("open_tree", syscall(428, AT_FDCWD, "/", 1));
  Say("move_mount", syscall(429, AT_FDCWD, "/usr", AT_FDCWD, "/tmp", 0));
  Say("fsopen", syscall(430, "tmpfs", 0));
  uint64_t attributes[4] = {0, 1, 0, 0};
  Say("mount_setattr", syscall(442, AT_FDCWD, "/", 0, attributes, sizeof attributes));
  Say("swapon", syscall(SYS_swapon, "/tmp/swap", 0));
  Say("quotactl", syscall(SYS_quotactl, 0x800001, "/dev/vda", 0, NULL));
}

static void Namespaces(void) {
  static const struct {
    const char* name;
    unsigned long flag;
  } kinds[] = {{"user", CLONE_NEWUSER}, {"mount", CLONE_NEWNS}, {"pid", CLONE_NEWPID},       {"network", CLONE_NEWNET},
               {"ipc", CLONE_NEWIPC},   {"uts", CLONE_NEWUTS},  {"cgroup", CLONE_NEWCGROUP}, {"time", 0x80}};
  char name[64];
  for (size_t i = 0; i < COUNT(kinds); ++i) {
    snprintf(name, sizeof name, "unshare the %s namespace", kinds[i].name);
    Say(name, unshare((int)kinds[i].flag));
    snprintf(name, sizeof name, "clone into a new %s namespace", kinds[i].name);
    // Of "time" the flag is in the signal's byte: clone has it only as unshare.
    const long pid = syscall(SYS_clone, kinds[i].flag | (kinds[i].flag == 0x80 ? 0 : SIGCHLD), 0, 0, 0, 0);
    if (pid == 0) _exit(0);
    Say(name, pid);
  }
  uint64_t arguments[8] = {CLONE_NEWUSER, 0, 0, 0, SIGCHLD};
  const long pid = syscall(435, arguments, sizeof arguments);
  if (pid == 0) _exit(0);
  Say("clone3 into a new user namespace", pid);
  const int own = open("/proc/self/ns/net", O_RDONLY);
  Say("setns to its own network", setns(own, CLONE_NEWNET));
  const int init = (int)syscall(434, 1, 0);
  Say("setns through a pidfd of pid 1", init < 0 ? -1 : setns(init, CLONE_NEWNS | CLONE_NEWPID));
}

static void Processes(void) {
  char byte = 0;
  struct iovec local = {&byte, 1};
  struct iovec remote = {(void*)&Processes, 1};
  Say("ptrace pid 1", ptrace(PTRACE_ATTACH, 1, 0, 0));
  Say("ptrace its parent", ptrace(PTRACE_SEIZE, getppid(), 0, 0));
  Say("process_vm_readv of pid 1", process_vm_readv(1, &local, 1, &remote, 1, 0));
  Say("process_vm_writev of its parent", process_vm_writev(getppid(), &local, 1, &remote, 1, 0));
  const int init = (int)syscall(434, 1, 0);
  Say("pidfd_getfd of pid 1", init < 0 ? -1 : syscall(438, init, 0, 0));
  Say("kcmp with pid 1", syscall(SYS_kcmp, 1, getpid(), 0, 0, 0));
  Say("process_madvise of pid 1", init < 0 ? -1 : syscall(440, init, &remote, 1, 21, 0));
  Say("process_mrelease of pid 1", init < 0 ? -1 : syscall(448, init, 0));
  Say("move_pages of pid 1", syscall(SYS_move_pages, 1, 0, NULL, NULL, NULL, 0));
  Say("a higher priority", setpriority(PRIO_PROCESS, 0, -5));
  struct sched_param realtime = {10};
  Say("real-time scheduling", sched_setscheduler(0, SCHED_FIFO, &realtime));
  Say("real-time input and output", syscall(SYS_ioprio_set, 1, 0, 1 << 13));
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = ++limit.rlim_max;
  Say("more open files", setrlimit(RLIMIT_NOFILE, &limit));
  struct rlimit core = {1, 1};
  Say("core dumps", setrlimit(RLIMIT_CORE, &core));
}

static void Rights(void) {
  const gid_t groups[] = {0};
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {{0xffffffff, 0xffffffff, 0}, {0xff, 0xff, 0}};
  Say("setuid of another", syscall(SYS_setuid, 4242));
  Say("setresgid of another", syscall(SYS_setresgid, 4242, 4242, 4242));
  Say("setgroups", syscall(SYS_setgroups, 1, groups));
  Say("capset", syscall(SYS_capset, &header, data));
  Say("an ambient capability", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0));
  Say("take no_new_privs back", prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
  Say("take the filter back", prctl(PR_SET_SECCOMP, 0, 0, 0, 0));
  Say("choose the place of its memory", prctl(PR_SET_MM, PR_SET_MM_BRK, 0, 0, 0));
  Say("mknod of /dev/mem", mknod("/tmp/mem", S_IFCHR | 0666, makedev(1, 1)));
  Say("mknod of a disk", mknod("/tmp/disk", S_IFBLK | 0666, makedev(254, 0)));
  Say("a whiteout", mknod("/tmp/whiteout", S_IFCHR, 0));
  Say("chown to root", chown("/tmp", 0, 4242));
}

static void Kernel(void) {
  char text[256] = "";
  struct timex adjust = {.modes = ADJ_OFFSET};
  struct timeval now = {0, 0};
  int ids[2] = {0, 0};
  Say("bpf", syscall(SYS_bpf, 5, text, sizeof text));
  Say("perf_event_open", syscall(SYS_perf_event_open, text, 0, -1, -1, 0));
  Say("userfaultfd", syscall(SYS_userfaultfd, 1));
  Say("io_uring_setup", syscall(425, 1, text));
  Say("io_uring_enter", syscall(426, 0, 0, 0, 0, NULL, 0));
  Say("io_uring_register", syscall(427, 0, 0, NULL, 0));
  Say("keyctl", syscall(SYS_keyctl, 0, -3, 0));
  Say("keyctl join session", syscall(SYS_keyctl, 1, "of-another"));
  Say("add_key", syscall(SYS_add_key, "user", "name", "value", 5, -3));
  Say("request_key", syscall(SYS_request_key, "user", "name", NULL, 0));
  Say("name_to_handle_at", syscall(SYS_name_to_handle_at, AT_FDCWD, "/", text, ids, 0));
  Say("open_by_handle_at", syscall(SYS_open_by_handle_at, AT_FDCWD, text, O_RDONLY));
  Say("fanotify_init", syscall(SYS_fanotify_init, 0, 0));
  Say("init_module", syscall(SYS_init_module, text, 0, ""));
  Say("finit_module", syscall(SYS_finit_module, 0, "", 0));
  Say("delete_module", syscall(SYS_delete_module, "loop", O_NONBLOCK));
  Say("kexec_load", syscall(SYS_kexec_load, 0, 0, NULL, 0));
  // The first number of two is wrong: whoever were let through would still not restart anything.
  Say("reboot", syscall(SYS_reboot, 0, 0, 0, NULL));
  Say("acct", syscall(SYS_acct, "/tmp/acct"));
  Say("settimeofday", syscall(SYS_settimeofday, &now, NULL));
  Say("adjtimex", syscall(SYS_adjtimex, &adjust));
  Say("sethostname", syscall(SYS_sethostname, "taken", 5));
  Say("setdomainname", syscall(SYS_setdomainname, "taken", 5));
  Say("syslog", syscall(SYS_syslog, 3, text, sizeof text));
  Say("vhangup", syscall(SYS_vhangup));
  Say("set_mempolicy", syscall(SYS_set_mempolicy, 0, NULL, 0));
  Say("statmount", syscall(457, text, text, sizeof text, 0));
  Say("listmount", syscall(458, text, text, 1, 0));
  Say("personality without random addresses", syscall(SYS_personality, 0x0040000));
  Say("TIOCSTI", syscall(SYS_ioctl, 0, 0x5412, "x"));
  Say("TIOCSTI with high bits", syscall(SYS_ioctl, 0, 0x100005412UL, "x"));
  Say("TIOCLINUX", syscall(SYS_ioctl, 0, 0x541c, text));
#if defined(__x86_64__)
  Say("iopl", syscall(SYS_iopl, 3));
  Say("ioperm", syscall(SYS_ioperm, 0x70, 2, 1));
  Say("modify_ldt", syscall(SYS_modify_ldt, 0, text, sizeof text));
#endif
}

static void Sockets(void) {
  static const struct {
    const char* name;
    int family, kind, protocol;
  } kinds[] = {{"a packet socket", AF_PACKET, SOCK_RAW, 0},   {"a raw IPv4 socket", AF_INET, SOCK_RAW, 1},
               {"a raw IPv6 socket", AF_INET6, SOCK_RAW, 58}, {"a route socket", AF_NETLINK, SOCK_RAW, 0},
               {"an audit socket", AF_NETLINK, SOCK_RAW, 9},  {"a netfilter socket", AF_NETLINK, SOCK_RAW, 12},
               {"a uevent socket", AF_NETLINK, SOCK_RAW, 15}, {"a vsock", AF_VSOCK, SOCK_STREAM, 0},
               {"an alg socket", AF_ALG, SOCK_SEQPACKET, 0},  {"an xdp socket", AF_XDP, SOCK_RAW, 0},
               {"a tipc socket", AF_TIPC, SOCK_STREAM, 0},    {"a can socket", AF_CAN, SOCK_RAW, 1},
               {"a bluetooth socket", 31, SOCK_RAW, 0},       {"an rds socket", 21, SOCK_SEQPACKET, 0},
               {"a key socket", AF_KEY, SOCK_RAW, 2}};
  for (size_t i = 0; i < COUNT(kinds); ++i) Say(kinds[i].name, socket(kinds[i].family, kinds[i].kind, kinds[i].protocol));
}

static void X32(void) { _exit(syscall(0x40000000 | SYS_getuid) == (long)getuid() ? 0 : 1); }

static void I386(void) {
#if defined(__x86_64__)
  long result;
  // getuid by the numbers of 32 bits.
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(199) : "memory");
  _exit(result == (long)getuid() ? 0 : 1);
#endif
}

// In a child, which it may cost.
static void Alone(const char* name, void (*attempt)(void)) {
  fflush(stdout);
  const pid_t pid = fork();
  if (pid == 0) {
    attempt();
    _exit(1);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  if (WIFSIGNALED(status)) printf("%s: SIG%s\n", name, sigabbrev_np(WTERMSIG(status)));
  else printf("%s: %s\n", name, WEXITSTATUS(status) == 0 ? "0" : "ENOSYS");
}

static int Identity(const char* file) {
  char line[256];
  printf("uid %d %d %d %d\n", getuid(), geteuid(), getgid(), getegid());
  FILE* status = fopen("/proc/self/status", "r");
  while (status != NULL && fgets(line, sizeof line, status) != NULL) {
    if (strncmp(line, "CapEff:", 7) == 0) printf("effective %s", line + 8);
  }
  printf("read %s\n", open(file, O_RDONLY) < 0 ? strerrorname_np(errno) : "0");
  return 0;
}

static int Forks(int most) {
  int made = 0;
  int error = 0;
  const pid_t self = getpid();
  for (; made < most; ++made) {
    const pid_t pid = fork();
    if (pid < 0) {
      error = errno;
      break;
    }
    if (pid == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      // It may have ended before that.
      if (getppid() != self) _exit(0);
      for (;;) pause();
    }
  }
  printf("%d %s\n", made, error == 0 ? "0" : strerrorname_np(error));
  return 0;
}

static int Daemon(void) {
  if (fork() != 0) return 0;
  setsid();
  if (fork() != 0) _exit(0);
  for (int fd = 0; fd < 64; ++fd) close(fd);
  for (int number = 1; number < 65; ++number) signal(number, SIG_IGN);
  for (;;) pause();
}

int main(int argc, char** argv) {
  const char* what = argc > 1 ? argv[1] : "";
  const char* value = argc > 2 ? argv[2] : "";
  if (strcmp(what, "identity") == 0) return Identity(value);
  if (strcmp(what, "forks") == 0) return Forks(atoi(value));
  if (strcmp(what, "daemon") == 0) return Daemon();
  if (strcmp(what, "mounts") == 0) Mounts();
  if (strcmp(what, "namespaces") == 0) Namespaces();
  if (strcmp(what, "processes") == 0) Processes();
  if (strcmp(what, "rights") == 0) Rights();
  if (strcmp(what, "sockets") == 0) Sockets();
  if (strcmp(what, "kernel") == 0) {
    Kernel();
    Alone("a call by its number of x32", X32);
    Alone("a call by its number of i386", I386);
  }
  return 0;
}
