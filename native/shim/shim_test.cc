// Tests of the shim's pure parts: protobuf, ttrpc, the messages of the task service, and the reader of specifications.
// Plain asserts, no framework; built with sanitizers by test/native/shim-sanitizer.test.ts. Arguments: seed, rounds of
// fuzzing.
#include <linux/capability.h>
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <random>

#include "sandbox/json.h"
#include "shim/messages.h"
#include "shim/mount_syscalls.h"
#include "shim/protobuf.h"
#include "shim/spec.h"
#include "shim/ttrpc.h"
#include "testing/check_test.h"

namespace {

using namespace iluvatar::shim;
using iluvatar::sandbox::JsonReader;

using namespace std::string_literals;

void TestProtobuf() {
  CHECK(ProtoWriter().Varint(1, 0).Bytes(2, "").Take().empty());
  CHECK(ProtoWriter().Varint(1, 150).Take() == "\x08\x96\x01"s);
  CHECK(ProtoWriter().Bytes(2, "testing").Take() == "\x12\x07testing"s);
  CHECK(ProtoWriter().Message(3, "").Take() == "\x1a\x00"s);
  const std::string most = ProtoWriter().Varint(1, UINT64_MAX).Take();
  ProtoReader reader(most);
  CHECK(reader.Next() && reader.IsVarint(1) && !reader.IsBytes(1) && reader.varint() == UINT64_MAX);
  CHECK(!reader.Next() && reader.ok());
  // Fixed widths are passed over; field 0, groups, numbers too long and lengths too large are not protobuf.
  const std::string text = "\x09"s + "12345678" + "\x15" + "1234" + "\x18\x01";
  ProtoReader widths(text);
  CHECK(widths.Next() && widths.Next() && widths.Next() && widths.IsVarint(3) && !widths.Next() && widths.ok());
  for (const std::string& bad :
       {"\x00\x01"s, "\x0b"s, "\x0c"s, "\x0f"s, "\x08"s, "\x08\xff"s, "\x12\x05"s + "1234", "\x09"s + "1234567",
        "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"s, "\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s}) {
    ProtoReader broken(bad);
    while (broken.Next()) {
    }
    CHECK(!broken.ok());
  }
}

void TestFrames() {
  const std::string payload(300, 'x');
  const std::string first = EncodeFrame({1, FrameType::kRequest, 0, payload});
  const std::string second = EncodeFrame({0x01020304, FrameType::kResponse, 4, ""});
  CHECK(second == "\x00\x00\x00\x00\x01\x02\x03\x04\x02\x04"s);
  // Cut at every byte: nothing comes before the last, and both when it is there.
  const std::string both = first + second;
  for (size_t cut = 0; cut <= both.size(); ++cut) {
    FrameBuffer buffer;
    TtrpcFrame frame;
    size_t frames = 0;
    buffer.Append(both.substr(0, cut));
    while (buffer.Next(&frame) == FrameBuffer::Result::kFrame) ++frames;
    CHECK(frames == (cut == both.size() ? 2u : cut >= first.size() ? 1u : 0u));
    buffer.Append(both.substr(cut));
    FrameBuffer::Result last = FrameBuffer::Result::kFrame;
    while ((last = buffer.Next(&frame)) == FrameBuffer::Result::kFrame) ++frames;
    CHECK(frames == 2 && last == FrameBuffer::Result::kIncomplete);
  }
  FrameBuffer bytewise;
  TtrpcFrame frame;
  for (size_t i = 0; i + 1 < first.size(); ++i) {
    bytewise.Append(first.substr(i, 1));
    CHECK(bytewise.Next(&frame) == FrameBuffer::Result::kIncomplete);
  }
  bytewise.Append(first.substr(first.size() - 1));
  CHECK(bytewise.Next(&frame) == FrameBuffer::Result::kFrame && frame.stream == 1 && frame.data == payload);
  // One byte more than allowed, and types there are not, are told from the header alone.
  for (const std::string& bad :
       {"\x00\x40\x00\x01\x00\x00\x00\x01\x01\x00"s, "\xff\xff\xff\xff\x00\x00\x00\x01\x01\x00"s,
        "\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00"s, "\x00\x00\x00\x00\x00\x00\x00\x01\x04\x00"s}) {
    FrameBuffer buffer;
    buffer.Append(bad);
    CHECK(buffer.Next(&frame) == FrameBuffer::Result::kBroken);
  }
  FrameBuffer largest;
  largest.Append(EncodeFrame({3, FrameType::kRequest, 0, std::string(kMostTtrpcData, 'y')}));
  CHECK(largest.Next(&frame) == FrameBuffer::Result::kFrame && frame.data.size() == kMostTtrpcData);
}

void TestRequests() {
  const std::string data = EncodeRequest({"containerd.task.v2.Task", "Kill", "\x0a\x01x"});
  TtrpcRequest request;
  CHECK(DecodeRequest(data, &request));
  CHECK(request.service == "containerd.task.v2.Task" && request.method == "Kill" && request.payload == "\x0a\x01x");
  // A time-out and metadata, which others send.
  CHECK(DecodeRequest(data + ProtoWriter().Varint(4, 1'000'000).Message(5, "\x0a\x01k\x12\x01v").Take(), &request));
  CHECK(!DecodeRequest("", &request) && !DecodeRequest("garbage", &request));
  CHECK(!DecodeRequest(EncodeRequest({"service", "", ""}), &request));
  TtrpcResponse response;
  CHECK(DecodeResponse(EncodeResponse({Code::kNotFound, "container x", ""}), &response));
  CHECK(response.code == Code::kNotFound && response.message == "container x" && response.payload.empty());
  CHECK(EncodeResponse({Code::kOk, "", ""}).empty() && DecodeResponse("", &response) && response.code == Code::kOk);
}

void TestMessages() {
  const std::string mount =
      ProtoWriter().Bytes(1, "overlay").Bytes(2, "none").Message(4, "lowerdir=/a").Message(4, "ro").Take();
  ProtoWriter writer;
  writer.Bytes(1, "id").Bytes(2, "/bundle").Message(3, mount).Varint(4, 1).Bytes(6, "/out").Bytes(7, "file:///err");
  const std::string data = writer.Message(10, "\x0a\x01t").Take();
  CreateRequest create;
  CHECK(DecodeCreate(data, &create));
  CHECK(create.id == "id" && create.bundle == "/bundle" && create.terminal && create.has_options);
  CHECK(create.output == "/out" && create.errors == "file:///err" && create.input.empty());
  CHECK(create.rootfs.size() == 1 && create.rootfs[0].type == "overlay" && create.rootfs[0].options.size() == 2);
  for (size_t cut = 0; cut < data.size(); ++cut) {
    CreateRequest part;
    DecodeCreate(std::string_view(data).substr(0, cut), &part);
  }
  CHECK(!DecodeCreate("", &create));
  CHECK(!DecodeCreate(ProtoWriter().Bytes(1, "a\0b"s).Take(), &create));
  CHECK(
      !DecodeCreate(ProtoWriter().Bytes(1, "a").Message(3, ProtoWriter().Message(4, "x\0y"s).Take()).Take(), &create));
  TaskRequest kill;
  CHECK(DecodeTaskRequest(ProtoWriter().Bytes(1, "id").Bytes(2, "exec").Varint(3, 9).Varint(4, 1).Take(), &kill));
  CHECK(kill.id == "id" && kill.exec_id == "exec" && kill.signal == 9 && kill.all);
  // Shutdown has a varint where the others have the exec id.
  CHECK(DecodeTaskRequest(ProtoWriter().Bytes(1, "id").Varint(2, 1).Take(), &kill) && kill.exec_id.empty());
  TaskFacts task = {"id", "/b", "", "", 7, TaskState::kStopped, 137, {5, 6}};
  const std::string state = EncodeState(task);
  CHECK(state == "\x0a\x02id\x12\x02/b\x18\x07\x20\x03\x48\x89\x01\x52\x04\x08\x05\x10\x06"s);
  CHECK(EncodeDelete(7, 137, {5, 6}) == "\x08\x07\x10\x89\x01\x1a\x04\x08\x05\x10\x06"s);
  CHECK(ExitEvent(task).value == "\x0a\x02id\x12\x02id\x18\x07\x20\x89\x01\x2a\x04\x08\x05\x10\x06"s);
  CHECK(EncodeForward(ExitEvent(task), "ns").find("containerd.events.TaskExit") != std::string::npos);
}

void TestJsonNested() {
  JsonReader reader(
      R"({"o":{"a":{"b":1}},"os":[{"x":1}, {"x":2} ],"i":[1, -2,3],"e1":[ ],"e2":{ },"e3":"","e4":false,"e5":0,"e6":null,"big":18446744073709551615})");
  JsonReader outer(reader.Object("o"));
  CHECK(JsonReader(outer.Object("a")).Integer("b", 0, 0, 9) == 1);
  const std::vector<std::string_view> objects = reader.Objects("os");
  CHECK(objects.size() == 2 && JsonReader(objects[1]).Integer("x", 0, 0, 9) == 2);
  CHECK((reader.Integers("i", -9, 9) == std::vector<int64_t>{1, -2, 3}));
  CHECK(reader.Object("none") == "{}" && reader.Objects("none").empty() && reader.Integers("none", 0, 1).empty());
  for (const char* key : {"e1", "e2", "e3", "e4", "e5", "e6", "none"}) CHECK(reader.IsEmpty(key));
  for (const char* key : {"o", "os", "i", "big"}) CHECK(!reader.IsEmpty(key));
  CHECK(reader.Is("big", "18446744073709551615") && !reader.Is("big", "1") && !reader.Is("none", ""));
  CHECK(reader.ok());
}

// A specification that is fine; `change` says which text is replaced by which.
std::string Spec(const std::string& from = "", const std::string& to = "") {
  std::string json =
      R"({"ociVersion":"1.0.2","process":{"args":["a","b"],"env":["X=y"],"cwd":"/","user":{"uid":1,"gid":2,
    "additionalGids":[3,4]},"noNewPrivileges":true,"capabilities":{"bounding":["CAP_CHOWN"]},
    "rlimits":[{"type":"RLIMIT_NOFILE","soft":10,"hard":18446744073709551615}],"apparmorProfile":""},
    "root":{"path":"/r","readonly":true},"hostname":"h","mounts":[{"destination":"/dev","type":"tmpfs","source":"tmpfs",
    "options":["nosuid","strictatime","mode=755"]},{"destination":"/b","type":"bind","source":"/s","options":["rbind","ro"]}],
    "annotations":{"dev.iluvatar.shim":"/run/x.sock"},"linux":{"cgroupsPath":"/a/b","resources":{},"namespaces":
    [{"type":"pid"},{"type":"mount"},{"type":"uts"},{"type":"network","path":"/run/netns/x"}],"maskedPaths":["/proc/keys"]}})";
  if (const size_t at = json.find(from); !from.empty() && at != std::string::npos) json.replace(at, from.size(), to);
  return json;
}

