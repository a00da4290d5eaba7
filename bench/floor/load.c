/*
 * Closed-loop load over the framed protocol: each client keeps K requests outstanding.
 *
 *   load --socket PATH [--clients N] [--pipeline K] (--seconds S | --requests N) [--warmup N] [--meta JSON] [--body
 * JSON]
 *
 * Prints one line of JSON: {requests, errors, seconds, throughput, p50Us, p90Us, p99Us, maxUs}. Errors are RESULTs with
 * a status other than 0. The first
 * `--warmup` answers are not counted. One client with one request reads and writes blocking, which costs least.
 */
#include <fcntl.h>
#include <sys/epoll.h>

#include "frames.h"

struct client {
  int fd;
  int dirty, wants_write, hello_seen;
  struct buffer in, out;
  uint64_t* started; /* by request id, 0..pipeline-1 */
};

static struct {
  const char *path, *meta, *body;
  size_t meta_length, body_length;
  long clients, pipeline, warmup;
  uint64_t requests;
  double seconds;
} options = {.meta = "", .body = "null", .clients = 1, .pipeline = 1, .seconds = 1};

static float* latencies;
static size_t latency_count, latency_capacity;
static uint64_t sent, answered, errors, started_at, ended_at, deadline;

static void ask(struct client* client, uint32_t id) {
  struct frame frame = {
      .type = INVOKE, .request_id = id, .meta_length = options.meta_length, .body_length = options.body_length};
  buffer_frame(&client->out, frame, options.meta, options.body);
  client->started[id] = now_ns();
  client->dirty = 1;
  sent++;
}

static int finished(uint64_t now) {
  if (answered < (uint64_t)options.warmup) return 0;
  return options.requests > 0 ? answered - (uint64_t)options.warmup >= options.requests : now >= deadline;
}

/* One answer. True when the run is over. */
static int took(struct client* client, const struct frame* frame, const uint8_t* payload) {
  if (frame->type == HELLO) {
    client->hello_seen = 1;
    return 0;
  }
  if (frame->type == ERROR) die("server: %.*s", (int)frame->meta_length, payload);
  if (frame->type != RESULT) return 0;
  if (frame->request_id >= (uint32_t)options.pipeline) die("an answer to nothing: %u", frame->request_id);
  const uint64_t now = now_ns();
  answered++;
  if (answered > (uint64_t)options.warmup) {
    if (frame->status != 0) errors++;
    if (latency_count == latency_capacity) {
      latency_capacity = latency_capacity == 0 ? 1 << 16 : latency_capacity * 2;
      latencies = checked(realloc(latencies, latency_capacity * sizeof(*latencies)));
    }
    latencies[latency_count++] = (float)((double)(now - client->started[frame->request_id]) / 1000.0);
  } else if (answered == (uint64_t)options.warmup) {
    started_at = now;
    deadline = now + (uint64_t)(options.seconds * 1e9);
  }
  if (finished(now)) {
    ended_at = now;
    return 1;
  }
  ask(client, frame->request_id);
  return 0;
}

static void receive(struct client* client) {
  uint8_t* room = buffer_room(&client->in, 65536);
  const ssize_t got = read(client->fd, room, 65536);
  if (got == 0) die("the server closed the connection");
  if (got < 0 && errno != EAGAIN && errno != EINTR) die("read: %s", strerror(errno));
  if (got > 0) client->in.end += (size_t)got;
}

static int handle_input(struct client* client) {
  struct frame frame;
  while (buffer_next(&client->in, &frame)) {
    const int over = took(client, &frame, client->in.data + client->in.begin + FRAME_BYTES);
    client->in.begin += frame_size(&frame);
    if (over) return 1;
  }
  return 0;
}

/* True when everything is written. */
static int flush(struct client* client) {
  struct buffer* out = &client->out;
  while (out->begin < out->end) {
    const ssize_t wrote = send(client->fd, out->data + out->begin, out->end - out->begin, MSG_NOSIGNAL);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0 && errno == EAGAIN) return 0;
    if (wrote < 0) die("write: %s", strerror(errno));
    out->begin += (size_t)wrote;
  }
  client->dirty = 0;
  return 1;
}

static void run_blocking(struct client* client) {
  ask(client, 0);
  for (;;) {
    flush(client);
    receive(client);
    if (handle_input(client)) return;
  }
}

