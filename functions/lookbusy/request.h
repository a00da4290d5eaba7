/* What one invocation of lookbusy is asked for, read from its JSON arguments. */
#ifndef LOOKBUSY_REQUEST_H_
#define LOOKBUSY_REQUEST_H_

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_THREADS = 1024, MAX_MESSAGE = 160 };

/* The clock that says how much of the work is done: see README.md. */
enum work_clock { WALL_CLOCK, CPU_CLOCK };

typedef struct {
  double cold_run_ms, warm_run_ms;
  /* Touched, and held until an invocation asks for another amount; MiB. */
  double mem_mb;
  /* Threads that work at the same time. */
  double ncpus;
  /* Share of the time in which each of them is busy; it sleeps in the rest. */
  double busy;
  enum work_clock clock;
} request;

/* A reader of one JSON object whose members are flat: what is nested is skipped. */
typedef struct {
  const char *at, *end;
} json;

static inline void skip_space(json* in) {
  while (in->at < in->end && strchr(" \t\r\n", *in->at) != NULL) in->at++;
}

static inline int take(json* in, char c) {
  skip_space(in);
  if (in->at >= in->end || *in->at != c) return 0;
  in->at++;
  return 1;
}

/* Goes behind a string and copies what stands in it, escapes as they are; what does not fit is cut, and is then no name
 * that anybody looks for. */
static inline int take_string(json* in, char* out, size_t size) {
  size_t length = 0;
  if (!take(in, '"')) return 0;
  for (; in->at < in->end && *in->at != '"'; in->at++) {
    if (*in->at == '\\' && ++in->at == in->end) return 0;
    if (length + 1 < size) out[length++] = *in->at;
  }
  out[length] = '\0';
  return take(in, '"');
}

/* A value as text: a string without its quotes, or the letters of a number or word. Nested ones are skipped, and give
 * "". */
static inline int take_value(json* in, char* out, size_t size) {
  size_t length = 0;
  int depth = 0;
  skip_space(in);
  if (in->at < in->end && *in->at == '"') return take_string(in, out, size);
  while (in->at < in->end) {
    char c = *in->at;
    if (c == '"') {
      char skipped[2];
      if (!take_string(in, skipped, sizeof skipped)) return 0;
      continue;
    }
    if (depth == 0 && (c == ',' || c == '}' || strchr(" \t\r\n", c) != NULL)) break;
    if (c == '{' || c == '[') depth++;
    if (c == '}' || c == ']') depth--;
    if (depth == 0 && c != '}' && c != ']' && length + 1 < size) out[length++] = c;
    in->at++;
  }
  out[length] = '\0';
  return depth == 0;
}

/* 1, or 0 with a sentence that names the argument. */
static inline int set_number(const char* name, const char* text, double least, double most, double* value,
                             char* message) {
  char* rest = NULL;
  double number = strtod(text, &rest);
  if (rest != text && *rest == '\0' && isfinite(number) && number >= least && number <= most) {
    *value = number;
    return 1;
  }
  snprintf(message, MAX_MESSAGE, "%s must be a number from %g to %g, not \"%.40s\"", name, least, most, text);
  return 0;
}

/* 1, or 0 with a sentence for the caller. Arguments that it does not know are ignored, as other functions do. */
static inline int set_member(request* wanted, const char* name, const char* text, char* message) {
  static const double day_ms = 86400e3;
  if (strcmp(name, "cold_run_ms") == 0 || strcmp(name, "cold_run") == 0) {
    return set_number(name, text, 0, day_ms, &wanted->cold_run_ms, message);
  }
  if (strcmp(name, "warm_run_ms") == 0 || strcmp(name, "warm_run") == 0) {
    return set_number(name, text, 0, day_ms, &wanted->warm_run_ms, message);
  }
  if (strcmp(name, "run_ms") == 0) {
    int known = set_number(name, text, 0, day_ms, &wanted->warm_run_ms, message);
    wanted->cold_run_ms = wanted->warm_run_ms;
    return known;
  }
  if (strcmp(name, "mem_mb") == 0) return set_number(name, text, 0, 1 << 20, &wanted->mem_mb, message);
  if (strcmp(name, "ncpus") == 0) {
    if (!set_number(name, text, 1, MAX_THREADS, &wanted->ncpus, message)) return 0;
    wanted->ncpus = floor(wanted->ncpus);
    return 1;
  }
  if (strcmp(name, "busy") == 0) return set_number(name, text, 0, 1, &wanted->busy, message);
  if (strcmp(name, "clock") == 0) {
    wanted->clock = strcmp(text, "cpu") == 0 ? CPU_CLOCK : WALL_CLOCK;
    if (wanted->clock == CPU_CLOCK || strcmp(text, "wall") == 0) return 1;
    snprintf(message, MAX_MESSAGE, "clock must be wall or cpu, not \"%.40s\"", text);
    return 0;
  }
  return 1;
}

/* Fills in what `arguments` say over what `wanted` holds already. 1, or 0 with a sentence for the caller. */
static inline int read_request(const char* arguments, size_t size, request* wanted, char* message) {
  json in = {arguments, arguments + size};
  skip_space(&in);
  if (in.at == in.end || (in.end - in.at == 4 && memcmp(in.at, "null", 4) == 0)) return 1;
  snprintf(message, MAX_MESSAGE, "the arguments are not a JSON object");
  if (!take(&in, '{')) return 0;
  if (take(&in, '}')) return 1;
  do {
    char name[32], text[64], reason[MAX_MESSAGE];
    if (!take_string(&in, name, sizeof name) || !take(&in, ':') || !take_value(&in, text, sizeof text)) return 0;
    if (!set_member(wanted, name, text, reason)) {
      memcpy(message, reason, sizeof reason);
      return 0;
    }
  } while (take(&in, ','));
  return take(&in, '}');
}

#endif /* LOOKBUSY_REQUEST_H_ */
