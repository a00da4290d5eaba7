// See task_service.h. The life of a container after its requests is in task_life.cc.
#include "shim/task_service.h"

#include <sys/epoll.h>
#include <sys/syscall.h>

#include <csignal>

#include "cgroup/files.h"
#include "shim/bundle.h"

namespace iluvatar::shim {
namespace {

#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

constexpr const char* kServices[] = {"containerd.task.v2.Task", "containerd.task.v3.Task"};

constexpr const char* kUnimplemented[] = {"Exec",   "Pause",     "Resume",  "Checkpoint",
                                          "Update", "ResizePty", "CloseIO", "Stats"};

template <size_t N>
bool Holds(const char* const (&names)[N], const std::string& text) {
  for (const char* name : names) {
    if (text == name) return true;
  }
  return false;
}

bool ReadPids(const Task& task, std::vector<int>* pids) {
  return !task.cgroup.empty() && cgroup::Pids({task.cgroup}, pids).ok();
}

std::string Refusal(const CreateRequest& request, const std::string& name_space) {
  if (request.terminal) return "terminals are not supported by this shim";
  if (!request.input.empty()) return "standard input is not supported by this shim: leave stdin empty";
  if (!request.checkpoint.empty()) return "checkpoints are not supported by this shim";
  if (request.has_options) return "this shim takes no runtime options";
  if (!IsCleanAbsolute(request.bundle)) return "the bundle must be an absolute path";
  // containerd says the namespace only when it executes `start`, and names the folder of its bundles after it.
  const std::string folder = request.bundle.substr(0, request.bundle.rfind('/'));
  if (folder.substr(folder.rfind('/') + 1) != name_space) {
    return "this daemon serves the namespace " + name_space + ": give each namespace a socket of its own";
  }
  return {};
}

}  // namespace

const TaskService::MethodEntry TaskService::kMethods[] = {
    {"State", &TaskService::State},    {"Start", &TaskService::Start}, {"Delete", &TaskService::Delete},
    {"Pids", &TaskService::Pids},      {"Kill", &TaskService::Kill},   {"Wait", &TaskService::Wait},
    {"Connect", &TaskService::Connect}};

void TaskService::Handle(Reply reply, const TtrpcRequest& request) {
  if (!Holds(kServices, request.service)) {
    return server_->Refuse(reply, Code::kUnimplemented, "service " + request.service);
  }
  if (request.method == "Create") return Create(reply, request);
  // Said after each container; the daemon itself knows when there is nothing more to do.
  if (request.method == "Shutdown") return server_->Answer(reply, {});
  if (Holds(kUnimplemented, request.method)) {
    return server_->Refuse(reply, Code::kUnimplemented, request.method + " is not supported by this shim");
  }
  TaskRequest what;
  if (!DecodeTaskRequest(request.payload, &what)) {
    return server_->Refuse(reply, Code::kInvalidArgument, request.method + ": not a request of the task service");
  }
  for (const MethodEntry& entry : kMethods) {
    if (request.method != entry.name) continue;
    if (!what.exec_id.empty()) {
      return server_->Refuse(reply, Code::kNotFound, "process " + what.exec_id + ": this shim has no exec");
    }
    const auto found = tasks_.find(what.id);
    if (found == tasks_.end()) return server_->Refuse(reply, Code::kNotFound, "container " + what.id);
    return (this->*entry.method)(reply, what, found->second.get());
  }
  server_->Refuse(reply, Code::kUnimplemented, "method " + request.method);
}

void TaskService::Create(Reply reply, const TtrpcRequest& message) {
  CreateRequest request;
  if (!DecodeCreate(message.payload, &request)) {
    return server_->Refuse(reply, Code::kInvalidArgument, "Create: not a request of the task service");
  }
  if (tasks_.count(request.id) != 0) {
    return server_->Refuse(reply, Code::kAlreadyExists, "container " + request.id);
  }
  if (std::string refusal = Refusal(request, name_space_); !refusal.empty()) {
    return server_->Refuse(reply, Code::kInvalidArgument, std::move(refusal));
  }
  std::string json;
  if (Step step = ReadSpec(request.bundle, &json); !step.ok()) {
    return server_->Refuse(reply, Code::kUnknown, step.Message());
  }
  InitPlan plan;
  plan.files = files_;
  if (std::string refusal = ParseSpec(json, &plan.spec); !refusal.empty()) {
    return server_->Refuse(reply, Code::kInvalidArgument, std::move(refusal));
  }
  if (Step step = OpenInitPlan(request, &hierarchies_, &plan); !step.ok()) {
    return server_->Refuse(reply, Code::kUnknown, step.Message());
  }
  auto task = std::make_unique<Task>();
  Task* raw = task.get();
  task->facts.id = request.id;
  task->facts.bundle = request.bundle;
  task->facts.output = request.output;
  task->facts.errors = request.errors;
  task->rootfs = request.rootfs;
  if (!plan.cgroup.folders.empty()) task->cgroup = plan.cgroup.folders[0];
  task->create = reply;
  if (Step step = SpawnInit(&plan, &task->process); !step.ok()) {
    return server_->Refuse(reply, Code::kUnknown, step.Message());
  }
  task->facts.pid = static_cast<uint32_t>(task->process.pid);
  by_pid_[task->process.pid] = raw;
  tasks_.emplace(request.id, std::move(task));
  Step step = WritePid(request.bundle, raw->process.pid);
  if (step.ok()) {
    const Status watched = loop_->Watch(raw->process.channel.get(), EPOLLIN, [this, raw](uint32_t) { Hear(raw); });
    if (!watched.ok()) step = Step::Failed("watch container", watched.error);
  }
  if (step.ok()) return;
  // Its end answers.
  raw->failure = step;
  kill(raw->process.pid, SIGKILL);
}

void TaskService::State(Reply reply, const TaskRequest&, Task* task) {
  server_->Answer(reply, EncodeState(task->facts));
}

void TaskService::Start(Reply reply, const TaskRequest&, Task* task) {
  if (task->phase != Task::Phase::kHeld) {
    return server_->Refuse(reply, Code::kFailedPrecondition,
                           "container " + task->facts.id + " is not waiting to start");
  }
  if (Step step = Release(task->process); !step.ok()) {
    return server_->Refuse(reply, Code::kUnknown, step.Message());
  }
  task->phase = Task::Phase::kStarting;
  task->start = reply;
}

void TaskService::Delete(Reply reply, const TaskRequest&, Task* task) {
  switch (task->phase) {
    case Task::Phase::kStopped:
      task->deletes.push_back(reply);
      return Remove(task);
    case Task::Phase::kHeld:
      task->deletes.push_back(reply);
      kill(task->process.pid, SIGKILL);
      return;
    default:
      server_->Refuse(reply, Code::kFailedPrecondition, "container " + task->facts.id + " is running");
  }
}

void TaskService::Pids(Reply reply, const TaskRequest&, Task* task) {
  std::vector<int> pids;
  if (task->phase != Task::Phase::kStopped) {
    if (!ReadPids(*task, &pids) || pids.empty()) pids = {task->process.pid};
  }
  server_->Answer(reply, EncodePids(pids));
}

void TaskService::Kill(Reply reply, const TaskRequest& request, Task* task) {
  if (task->phase == Task::Phase::kStopped) {
    return server_->Refuse(reply, Code::kNotFound, "process already finished");
  }
  const int number = static_cast<int>(request.signal);
  if (number < 1 || number >= NSIG) return server_->Refuse(reply, Code::kInvalidArgument, "no such signal");
  // The end of the first process is the end of them all.
  if (request.all && number != SIGKILL) {
    std::vector<int> pids;
    if (ReadPids(*task, &pids)) {
      for (const int pid : pids) {
        if (pid != task->process.pid) kill(pid, number);
      }
    }
  }
  if (syscall(SYS_pidfd_send_signal, task->process.pidfd.get(), number, nullptr, 0) != 0) {
    const Code code = errno == ESRCH ? Code::kNotFound : Code::kUnknown;
    return server_->Refuse(reply, code, errno == ESRCH ? "process already finished" : Step::Failed("kill").Message());
  }
  server_->Answer(reply, {});
}

void TaskService::Wait(Reply reply, const TaskRequest&, Task* task) {
  if (task->phase == Task::Phase::kStopped) return server_->Answer(reply, EncodeWait(task->facts));
  task->waits.push_back(reply);
}

void TaskService::Connect(Reply reply, const TaskRequest&, Task* task) {
  server_->Answer(reply, EncodeConnect(static_cast<uint32_t>(getpid()), task->facts.pid));
}

}  // namespace iluvatar::shim