static void run_epoll(struct client* clients) {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  for (long i = 0; i < options.clients; i++) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &clients[i]};
    fcntl(clients[i].fd, F_SETFL, O_NONBLOCK);
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, clients[i].fd, &event) != 0) die("epoll_ctl: %s", strerror(errno));
    for (long k = 0; k < options.pipeline; k++) ask(&clients[i], (uint32_t)k);
    flush(&clients[i]);
  }
  struct epoll_event events[256];
  for (;;) {
    const int count = epoll_wait(epoll, events, 256, 10000);
    if (count == 0) die("no answer for 10 s after %llu", (unsigned long long)answered);
    for (int i = 0; i < count; i++) {
      struct client* client = events[i].data.ptr;
      if ((events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        receive(client);
        if (handle_input(client)) return;
      }
      if (!client->dirty) continue;
      const int wants_write = !flush(client);
      if (wants_write != client->wants_write) {
        client->wants_write = wants_write;
        struct epoll_event event = {.events = wants_write ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = client};
        epoll_ctl(epoll, EPOLL_CTL_MOD, client->fd, &event);
      }
    }
  }
}

static int compare(const void* left, const void* right) {
  const float a = *(const float*)left, b = *(const float*)right;
  return (a > b) - (a < b);
}

static double percentile(double share) {
  if (latency_count == 0) return 0;
  size_t index = (size_t)(share * (double)latency_count);
  return latencies[index < latency_count ? index : latency_count - 1];
}

int main(int argc, char** argv) {
  for (int at = 1; at < argc; at += 2) {
    if (at + 1 >= argc) die("%s needs a value", argv[at]);
    const char *name = argv[at], *value = argv[at + 1];
    if (strcmp(name, "--socket") == 0)
      options.path = value;
    else if (strcmp(name, "--clients") == 0)
      options.clients = atol(value);
    else if (strcmp(name, "--pipeline") == 0)
      options.pipeline = atol(value);
    else if (strcmp(name, "--seconds") == 0)
      options.seconds = atof(value);
    else if (strcmp(name, "--requests") == 0)
      options.requests = strtoull(value, NULL, 10);
    else if (strcmp(name, "--warmup") == 0)
      options.warmup = atol(value);
    else if (strcmp(name, "--meta") == 0)
      options.meta = value;
    else if (strcmp(name, "--body") == 0)
      options.body = value;
    else
      die("unknown option %s", name);
  }
  if (options.path == NULL || options.clients < 1 || options.pipeline < 1 || options.warmup < 0)
    die("usage: load --socket PATH [--clients N] [--pipeline K] (--seconds S | --requests N) [--warmup N] [--meta "
        "JSON] [--body JSON]");
  options.meta_length = strlen(options.meta);
  options.body_length = strlen(options.body);
  struct client* clients = checked(calloc((size_t)options.clients, sizeof(*clients)));
  struct sockaddr_un address = unix_address(options.path);
  for (long i = 0; i < options.clients; i++) {
    clients[i].fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (clients[i].fd < 0 || connect(clients[i].fd, (struct sockaddr*)&address, sizeof(address)) != 0)
      die("%s: %s", options.path, strerror(errno));
    clients[i].started = checked(calloc((size_t)options.pipeline, sizeof(uint64_t)));
    buffer_hello(&clients[i].out, "{\"role\":\"client\"}");
    flush(&clients[i]);
    /* The server's HELLO first: accepting is not what is measured. */
    while (!clients[i].hello_seen) {
      receive(&clients[i]);
      handle_input(&clients[i]);
    }
  }
  started_at = now_ns();
  deadline = started_at + (uint64_t)(options.seconds * 1e9);
  if (options.clients == 1 && options.pipeline == 1)
    run_blocking(&clients[0]);
  else
    run_epoll(clients);
  const double seconds = (double)(ended_at - started_at) / 1e9;
  qsort(latencies, latency_count, sizeof(*latencies), compare);
  printf(
      "{\"requests\":%zu,\"errors\":%llu,\"seconds\":%.6f,\"throughput\":%.1f,\"p50Us\":%.2f,\"p90Us\":%.2f,\"p99Us\":%"
      ".2f,\"maxUs\":%.2f}\n",
      latency_count, (unsigned long long)errors, seconds, (double)latency_count / seconds, percentile(0.5),
      percentile(0.9), percentile(0.99), percentile(1));
  return 0;
}
