// Tests of the keeper's parts under sanitizers, on socket pairs: what is held, what a client that does not read or has
// gone costs the others, and mutated datagrams. Plain asserts, no framework; built by
// test/native/keeper-sanitizer.test.ts. Arguments: seed, rounds of fuzzing.
#include "keeper/keeper_test.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace {

using namespace iluvatar::keeper;

void TestParse() {
  char header[kHeaderBytes];
  const auto datagram = [&header](const Message& message) {
    WriteHeader(message, header);
    return std::string(header, kHeaderBytes) + std::string(message.key) + std::string(message.text);
  };
  Message message;
  const std::string hold = datagram({Type::kHold, "key", "text", 3});
  CHECK(Parse(hold, &message) && message.key == "key" && message.text == "text" && message.descriptors == 3);
  const std::string most = datagram({Type::kItem, std::string(255, 'k'), std::string(kMaxTextBytes, 't'), 16});
  CHECK(Parse(most, &message) && message.text.size() == kMaxTextBytes && most.size() == kMaxMessageBytes);
  CHECK(Parse(datagram({Type::kList, {}, {}, 0}), &message) && message.type == Type::kList);
  for (size_t length = 0; length < hold.size(); length++) CHECK(!Parse(hold.substr(0, length), &message));
  CHECK(!Parse(hold + "x", &message));
  CHECK(!Parse(datagram({Type::kHold, "", "text", 0}), &message));
  CHECK(!Parse(datagram({Type::kHold, "key", "text", 17}), &message));
  CHECK(!Parse(datagram({Type::kDrop, "key", "text", 0}), &message));
  CHECK(!Parse(datagram({Type::kDrop, "key", {}, 1}), &message));
  CHECK(!Parse(datagram({Type::kQuit, "key", {}, 0}), &message));
  CHECK(!Parse(datagram({static_cast<Type>(5), {}, {}, 0}), &message));
  CHECK(!Parse(datagram({static_cast<Type>(132), {}, {}, 0}), &message));
  std::string newer = hold;
  newer[0] = 2;
  CHECK(!Parse(newer, &message));
  CHECK(Send(-1, {Type::kHold, "", {}, 0}, {}) == EINVAL);
  CHECK(Send(-1, {Type::kHold, "key", std::string(kMaxTextBytes + 1, 't'), 0}, {}) == EINVAL);
}

