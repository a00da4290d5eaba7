// See messages.h.
#include "shim/messages.h"

#include "shim/protobuf.h"

namespace iluvatar::shim {
namespace {

bool DecodeMount(std::string_view data, RootMount* mount) {
  ProtoReader reader(data);
  while (reader.Next()) {
    if (reader.IsBytes(1)) mount->type = reader.bytes();
    if (reader.IsBytes(2)) mount->source = reader.bytes();
    if (reader.IsBytes(3)) mount->target = reader.bytes();
    if (reader.IsBytes(4)) mount->options.emplace_back(reader.bytes());
  }
  return reader.ok();
}

std::string EncodeMount(const RootMount& mount) {
  ProtoWriter writer;
  writer.Bytes(1, mount.type).Bytes(2, mount.source).Bytes(3, mount.target);
  for (const std::string& option : mount.options) writer.Message(4, option);
  return writer.Take();
}

// Every string ends up in a C interface, where a NUL would cut it short unseen.
bool HasNul(const std::string& text) { return text.find('\0') != std::string::npos; }

TaskEvent Event(const TaskFacts& task, const char* topic, const char* type, std::string value) {
  TaskEvent event = {task.id, topic, type, std::move(value), {0, 0}};
  clock_gettime(CLOCK_REALTIME, &event.time);
  return event;
}

}  // namespace

bool DecodeCreate(std::string_view data, CreateRequest* request) {
  *request = {};
  ProtoReader reader(data);
  while (reader.Next()) {
    if (reader.IsBytes(1)) request->id = reader.bytes();
    if (reader.IsBytes(2)) request->bundle = reader.bytes();
    if (reader.IsBytes(3) && !DecodeMount(reader.bytes(), &request->rootfs.emplace_back())) return false;
    if (reader.IsVarint(4)) request->terminal = reader.varint() != 0;
    if (reader.IsBytes(5)) request->input = reader.bytes();
    if (reader.IsBytes(6)) request->output = reader.bytes();
    if (reader.IsBytes(7)) request->errors = reader.bytes();
    if (reader.IsBytes(8)) request->checkpoint = reader.bytes();
    if (reader.IsBytes(10)) request->has_options = !reader.bytes().empty();
  }
  for (const std::string* text : {&request->id, &request->bundle, &request->output, &request->errors}) {
    if (HasNul(*text)) return false;
  }
  for (const RootMount& mount : request->rootfs) {
    if (HasNul(mount.type) || HasNul(mount.source) || HasNul(mount.target)) return false;
    for (const std::string& option : mount.options) {
      if (HasNul(option)) return false;
    }
  }
  return reader.ok() && !request->id.empty();
}

bool DecodeTaskRequest(std::string_view data, TaskRequest* request) {
  *request = {};
  ProtoReader reader(data);
  while (reader.Next()) {
    if (reader.IsBytes(1)) request->id = reader.bytes();
    if (reader.IsBytes(2)) request->exec_id = reader.bytes();
    if (reader.IsVarint(3)) request->signal = static_cast<uint32_t>(reader.varint());
    if (reader.IsVarint(4)) request->all = reader.varint() != 0;
  }
  return reader.ok();
}

std::string EncodeTimestamp(const struct timespec& time) {
  return ProtoWriter()
      .Varint(1, static_cast<uint64_t>(time.tv_sec))
      .Varint(2, static_cast<uint64_t>(time.tv_nsec))
      .Take();
}

std::string EncodeState(const TaskFacts& task) {
  ProtoWriter writer;
  writer.Bytes(1, task.id).Bytes(2, task.bundle).Varint(3, task.pid).Varint(4, static_cast<uint64_t>(task.state));
  writer.Bytes(6, task.output).Bytes(7, task.errors).Varint(9, task.exit_status);
  if (task.exited_at.tv_sec != 0) writer.Message(10, EncodeTimestamp(task.exited_at));
  return writer.Take();
}

std::string EncodePid(uint32_t pid) { return ProtoWriter().Varint(1, pid).Take(); }

std::string EncodeDelete(uint32_t pid, uint32_t exit_status, const struct timespec& exited_at) {
  return ProtoWriter().Varint(1, pid).Varint(2, exit_status).Message(3, EncodeTimestamp(exited_at)).Take();
}

std::string EncodeWait(const TaskFacts& task) {
  return ProtoWriter().Varint(1, task.exit_status).Message(2, EncodeTimestamp(task.exited_at)).Take();
}

std::string EncodePids(const std::vector<int>& pids) {
  ProtoWriter writer;
  for (const int pid : pids) writer.Message(1, ProtoWriter().Varint(1, static_cast<uint64_t>(pid)).Take());
  return writer.Take();
}

std::string EncodeConnect(uint32_t shim_pid, uint32_t task_pid) {
  return ProtoWriter().Varint(1, shim_pid).Varint(2, task_pid).Take();
}

TaskEvent CreateEvent(const TaskFacts& task, const std::vector<RootMount>& rootfs) {
  ProtoWriter writer;
  writer.Bytes(1, task.id).Bytes(2, task.bundle);
  for (const RootMount& mount : rootfs) writer.Message(3, EncodeMount(mount));
  writer.Message(4, ProtoWriter().Bytes(2, task.output).Bytes(3, task.errors).Take()).Varint(6, task.pid);
  return Event(task, "/tasks/create", "containerd.events.TaskCreate", writer.Take());
}

TaskEvent StartEvent(const TaskFacts& task) {
  return Event(task, "/tasks/start", "containerd.events.TaskStart",
               ProtoWriter().Bytes(1, task.id).Varint(2, task.pid).Take());
}

TaskEvent ExitEvent(const TaskFacts& task) {
  ProtoWriter writer;
  writer.Bytes(1, task.id).Bytes(2, task.id).Varint(3, task.pid).Varint(4, task.exit_status);
  return Event(task, "/tasks/exit", "containerd.events.TaskExit",
               writer.Message(5, EncodeTimestamp(task.exited_at)).Take());
}

TaskEvent DeleteEvent(const TaskFacts& task) {
  ProtoWriter writer;
  writer.Bytes(1, task.id).Varint(2, task.pid).Varint(3, task.exit_status);
  return Event(task, "/tasks/delete", "containerd.events.TaskDelete",
               writer.Message(4, EncodeTimestamp(task.exited_at)).Take());
}

std::string EncodeForward(const TaskEvent& event, std::string_view name_space) {
  const std::string any = ProtoWriter().Bytes(1, event.type).Bytes(2, event.value).Take();
  ProtoWriter envelope;
  envelope.Message(1, EncodeTimestamp(event.time)).Bytes(2, name_space).Bytes(3, event.topic).Message(4, any);
  return ProtoWriter().Message(1, envelope.Take()).Take();
}

}  // namespace iluvatar::shim