void TestSpec() {
  ContainerSpec spec;
  const std::string json = Spec();
  CHECK(ParseSpec(json, &spec).empty());
  CHECK(spec.args.size() == 2 && spec.uid == 1 && spec.gid == 2 && spec.groups.size() == 2 && spec.read_only_root);
  CHECK(spec.capabilities.bounding == uint64_t{1} << CAP_CHOWN && spec.capabilities.effective == 0);
  CHECK(spec.limits.size() == 1 && spec.limits[0].hard == RLIM_INFINITY && spec.limits[0].soft == 10);
  CHECK(spec.network.path == "/run/netns/x" && !spec.network.fresh() && spec.uts.fresh() && !spec.ipc.present);
  CHECK(spec.mounts.size() == 2 && spec.mounts[1].kind == MountKind::kBind && spec.mounts[1].recursive);
  CHECK(spec.mounts[0].attributes == (kNoSuid | kStrictAccessTime));
  CHECK(spec.mounts[1].attributes == (kReadOnly | kNoDev));
  CHECK(spec.seccomp == SeccompChoice::kDefault && spec.cgroup == "/a/b" && !spec.oom_score_adjust.has_value());
  std::string socket;
  CHECK(ParseGroup(json, &socket).empty() && socket == "/run/x.sock");

  const struct {
    const char* from;
    const char* to;
    const char* field;
  } kRefused[] = {
      {R"("hostname")", R"("hooks":{"prestart":[{"path":"/x"}]},"hostname")", "hooks"},
      {R"("hostname")", R"("domainname":"d","hostname")", "domainname"},
      {R"("hostname")", R"("unheardOf":1,"hostname")", "unheardOf"},
      {R"("resources":{})", R"("resources":{"pids":{"limit":1}})", "linux.resources"},
      {R"("resources":{})", R"("seccomp":{"defaultAction":"SCMP_ACT_ALLOW"})", "linux.seccomp"},
      {R"("resources":{})", R"("sysctl":{"a":"b"})", "linux.sysctl"},
      {R"("resources":{})", R"("devices":[{"path":"/dev/x"}])", "linux.devices"},
      {R"("resources":{})", R"("uidMappings":[{"size":1}])", "linux.uidMappings"},
      {R"("resources":{})", R"("mountLabel":"x")", "linux.mountLabel"},
      {R"("resources":{})", R"("rootfsPropagation":"shared")", "linux.rootfsPropagation"},
      {R"("apparmorProfile":"")", R"("apparmorProfile":"x")", "process.apparmorProfile"},
      {R"("apparmorProfile":"")", R"("selinuxLabel":"x")", "process.selinuxLabel"},
      {R"("apparmorProfile":"")", R"("terminal":true)", "process.terminal"},
      {R"("apparmorProfile":"")", R"("scheduler":{"policy":"x"})", "process.scheduler"},
      {R"({"type":"uts"})", R"({"type":"user"})", "user"},
      {R"({"type":"uts"})", R"({"type":"time"})", "time"},
      {R"({"type":"pid"})", R"({"type":"pid","path":"/proc/1/ns/pid"})", "pid by path"},
      {R"({"type":"pid"},)", "", "pid"},
      {R"({"type":"mount"},)", "", "mount"},
      {R"({"type":"uts"},)", "", "uts"},
      {R"("/run/netns/x")", R"("netns/x")", "relative"},
      {R"("CAP_CHOWN")", R"("CAP_SYS_ADMIN")", "CAP_SYS_ADMIN"},
      {R"("CAP_CHOWN")", R"("CAP_MKNOD")", "CAP_MKNOD"},
      {R"("CAP_CHOWN")", R"("CAP_UNHEARD_OF")", "CAP_UNHEARD_OF"},
      {R"("RLIMIT_NOFILE")", R"("RLIMIT_X")", "RLIMIT_X"},
      {R"("soft":10,"hard":18446744073709551615)", R"("soft":10,"hard":9)", "RLIMIT_NOFILE"},
      {R"("mode=755")", R"("tmpcopyup")", "tmpcopyup"},
      {R"("mode=755")", R"("mode=755","rshared")", "rshared"},
      {R"("rbind","ro")", R"("rbind","shared")", "shared"},
      {R"("rbind","ro")", R"("rbind","size=1")", "size=1"},
      {R"("type":"bind","source":"/s","options":["rbind","ro"])", R"("type":"sysfs","source":"s")", "sysfs"},
      {R"("type":"bind","source":"/s","options":["rbind","ro"])", R"("type":"cgroup","source":"c")", "cgroup"},
      {R"("type":"bind","source":"/s","options":["rbind","ro"])", R"("type":"ext4","source":"/dev/sda")", "ext4"},
      {R"("source":"/s")", R"("source":"s")", "absolute"},
      {R"("source":"/s")", R"("source":"/s","uidMappings":[{"size":1}])", "uidMappings"},
      {R"("destination":"/b")", R"("destination":"/b/../c")", "/b/../c"},
      {R"("destination":"/dev")", R"("destination":"/d")", "/dev"},
      {R"("cgroupsPath":"/a/b")", R"("cgroupsPath":"a:b:c")", "cgroupsPath"},
      {R"("cgroupsPath":"/a/b")", R"("cgroupsPath":"/a/../../b")", "cgroupsPath"},
      {R"("/proc/keys")", R"("keys")", "maskedPaths"},
      {R"("args":["a","b"])", R"("args":[])", "args"},
      {R"("cwd":"/")", R"("cwd":"x")", "cwd"},
      {R"("noNewPrivileges":true,)", "", "noNewPrivileges"},
      {R"("uid":1)", R"("uid":-1)", "uid"},
      {R"("uid":1)", R"("uid":1,"username":"x")", "username"},
      {R"("dev.iluvatar.shim":"/run/x.sock")", R"("dev.iluvatar.seccomp":"maybe")", "dev.iluvatar.seccomp"},
  };
  for (const auto& refused : kRefused) {
    const std::string changed = Spec(refused.from, refused.to);
    CHECK(changed != json);
    const std::string error = ParseSpec(changed, &spec);
    if (error.find(refused.field) == std::string::npos) std::fprintf(stderr, "%s: \"%s\"\n", refused.to, error.c_str());
    CHECK(error.find(refused.field) != std::string::npos);
  }
  // What asks for nothing may stand there.
  CHECK(ParseSpec(Spec(R"("resources":{})", R"("seccomp":null,"devices":[ ],"intelRdt":{},"mountLabel":"")"), &spec)
            .empty());
  CHECK(ParseSpec(Spec(R"("dev.iluvatar.shim":"/run/x.sock")", R"("dev.iluvatar.seccomp":"off","other":"x")"), &spec)
            .empty());
  CHECK(spec.seccomp == SeccompChoice::kOff);
  for (const char* group : {"", "x.sock", "/run/../x.sock", "/run//x"}) {
    CHECK(!ParseGroup(Spec("/run/x.sock", group), &socket).empty());
  }
  CHECK(!ParseGroup(Spec("/run/x.sock", "/" + std::string(107, 'x')), &socket).empty());
  CHECK(ParseGroup(Spec("/run/x.sock", "/" + std::string(106, 'x')), &socket).empty());
}

