/* The 32-byte header of docs/protocol.md in C, and the few helpers that the floor programs share. Independent of
 * native/ on purpose: a floor that shared our code would share its cost. */
#ifndef ILUVATAR_BENCH_FRAMES_H
#define ILUVATAR_BENCH_FRAMES_H

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define FRAME_MAGIC 0xF1
enum { HELLO = 1, ERROR = 2, PING = 3, PONG = 4, INVOKE = 5, RESULT = 6, ASSIGN = 18, READY = 19, LOG = 21 };

struct frame {
  uint8_t magic;
  uint8_t type;
  uint8_t status;
  uint8_t flags;
  uint32_t request_id;
  uint64_t body_length;
  uint32_t meta_length;
  uint32_t x0;
  uint32_t x1;
  uint32_t x2;
};
_Static_assert(sizeof(struct frame) == 32, "the header has 32 bytes");

#define FRAME_BYTES sizeof(struct frame)

static inline size_t frame_size(const struct frame* frame) {
  return FRAME_BYTES + frame->meta_length + (size_t)frame->body_length;
}

static void die(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  exit(1);
}

static inline void* checked(void* memory) {
  if (memory == NULL) die("no memory");
  return memory;
}

/* A growing buffer: bytes [begin, end) are in use. */
struct buffer {
  uint8_t* data;
  size_t begin, end, capacity;
};

static inline uint8_t* buffer_room(struct buffer* buffer, size_t size) {
  if (buffer->begin == buffer->end) buffer->begin = buffer->end = 0;
  if (buffer->capacity - buffer->end < size) {
    memmove(buffer->data, buffer->data + buffer->begin, buffer->end - buffer->begin);
    buffer->end -= buffer->begin;
    buffer->begin = 0;
    if (buffer->capacity - buffer->end < size) {
      buffer->capacity = (buffer->end + size) * 2;
      buffer->data = checked(realloc(buffer->data, buffer->capacity));
    }
  }
  return buffer->data + buffer->end;
}

static inline void buffer_frame(struct buffer* buffer, struct frame frame, const char* meta, const void* body) {
  uint8_t* room = buffer_room(buffer, frame_size(&frame));
  frame.magic = FRAME_MAGIC;
  memcpy(room, &frame, FRAME_BYTES);
  if (frame.meta_length > 0) memcpy(room + FRAME_BYTES, meta, frame.meta_length);
  if (frame.body_length > 0) memcpy(room + FRAME_BYTES + frame.meta_length, body, frame.body_length);
  buffer->end += frame_size(&frame);
}

static inline void buffer_hello(struct buffer* buffer, const char* meta) {
  struct frame frame = {.type = HELLO, .meta_length = strlen(meta), .x0 = 1, .x1 = 1, .x2 = 65536};
  buffer_frame(buffer, frame, meta, "");
}

/* The first frame in the buffer when it is there as a whole, else 0. The header is copied out, since it may lie
 * unaligned. */
static inline int buffer_next(const struct buffer* buffer, struct frame* frame) {
  if (buffer->end - buffer->begin < FRAME_BYTES) return 0;
  memcpy(frame, buffer->data + buffer->begin, FRAME_BYTES);
  if (frame->magic != FRAME_MAGIC) die("the stream is not frames");
  return buffer->end - buffer->begin >= frame_size(frame);
}

static inline struct sockaddr_un unix_address(const char* path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof(address.sun_path)) die("%s: too long for a socket", path);
  strcpy(address.sun_path, path);
  return address;
}

static inline uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#endif