void TestHolding() {
  const int before = OpenDescriptors();
  {
    Bench bench(kRoomy);
    UniqueFd a = bench.Connect();
    Pair held = MakePair();
    const int two[] = {held.ours.get(), held.theirs.get()};
    Say(a.get(), Type::kHold, "pair", "one", two);
    Say(a.get(), Type::kHold, "empty", "");
    Say(a.get(), Type::kHold, "last", "three", std::span(two).first(1));
    held.theirs.reset();
    CHECK((List(&bench, a.get()) == std::vector<std::string>{"pair=one+2", "empty=+0", "last=three+1"}));
    // The other end is open as long as the keeper has it.
    char byte = 0;
    CHECK(recv(held.ours.get(), &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
    // What takes the place of another keeps its place in the order, and the descriptors of the old are closed.
    Say(a.get(), Type::kHold, "pair", "new");
    UniqueFd b = bench.Connect();
    CHECK((List(&bench, b.get()) == std::vector<std::string>{"pair=new+0", "empty=+0", "last=three+1"}));
    Say(b.get(), Type::kDrop, "empty");
    Say(b.get(), Type::kHold, "empty", "again");
    a.reset();
    CHECK((List(&bench, b.get()) == std::vector<std::string>{"pair=new+0", "last=three+1", "empty=again+0"}));
    CHECK(bench.server().clients() == 1 && bench.shelf().descriptors() == 1);
    b.reset();
    CHECK(bench.Settle() && bench.server().clients() == 0 && bench.shelf().size() == 3);
    UniqueFd c = bench.Connect();
    Say(c.get(), Type::kQuit);
    CHECK(!bench.Settle());
  }
  CHECK(OpenDescriptors() == before);
}

// Whoever asks has been there longer than whoever holds, who has gone, and whose messages have not been read.
void TestListIsComplete() {
  Bench bench(kRoomy);
  UniqueFd asks = bench.Connect();
  UniqueFd also = bench.Connect();
  UniqueFd holds = bench.Connect();
  UniqueFd waits = bench.Connect();
  UniqueFd file = Null();
  const int one[] = {file.get()};
  CHECK(bench.Settle());
  std::vector<std::string> expected;
  for (int i = 0; i < 100; i++) {
    Say(holds.get(), Type::kHold, "k" + std::to_string(i), "", one);
    expected.push_back("k" + std::to_string(i) + "=+1");
  }
  // Behind a list that nobody will read.
  Say(waits.get(), Type::kList);
  Say(waits.get(), Type::kHold, "last", "");
  holds.reset();
  waits.reset();
  expected.push_back("last=+0");
  Say(also.get(), Type::kList);
  CHECK(List(&bench, asks.get()) == expected);
  CHECK(List(&bench, also.get()) == expected);
  CHECK(bench.server().clients() == 2);
}

void ExpectFull(Bench* bench, int client, std::string_view key) {
  CHECK(bench->Settle());
  auto received = std::make_unique<Received>();
  CHECK(Receive(client, received.get()) == Receipt::kMessage);
  CHECK(received->message.type == Type::kFull && received->message.key == key);
}

void TestLimits() {
  const int before = OpenDescriptors();
  {
    Bench bench({.things = 3, .descriptors = 4, .text_bytes = 100});
    UniqueFd client = bench.Connect();
    UniqueFd file = Null();
    const std::vector<int> files(4, file.get());
    Say(client.get(), Type::kHold, "a", "", std::span(files).first(3));
    Say(client.get(), Type::kHold, "b", "", std::span(files).first(2));
    ExpectFull(&bench, client.get(), "b");
    Say(client.get(), Type::kHold, "a", "", files);
    Say(client.get(), Type::kHold, "b", std::string(90, 'x'));
    Say(client.get(), Type::kHold, "c", std::string(11, 'x'));
    ExpectFull(&bench, client.get(), "c");
    Say(client.get(), Type::kHold, "c", "y");
    Say(client.get(), Type::kHold, "d", "");
    ExpectFull(&bench, client.get(), "d");
    // One that does not fit takes what it was to replace with it.
    Say(client.get(), Type::kHold, "c", std::string(99, 'x'));
    ExpectFull(&bench, client.get(), "c");
    CHECK((List(&bench, client.get()) == std::vector<std::string>{"a=+4", "b=" + std::string(90, 'x') + "+0"}));
    Say(client.get(), Type::kDrop, "b");
    Say(client.get(), Type::kHold, "c", std::string(99, 'x'));
    Say(client.get(), Type::kHold, "d", "");
    CHECK(List(&bench, client.get()).size() == 3);
  }
  CHECK(OpenDescriptors() == before);
}

// The process has no room for the descriptors on their way in.
void TestDescriptorsLost() {
  Bench bench(kRoomy);
  UniqueFd client = bench.Connect();
  UniqueFd file = Null();
  const std::vector<int> files(8, file.get());
  Say(client.get(), Type::kHold, "key", "first", std::span(files).first(1));
  CHECK(bench.Settle());
  Say(client.get(), Type::kHold, "key", "second", files);
  struct rlimit limit = {};
  CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  const struct rlimit low = {static_cast<rlim_t>(file.get()) + 4, limit.rlim_max};
  CHECK(setrlimit(RLIMIT_NOFILE, &low) == 0);
  ExpectFull(&bench, client.get(), "key");
  CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  CHECK(List(&bench, client.get()).empty());
}

void TestSlowReader() {
  Bench bench(kRoomy);
  UniqueFd slow = bench.Connect();
  UniqueFd quick = bench.Connect();
  UniqueFd file = Null();
  const int one[] = {file.get()};
  constexpr int kThings = 3000;
  for (int i = 0; i < kThings; i++) {
    Say(quick.get(), Type::kHold, "k" + std::to_string(i), std::string(200, 't'), one);
    if (i % 32 == 0) CHECK(bench.Settle());
  }
  CHECK(bench.Settle() && bench.shelf().size() == kThings);
  Say(slow.get(), Type::kList);
  // Not read, since its list is not over: it would be told of that one before.
  Say(slow.get(), Type::kHold, "behind", "");
  CHECK(bench.Settle(50));
  CHECK(List(&bench, quick.get()).size() == kThings);
  for (int i = kThings - 100; i < kThings; i++) Say(quick.get(), Type::kDrop, "k" + std::to_string(i));
  Say(quick.get(), Type::kHold, "later", "");
  Say(quick.get(), Type::kHold, "k2000", "replaced");
  CHECK(bench.Settle());
  auto received = std::make_unique<Received>();
  int items = 0;
  bool replaced = false;
  for (;;) {
    const Receipt receipt = Receive(slow.get(), received.get());
    if (receipt == Receipt::kNothing) {
      CHECK(bench.Settle(1));
      continue;
    }
    CHECK(receipt == Receipt::kMessage);
    if (received->message.type == Type::kEnd) break;
    CHECK(received->message.key != "later" && received->message.key != "behind");
    replaced = replaced || (received->message.key == "k2000" && received->message.text == "replaced");
    items++;
  }
  CHECK(items == kThings - 100 && replaced);
  CHECK(List(&bench, slow.get()).back() == "behind=+0");
}

// A client that went with an answer unread: what it had said is still done.
void TestGoneWithAnswers() {
  Bench bench({.things = 2, .descriptors = 1, .text_bytes = 100});
  UniqueFd client = bench.Connect();
  UniqueFd file = Null();
  const int two[] = {file.get(), file.get()};
  Say(client.get(), Type::kHold, "full", "", two);
  CHECK(bench.Settle());
  Say(client.get(), Type::kHold, "full too", "", two);
  Say(client.get(), Type::kList);
  Say(client.get(), Type::kHold, "held", "", std::span(two).first(1));
  client.reset();
  CHECK(bench.Settle() && bench.server().clients() == 0 && bench.shelf().size() == 1);
  UniqueFd next = bench.Connect();
  CHECK(List(&bench, next.get()) == std::vector<std::string>{"held=+1"});
}

// More descriptors are under way than one process may have open: the kernel refuses to send, and nothing says when it
// would not. That is for users without rights over resources.
void TestUnderWay() {
  const uid_t before = geteuid();
  if (before == 0) CHECK(seteuid(65534) == 0);
  Bench bench(kRoomy);
  UniqueFd file = Null();
  const std::vector<int> files(kMaxDescriptors, file.get());
  UniqueFd slow = bench.Connect();
  UniqueFd quick = bench.Connect();
  for (int i = 0; i < 8; i++) Say(slow.get(), Type::kHold, "k" + std::to_string(i), "", files);
  CHECK(bench.Settle());
  struct rlimit limit = {};
  CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  const struct rlimit low = {64, limit.rlim_max};
  Say(slow.get(), Type::kList);
  CHECK(setrlimit(RLIMIT_NOFILE, &low) == 0);
  CHECK(bench.Settle());
  Say(quick.get(), Type::kDrop, "k7");
  CHECK(bench.Settle() && bench.shelf().size() == 7 && bench.server().clients() == 2);
  CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  CHECK(bench.Settle());
  auto received = std::make_unique<Received>();
  int items = 0;
  while (Receive(slow.get(), received.get()) == Receipt::kMessage && received->message.type == Type::kItem) items++;
  CHECK(items == 7 && received->message.type == Type::kEnd);
  if (before == 0) CHECK(seteuid(0) == 0);
  // It no longer is, after that, and the leak checker could not look at it.
  prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

// Raw bytes with raw descriptors, as only an enemy sends them.
void SendRaw(int client, const std::string& bytes, std::span<const int> descriptors) {
  iovec vector = {const_cast<char*>(bytes.data()), bytes.size()};
  msghdr header = {};
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  std::vector<char> control(CMSG_SPACE(descriptors.size_bytes()));
  if (!descriptors.empty()) {
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(rights), descriptors.data(), descriptors.size_bytes());
  }
  CHECK(sendmsg(client, &header, MSG_NOSIGNAL) >= 0 || errno == EPIPE || errno == EAGAIN || errno == ECONNRESET);
}

void Fuzz(unsigned seed, int rounds) {
  std::mt19937 random(seed);
  const auto below = [&random](size_t end) { return static_cast<size_t>(random() % end); };
  const int before = OpenDescriptors();
  {
    auto bench = std::make_unique<Bench>(ShelfLimits{.things = 6, .descriptors = 40, .text_bytes = 4000});
    UniqueFd good = bench->Connect();
    UniqueFd file = Null();
    const std::vector<int> files(24, file.get());
    const Type types[] = {Type::kHold, Type::kHold, Type::kHold, Type::kHold, Type::kDrop,
                          Type::kList, Type::kQuit, Type::kItem, Type::kEnd,  Type::kFull};
    for (int round = 0; round < rounds; round++) {
      UniqueFd bad = bench->Connect();
      for (size_t messages = 1 + below(5); messages > 0; messages--) {
        const Type type = types[below(std::size(types))];
        const bool has_text = type == Type::kHold || type == Type::kItem;
        const std::string key(has_text || below(2) == 0 ? 1 + below(3) : 0, static_cast<char>('a' + below(4)));
        const std::string text(has_text ? below(1500) : 0, 't');
        const size_t descriptors = has_text ? below(17) : 0;
        char header[kHeaderBytes];
        WriteHeader({type, key, text, descriptors}, header);
        std::string bytes = std::string(header, kHeaderBytes) + key + text;
        for (size_t changes = below(3); changes > 0; changes--) {
          const size_t at = below(4) == 0 ? below(bytes.size()) : below(kHeaderBytes);
          if (at < bytes.size()) bytes[at] = static_cast<char>(below(4) == 0 ? random() : below(18));
        }
        if (below(8) == 0) bytes.resize(below(bytes.size() + 1));
        if (below(8) == 0) bytes.append(below(kMaxMessageBytes), 'x');
        const size_t sent = below(6) == 0 ? below(files.size() + 1) : descriptors;
        SendRaw(bad.get(), bytes, std::span(files).first(sent));
        if (below(4) == 0) (void)bench->Settle(1);
      }
      if (below(2) == 0) bad.reset();
      if (!bench->Settle(2)) {
        bench = std::make_unique<Bench>(ShelfLimits{.things = 6, .descriptors = 40, .text_bytes = 4000});
        good = bench->Connect();
      }
      bad.reset();
      CHECK(bench->Settle(3) && bench->server().clients() == 1);
      CHECK(bench->shelf().size() <= 6 && bench->shelf().descriptors() <= 40);
      // Whatever another one said: this one is served, and the books are right.
      if (round % 16 == 0) CHECK(List(bench.get(), good.get()).size() == bench->shelf().size());
      if (round % 16 == 0) CHECK(OpenDescriptors() == before + 3 + static_cast<int>(bench->shelf().descriptors()));
    }
  }
  CHECK(OpenDescriptors() == before);
}

}  // namespace

int main(int argc, char** argv) {
  CHECK(argc == 3);
  const auto seed = static_cast<unsigned>(std::strtoul(argv[1], nullptr, 10));
  const int rounds = std::atoi(argv[2]);
  std::printf("seed %u, %d rounds\n", seed, rounds);
  std::fflush(stdout);
  TestParse();
  TestHolding();
  TestListIsComplete();
  TestLimits();
  TestDescriptorsLost();
  TestSlowReader();
  TestGoneWithAnswers();
  TestUnderWay();
  Fuzz(seed, rounds);
  std::puts("ok");
  return 0;
}
