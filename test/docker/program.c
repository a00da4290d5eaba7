// What the containers of these tests run: one static program that does what its first argument says.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

static void Eat(void) {
  for (;;) {
    char* held = malloc(1 << 20);
    if (held != NULL) memset(held, 1, 1 << 20);
  }
}

static void Report(const char* name, long result) { printf("%s %d\n", name, result < 0 ? errno : 0); }

// Each attempt in a line: its name, and the error or 0.
static void Attempts(void) {
  Report("write-root", open("/made-by-the-test", O_CREAT | O_WRONLY, 0600));
  Report("write-tmp", open("/tmp/made", O_CREAT | O_WRONLY, 0600));
  Report("write-sockets", open("/iluvatar/sockets/made", O_CREAT | O_WRONLY, 0600));
  Report("write-bind", open("/bound/made", O_CREAT | O_WRONLY, 0600));
  Report("mount", mount("none", "/tmp", "tmpfs", 0, ""));
  Report("unshare", unshare(CLONE_NEWUSER));
  Report("clone-user", syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
  Report("clone3", syscall(SYS_clone3, NULL, 0));
  Report("ptrace", syscall(SYS_ptrace, 0, 0, 0, 0));
  Report("keyctl", syscall(SYS_keyctl, 0, 0, 0, 0, 0));
  Report("io_uring", syscall(SYS_io_uring_setup, 1, NULL));
  Report("setuid", setuid(0));
  Report("chown", chown("/tmp/made", 0, 0));
  Report("personality-query", personality(0xffffffff));
  Report("personality-uname26", personality(0x20008));
  Report("personality-no-random", personality(ADDR_NO_RANDOMIZE));
  Report("personality-high", syscall(SYS_personality, 0xfffffffeUL));
  Report("ioctl-inject", syscall(SYS_ioctl, 0, 0x5412, "x"));
  // The kernel takes the low word of it.
  Report("ioctl-inject-high", syscall(SYS_ioctl, 0, 0x100005412UL, "x"));
  Report("socket-unix", socket(AF_UNIX, SOCK_STREAM, 0));
  Report("socket-inet", socket(AF_INET, SOCK_STREAM, 0));
  Report("socket-inet6", socket(AF_INET6, SOCK_DGRAM, 0));
  Report("socket-netlink", socket(AF_NETLINK, SOCK_RAW, 0));
  Report("socket-audit", socket(AF_NETLINK, SOCK_RAW, 9));
  Report("socket-packet", socket(AF_PACKET, SOCK_RAW, 0));
  Report("socket-vsock", socket(40, SOCK_STREAM, 0));
  Report("dev-mem", open("/dev/mem", O_RDONLY));
}

static void Serve(int port, const char* text) {
  const int server = socket(AF_INET, SOCK_STREAM, 0);
  const int on = 1;
  setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  if (bind(server, (struct sockaddr*)&address, sizeof address) != 0 || listen(server, 8) != 0) exit(9);
  for (;;) {
    const int client = accept(server, NULL, NULL);
    if (client < 0) exit(10);
    if (write(client, text, strlen(text)) < 0) exit(11);
    close(client);
  }
}

// Whether a server answers there within a second: 0, or the error.
static int Connect(const char* host, int port) {
  const int client = socket(AF_INET, SOCK_STREAM, 0);
  const struct timeval limit = {1, 0};
  setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  inet_pton(AF_INET, host, &address.sin_addr);
  return connect(client, (struct sockaddr*)&address, sizeof address) == 0 ? 0 : errno;
}

int main(int argc, char** argv) {
  const char* what = argc > 1 ? argv[1] : "";
  const char* value = argc > 2 ? argv[2] : "0";
  if (strcmp(what, "exit") == 0) return atoi(value);
  if (strcmp(what, "kill") == 0) {
    // As pid 1 it would not die of a signal of its own.
    if (syscall(SYS_getpid) == 1) signal(atoi(value), SIG_DFL);
    kill(getpid(), atoi(value));
    abort();
  }
  if (strcmp(what, "crash") == 0) *(volatile int*)8 = 1;
  if (strcmp(what, "eat") == 0) Eat();
  if (strcmp(what, "child-eats") == 0) {
    if (fork() == 0) Eat();
    int status = 0;
    wait(&status);
    return 7;
  }
  if (strcmp(what, "print") == 0) {
    for (int i = 0; i < atoi(value); ++i) {
      printf("line %d\n", i);
      fflush(stdout);
      if (i % 100 == 0) fprintf(stderr, "error %d\n", i);
    }
    return 0;
  }
  // A line every 100 ms.
  if (strcmp(what, "tick") == 0) {
    for (int i = 0;; ++i) {
      printf("tick %d\n", i);
      fflush(stdout);
      usleep(100000);
    }
  }
  if (strcmp(what, "after") == 0) {
    usleep((useconds_t)atoi(value) * 1000);
    return 5;
  }
  if (strcmp(what, "environment") == 0) {
    for (char** each = environ; *each != NULL; ++each) puts(*each);
    return 0;
  }
  if (strcmp(what, "attempts") == 0) Attempts();
  if (strcmp(what, "serve") == 0) Serve(8080, value);
  if (strcmp(what, "connect") == 0) {
    // Where Docker has no firewall, the port is isolated right after the start.
    usleep(1000000);
    printf("connect %d\n", Connect(value, 8080));
    return 0;
  }
  if (strcmp(what, "sleep") == 0) {
    for (;;) pause();
  }
  return 0;
}