void Fuzz(unsigned seed, int rounds) {
  std::mt19937 random(seed);
  const auto below = [&random](size_t bound) { return static_cast<size_t>(random()) % bound; };
  const std::string create = ProtoWriter()
                                 .Bytes(1, "id")
                                 .Bytes(2, "/bundle")
                                 .Message(3, ProtoWriter().Bytes(1, "overlay").Message(4, "ro").Take())
                                 .Bytes(6, "file:///x")
                                 .Take();
  const std::string frame = EncodeFrame({1, FrameType::kRequest, 0, EncodeRequest({"service", "Create", create})});
  const std::string json = Spec();
  for (int round = 0; round < rounds; ++round) {
    std::string text = round % 2 == 0 ? frame + frame : json;
    for (size_t change = 1 + below(4); change > 0; --change) {
      const size_t at = below(text.size() + 1);
      switch (below(4)) {
        case 0:
          text.insert(at, 1, static_cast<char>(below(256)));
          break;
        case 1:
          text.erase(at, below(8));
          break;
        case 2:
          if (at < text.size()) text[at] = static_cast<char>(below(256));
          break;
        default:
          text += text.substr(at, below(32));
      }
    }
    if (round % 2 == 1) {
      ContainerSpec spec;
      std::string socket;
      if (ParseSpec(text, &spec).empty()) {
        CHECK(!spec.args.empty() && (spec.capabilities.bounding & (uint64_t{1} << CAP_SYS_ADMIN)) == 0);
        for (const MountPlan& plan : spec.mounts) CHECK(IsCleanAbsolute(plan.destination));
      }
      if (ParseGroup(text, &socket).empty()) CHECK(socket.size() <= 107);
      continue;
    }
    FrameBuffer buffer;
    TtrpcFrame got;
    for (size_t at = 0; at < text.size();) {
      const size_t size = 1 + below(text.size() - at);
      buffer.Append(text.substr(at, size));
      at += size;
      while (buffer.Next(&got) == FrameBuffer::Result::kFrame) {
        TtrpcRequest request;
        CreateRequest decoded;
        TaskRequest task;
        if (!DecodeRequest(got.data, &request)) continue;
        if (DecodeCreate(request.payload, &decoded)) CHECK(decoded.id.find('\0') == std::string::npos);
        DecodeTaskRequest(request.payload, &task);
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const unsigned seed = argc > 1 ? static_cast<unsigned>(std::strtoul(argv[1], nullptr, 10)) : 1;
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 1000;
  std::printf("seed %u, %d rounds\n", seed, rounds);
  TestProtobuf();
  TestFrames();
  TestRequests();
  TestMessages();
  TestJsonNested();
  TestSpec();
  Fuzz(seed, rounds);
  std::printf("ok\n");
  return 0;
}
