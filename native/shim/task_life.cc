// What happens to a container between requests: see task_service.h.
#include <sys/wait.h>

#include <csignal>

#include "shim/bundle.h"
#include "shim/task_service.h"

namespace iluvatar::shim {
void TaskService::Hear(Task* task) {
  switch (ReadReport(task->process, &task->failure)) {
    case InitReport::kNothingYet:
      return;
    case InitReport::kReady:
      task->phase = Task::Phase::kHeld;
      task->facts.state = TaskState::kCreated;
      server_->Answer(*task->create, EncodePid(task->facts.pid));
      task->create.reset();
      return publisher_->Publish(CreateEvent(task->facts, task->rootfs));
    case InitReport::kFailed:
      // Its end follows, and answers.
      return CloseChannel(task);
    case InitReport::kEnded:
      CloseChannel(task);
      // Executed, or dead: of the dead we hear as their parent, and no execve has been seen to fail.
      if (task->phase == Task::Phase::kStarting) Started(task);
  }
}

void TaskService::Started(Task* task) {
  task->phase = Task::Phase::kRunning;
  task->facts.state = TaskState::kRunning;
  server_->Answer(*task->start, EncodePid(task->facts.pid));
  task->start.reset();
  publisher_->Publish(StartEvent(task->facts));
}

void TaskService::Reap() {
  for (;;) {
    int status = 0;
    const pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid < 0 && errno == EINTR) continue;
    if (pid <= 0) return;
    const auto found = by_pid_.find(pid);
    // One that was never made a task of, or an orphan that came to us as subreaper.
    if (found == by_pid_.end()) continue;
    Task* task = found->second;
    by_pid_.erase(found);
    Ended(task, status);
  }
}

void TaskService::Ended(Task* task, int wait_status) {
  // What it said last may not have been read.
  while (task->process.channel.valid() && task->phase != Task::Phase::kRunning) Hear(task);
  CloseChannel(task);
  task->facts.exit_status =
      static_cast<uint32_t>(WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status));
  clock_gettime(CLOCK_REALTIME, &task->facts.exited_at);
  const bool was_created = !task->create.has_value();
  const std::string reason = task->failure.ok() ? "the container ended while it was set up" : task->failure.Message();
  if (task->start.has_value()) server_->Refuse(*task->start, Code::kUnknown, reason);
  task->start.reset();
  if (!was_created) {
    server_->Refuse(*task->create, Code::kUnknown, reason);
    return Remove(task);
  }
  task->phase = Task::Phase::kStopped;
  task->facts.state = TaskState::kStopped;
  publisher_->Publish(ExitEvent(task->facts));
  for (const Reply& wait : task->waits) server_->Answer(wait, EncodeWait(task->facts));
  task->waits.clear();
  if (!task->deletes.empty()) Remove(task);
}

void TaskService::CloseChannel(Task* task) {
  if (!task->process.channel.valid()) return;
  loop_->Forget(task->process.channel.get());
  task->process.channel.reset();
}

void TaskService::Remove(Task* task) {
  RemovePid(task->facts.bundle);
  const bool was_created = !task->create.has_value();
  if (was_created) publisher_->Publish(DeleteEvent(task->facts));
  for (const Reply& reply : task->deletes) {
    server_->Answer(reply, EncodeDelete(task->facts.pid, task->facts.exit_status, task->facts.exited_at));
  }
  const std::string id = task->facts.id;
  tasks_.erase(id);
}

void TaskService::Tick() {
  for (auto next = tasks_.begin(); next != tasks_.end();) {
    Task* task = next++->second.get();
    if (task->phase == Task::Phase::kStopped && !BundleExists(task->facts.bundle)) Remove(task);
  }
}

}  // namespace iluvatar::shim
