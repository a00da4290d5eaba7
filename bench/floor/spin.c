/*
 * What the machine gives to N processes that spin: `spin PROCESSES SECONDS` prints the CPU-seconds they got per second. The floor of a CPU limit, since a
 * quota cannot be seen to hold where the machine has less to give.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double seconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char** argv) {
  const long processes = argc == 3 ? atol(argv[1]) : 0;
  const double seconds = argc == 3 ? atof(argv[2]) : 0;
  if (processes < 1 || processes > 1024 || seconds <= 0) {
    fprintf(stderr, "usage: spin PROCESSES SECONDS\n");
    return 2;
  }
  const double begun = seconds_now();
  for (long i = 0; i < processes; i++) {
    const pid_t pid = fork();
    if (pid < 0) {
      perror("fork");
      return 1;
    }
    if (pid == 0) {
      while (seconds_now() - begun < seconds) continue;
      _exit(0);
    }
  }
  while (wait(NULL) > 0) continue;
  const double took = seconds_now() - begun;
  struct rusage usage;
  getrusage(RUSAGE_CHILDREN, &usage);
  const double user = (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6;
  const double system = (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
  printf("%.4f\n", (user + system) / took);
  return 0;
}
