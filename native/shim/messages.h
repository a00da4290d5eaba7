// The messages of containerd's task service and of its task events, as far as this shim reads or writes them. Pure.
// Source: containerd's api/runtime/task/v2/shim.proto, api/events/task.proto, api/types.
#ifndef ILUVATAR_SHIM_MESSAGES_H_
#define ILUVATAR_SHIM_MESSAGES_H_

#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

namespace iluvatar::shim {

struct RootMount {
  std::string type;
  std::string source;
  std::string target;
  std::vector<std::string> options;
};

struct CreateRequest {
  std::string id;
  std::string bundle;
  std::vector<RootMount> rootfs;
  bool terminal = false;
  std::string input;
  std::string output;
  std::string errors;
  std::string checkpoint;
  bool has_options = false;
};

bool DecodeCreate(std::string_view data, CreateRequest* request);

// Every other request of the service: they share the numbers of the fields they have in common.
struct TaskRequest {
  std::string id;
  std::string exec_id;
  // Kill only.
  uint32_t signal = 0;
  bool all = false;
};

bool DecodeTaskRequest(std::string_view data, TaskRequest* request);

enum class TaskState : uint32_t { kUnknown = 0, kCreated = 1, kRunning = 2, kStopped = 3 };

// What is known of a container, for answers and events.
struct TaskFacts {
  std::string id;
  std::string bundle;
  std::string output;
  std::string errors;
  uint32_t pid = 0;
  TaskState state = TaskState::kUnknown;
  // As a shell says it: 128 + signal for one that was killed.
  uint32_t exit_status = 0;
  // {0, 0} while it runs.
  struct timespec exited_at = {0, 0};
};

std::string EncodeTimestamp(const struct timespec& time);
std::string EncodeState(const TaskFacts& task);
// Create and Start.
std::string EncodePid(uint32_t pid);
std::string EncodeDelete(uint32_t pid, uint32_t exit_status, const struct timespec& exited_at);
std::string EncodeWait(const TaskFacts& task);
std::string EncodePids(const std::vector<int>& pids);
std::string EncodeConnect(uint32_t shim_pid, uint32_t task_pid);

// One event: topic, type, and its protobuf.
struct TaskEvent {
  std::string container;
  std::string topic;
  std::string type;
  std::string value;
  struct timespec time = {0, 0};
};

TaskEvent CreateEvent(const TaskFacts& task, const std::vector<RootMount>& rootfs);
TaskEvent StartEvent(const TaskFacts& task);
TaskEvent ExitEvent(const TaskFacts& task);
TaskEvent DeleteEvent(const TaskFacts& task);

// The ForwardRequest of containerd's events service, in a namespace of containerd's.
std::string EncodeForward(const TaskEvent& event, std::string_view name_space);

}  // namespace iluvatar::shim

#endif  // ILUVATAR_SHIM_MESSAGES_H_
