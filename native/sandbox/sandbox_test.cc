// Tests of the sandbox's pure parts: JSON reader, configuration, frames, and the system-call filter (run by an
// interpreter of its own here). Plain asserts, no framework; built with sanitizers by
// test/native/sandbox-sanitizer.test.ts. Arguments: seed, rounds of fuzzing.
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

#include "sandbox/config.h"
#include "sandbox/json.h"
#include "sandbox/seccomp.h"
#include "sandbox/wire.h"
#include "supervise/bare_memory.h"
#include "system/unique_fd.h"
#include "testing/check_test.h"

namespace iluvatar::supervise {

void* BareMemory::Map(size_t size) {
  return mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
void BareMemory::Unmap(void* at, size_t size) { munmap(at, size); }

}  // namespace iluvatar::supervise

namespace {

using namespace iluvatar::sandbox;

bool Valid(std::string_view text) { return JsonReader(text).ok(); }

void TestJsonSyntax() {
  for (const char* text :
       {"{}", " { } ", R"({"a":1})", R"({"a":-0.5e+10,"b":[],"c":[1,[2]],"d":{"e":null}})", "{\"\":\"\"}",
        R"({"u":"\u00e9\ud83d\ude00\"\\\/\b\f\n\r\t"})", "{\"a\":true,\"b\":false,\"c\":null}\n", R"({"é":"日本"})"}) {
    CHECK(Valid(text));
  }
  for (const char* text : {"",
                           "[]",
                           "null",
                           "{",
                           "}",
                           "{]",
                           R"({"a"})",
                           R"({"a":})",
                           R"({"a":1,})",
                           R"({,"a":1})",
                           R"({a:1})",
                           R"({'a':1})",
                           R"({"a":01})",
                           R"({"a":+1})",
                           R"({"a":1.})",
                           R"({"a":.5})",
                           R"({"a":1e})",
                           R"({"a":nul})",
                           R"({"a":"\x"})",
                           R"({"a":"\u12"})",
                           R"({"a":"\u0000"})",
                           R"({"a":"\ud800"})",
                           R"({"a":"\udc00"})",
                           R"({"a":"\ud800\u0041"})",
                           "{\"a\":\"\n\"}",
                           "{\"a\":\"\xff\"}",
                           "{\"a\":\"\xc0\x80\"}",
                           "{\"a\":\"\xed\xa0\x80\"}",
                           "{\"a\":\"\xf4\x90\x80\x80\"}",
                           "{\"a\":\"\xe2\x82\"}",
                           R"({"a":1}x)",
                           R"({"a":1}{"b":2})",
                           R"({"a":1,"a":2})",
                           R"({"a":NaN})",
                           R"({"a":[1,]})",
                           "{\"a\":\"b"}) {
    CHECK(!Valid(text));
  }
  const auto nested = [](int depth) {
    return "{\"a\":" + std::string(static_cast<size_t>(depth), '[') + std::string(static_cast<size_t>(depth), ']') +
           "}";
  };
  CHECK(Valid(nested(30)));
  CHECK(!Valid(nested(100)));
  CHECK(!Valid(nested(100'000)));
  CHECK(!Valid("{\"a\":\"" + std::string(1 << 20, 'x') + "\"}"));
}

void TestJsonValues() {
  JsonReader reader(
      R"({"s":"a\u00e9\ud83d\ude00","n":null,"i":-42,"big":9007199254740993,"f":1.5,"t":true,"l":["x","","y\n"],"m":{"A":"1","B":""},"o":{"k":[1]}})");
  CHECK(reader.String("s", "") == "a\xC3\xA9\xF0\x9F\x98\x80");
  CHECK(!reader.Has("n") && !reader.Has("none") && reader.Has("o"));
  CHECK(reader.String("n", "default") == "default");
  CHECK(reader.Integer("i", 0, -100, 100) == -42);
  CHECK(reader.Integer("big", 0, 0, INT64_MAX) == 9007199254740993);
  CHECK(reader.Boolean("t", false) && reader.Boolean("none", true));
  CHECK((reader.Strings("l") == std::vector<std::string>{"x", "", "y\n"}));
  CHECK((reader.StringMap("m") == StringPairs{{"A", "1"}, {"B", ""}}));
  CHECK(reader.Strings("none").empty() && reader.ok());
  const auto wrong = [](auto ask) {
    JsonReader other(R"({"s":"a","i":7,"f":1.5,"l":[1],"m":{"a":1}})");
    ask(other);
    return !other.ok();
  };
  CHECK(wrong([](JsonReader& r) { r.String("i", ""); }));
  CHECK(wrong([](JsonReader& r) { r.Integer("s", 0, 0, 1); }));
  CHECK(wrong([](JsonReader& r) { r.Integer("f", 0, 0, 9); }));
  CHECK(wrong([](JsonReader& r) { r.Integer("i", 0, 8, 9); }));
  CHECK(wrong([](JsonReader& r) { r.Boolean("i", false); }));
  CHECK(wrong([](JsonReader& r) { r.Strings("l"); }));
  CHECK(wrong([](JsonReader& r) { r.Strings("s"); }));
  CHECK(wrong([](JsonReader& r) { r.StringMap("m"); }));
  CHECK(wrong([](JsonReader& r) { r.RequiredString("none"); }));
  CHECK(wrong([](JsonReader& r) { r.Object("s"); }));
  CHECK(wrong([](JsonReader& r) { r.Objects("l"); }));
  CHECK(wrong([](JsonReader& r) { r.Objects("m"); }));
  CHECK(wrong([](JsonReader& r) { r.Integers("l", 2, 9); }));
  CHECK(wrong([](JsonReader& r) { r.Integers("m", 0, 9); }));
}

void TestQuote() {
  CHECK(JsonQuote("a\"\\\n\x01 é") == "\"a\\\"\\\\\\u000a\\u0001 é\"");
  CHECK(JsonQuote("\xff") == "\"\xEF\xBF\xBD\"");
}

void TestConfiguration() {
  SpawnerConfig config;
  CHECK(
      ParseSpawnerConfig(
          R"({"name":"n","agents":"/a/b","store":"/s","paths":["/opt/x"],"nameServers":["10.0.0.1"],"userNamespace":"off","seccomp":false})",
          &config)
          .empty());
  CHECK(config.user_namespace == UserNamespace::kOff && !config.seccomp && config.paths.size() == 1);
  for (const char* path : {"a", "/", "//a", "/a/", "/a/../b", "/a/./b", "/a//b"}) {
    const std::string text = R"({"name":"n","agents":"/a/b","store":")" + std::string(path) + "\"}";
    CHECK(!ParseSpawnerConfig(text, &config).empty());
  }
  SpawnRequest spawn;
  CHECK(ParseSpawn(R"({"container":"c","token":"t","argv":["@assign"],"cgroup":"w/c"})", &spawn).empty());
  CHECK(spawn.waits_for_assign() && !spawn.own_runtime && !spawn.host_network && spawn.cgroup == "w/c");
  CHECK(ParseSpawn(R"({"container":"c","token":"t","argv":null})", &spawn).empty() && spawn.own_runtime);
  CHECK(!ParseSpawn(R"({"container":"c","token":"t","cgroup":"/c"})", &spawn).empty());
  CHECK(ParseSpawn(R"({"container":"c","token":"t","network":"bridge","networkNamespace":"v1"})", &spawn).empty());
  CHECK(spawn.network_namespace == "v1" && !spawn.host_network && spawn.has_links());
  for (const char* wrong :
       {R"("network":"bridge")", R"("network":"bridge","networkNamespace":"../v1")",
        R"("network":"none","networkNamespace":"v1")", R"("networkNamespace":"../v1")", R"("network":"other")"}) {
    CHECK(!ParseSpawn(R"({"container":"c","token":"t",)" + std::string(wrong) + "}", &spawn).empty());
  }
  AssignRequest assign;
  CHECK(ParseAssign(R"({"code":"code/x","layers":["layers/y"],"handlerArgs":{"a":[1,{}]},"seed":"00"})", &assign)
            .empty());
  for (const char* code : {"/etc", "../x", "a/../../x", "a//b", "./a", "a/"}) {
    CHECK(!ParseAssign("{\"code\":" + JsonQuote(code) + "}", &assign).empty());
  }
}

// Runs a classic BPF program as the kernel would for seccomp, for the instructions that ours consists of.
uint32_t Filter(const std::vector<struct sock_filter>& program, const struct seccomp_data& data) {
  uint32_t accumulator = 0;
  for (size_t at = 0; at < program.size(); ++at) {
    const struct sock_filter& instruction = program[at];
    switch (instruction.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        CHECK(instruction.k % 4 == 0 && instruction.k + 4 <= sizeof data);
        std::memcpy(&accumulator, reinterpret_cast<const char*>(&data) + instruction.k, 4);
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        at += accumulator == instruction.k ? instruction.jt : instruction.jf;
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        at += accumulator >= instruction.k ? instruction.jt : instruction.jf;
        break;
      case BPF_JMP | BPF_JA:
        at += instruction.k;
        break;
      case BPF_JMP | BPF_JSET | BPF_K:
        at += (accumulator & instruction.k) != 0 ? instruction.jt : instruction.jf;
        break;
      case BPF_RET | BPF_K:
        return instruction.k;
      default:
        CHECK(false);
    }
  }
  CHECK(false);
  return 0;
}

void TestSeccomp() {
#if defined(__x86_64__)
  const uint32_t architecture = AUDIT_ARCH_X86_64;
  const uint32_t other = AUDIT_ARCH_I386;
#else
  const uint32_t architecture = AUDIT_ARCH_AARCH64;
  const uint32_t other = AUDIT_ARCH_ARM;
#endif
  for (const bool links : {false, true}) {
    const auto program = SeccompProgram(links);
    CHECK(program.size() > 100 && program.size() <= BPF_MAXINSNS);
    const auto call = [&](long number, uint64_t a0 = 0, uint64_t a1 = 0, uint64_t a2 = 0) {
      struct seccomp_data data = {};
      data.nr = static_cast<int>(number);
      data.arch = architecture;
      data.args[0] = a0;
      data.args[1] = a1;
      data.args[2] = a2;
      return Filter(program, data);
    };
    const uint32_t allow = SECCOMP_RET_ALLOW;
    const uint32_t denied = SECCOMP_RET_ERRNO | EPERM;
    for (const long number :
         {SYS_read, SYS_write, SYS_openat, SYS_mmap, SYS_execve, SYS_futex, SYS_exit_group, SYS_kill}) {
      CHECK(call(number) == allow);
    }
    for (const long number :
         {SYS_mount, SYS_umount2, SYS_ptrace, SYS_setns, SYS_unshare, SYS_bpf, SYS_keyctl, SYS_reboot}) {
      CHECK(call(number) == denied);
    }
    for (long number : {425, 426, 427, 428, 429, 430, 431, 432, 433, 438, 442}) CHECK(call(number) == denied);
    CHECK(call(435) == (SECCOMP_RET_ERRNO | ENOSYS));
    CHECK(call(SYS_clone, CLONE_VM | CLONE_FS | CLONE_THREAD | SIGCHLD) == allow);
    for (const uint64_t flag : {CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS}) {
      CHECK(call(SYS_clone, flag | SIGCHLD) == denied);
    }
    CHECK(call(SYS_personality, 0xFFFFFFFF) == allow && call(SYS_personality, 0x0040000) == denied);
    CHECK(call(SYS_ioctl, 0, 0x5401) == allow && call(SYS_ioctl, 0, 0x5412) == denied);
    CHECK(call(SYS_socket, AF_UNIX) == allow && call(SYS_socket, AF_INET) == allow &&
          call(SYS_socket, AF_INET6) == allow);
    CHECK(call(SYS_socket, AF_PACKET) == (SECCOMP_RET_ERRNO | EAFNOSUPPORT));
    CHECK((call(SYS_socket, AF_NETLINK, SOCK_RAW, 0) == allow) == links);
    CHECK(call(SYS_socket, AF_NETLINK, SOCK_RAW, 9) == (SECCOMP_RET_ERRNO | EAFNOSUPPORT));
    struct seccomp_data foreign = {};
    foreign.arch = other;
    CHECK(Filter(program, foreign) == SECCOMP_RET_KILL_PROCESS);
    // Every number ends in some return: the interpreter aborts where it does not.
    for (long number = 0; number < 1024; ++number) call(number, 0x10, 0x10, 0x10);
#if defined(__x86_64__)
    CHECK(call(0x40000000 | SYS_mount) == SECCOMP_RET_KILL_PROCESS);
#endif
  }
}

// Blocks of all sizes, each filled with a byte of its own: one that overlapped another would find it changed.
void TestBareMemory(uint32_t seed, int rounds) {
  iluvatar::supervise::BareMemory memory;
  std::mt19937 random(seed);
  struct Block {
    unsigned char* at;
    size_t size;
    unsigned char fill;
  };
  std::vector<Block> blocks;
  const auto give = [&](size_t index) {
    const Block block = blocks[index];
    for (size_t i = 0; i < block.size; ++i) CHECK(block.at[i] == block.fill);
    memory.Give(block.at);
    blocks[index] = blocks.back();
    blocks.pop_back();
  };
  for (int round = 0; round < rounds; ++round) {
    if (!blocks.empty() && random() % 2 == 0) {
      give(random() % blocks.size());
    } else if (blocks.size() < 64) {
      const size_t size = random() % (size_t{1} << (random() % 18));
      auto* at = static_cast<unsigned char*>(memory.Take(size));
      CHECK(reinterpret_cast<uintptr_t>(at) % 16 == 0);
      const auto fill = static_cast<unsigned char>(random());
      std::memset(at, fill, size);
      blocks.push_back({at, size, fill});
    }
  }
  while (!blocks.empty()) give(0);
  memory.Give(nullptr);
  // What was given back is handed out again.
  void* once = memory.Take(100);
  memory.Give(once);
  CHECK(memory.Take(100) == once);
}

void TestWire() {
  int ends[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  iluvatar::system::UniqueFd ours(ends[0]);
  iluvatar::system::UniqueFd theirs(ends[1]);
  const std::string spawn =
      Encode({.type = iluvatar::transport::frame_type::kSpawn, .request_id = 7, .x2 = 9}, "{}", "body");
  CHECK(SendAll(theirs.get(), Hello("{}")) == 0);
  CHECK(SendAll(theirs.get(), Encode({.type = iluvatar::transport::frame_type::kPing, .request_id = 3}, {})) == 0);
  CHECK(SendAll(theirs.get(), spawn) == 0);
  Frame frame = {};
  CHECK(ReadRequest(ours.get(), &frame) == 1);
  CHECK(frame.header.request_id == 7 && frame.header.x2 == 9 && frame.meta == "{}" && frame.body == "body");
  CHECK(ReadFrame(theirs.get(), &frame) == 1 && frame.header.type == iluvatar::transport::frame_type::kPong);
  CHECK(frame.header.request_id == 3);
  // Each cut inside a frame is an error; at its start it is an end.
  for (size_t cut = 0; cut < spawn.size(); ++cut) {
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    iluvatar::system::UniqueFd reader(ends[0]);
    iluvatar::system::UniqueFd writer(ends[1]);
    CHECK(SendAll(writer.get(), std::string_view(spawn).substr(0, cut)) == 0);
    writer.reset();
    CHECK(ReadFrame(reader.get(), &frame) == (cut == 0 ? 0 : -EPROTO));
  }
}

// Mutations of valid metas: nothing may crash, and what is accepted must hold its promises.
void Fuzz(unsigned seed, int rounds) {
  const std::string seeds[] = {
      R"({"container":"c1","token":"0123","cgroup":"w/c","network":"none","uid":210000,"gid":1,"tmpMb":16,"files":256,"processes":64,"argv":["a","b"],"env":{"A":"1"}})",
      R"({"function":"f@1","code":"code/ab","layers":["layers/x","layers/y"],"entry":"main:main","handlerArgs":[{"x":null}],"env":{"K":"\ud83d\ude00"},"tmpMb":64,"argv":["./p"],"sockets":true})",
      R"({"container":"c1","token":"0123","network":"bridge","networkNamespace":"ilv1"})",
      R"({"name":"n","agents":"/run/a.sock","store":"/var/s","networks":"/var/n","cgroups":["/sys/a"],"paths":["/opt/p"],"userNamespace":"auto","seccomp":true})"};
  const std::string tokens[] = {"\"",
                                "\\",
                                "{",
                                "}",
                                "[",
                                "]",
                                ":",
                                ",",
                                "null",
                                "\\u0000",
                                "\\ud800",
                                "../",
                                "/",
                                "\xff",
                                "1e999",
                                "-1",
                                std::string(1, '\0')};
  std::mt19937 random(seed);
  const auto below = [&random](size_t bound) { return static_cast<size_t>(random()) % bound; };
  for (int round = 0; round < rounds; ++round) {
    std::string text = seeds[below(std::size(seeds))];
    for (size_t change = 1 + below(4); change > 0; --change) {
      const size_t at = below(text.size() + 1);
      switch (below(4)) {
        case 0:
          text.insert(at, tokens[below(std::size(tokens))]);
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
    SpawnRequest spawn;
    AssignRequest assign;
    SpawnerConfig config;
    ParseSpawnerConfig(text, &config);
    if (ParseSpawn(text, &spawn).empty()) {
      CHECK(!spawn.container.empty() && (spawn.own_runtime || !spawn.argv.empty()));
      CHECK(spawn.network_namespace.find('/') == std::string::npos && spawn.network_namespace != "..");
    }
    if (ParseAssign(text, &assign).empty()) {
      CHECK(("/" + assign.code + "/").find("/../") == std::string::npos && assign.code.find('\0') == std::string::npos);
    }
    CHECK(JsonReader("{\"k\":" + JsonQuote(text.substr(0, text.find('\0'))) + "}").ok() || text.find('\0') == 0);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const unsigned seed = argc > 1 ? static_cast<unsigned>(std::strtoul(argv[1], nullptr, 10)) : 1;
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 1000;
  std::printf("seed %u, %d rounds\n", seed, rounds);
  TestJsonSyntax();
  TestJsonValues();
  TestQuote();
  TestConfiguration();
  TestSeccomp();
  TestWire();
  TestBareMemory(seed, 2000);
  Fuzz(seed, rounds);
  std::printf("ok\n");
  return 0;
}
