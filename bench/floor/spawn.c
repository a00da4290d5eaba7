/*
 * Runs a command once and prints the microseconds from its spawn to its end: `spawn COMMAND [ARGUMENT…]`. In C, so that a large parent does not
 * make the floor look slower than it is.
 */
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>

extern char** environ;

int main(int argc, char** argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: spawn COMMAND [ARGUMENT...]\n");
    return 2;
  }
  struct timespec begun, ended;
  pid_t pid;
  int status;
  clock_gettime(CLOCK_MONOTONIC, &begun);
  if (posix_spawnp(&pid, argv[1], NULL, NULL, argv + 1, environ) != 0 || waitpid(pid, &status, 0) != pid) {
    perror(argv[1]);
    return 1;
  }
  clock_gettime(CLOCK_MONOTONIC, &ended);
  printf("%.1f\n", (ended.tv_sec - begun.tv_sec) * 1e6 + (ended.tv_nsec - begun.tv_nsec) / 1e3);
  return status == 0 ? 0 : 1;
}
