/*
 * iluvatar.h: what a program of the `binary` runtime needs to answer invocations. One header, C99, POSIX; C++ may
 * include it too.
 *
 *   #include "iluvatar.h"
 *   static void hello(const iluvatar_request* request, iluvatar_reply* reply, void* context) {
 *     iluvatar_reply_result(reply, "{\"hello\":\"world\"}", 17);
 *   }
 *   int main(void) { return iluvatar_serve(hello, NULL); }
 *
 * The program is executed once its container belongs to its function: it may read files beside it (the working
 * directory is the function's code). Arguments and results are JSON text; nothing here parses it. What the program
 * writes to its standard output and error goes to the worker's log. One invocation runs at a time. A crash is reported
 * by the container's supervisor, not from here.
 */
#ifndef ILUVATAR_H_
#define ILUVATAR_H_

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Status of a reply, as in docs/protocol.md. */
enum { ILUVATAR_OK = 0, ILUVATAR_USER_ERROR = 1, ILUVATAR_INVALID = 7, ILUVATAR_TOO_LARGE = 11 };

typedef struct {
  /* The arguments: JSON, not terminated. Empty when the caller gave none. Valid during the call. */
  const char* arguments;
  size_t size;
  uint32_t request_id;
  /* What the caller is ready to wait; ms, 0 = not said. */
  uint32_t timeout_ms;
  /* The trace that it is part of, as W3C Trace Context has it; NULL = none. Valid during the call. */
  const char* traceparent;
} iluvatar_request;

/* Filled by the functions below; belongs to iluvatar_serve. */
typedef struct {
  uint8_t status;
  char* bytes;
  size_t size;
  int out_of_memory;
} iluvatar_reply;

typedef void (*iluvatar_handler)(const iluvatar_request* request, iluvatar_reply* reply, void* context);

/* Copies `size` bytes of JSON as the result. A second call replaces the first. No call at all means `null`. */
static inline void iluvatar_reply_result(iluvatar_reply* reply, const char* json, size_t size);

/* Fails the invocation with ILUVATAR_USER_ERROR (or ILUVATAR_INVALID) and a sentence in UTF-8. The container lives on.
 */
static inline void iluvatar_reply_error(iluvatar_reply* reply, uint8_t status, const char* message);

/*
 * Says HELLO and READY, then answers invocations until the worker ends the connection. Returns what main shall return:
 * 0 at that end, 70 on a protocol error, 121 when the descriptor is not usable.
 */
static inline int iluvatar_serve(iluvatar_handler handler, void* context);

/* ---- implementation ---- */

enum {
  ILUVATAR_TYPE_HELLO_ = 1,
  ILUVATAR_TYPE_PING_ = 3,
  ILUVATAR_TYPE_PONG_ = 4,
  ILUVATAR_TYPE_INVOKE_ = 5,
  ILUVATAR_TYPE_RESULT_ = 6,
  ILUVATAR_TYPE_READY_ = 19,
  ILUVATAR_MAGIC_ = 0xF1,
  ILUVATAR_HEADER_BYTES_ = 32,
  ILUVATAR_META_LIMIT_ = 1 << 20,
  ILUVATAR_BODY_LIMIT_ = 1 << 30,
  ILUVATAR_TRACEPARENT_BYTES_ = 55,
  ILUVATAR_END_ = 0,
  ILUVATAR_PROTOCOL_ERROR_ = 70,
  ILUVATAR_CONNECTION_TAKEN_ = 121
};

typedef struct {
  uint8_t type, status;
  uint32_t request_id, meta_bytes, x0, x1, x2;
  uint64_t body_bytes;
} iluvatar_frame_;

static inline void iluvatar_put_(uint8_t* at, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; i++) at[i] = (uint8_t)(value >> (8 * i));
}

static inline uint64_t iluvatar_get_(const uint8_t* at, int bytes) {
  uint64_t value = 0;
  for (int i = bytes - 1; i >= 0; i--) value = value << 8 | at[i];
  return value;
}

