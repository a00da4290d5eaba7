// containerd's task service (containerd.task.v2.Task, and v3, which differs in its name only as far as this shim goes).
// Not implemented, and said so: exec, pause, checkpoint, update, terminals, standard input, stats.
#ifndef ILUVATAR_SHIM_TASK_SERVICE_H_
#define ILUVATAR_SHIM_TASK_SERVICE_H_

#include <map>
#include <memory>
#include <string>

#include "shim/cgroup_places.h"
#include "shim/event_publisher.h"
#include "shim/loop.h"
#include "shim/task.h"
#include "shim/ttrpc_server.h"

namespace iluvatar::shim {

class TaskService {
 public:
  // `name_space`: the one of containerd's that it serves; `files`: the limit of open files that containers get unless
  // their specification says otherwise.
  TaskService(Loop* loop, TtrpcServer* server, EventPublisher* publisher, std::string name_space, struct rlimit files)
      : loop_(loop), server_(server), publisher_(publisher), name_space_(std::move(name_space)), files_(files) {}

  Hierarchies* hierarchies() { return &hierarchies_; }

  void Handle(Reply reply, const TtrpcRequest& request);
  // Children have ended.
  void Reap();
  // Forgets stopped containers whose bundle is gone: containerd has given them up without a word.
  void Tick();
  size_t size() const { return tasks_.size(); }

 private:
  using Method = void (TaskService::*)(Reply, const TaskRequest&, Task*);
  struct MethodEntry {
    const char* name;
    Method method;
  };
  static const MethodEntry kMethods[];

  void Create(Reply reply, const TtrpcRequest& message);
  void State(Reply reply, const TaskRequest& request, Task* task);
  void Start(Reply reply, const TaskRequest& request, Task* task);
  void Delete(Reply reply, const TaskRequest& request, Task* task);
  void Pids(Reply reply, const TaskRequest& request, Task* task);
  void Kill(Reply reply, const TaskRequest& request, Task* task);
  void Wait(Reply reply, const TaskRequest& request, Task* task);
  void Connect(Reply reply, const TaskRequest& request, Task* task);

  // The process has said something, or closed its channel.
  void Hear(Task* task);
  void Started(Task* task);
  void Ended(Task* task, int wait_status);
  void Remove(Task* task);
  void CloseChannel(Task* task);

  Loop* loop_;
  TtrpcServer* server_;
  EventPublisher* publisher_;
  std::string name_space_;
  struct rlimit files_;
  Hierarchies hierarchies_;
  std::map<std::string, std::unique_ptr<Task>> tasks_;
  std::map<pid_t, Task*> by_pid_;
};

}  // namespace iluvatar::shim

#endif  // ILUVATAR_SHIM_TASK_SERVICE_H_
