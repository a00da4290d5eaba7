/*
 * The physical floor of a warm invocation: the same frames, the same agents, and between them nothing but an epoll
 * relay in C.
 *
 *   relay --socket PATH --agents N --assign JSON-or-@FILE -- argv...
 *
 * Starts N agents (fd 3 = connection, fd 4 = pipe with ASSIGN), waits until all are READY, prints "ready" and serves
 * clients on PATH until SIGTERM or SIGINT. Each INVOKE goes to the agent that was used last; when none is free it waits
 * in one first-in-first-out queue.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "frames.h"

enum kind { LISTENER, CLIENT, AGENT };

struct connection {
  enum kind kind;
  int fd;
  int closed, dirty, wants_write;
  struct buffer in, out;
  /* AGENT: whom it works for. CLIENT: requests that still point here, so that its memory stays. */
  struct connection* client;
  uint32_t client_request;
  int ready;
  unsigned references;
  struct connection* next_dirty;
};

struct waiting {
  struct connection* client;
  struct frame frame;
  uint8_t* body;
  struct waiting* next;
};

static int epoll;
static struct connection** idle;
static int idle_count, ready_count;
static struct waiting *queue_head, **queue_tail = &queue_head;
static struct connection* dirty_list;
static volatile sig_atomic_t stopping;

static void stop(int signal_number) {
  (void)signal_number;
  stopping = 1;
}

static void watch(struct connection* connection, uint32_t events, int operation) {
  struct epoll_event event = {.events = events, .data.ptr = connection};
  if (epoll_ctl(epoll, operation, connection->fd, &event) != 0) die("epoll_ctl: %s", strerror(errno));
}

static struct connection* new_connection(enum kind kind, int fd) {
  struct connection* connection = checked(calloc(1, sizeof(*connection)));
  connection->kind = kind;
  connection->fd = fd;
  watch(connection, EPOLLIN, EPOLL_CTL_ADD);
  return connection;
}

static void release(struct connection* connection) {
  if (!connection->closed || connection->references > 0 || connection->dirty) return;
  free(connection->in.data);
  free(connection->out.data);
  free(connection);
}

static void mark(struct connection* connection) {
  if (connection->dirty) return;
  connection->dirty = 1;
  connection->next_dirty = dirty_list;
  dirty_list = connection;
}

static void run(struct connection* agent, struct connection* client, struct frame frame, const void* body) {
  agent->client = client;
  agent->client_request = frame.request_id;
  client->references++;
  frame.meta_length = 0;
  buffer_frame(&agent->out, frame, "", body);
  mark(agent);
}

static void invoke(struct connection* client, const struct frame* frame, const uint8_t* body) {
  if (idle_count > 0) {
    run(idle[--idle_count], client, *frame, body);
    return;
  }
  struct waiting* waiting = checked(malloc(sizeof(*waiting)));
  waiting->client = client;
  waiting->frame = *frame;
  waiting->body = checked(malloc(frame->body_length + 1));
  waiting->next = NULL;
  memcpy(waiting->body, body, frame->body_length);
  client->references++;
  *queue_tail = waiting;
  queue_tail = &waiting->next;
}

static void freed(struct connection* agent) {
  while (queue_head != NULL) {
    struct waiting* waiting = queue_head;
    queue_head = waiting->next;
    if (queue_head == NULL) queue_tail = &queue_head;
    struct connection* client = waiting->client;
    client->references--;
    const int alive = !client->closed;
    if (alive) run(agent, client, waiting->frame, waiting->body);
    free(waiting->body);
    free(waiting);
    if (alive) return;
    release(client);
  }
  idle[idle_count++] = agent;
}

static void handle(struct connection* from, struct frame* frame, const uint8_t* payload) {
  if (from->kind == CLIENT) {
    if (frame->type == INVOKE) invoke(from, frame, payload + frame->meta_length);
    if (frame->type == PING) {
      buffer_frame(&from->out, (struct frame){.type = PONG, .request_id = frame->request_id}, "", "");
      mark(from);
    }
    return;
  }
  if (frame->type == ERROR) die("agent: %.*s", (int)frame->meta_length, payload);
  if (frame->type == READY) {
    if (frame->status != 0) die("agent could not start: %.*s", (int)frame->meta_length, payload);
    from->ready = 1;
    ready_count++;
    idle[idle_count++] = from;
  }
  if (frame->type != RESULT || from->client == NULL) return;
  struct connection* client = from->client;
  from->client = NULL;
  client->references--;
  if (client->closed) {
    release(client);
  } else {
    frame->request_id = from->client_request;
    buffer_frame(&client->out, *frame, (const char*)payload, payload + frame->meta_length);
    mark(client);
  }
  freed(from);
}

static void close_client(struct connection* client) {
  if (client->closed) return;
  close(client->fd);
  client->closed = 1;
  release(client);
}

static void readable(struct connection* connection) {
  uint8_t* room = buffer_room(&connection->in, 65536);
  const ssize_t got = read(connection->fd, room, 65536);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    if (connection->kind == AGENT) die("an agent went away");
    close_client(connection);
    return;
  }
  connection->in.end += (size_t)got;
  struct frame frame;
  while (buffer_next(&connection->in, &frame)) {
    handle(connection, &frame, connection->in.data + connection->in.begin + FRAME_BYTES);
    connection->in.begin += frame_size(&frame);
  }
}