/* 1, or 0 at the end of the stream, or -1. */
static inline int iluvatar_read_(int fd, void* buffer, size_t size) {
  uint8_t* at = (uint8_t*)buffer;
  while (size > 0) {
    ssize_t count = read(fd, at, size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno == ECONNRESET ? 0 : -1;
    if (count == 0) return 0;
    at += count;
    size -= (size_t)count;
  }
  return 1;
}

static inline int iluvatar_write_(int fd, const void* buffer, size_t size) {
  const uint8_t* at = (const uint8_t*)buffer;
  while (size > 0) {
    ssize_t count = write(fd, at, size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno == EPIPE || errno == ECONNRESET ? 0 : -1;
    at += count;
    size -= (size_t)count;
  }
  return 1;
}

/* Header and payload in one write where they fit together: a second one would wake the worker twice. */
static inline int iluvatar_send_(int fd, const iluvatar_frame_* frame, const char* meta, const char* body) {
  uint8_t packet[4096];
  size_t meta_bytes = frame->meta_bytes, body_bytes = (size_t)frame->body_bytes;
  memset(packet, 0, ILUVATAR_HEADER_BYTES_);
  packet[0] = ILUVATAR_MAGIC_;
  packet[1] = frame->type;
  packet[2] = frame->status;
  iluvatar_put_(packet + 4, frame->request_id, 4);
  iluvatar_put_(packet + 8, frame->body_bytes, 8);
  iluvatar_put_(packet + 16, frame->meta_bytes, 4);
  iluvatar_put_(packet + 20, frame->x0, 4);
  iluvatar_put_(packet + 24, frame->x1, 4);
  iluvatar_put_(packet + 28, frame->x2, 4);
  if (meta_bytes + body_bytes <= sizeof packet - ILUVATAR_HEADER_BYTES_) {
    if (meta_bytes > 0) memcpy(packet + ILUVATAR_HEADER_BYTES_, meta, meta_bytes);
    if (body_bytes > 0) memcpy(packet + ILUVATAR_HEADER_BYTES_ + meta_bytes, body, body_bytes);
    return iluvatar_write_(fd, packet, ILUVATAR_HEADER_BYTES_ + meta_bytes + body_bytes);
  }
  int sent = iluvatar_write_(fd, packet, ILUVATAR_HEADER_BYTES_);
  if (sent == 1 && meta_bytes > 0) sent = iluvatar_write_(fd, meta, meta_bytes);
  if (sent == 1 && body_bytes > 0) sent = iluvatar_write_(fd, body, body_bytes);
  return sent;
}

/* `text` as a JSON string with its quotes; `out` has room for 6 * strlen + 3. Returns its length. */
static inline size_t iluvatar_quote_(char* out, const char* text) {
  size_t size = 0;
  out[size++] = '"';
  for (; *text != '\0'; text++) {
    unsigned char c = (unsigned char)*text;
    if (c == '"' || c == '\\') {
      out[size++] = '\\';
      out[size++] = (char)c;
    } else if (c < 0x20) {
      size += (size_t)snprintf(out + size, 7, "\\u%04x", c);
    } else {
      out[size++] = (char)c;
    }
  }
  out[size++] = '"';
  out[size] = '\0';
  return size;
}

static inline uint64_t iluvatar_now_us_(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static inline void iluvatar_reply_result(iluvatar_reply* reply, const char* json, size_t size) {
  char* copy = (char*)realloc(reply->bytes, size == 0 ? 1 : size);
  reply->status = ILUVATAR_OK;
  reply->out_of_memory = copy == NULL;
  reply->size = 0;
  if (copy == NULL) return;
  memcpy(copy, json, size);
  reply->bytes = copy;
  reply->size = size;
}

static inline void iluvatar_reply_error(iluvatar_reply* reply, uint8_t status, const char* message) {
  static const char head[] = "{\"message\":";
  size_t limit = sizeof head + 6 * strlen(message) + 4;
  char* meta = (char*)realloc(reply->bytes, limit);
  reply->status = status;
  reply->out_of_memory = meta == NULL;
  reply->size = 0;
  if (meta == NULL) return;
  memcpy(meta, head, sizeof head - 1);
  size_t size = sizeof head - 1;
  size += iluvatar_quote_(meta + size, message);
  meta[size++] = '}';
  reply->bytes = meta;
  reply->size = size;
}

static inline int iluvatar_hello_(int fd) {
  const char* container = getenv("ILUVATAR_CONTAINER");
  const char* token = getenv("ILUVATAR_TOKEN");
  char names[2][512], meta[1200];
  /* Names are short and plain; one that is not would be refused by the worker, so cutting it loses nothing. */
  char plain[81];
  snprintf(plain, sizeof plain, "%.80s", container == NULL ? "" : container);
  iluvatar_quote_(names[0], plain);
  snprintf(plain, sizeof plain, "%.80s", token == NULL ? "" : token);
  iluvatar_quote_(names[1], plain);
  int size = snprintf(meta, sizeof meta, "{\"role\":\"agent\",\"container\":%s,\"token\":%s}", names[0], names[1]);
  iluvatar_frame_ frame = {ILUVATAR_TYPE_HELLO_, 0, 0, (uint32_t)size, 1, 1, ILUVATAR_BODY_LIMIT_ / 1024, 0};
  return iluvatar_send_(fd, &frame, meta, NULL);
}

/* The meta of an INVOKE that is part of a trace begins with it; its characters are hex digits and dashes. */
static inline const char* iluvatar_traceparent_(char* out, const char* meta, size_t meta_bytes) {
  static const char head[] = "{\"traceparent\":\"";
  size_t start = sizeof head - 1;
  if (meta_bytes < start + ILUVATAR_TRACEPARENT_BYTES_ || memcmp(meta, head, start) != 0) return NULL;
  memcpy(out, meta + start, ILUVATAR_TRACEPARENT_BYTES_);
  out[ILUVATAR_TRACEPARENT_BYTES_] = '\0';
  return out;
}

static inline int iluvatar_answer_(int fd, const iluvatar_frame_* invoke, char* payload, iluvatar_handler handler,
                                   void* context, iluvatar_reply* reply) {
  char traceparent[ILUVATAR_TRACEPARENT_BYTES_ + 1];
  iluvatar_request request = {payload + invoke->meta_bytes, (size_t)invoke->body_bytes, invoke->request_id, invoke->x0,
                              iluvatar_traceparent_(traceparent, payload, invoke->meta_bytes)};
  uint64_t start = iluvatar_now_us_();
  iluvatar_reply_result(reply, "null", 4);
  handler(&request, reply, context);
  if (reply->out_of_memory) iluvatar_reply_error(reply, ILUVATAR_USER_ERROR, "out of memory for the reply");
  iluvatar_frame_ frame = {ILUVATAR_TYPE_RESULT_, reply->status, invoke->request_id, 0, 0, 0, 0, 0};
  frame.x2 = (uint32_t)(iluvatar_now_us_() - start);
  if (reply->status == ILUVATAR_OK) {
    frame.body_bytes = reply->size;
    return iluvatar_send_(fd, &frame, NULL, reply->bytes);
  }
  frame.meta_bytes = (uint32_t)reply->size;
  return iluvatar_send_(fd, &frame, reply->bytes, NULL);
}

/* One frame in, at most one out. 1, 0 at the end, or minus the exit code. */
static inline int iluvatar_step_(int fd, iluvatar_handler handler, void* context, iluvatar_reply* reply) {
  uint8_t head[ILUVATAR_HEADER_BYTES_];
  int got = iluvatar_read_(fd, head, sizeof head);
  if (got <= 0) return got == 0 ? 0 : -ILUVATAR_CONNECTION_TAKEN_;
  iluvatar_frame_ frame = {head[1], head[2], 0, 0, 0, 0, 0, 0};
  frame.request_id = (uint32_t)iluvatar_get_(head + 4, 4);
  frame.body_bytes = iluvatar_get_(head + 8, 8);
  frame.meta_bytes = (uint32_t)iluvatar_get_(head + 16, 4);
  frame.x0 = (uint32_t)iluvatar_get_(head + 20, 4);
  if (head[0] != ILUVATAR_MAGIC_ || frame.meta_bytes > ILUVATAR_META_LIMIT_ ||
      frame.body_bytes > ILUVATAR_BODY_LIMIT_) {
    return -ILUVATAR_PROTOCOL_ERROR_;
  }
  size_t meta_bytes = frame.meta_bytes, size = meta_bytes + (size_t)frame.body_bytes;
  char* payload = (char*)malloc(size == 0 ? 1 : size);
  if (payload == NULL) return -ILUVATAR_PROTOCOL_ERROR_;
  got = iluvatar_read_(fd, payload, size);
  if (got == 1 && frame.type == ILUVATAR_TYPE_INVOKE_) {
    got = iluvatar_answer_(fd, &frame, payload, handler, context, reply);
  } else if (got == 1 && frame.type == ILUVATAR_TYPE_PING_) {
    iluvatar_frame_ pong = {ILUVATAR_TYPE_PONG_, 0, frame.request_id, 0, 0, 0, 0, 0};
    got = iluvatar_send_(fd, &pong, NULL, NULL);
  } else if (got == 1 && frame.type != ILUVATAR_TYPE_HELLO_) {
    got = -ILUVATAR_PROTOCOL_ERROR_;
  }
  free(payload);
  return got == -1 ? -ILUVATAR_CONNECTION_TAKEN_ : got;
}

/* In an image nobody hands down a descriptor: the worker's socket is named instead. -1 = it cannot be reached. */
static inline int iluvatar_connect_(const char* path) {
  struct sockaddr_un address;
  memset(&address, 0, sizeof address);
  address.sun_family = AF_UNIX;
  if (strlen(path) >= sizeof address.sun_path) return -1;
  memcpy(address.sun_path, path, strlen(path));
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd != -1 && connect(fd, (struct sockaddr*)&address, sizeof address) == 0) return fd;
  fprintf(stderr, "iluvatar: the worker cannot be reached at %s: %s\n", path, strerror(errno));
  if (fd != -1) close(fd);
  return -1;
}

static inline int iluvatar_serve(iluvatar_handler handler, void* context) {
  const char* number = getenv("ILUVATAR_AGENT_FD");
  const char* path = getenv("ILUVATAR_AGENTS_SOCKET");
  int fd = number == NULL ? 3 : atoi(number);
  if (number == NULL && path != NULL) fd = iluvatar_connect_(path);
  iluvatar_reply reply = {0, NULL, 0, 0};
  iluvatar_frame_ ready = {ILUVATAR_TYPE_READY_, 0, 0, 0, 0, 0, 0, 0};
  /* A worker that has gone shows as EPIPE, and the loop ends. */
  signal(SIGPIPE, SIG_IGN);
  int state = iluvatar_hello_(fd);
  if (state == 1) state = iluvatar_send_(fd, &ready, NULL, NULL);
  while (state == 1) state = iluvatar_step_(fd, handler, context, &reply);
  free(reply.bytes);
  if (state == -1) return ILUVATAR_CONNECTION_TAKEN_;
  return state == 0 ? ILUVATAR_END_ : -state;
}

#ifdef __cplusplus
}
#endif

#endif /* ILUVATAR_H_ */
