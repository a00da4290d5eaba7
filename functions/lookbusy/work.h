/* Spending time on processors, and holding memory. */
#ifndef LOOKBUSY_WORK_H_
#define LOOKBUSY_WORK_H_

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "request.h"

enum { NS_PER_US = 1000, NS_PER_MS = 1000000, SLICE_NS = 10 * NS_PER_MS };
#define NS_PER_S 1000000000LL

static inline int64_t now_ns(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static inline void sleep_until(int64_t at_ns) {
  struct timespec at = {at_ns / NS_PER_S, at_ns % NS_PER_S};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR) continue;
}

/* Reading the clock is the work: it is done in user space, and looks at the time every few dozen nanoseconds. */
static inline void spin_until(clockid_t clock, int64_t at_ns) {
  while (now_ns(clock) < at_ns) continue;
}

/* What one thread does; `cpu_ns` is what it used. */
typedef struct {
  pthread_t thread;
  enum work_clock clock;
  /* By the monotonic clock, at which all threads begin. */
  int64_t begin_ns, length_ns;
  double busy;
  int64_t cpu_ns;
} worker;

/* In slices, each first busy and then asleep, so that the share holds for every span that is longer than a few of
 * them. */
static inline void work_by_wall_clock(const worker* self) {
  int64_t end = self->begin_ns + self->length_ns;
  for (int64_t slice = self->begin_ns; slice < end; slice += SLICE_NS) {
    int64_t slice_end = slice + SLICE_NS < end ? slice + SLICE_NS : end;
    spin_until(CLOCK_MONOTONIC, slice + (int64_t)((double)(slice_end - slice) * self->busy));
    if (self->busy < 1) sleep_until(slice_end);
  }
}

/* The work is a number of nanoseconds of processor time, however long others hold the processors; what is slept is
 * time that passes. */
static inline void work_by_cpu_clock(const worker* self) {
  int64_t begin = now_ns(CLOCK_THREAD_CPUTIME_ID), done = 0;
  for (int64_t left = self->length_ns; left > 0; left -= SLICE_NS) {
    int64_t slice = left < SLICE_NS ? left : SLICE_NS;
    int64_t busy = (int64_t)((double)slice * self->busy);
    done += busy;
    spin_until(CLOCK_THREAD_CPUTIME_ID, begin + done);
    if (busy < slice) sleep_until(now_ns(CLOCK_MONOTONIC) + slice - busy);
  }
}

static void* run_worker(void* argument) {
  worker* self = (worker*)argument;
  int64_t begin = now_ns(CLOCK_THREAD_CPUTIME_ID);
  if (self->clock == CPU_CLOCK) {
    work_by_cpu_clock(self);
  } else {
    work_by_wall_clock(self);
  }
  self->cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID) - begin;
  return NULL;
}

/* Works for `length_ns` from `begin_ns` on `threads` threads, this one among them. What all of them used; ns, or -1
 * when one cannot be started, with a sentence. */
static inline int64_t work(const request* wanted, int64_t begin_ns, int64_t length_ns, char* message) {
  int threads = (int)wanted->ncpus, started = 1;
  worker* workers = (worker*)calloc((size_t)threads, sizeof(worker));
  if (workers == NULL) {
    snprintf(message, MAX_MESSAGE, "no memory for %d threads", threads);
    return -1;
  }
  int64_t cpu_ns = 0;
  for (int i = 0; i < threads; i++) {
    worker set_up = {pthread_self(), wanted->clock, begin_ns, length_ns, wanted->busy, 0};
    workers[i] = set_up;
  }
  while (started < threads && pthread_create(&workers[started].thread, NULL, run_worker, &workers[started]) == 0) {
    started++;
  }
  /* With one missing the answer is an error: nobody has to wait for it. */
  if (started < threads) {
    snprintf(message, MAX_MESSAGE, "only %d of %d threads can be started: more \"pids\" are needed", started, threads);
    cpu_ns = -1;
  } else {
    run_worker(&workers[0]);
  }
  for (int i = 1; i < started; i++) pthread_join(workers[i].thread, NULL);
  for (int i = 0; i < threads && cpu_ns >= 0; i++) cpu_ns += workers[i].cpu_ns;
  free(workers);
  return cpu_ns;
}

/* Memory that stays touched between invocations. */
typedef struct {
  char* bytes;
  size_t size;
} holding;

/* Makes the holding `mem_mb` large and writes to each of its pages, so that they are the container's whatever the
 * kernel has done with them since. Pages written, or -1 with a sentence. */
static inline long hold(holding* held, double mem_mb, char* message) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  size_t size = (size_t)(mem_mb * (1 << 20)) / page * page;
  if (size != held->size) {
    if (held->size > 0) munmap(held->bytes, held->size);
    held->size = 0;
    void* bytes = size == 0 ? NULL : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED) {
      snprintf(message, MAX_MESSAGE, "%g MiB cannot be mapped: %s", mem_mb, strerror(errno));
      return -1;
    }
    held->bytes = (char*)bytes;
    held->size = size;
  }
  for (size_t at = 0; at < size; at += page) ((volatile char*)held->bytes)[at] = (char)(held->bytes[at] + 1);
  return (long)(size / page);
}

#endif /* LOOKBUSY_WORK_H_ */
