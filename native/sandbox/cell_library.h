/*
 * libiluvatar_cell.so: the C interface through which a warm interpreter (a *zygote*) becomes a spawner of containers.
 * No Node, no Python headers: a zygote loads it with ctypes (use PyDLL: the calling thread must keep the GIL, since two
 * of these calls fork).
 *
 * Life of a zygote
 *   handle = iluvatar_spawner_open(config_json, error, sizeof error)    once: builds and enters the prepared root
 *   iluvatar_spawner_ready(handle, NULL)                                 after the imports: connects and says HELLO
 *   for (;;) {
 *     kind = iluvatar_spawner_next(handle)                               blocks
 *     if (kind <= 0) exit                                                0: the worker has gone; < 0: -errno
 *     PyOS_BeforeFork()
 *     what = iluvatar_spawn(handle)
 *     what == 0 or < 0: PyOS_AfterFork_Parent(); go on                   still the spawner; a failure was already
 * answered what == 1: PyOS_AfterFork_Child(); run the agent                   sandboxed, unprivileged; fds 0..4 are set
 *     what == 2: PyOS_AfterFork_Child(); become the child zygote (below)
 *   }
 *
 * The process that calls this must be single-threaded: the children are made by fork-like calls, and a lock held by
 * another thread would stay locked for ever in them. The supervisor (pid 1 of each container) is a child too; it lives
 * inside iluvatar_spawn and never returns.
 *
 * What the agent process (what == 1) finds
 *   fd 0 /dev/null · fd 1, 2 pipes drained by the supervisor · fd 3 the connection to the worker (blocking), on which
 * HELLO has been said · fd 4 the pipe from which it reads the ASSIGN frame; the supervisor closes its end after it · no
 * other descriptor: all above 4 are closed. Its own session, the uid and gid of SPAWN, no capability, no_new_privs, the
 * system-call filter installed, resource limits set, cwd "/", umask 022, signals at their defaults except SIGPIPE,
 * which is ignored as Python has it. Environment: unchanged from the zygote, plus the `env` of SPAWN (set with setenv:
 * os.environ does not see it; read the meta instead). iluvatar_spawner_meta(handle) is still SPAWN's meta. It must not
 * call any other function of this library.
 *
 * Where the code is after ASSIGN
 *   /function                read-only bind of `code`
 *   /layers/<basename>       read-only bind of each entry of `layers` (`layers/<hash>` of the store → /layers/<hash>);
 * /layers/<n> is a symbolic link to the n-th. /layers/<hash> is the same path in a zygote before: its /layers is the
 * whole `layers` folder of the store, so modules imported in a zygote keep a valid __file__ and __path__ in the
 * container. /iluvatar/sockets        a small tmpfs for the socket of an old agent (ASSIGN's `sockets`), else an empty
 * read-only folder Where the machine allows no mounts (degraded mode) the environment variable ILUVATAR_STORE is
 * set in the zygote (setenv; iluvatar_spawner_store() gives it too): code is then at $ILUVATAR_STORE/<code>, and layers
 * at $ILUVATAR_STORE/<layer>.
 *
 * A child zygote (what == 2)
 *   A plain fork in the same prepared root, with its own (not yet made) connection. iluvatar_spawner_meta() is ZYGOTE's
 * meta
 *   {"name","path":[…],"imports":[…]}. It imports; then iluvatar_spawner_ready(handle, NULL) connects, says HELLO under
 * its own name, and makes the parent answer the request; or iluvatar_spawner_ready(handle, "ImportError: …") makes the
 * parent answer `start_failed` with that message, and the process shall exit. Dying without either is answered as
 * `start_failed` too. The parent goes on serving meanwhile.
 */
#ifndef ILUVATAR_SANDBOX_CELL_LIBRARY_H_
#define ILUVATAR_SANDBOX_CELL_LIBRARY_H_

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ILUVATAR_CELL_EXPORT __attribute__((visibility("default")))

typedef struct iluvatar_spawner iluvatar_spawner;

/* iluvatar_spawner_next */
enum { ILUVATAR_REQUEST_END = 0, ILUVATAR_REQUEST_SPAWN = 1, ILUVATAR_REQUEST_ZYGOTE = 2 };
/* iluvatar_spawn */
enum { ILUVATAR_IN_SPAWNER = 0, ILUVATAR_IN_AGENT = 1, ILUVATAR_IN_ZYGOTE = 2 };

/*
 * Parses the configuration, and builds and enters the prepared root (a private, read-only view of the system). NULL on
 * failure, with a sentence in `error` (always terminated). From here on the process sees only that root: whatever it
 * needs of the host's files must be in /usr, /lib*, /bin, /sbin, parts of /etc, or under `paths`.
 *
 * configuration, one JSON object; strings unless said otherwise, * = required:
 *   name*       of this spawner, for HELLO
 *   agents*     absolute path of the worker's agents socket
 *   store*      absolute path of the worker's store: `code` and `layers` of ASSIGN are relative to it. Its mode should
 * be 0700. cgroups     array: absolute directories, one per hierarchy, under which SPAWN's `cgroup` exists
 * networks    absolute path of the folder in which the worker mounts network namespaces for SPAWN's `networkNamespace`;
 * "" = none nameServers array: addresses for /etc/resolv.conf, empty = the host's file paths array: host paths bound
 * read-only at the same place (interpreter prefixes) userNamespace  "auto" (default: only when not root), "on", "off"
 * seccomp     boolean, default true supervisor     absolute path of iluvatar-supervisor, which supervisors become so
 * that they are no copy of an interpreter; "" = they stay one. Unknown keys are refused.
 */
ILUVATAR_CELL_EXPORT iluvatar_spawner* iluvatar_spawner_open(const char* config_json, char* error, size_t error_size);

/*
 * Connects to the worker and says HELLO ({"role":"spawner","name","pid","off":[protections that are missing, as
 * sentences]}); with `failure` (a child zygote only) reports instead that it could not become one. 0, or -errno.
 */
ILUVATAR_CELL_EXPORT int iluvatar_spawner_ready(iluvatar_spawner* spawner, const char* failure);

/* Blocks until the worker asks for something: ILUVATAR_REQUEST_*, or -errno when the connection broke or spoke garbage.
 */
ILUVATAR_CELL_EXPORT int iluvatar_spawner_next(iluvatar_spawner* spawner);

/* Carries out the request that iluvatar_spawner_next returned and answers it: ILUVATAR_IN_*, or -errno (answered too;
 * go on). */
ILUVATAR_CELL_EXPORT int iluvatar_spawn(iluvatar_spawner* spawner);

/* The current request's meta: JSON, zero-terminated, valid until the next iluvatar_spawner_next. Never NULL. */
ILUVATAR_CELL_EXPORT const char* iluvatar_spawner_meta(const iluvatar_spawner* spawner);

/* Absolute path of the store when there is no private view of the file system, else "". */
ILUVATAR_CELL_EXPORT const char* iluvatar_spawner_store(const iluvatar_spawner* spawner);

#ifdef __cplusplus
}
#endif

#endif /* ILUVATAR_SANDBOX_CELL_LIBRARY_H_ */
