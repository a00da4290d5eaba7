/* What runs in the containers of these tests: `inside exit N`, `sleep`, `orphans`, `say TEXT`, `look`. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static void say(const char* name, long result) { printf("%s=%d\n", name, result < 0 ? errno : 0); }

static void list(const char* name, const char* path) {
  DIR* folder = opendir(path);
  printf("%s=", name);
  for (struct dirent* entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
    if (entry->d_name[0] != '.' && (folder == NULL || atoi(entry->d_name) != dirfd(folder) || strcmp(name, "fds") != 0))
      printf("%s ", entry->d_name);
  }
  printf("\n");
  if (folder != NULL) closedir(folder);
}

static void show(const char* path) {
  char line[4096];
  FILE* file = fopen(path, "r");
  while (file != NULL && fgets(line, sizeof line, file) != NULL) printf("%s> %s", path, line);
  if (file != NULL) fclose(file);
}

static int look(void) {
  char name[128] = "";
  printf("pid=%d uid=%d gid=%d\n", getpid(), getuid(), getgid());
  gethostname(name, sizeof name);
  printf("hostname=%s\n", name);
  list("root", "/");
  list("fds", "/proc/self/fd");
  list("proc", "/proc");
  list("dev", "/dev");
  list("links", "/sys/class/net");
  show("/proc/self/status");
  show("/proc/self/cgroup");
  show("/proc/self/mountinfo");
  show("/proc/self/limits");
  show("/proc/self/oom_score_adj");
  show("/bound/file");
  say("write_root", open("/x", O_CREAT | O_WRONLY, 0600));
  say("write_bound", open("/bound/file", O_WRONLY));
  say("write_tmp", open("/tmp/x", O_CREAT | O_WRONLY, 0600));
  say("write_sysctl", open("/proc/sys/kernel/hostname", O_WRONLY));
  say("open_masked", open("/proc/keys", O_RDONLY));
  printf("masked_bytes=%zd\n", read(open("/proc/keys", O_RDONLY), name, sizeof name));
  say("open_host", open("/etc/passwd", O_RDONLY));
  say("mount", mount("tmpfs", "/tmp", "tmpfs", 0, ""));
  say("unshare", unshare(CLONE_NEWUSER));
  say("keyctl", syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, -1, 0));
  say("io_uring", syscall(425, 1, name));
  say("socket_netlink", socket(AF_NETLINK, SOCK_RAW, 0));
  say("socket_inet", socket(AF_INET, SOCK_STREAM, 0));
  mknod("/tmp/disk", S_IFBLK | 0600, makedev(254, 0));
  say("open_disk", open("/tmp/disk", O_RDONLY));
  say("open_null", open("/dev/null", O_RDWR));
  return 0;
}

static void stop(int number) { _exit(100 + number); }

int main(int argc, char** argv) {
  const char* what = argc > 1 ? argv[1] : "";
  if (strcmp(what, "exit") == 0) return atoi(argv[2]);
  if (strcmp(what, "say") == 0) {
    printf("%s\n", argv[2]);
    fflush(stdout);
    fprintf(stderr, "%s, too\n", argv[2]);
    return 0;
  }
  if (strcmp(what, "look") == 0) return look();
  if (strcmp(what, "orphans") == 0) {
    for (int i = 0; i < 5; ++i) {
      if (fork() == 0) {
        setsid();
        for (;;) pause();
      }
    }
  }
  if (strcmp(what, "terminate") == 0) signal(SIGTERM, stop);
  for (;;) pause();
}
