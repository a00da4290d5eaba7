/*
 * The floor under a sandbox start: the system calls that a container of the process backend needs, in one C program without any pool, protocol or
 * decision. Prints one line per start: microseconds from its beginning to the first byte of the program inside.
 *
 *   sandbox STARTS SPACING_MS [CGROUP_PARENT…]
 *
 * Each start makes a directory in every parent given (with limits where the parent is memory, cpu or pids of cgroup v1), and removes it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST_PARENTS 8
static const char* parents[MOST_PARENTS];
static int parent_count;

static void die(const char* what) {
  perror(what);
  _exit(1);
}

static double now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static void write_file(const char* folder, const char* name, const char* text, int required) {
  char path[512];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) {
    if (required) die(path);
    return;
  }
  if (write(fd, text, strlen(text)) < 0 && required) die(path);
  close(fd);
}

static void each_cgroup(const char* name, void (*act)(const char* folder)) {
  for (int i = 0; i < parent_count; i++) {
    char folder[400];
    snprintf(folder, sizeof folder, "%s/%s", parents[i], name);
    act(folder);
  }
}

static void make_cgroup(const char* folder) {
  if (mkdir(folder, 0755) != 0) die(folder);
  write_file(folder, "memory.limit_in_bytes", "134217728", 0);
  write_file(folder, "cpu.cfs_period_us", "100000", 0);
  write_file(folder, "cpu.cfs_quota_us", "100000", 0);
  write_file(folder, "pids.max", "256", 0);
}

static void join_cgroup(const char* folder) { write_file(folder, "cgroup.procs", "0", 1); }

static void remove_cgroup(const char* folder) {
  for (int tries = 0; rmdir(folder) != 0 && errno == EBUSY && tries < 1000; tries++) usleep(1000);
}

static void loopback_up(void) {
  struct ifreq request = {0};
  strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) != 0) die("lo");
  close(fd);
}

static void bind_read_only(const char* path) {
  if (mount(path, path, NULL, MS_BIND, NULL) != 0) die("bind");
  if (mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) != 0) die("read-only");
}

static void drop_privileges(void) {
  struct rlimit files = {1024, 1024}, none = {0, 0};
  setrlimit(RLIMIT_NOFILE, &files);
  setrlimit(RLIMIT_CORE, &none);
  for (int capability = 0; prctl(PR_CAPBSET_DROP, capability) == 0; capability++) continue;
  if (syscall(SYS_setgroups, 0, NULL) != 0 || syscall(SYS_setresgid, 65534, 65534, 65534) != 0) die("gid");
  if (syscall(SYS_setresuid, 65534, 65534, 65534) != 0) die("uid");
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) die("no_new_privs");
  struct sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  struct sock_fprog program = {1, allow};
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) die("seccomp");
}

/* pid 1 of the container: its own mounts and network, then the unprivileged program. */
static void supervise(const char* name, int ready, const char* self) {
  each_cgroup(name, join_cgroup);
  if (unshare(CLONE_NEWNET) != 0) die("netns");
  loopback_up();
  if (sethostname(name, strlen(name)) != 0) die("hostname");
  if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "hidepid=2") != 0) die("proc");
  if (mount("tmp", "/mnt", "tmpfs", MS_NOSUID | MS_NODEV, "size=64m,mode=1777") != 0) die("tmp");
  if (mount("shm", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "size=64m,mode=1777") != 0) die("shm");
  bind_read_only("/srv");
  bind_read_only("/media");
  pid_t program = fork();
  if (program < 0) die("fork");
  if (program == 0) {
    dup2(ready, 3);
    drop_privileges();
    execl(self, self, "--inside", (char*)NULL);
    die("exec");
  }
  int status;
  waitpid(program, &status, 0);
  _exit(0);
}

static double start(int number, const char* self) {
  char name[64];
  snprintf(name, sizeof name, "floor-%d-%d", getpid(), number);
  int ready[2];
  if (pipe2(ready, O_CLOEXEC) != 0) die("pipe");
  double begun = now_us();
  each_cgroup(name, make_cgroup);
  struct clone_args how = {.flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS, .exit_signal = SIGCHLD};
  pid_t supervisor = (pid_t)syscall(SYS_clone3, &how, sizeof how);
  if (supervisor < 0) die("clone3");
  if (supervisor == 0) supervise(name, ready[1], self);
  close(ready[1]);
  char byte;
  if (read(ready[0], &byte, 1) != 1) die("the program inside did not start");
  double took = now_us() - begun;
  close(ready[0]);
  kill(supervisor, SIGKILL);
  waitpid(supervisor, NULL, 0);
  each_cgroup(name, remove_cgroup);
  return took;
}

int main(int argc, char** argv) {
  if (argc == 2 && strcmp(argv[1], "--inside") == 0) return write(3, "x", 1) == 1 ? (pause(), 0) : 1;
  if (argc < 3) {
    fprintf(stderr, "usage: sandbox STARTS SPACING_MS [CGROUP_PARENT...]\n");
    return 2;
  }
  for (int i = 3; i < argc && parent_count < MOST_PARENTS; i++) parents[parent_count++] = argv[i];
  if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) die("private mounts");
  char self[512];
  ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  if (length < 0) die("self");
  self[length] = 0;
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (int i = 0; i < atoi(argv[1]); i++) {
    usleep((useconds_t)atoi(argv[2]) * 1000);
    printf("%.1f\n", start(i, self));
  }
  return 0;
}
