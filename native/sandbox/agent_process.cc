// See agent_process.h.
#include "sandbox/agent_process.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <cstdlib>

#include "sandbox/privileges.h"
#include "sandbox/seccomp.h"
#include "sandbox/syscalls.h"
#include "sandbox/wire.h"

extern char** environ;

// The C library has them from version 2.35 on.
extern "C" {
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned __rseq_size __attribute__((weak));
}

namespace iluvatar::sandbox {
namespace {

using system::UniqueFd;

constexpr int kConnectionFd = 3;
constexpr int kAssignmentFd = 4;
// Descriptors are first moved above the fixed ones, so that putting one into place cannot overwrite another.
constexpr int kFirstFreeFd = 10;

// 32 bytes is what every kernel takes; the signature is the C library's.
constexpr unsigned kRseqBytes = 32;
#if defined(__x86_64__)
constexpr long kRseq = 334;
constexpr unsigned kRseqSignature = 0x53053053;
#elif defined(__aarch64__)
constexpr long kRseq = 293;
constexpr unsigned kRseqSignature = 0xd428bc00;
#endif

constexpr char kPath[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// The most that an agent takes: what transport.maxBodyBytes may be at most. That of the control connections, 1 MiB,
// would make arguments above it an exception in the worker.
constexpr uint64_t kMaxAgentBody = 1u << 30;

// What shells use for "found but cannot be executed".
constexpr int kNotStarted = 126;

UniqueFd MoveUp(int fd) {
  UniqueFd old(fd);
  return UniqueFd(fcntl(old.get(), F_DUPFD_CLOEXEC, kFirstFreeFd));
}

Step MakePipe(UniqueFd* read_end, UniqueFd* write_end) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return Step::Failed("pipe");
  *read_end = MoveUp(ends[0]);
  *write_end = MoveUp(ends[1]);
  return read_end->valid() && write_end->valid() ? Step::Done() : Step::Failed("pipe");
}

int SayHello(const Cell& cell) {
  const std::string hello = "{\"role\":\"agent\",\"container\":" + JsonQuote(cell.request->container) +
                            ",\"token\":" + JsonQuote(cell.request->token) + "}";
  return SendAll(kConnectionFd, Encode({.type = transport::frame_type::kHello,
                                        .x0 = transport::kProtocolVersion,
                                        .x1 = transport::kLowestProtocolVersion,
                                        .x2 = static_cast<uint32_t>(kMaxAgentBody / 1024)},
                                       hello));
}

// The child's only voice: its connection to the worker. HELLO first, as on every connection.
[[noreturn]] void ReportAndExit(const Cell& cell, const Step& step) {
  SayHello(cell);
  SendAll(
      kConnectionFd,
      Encode({.type = transport::frame_type::kReady, .status = transport::frame_status::kStartFailed}, step.Json()));
  EndConnection(kConnectionFd, false);
  _exit(kNotStarted);
}

Step PlaceDescriptors(UniqueFd* const (&sources)[4]) {
  const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (null < 0) return Step::Failed("open /dev/null");
  UniqueFd input = MoveUp(null);
  if (dup2(input.get(), 0) < 0) return Step::Failed("dup2");
  for (int i = 0; i < 4; ++i) {
    if (dup2(sources[i]->get(), i + 1) < 0) return Step::Failed("dup2");
  }
  CloseFrom(kAssignmentFd + 1);
  // Closed by number above: they must not be closed again, when the number may belong to something else.
  input.release();
  for (UniqueFd* source : sources) source->release();
  return Step::Done();
}

// The first to go when memory runs out, before its supervisor (which may not have the right to protect itself) and
// before anything of the host. Raising is always allowed; where there is no /proc to say it, the kernel chooses by
// size, which is the agent too.
void BecomeFirstVictim() {
  UniqueFd file(open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
  if (file.valid() && write(file.get(), "1000", 4) != 4) return;
}

// Restartable sequences are given up by a process that shares its parent's memory, and so by the children it forks; the
// C library, and what uses its area, believe in them still.
void RegisterSequences() {
  if (&__rseq_size == nullptr || &__rseq_offset == nullptr || __rseq_size == 0) return;
  char* area = static_cast<char*>(__builtin_thread_pointer()) + __rseq_offset;
  // Fails where they were never given up.
  syscall(kRseq, area, kRseqBytes, 0, kRseqSignature);
}

Step Confine(const Cell& cell) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  setsid();
  umask(022);
  BecomeFirstVictim();
  const bool counted = !cell.request->cgroup.empty() && !cell.cgroups->empty();
  if (Step step = ApplyRlimits(*cell.request, counted, cell.root->all_uids); !step.ok()) return step;
  // Made before the rights are gone, so that nothing but system calls happens after.
  const auto program = SeccompProgram(cell.request->has_links());
  if (Step step = BecomeUnprivileged(*cell.request, cell.root->all_uids); !step.ok()) return step;
  if (cell.config->seccomp) {
    if (const int result = InstallSeccomp(program); result < 0) return Step::Failed("seccomp", -result);
  }
  return Step::Done();
}

std::vector<std::string> Environment(const Cell& cell, const StringPairs& function_env) {
  std::vector<std::string> lines = {kPath, "HOME=/tmp", "TMPDIR=/tmp", "LANG=C.UTF-8"};
  const auto set = [&lines](const std::string& name, const std::string& value) {
    const std::string prefix = name + "=";
    for (std::string& line : lines) {
      if (line.compare(0, prefix.size(), prefix) == 0) {
        line = prefix + value;
        return;
      }
    }
    lines.push_back(prefix + value);
  };
  for (const auto& [name, value] : cell.request->env) set(name, value);
  for (const auto& [name, value] : function_env) set(name, value);
  // Last: nobody's variables may redirect the protocol.
  set("ILUVATAR_AGENT_FD", std::to_string(kConnectionFd));
  set("ILUVATAR_CONTAINER", cell.request->container);
  set("ILUVATAR_TOKEN", cell.request->token);
  if (!cell.root->private_view) set("ILUVATAR_STORE", cell.config->store);
  return lines;
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& text : strings) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

[[noreturn]] void Execute(const Cell& cell, std::vector<std::string> argv, std::vector<std::string> env) {
  // Ignored in interpreters, and that would survive the execve.
  signal(SIGPIPE, SIG_DFL);
  std::string program = argv[0];
  // A bare name is the function's own file if there is one, else the system's.
  if (program.find('/') == std::string::npos && access(program.c_str(), X_OK) == 0) program = "./" + program;
  const std::vector<char*> arguments = Pointers(argv);
  const std::vector<char*> environment = Pointers(env);
  execvpe(program.c_str(), arguments.data(), environment.data());
  ReportAndExit(cell, Step::Failed("execute " + program));
}

[[noreturn]] void ExecuteAssigned(const Cell& cell) {
  Frame frame;
  const int got = ReadFrame(kAssignmentFd, &frame);
  // The container ends before it was given a function.
  if (got == 0) _exit(0);
  if (got < 0) ReportAndExit(cell, Step::Failed("read assignment", -got));
  close(kAssignmentFd);
  AssignRequest assign;
  if (const std::string error = ParseAssign(frame.meta, &assign); !error.empty()) {
    ReportAndExit(cell, Step::Failed("assignment: " + error, EINVAL));
  }
  if (assign.argv.empty()) ReportAndExit(cell, Step::Failed("assignment without argv", EINVAL));
  const std::string folder = cell.root->private_view ? "/function" : cell.config->store + "/" + assign.code;
  if (chdir(folder.c_str()) != 0) ReportAndExit(cell, Step::Failed("chdir " + folder));
  std::vector<std::string> env = Environment(cell, assign.env);
  env.push_back("ILUVATAR_FUNCTION=" + assign.function);
  env.push_back("ILUVATAR_ENTRY=" + assign.entry);
  Execute(cell, std::move(assign.argv), std::move(env));
}

}  // namespace

void CloseFrom(unsigned first) {
  if (syscall(SYS_close_range, first, ~0u, 0) == 0) return;
  // Kernels before 5.9. The limit may be a million: what spawners open stays far below this.
  struct rlimit files;
  const rlim_t end = getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < 65536 ? files.rlim_cur : 65536;
  for (rlim_t fd = first; fd < end; ++fd) close(static_cast<int>(fd));
}

Step StartAgent(const Cell& cell, UniqueFd connection, Agent* agent) {
  UniqueFd output;
  UniqueFd errors;
  UniqueFd assign;
  connection = MoveUp(connection.release());
  if (!connection.valid()) return Step::Failed("dup");
  if (Step step = MakePipe(&agent->pipes.output, &output); !step.ok()) return step;
  if (Step step = MakePipe(&agent->pipes.errors, &errors); !step.ok()) return step;
  if (Step step = MakePipe(&assign, &agent->pipes.assign); !step.ok()) return step;
  // The C library's fork: at-fork handlers run and its idea of the thread id is right again, which the raw clone before
  // left wrong.
  agent->pid = fork();
  if (agent->pid < 0) return Step::Failed("fork agent");
  if (agent->pid > 0) return Step::Done();

  Step step = PlaceDescriptors({&output, &errors, &connection, &assign});
  agent->pipes.output.release();
  agent->pipes.errors.release();
  agent->pipes.assign.release();
  if (cell.program >= 0) RegisterSequences();
  if (step.ok()) step = Confine(cell);
  if (!step.ok()) ReportAndExit(cell, step);
  if (cell.request->own_runtime) {
    for (const auto& [name, value] : cell.request->env) setenv(name.c_str(), value.c_str(), 1);
    // Here rather than in the interpreter, where it would cost a hundred times as much. What fails is noticed where the
    // connection is read.
    SayHello(cell);
    return Step::Done();
  }
  if (cell.request->waits_for_assign()) ExecuteAssigned(cell);
  Execute(cell, cell.request->argv, Environment(cell, {}));
}

}  // namespace iluvatar::sandbox
