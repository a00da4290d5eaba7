/*
 * A synthetic load: each invocation takes as long, holds as much memory and keeps as many processors busy as its
 * arguments say. README.md describes them.
 */
#include "iluvatar.h"
#include "request.h"
#include "work.h"

typedef struct {
  int cold;
  holding memory;
} container;

static double seconds(int64_t ns) { return (double)ns / (double)NS_PER_S; }

static void lookbusy(const iluvatar_request* invocation, iluvatar_reply* reply, void* context) {
  container* self = (container*)context;
  int64_t begin_ns = now_ns(CLOCK_MONOTONIC), began_at = now_ns(CLOCK_REALTIME);
  int cold = self->cold;
  /* As the original's: two seconds at first, then one. It touches no memory unless it is asked to. */
  request wanted = {2000, 1000, 0, 1, 1, WALL_CLOCK};
  char text[512], message[MAX_MESSAGE];
  if (!read_request(invocation->arguments, invocation->size, &wanted, message)) {
    iluvatar_reply_error(reply, ILUVATAR_INVALID, message);
    return;
  }
  /* Also an invocation that fails from here on has made the container warm. */
  self->cold = 0;
  int64_t length_ns = (int64_t)((cold ? wanted.cold_run_ms : wanted.warm_run_ms) * NS_PER_MS);
  /* Touching memory is a part of the time that was asked for. */
  int64_t touched_from = now_ns(CLOCK_THREAD_CPUTIME_ID);
  long pages = hold(&self->memory, wanted.mem_mb, message);
  int64_t touch_ns = now_ns(CLOCK_THREAD_CPUTIME_ID) - touched_from;
  int64_t cpu_ns = pages < 0 ? -1 : work(&wanted, begin_ns, length_ns, message);
  if (cpu_ns < 0) {
    iluvatar_reply_error(reply, ILUVATAR_USER_ERROR, message);
    return;
  }
  int64_t took_ns = now_ns(CLOCK_MONOTONIC) - begin_ns;
  int size = snprintf(text, sizeof text,
                      "{\"body\":{\"cold\":%s,\"start\":%.6f,\"end\":%.6f,\"latency\":%.6f,\"asked_ms\":%.3f,"
                      "\"cpu_ms\":%.3f,\"threads\":%d,\"held_mb\":%.3f,\"pages\":%ld}}",
                      cold ? "true" : "false", seconds(began_at), seconds(began_at + took_ns), seconds(took_ns),
                      (double)length_ns / NS_PER_MS, (double)(cpu_ns + touch_ns) / NS_PER_MS, (int)wanted.ncpus,
                      (double)self->memory.size / (1 << 20), pages);
  iluvatar_reply_result(reply, text, (size_t)size);
}

/* What the container needs before it can run anything, as an import does; ms from the environment. */
static int start_up(void) {
  const char* given = getenv("LOOKBUSY_INIT_MS");
  double init_ms = 0;
  char message[MAX_MESSAGE];
  if (given == NULL) return 1;
  if (set_number("LOOKBUSY_INIT_MS", given, 0, 3600e3, &init_ms, message)) {
    spin_until(CLOCK_MONOTONIC, now_ns(CLOCK_MONOTONIC) + (int64_t)(init_ms * NS_PER_MS));
    return 1;
  }
  fprintf(stderr, "lookbusy: %s\n", message);
  return 0;
}

int main(void) {
  container self = {1, {NULL, 0}};
  if (!start_up()) return 1;
  return iluvatar_serve(lookbusy, &self);
}