static void flush(struct connection* connection) {
  struct buffer* out = &connection->out;
  while (out->begin < out->end) {
    const ssize_t sent = send(connection->fd, out->data + out->begin, out->end - out->begin, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) break;
    if (sent < 0) {
      if (connection->kind == AGENT) die("an agent went away: %s", strerror(errno));
      close_client(connection);
      return;
    }
    out->begin += (size_t)sent;
  }
  const int wants_write = out->begin < out->end;
  if (wants_write != connection->wants_write) {
    connection->wants_write = wants_write;
    watch(connection, wants_write ? EPOLLIN | EPOLLOUT : EPOLLIN, EPOLL_CTL_MOD);
  }
}

static void flush_dirty(void) {
  while (dirty_list != NULL) {
    struct connection* connection = dirty_list;
    dirty_list = connection->next_dirty;
    connection->dirty = 0;
    if (connection->closed) {
      release(connection);
    } else {
      flush(connection);
    }
  }
}

static void start_agent(char** argv, const char* assign) {
  int sockets[2], pipes[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0 || pipe2(pipes, O_CLOEXEC) != 0)
    die("socketpair: %s", strerror(errno));
  const pid_t relay_pid = getpid();
  const pid_t pid = fork();
  if (pid < 0) die("fork: %s", strerror(errno));
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != relay_pid) _exit(1);
    /* Out of the way first: 3 and 4 may be in use for something else. */
    const int connection = fcntl(sockets[1], F_DUPFD, 10), assigned = fcntl(pipes[0], F_DUPFD, 10);
    const int null = open("/dev/null", O_RDWR);
    dup2(null, 0);
    dup2(2, 1);
    dup2(connection, 3);
    dup2(assigned, 4);
    close_range(5, ~0u, 0);
    execvp(argv[0], argv);
    fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
    _exit(127);
  }
  close(sockets[1]);
  close(pipes[0]);
  struct buffer frame = {0};
  buffer_frame(&frame, (struct frame){.type = ASSIGN, .meta_length = strlen(assign)}, assign, "");
  if (write(pipes[1], frame.data, frame.end) != (ssize_t)frame.end) die("ASSIGN: %s", strerror(errno));
  free(frame.data);
  close(pipes[1]);
  fcntl(sockets[0], F_SETFL, O_NONBLOCK);
  struct connection* agent = new_connection(AGENT, sockets[0]);
  buffer_hello(&agent->out, "{\"role\":\"worker\",\"name\":\"relay\"}");
  mark(agent);
}

static char* read_file(const char* path) {
  FILE* file = fopen(path, "r");
  if (file == NULL) die("%s: %s", path, strerror(errno));
  char* text = checked(calloc(1, 65536));
  if (fread(text, 1, 65535, file) == 0) die("%s: empty", path);
  fclose(file);
  return text;
}

static void turn(struct epoll_event* events, int count) {
  for (int i = 0; i < count; i++) {
    struct connection* connection = events[i].data.ptr;
    if (connection->kind == LISTENER) {
      int fd;
      while ((fd = accept4(connection->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection* client = new_connection(CLIENT, fd);
        buffer_hello(&client->out, "{\"role\":\"worker\",\"name\":\"relay\"}");
        mark(client);
      }
      continue;
    }
    if ((events[i].events & EPOLLOUT) != 0) mark(connection);
    if ((events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) readable(connection);
  }
  flush_dirty();
}

int main(int argc, char** argv) {
  const char *path = NULL, *assign = "{}";
  int agents = 1, at = 1;
  for (; at + 1 < argc && strcmp(argv[at], "--") != 0; at += 2) {
    if (strcmp(argv[at], "--socket") == 0)
      path = argv[at + 1];
    else if (strcmp(argv[at], "--agents") == 0)
      agents = atoi(argv[at + 1]);
    else if (strcmp(argv[at], "--assign") == 0)
      assign = argv[at + 1];
    else
      die("unknown option %s", argv[at]);
  }
  if (path == NULL || agents < 1 || at + 1 >= argc)
    die("usage: relay --socket PATH --agents N --assign JSON-or-@FILE -- argv...");
  if (assign[0] == '@') assign = read_file(assign + 1);
  epoll = epoll_create1(EPOLL_CLOEXEC);
  idle = checked(calloc((size_t)agents, sizeof(*idle)));
  struct sigaction action = {.sa_handler = stop};
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
  for (int i = 0; i < agents; i++) start_agent(argv + at + 1, assign);
  flush_dirty();
  struct epoll_event events[128];
  int listening = 0;
  while (!stopping) {
    if (!listening && ready_count == agents) {
      const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      struct sockaddr_un address = unix_address(path);
      unlink(path);
      if (bind(listener, (struct sockaddr*)&address, sizeof(address)) != 0 || listen(listener, 1024) != 0)
        die("%s: %s", path, strerror(errno));
      new_connection(LISTENER, listener);
      listening = 1;
      puts("ready");
      fflush(stdout);
    }
    const int count = epoll_wait(epoll, events, 128, -1);
    if (count < 0 && errno != EINTR) die("epoll_wait: %s", strerror(errno));
    turn(events, count);
  }
  unlink(path);
  return 0; /* the agents end with their connections */
}
