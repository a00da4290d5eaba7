/* Tries what a function must not be able to do, by raw system calls, and prints "name errno" for each (0 = it worked). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char* name, long result) { printf("%s %d\n", name, result < 0 ? errno : 0); }

int main(void) {
  char text[64] = "x";
  say("mount", mount("tmpfs", "/tmp", "tmpfs", 0, ""));
  say("umount", umount2("/.host", MNT_DETACH));
  say("remount", mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL));
  say("unshare", unshare(CLONE_NEWUSER));
  say("setns", setns(0, 0));
  say("chroot", chroot("/tmp"));
  say("ptrace", ptrace(PTRACE_ATTACH, getppid(), 0, 0));
  say("bpf", syscall(SYS_bpf, 0, 0, 0));
  say("keyctl", syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, -1, 0));
  say("io_uring", syscall(425, 1, text));
  say("open_tree", syscall(428, AT_FDCWD, "/", 1));
  say("userfaultfd", syscall(SYS_userfaultfd, 0));
  say("perf", syscall(SYS_perf_event_open, text, 0, -1, -1, 0));
  say("clone_newuser", syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
  say("clone3", syscall(435, text, 64));
  say("personality", syscall(SYS_personality, 0x0040000));
  say("personality_query", syscall(SYS_personality, 0xffffffff));
  say("socket_packet", socket(AF_PACKET, SOCK_RAW, 0));
  say("socket_netlink", socket(AF_NETLINK, SOCK_RAW, 0));
  say("socket_vsock", socket(AF_VSOCK, SOCK_STREAM, 0));
  say("socket_unix", socket(AF_UNIX, SOCK_STREAM, 0));
  say("socket_inet", socket(AF_INET, SOCK_STREAM, 0));
  say("socket_raw", socket(AF_INET, SOCK_RAW, 1));
  say("setuid", setuid(0));
  say("mknod", mknod("/tmp/disk", S_IFBLK | 0600, makedev(254, 0)));
  say("hostname", sethostname("x", 1));
  say("kill_supervisor", kill(1, SIGKILL));
  say("write_root", open("/x", O_CREAT | O_WRONLY, 0600));
  say("write_usr", open("/usr/x", O_CREAT | O_WRONLY, 0600));
  say("write_function", open("/function/x", O_CREAT | O_WRONLY, 0600));
  say("write_layers", open("/layers/x", O_CREAT | O_WRONLY, 0600));
  say("write_tmp", open("/tmp/x", O_CREAT | O_WRONLY, 0600));
  say("write_sysctl", open("/proc/sys/kernel/hostname", O_WRONLY));
  say("sysrq", open("/proc/sysrq-trigger", O_WRONLY));
  say("host_store", open("/.host/store", O_RDONLY));
  say("host_socket", open("/.host/run", O_RDONLY));
  say("supervisor_root", open("/proc/1/root", O_RDONLY));
  say("supervisor_memory", open("/proc/1/mem", O_RDWR));
  say("fork", ({
        pid_t child = fork();
        if (child == 0) _exit(0);
        if (child > 0) waitpid(child, NULL, 0);
        child;
      }));
  return 0;
}
