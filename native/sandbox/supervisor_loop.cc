// See supervisor_loop.h.
#include "sandbox/supervisor_loop.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include <algorithm>
#include <utility>

#include "sandbox/privileges.h"
#include "sandbox/syscalls.h"

namespace iluvatar::sandbox {
namespace {

namespace types = transport::frame_type;

constexpr size_t kReadBytes = 64 * 1024;
// Output waiting for the worker beyond this is dropped: a function that prints must neither block for ever nor fill our
// memory.
constexpr size_t kMostOutgoing = 256 * 1024;
// Of each stream, what is still carried after the agent's end.
constexpr size_t kMostDrained = 1 << 20;
// How long the last words may take to be read; a worker that is gone must not keep us.
constexpr int kLastWordsSeconds = 10;
// Passes over our children in the mode without a pid namespace; a pids limit keeps a fork bomb below this.
constexpr int kKillPasses = 1000;

int64_t NowMs() {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
}

// Direct children; with the subreaper attribute orphans of the container become ours.
std::vector<pid_t> Children() {
  std::vector<pid_t> children;
  const std::string path = "/proc/self/task/" + std::to_string(getpid()) + "/children";
  system::UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char text[4096];
  const ssize_t got = file.valid() ? read(file.get(), text, sizeof text) : 0;
  pid_t pid = 0;
  for (ssize_t i = 0; i < got; ++i) {
    if (text[i] >= '0' && text[i] <= '9') {
      pid = pid * 10 + (text[i] - '0');
    } else if (pid > 0) {
      children.push_back(std::exchange(pid, 0));
    }
  }
  return children;
}

}  // namespace

SupervisorLoop::SupervisorLoop(const Cell& cell, int control, Agent agent, system::UniqueFd child_signals)
    : cell_(cell),
      control_(control),
      agent_(agent.pid),
      child_signals_(std::move(child_signals)),
      streams_{{std::move(agent.pipes.output), 1}, {std::move(agent.pipes.errors), 2}},
      assign_pipe_(std::move(agent.pipes.assign)) {
  for (const int fd : {streams_[0].pipe.get(), streams_[1].pipe.get(), assign_pipe_.get()}) {
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  }
}

void SupervisorLoop::Run() {
  for (;;) {
    struct pollfd fds[5] = {
        {control_, static_cast<short>(POLLIN | (outgoing_.empty() ? 0 : POLLOUT)), 0},
        {child_signals_.get(), POLLIN, 0},
        {streams_[0].pipe.get(), POLLIN, 0},
        {streams_[1].pipe.get(), POLLIN, 0},
        // -1 is skipped by poll.
        {assign_bytes_.empty() ? -1 : assign_pipe_.get(), POLLOUT, 0},
    };
    const int ready = poll(fds, 5, PollTimeout());
    if (ready < 0 && errno != EINTR) Fail(Step::Failed("poll"));
    if (kill_at_ != 0 && NowMs() >= kill_at_) {
      kill_at_ = 0;
      KillOthers();
    }
    if (ready <= 0) continue;
    if ((fds[0].revents & POLLOUT) != 0) Flush();
    if ((fds[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0) ReadControl();
    for (int i = 0; i < 2; ++i) {
      if (fds[2 + i].revents != 0) ReadOutput(&streams_[i]);
    }
    if (fds[4].revents != 0) ForwardAssign();
    // Last: what the agent printed before its end is sent before the news of it.
    if (fds[1].revents != 0) ReapChildren();
  }
}

int SupervisorLoop::PollTimeout() const {
  if (kill_at_ == 0) return -1;
  return static_cast<int>(std::clamp<int64_t>(kill_at_ - NowMs(), 0, 60'000));
}

void SupervisorLoop::ReadControl() {
  Frame frame;
  const int got = ReadFrame(control_, &frame);
  if (got == 0 || got == -ECONNRESET) End();
  if (got < 0) Fail(Step::Failed("read from worker", -got));
  switch (frame.header.type) {
    case types::kHello:
      heard_ = true;
      break;
    case types::kPing:
      Queue(Encode({.type = types::kPong, .request_id = frame.header.request_id}, {}));
      break;
    case types::kAssign:
      Assign(frame);
      break;
    case types::kCancel:
      Cancel(frame.header.x0);
      break;
    case types::kError:
      End();
    default:
      Fail(Step::Failed("unexpected frame type " + std::to_string(frame.header.type), EPROTO));
  }
}

void SupervisorLoop::Assign(const Frame& frame) {
  if (assigned_) Fail(Step::Failed("assigned twice", EALREADY));
  assigned_ = true;
  AssignRequest assign;
  if (const std::string error = ParseAssign(frame.meta, &assign); !error.empty()) {
    Fail(Step::Failed("assignment: " + error, EINVAL));
  }
  if (const Step step = MountFunction(cell_, assign); !step.ok()) Fail(step);
  if (assign.rlimit_data_mb > 0) {
    const rlim_t bytes = static_cast<rlim_t>(assign.rlimit_data_mb) << 20;
    const struct rlimit limit = {bytes, bytes};
    if (prlimit(agent_, RLIMIT_DATA, &limit, nullptr) != 0) Fail(Step::Failed("rlimit data"));
  }
  // From here on user code runs beside us.
  if (const Step step = KeepOnlyKill(); !step.ok()) Fail(step);
  const auto* header = reinterpret_cast<const char*>(&frame.header);
  assign_bytes_.assign(header, sizeof frame.header);
  assign_bytes_ += frame.meta;
  assign_bytes_ += frame.body;
  ForwardAssign();
}

void SupervisorLoop::ForwardAssign() {
  while (!assign_bytes_.empty()) {
    const ssize_t written = write(assign_pipe_.get(), assign_bytes_.data(), assign_bytes_.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN) return;
    // The agent closed it or died; its death is reported where it is reaped.
    if (written < 0) break;
    assign_bytes_.erase(0, static_cast<size_t>(written));
  }
  assign_bytes_.clear();
  assign_bytes_.shrink_to_fit();
  assign_pipe_.reset();
}

void SupervisorLoop::Cancel(uint32_t grace_ms) {
  kill(agent_, SIGUSR2);
  const int64_t at = NowMs() + grace_ms;
  // A second CANCEL may shorten the grace, never extend it.
  if (kill_at_ == 0 || at < kill_at_) kill_at_ = std::max<int64_t>(at, 1);
}

bool SupervisorLoop::ReadOutput(Stream* stream) {
  if (!stream->pipe.valid()) return false;
  buffer_.resize(kReadBytes);
  const ssize_t got = read(stream->pipe.get(), buffer_.data(), buffer_.size());
  if (got < 0) return errno == EINTR;
  if (got == 0) {
    stream->pipe.reset();
    return false;
  }
  if (outgoing_.size() > kMostOutgoing) {
    stream->cut = true;
    return true;
  }
  const uint8_t flags = std::exchange(stream->cut, false) ? transport::kLogFlagCut : uint8_t{0};
  Queue(Encode({.type = types::kLog, .flags = flags, .x0 = stream->number}, {},
               std::string_view(buffer_).substr(0, static_cast<size_t>(got))));
  return true;
}

void SupervisorLoop::ReapChildren() {
  struct signalfd_siginfo ignored;
  while (read(child_signals_.get(), &ignored, sizeof ignored) > 0) {
  }
  int status = 0;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
    if (pid == agent_) AgentEnded(status);
  }
}

void SupervisorLoop::AgentEnded(int status) {
  // Nothing may go on writing into the pipes, or the draining would not end.
  KillOthers();
  for (Stream& stream : streams_) {
    for (size_t drained = 0; drained < kMostDrained && ReadOutput(&stream); drained += kReadBytes) {
    }
  }
  for (Stream& stream : streams_) {
    if (stream.cut)
      outgoing_ += Encode({.type = types::kLog, .flags = transport::kLogFlagCut, .x0 = stream.number}, {});
  }
  FrameFields exited = {.type = types::kExited};
  if (WIFSIGNALED(status)) {
    exited.status = transport::frame_status::kCrashed;
    exited.x1 = static_cast<uint32_t>(WTERMSIG(status));
  } else {
    exited.x0 = static_cast<uint32_t>(WEXITSTATUS(status));
    if (exited.x0 != 0) exited.status = transport::frame_status::kCrashed;
  }
  SendLast(Encode(exited, {}));
  End();
}

void SupervisorLoop::Fail(const Step& step) {
  SendLast(Encode({.type = types::kExited, .status = transport::frame_status::kStartFailed}, step.Json()));
  End();
}

void SupervisorLoop::End() {
  KillOthers();
  if (!cell_.own_processes()) {
    // Only when the agent is reaped do the processes it had detached become our children.
    waitpid(agent_, nullptr, 0);
    KillOthers();
  }
  EndConnection(control_, true);
  _exit(0);
}

void SupervisorLoop::KillOthers() {
  if (cell_.own_processes()) {
    // All of this pid namespace but us.
    kill(-1, SIGKILL);
    return;
  }
  kill(-agent_, SIGKILL);
  kill(agent_, SIGKILL);
  for (int pass = 0; pass < kKillPasses; ++pass) {
    const std::vector<pid_t> children = Children();
    if (children.empty()) return;
    for (const pid_t child : children) kill(child, SIGKILL);
    // The agent is left for ReapChildren, which reports how it ended.
    bool waited = false;
    for (const pid_t child : children) {
      if (child != agent_ && waitpid(child, nullptr, 0) == child) waited = true;
    }
    if (!waited) return;
  }
}

void SupervisorLoop::Queue(std::string_view bytes) {
  outgoing_.append(bytes);
  Flush();
}

void SupervisorLoop::Flush() {
  size_t done = 0;
  while (done < outgoing_.size()) {
    const ssize_t sent = send(control_, outgoing_.data() + done, outgoing_.size() - done, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    // A broken connection is noticed where it is read.
    if (sent < 0) break;
    done += static_cast<size_t>(sent);
  }
  outgoing_.erase(0, done);
}

void SupervisorLoop::SendLast(std::string_view bytes) {
  const struct timeval patience = {kLastWordsSeconds, 0};
  setsockopt(control_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  outgoing_.append(bytes);
  SendAll(control_, outgoing_);
  if (!heard_) EndConnection(control_, false);
}

}  // namespace iluvatar::sandbox
