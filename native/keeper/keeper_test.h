// What the keeper's test program works with: a server without a socket of its own, its clients, and checks.
#ifndef ILUVATAR_KEEPER_KEEPER_TEST_H_
#define ILUVATAR_KEEPER_KEEPER_TEST_H_

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "keeper/server.h"
#include "testing/check_test.h"

namespace iluvatar::keeper {

struct Pair {
  UniqueFd ours;
  UniqueFd theirs;
};

inline Pair MakePair() {
  int ends[2];
  CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

inline UniqueFd Null() {
  UniqueFd fd(open("/dev/null", O_RDONLY | O_CLOEXEC));
  CHECK(fd.valid());
  return fd;
}

inline int OpenDescriptors() {
  DIR* folder = opendir("/proc/self/fd");
  CHECK(folder != nullptr);
  int count = 0;
  while (readdir(folder) != nullptr) count++;
  closedir(folder);
  return count;
}

// A server without a socket of its own, and its clients.
class Bench {
 public:
  explicit Bench(const ShelfLimits& limits) : shelf_(limits), server_(UniqueFd(), geteuid(), &shelf_) {}

  UniqueFd Connect() {
    Pair pair = MakePair();
    server_.Admit(std::move(pair.theirs));
    return std::move(pair.ours);
  }

  // Until nothing more happens by itself. False once it has been told to quit.
  bool Settle(int turns = 8) {
    for (int i = 0; i < turns; i++) {
      if (!server_.Turn(0, -1)) return false;
    }
    return true;
  }

  Shelf& shelf() { return shelf_; }
  Server& server() { return server_; }

 private:
  Shelf shelf_;
  Server server_;
};

inline constexpr ShelfLimits kRoomy = {.things = 16'384, .descriptors = 4096, .text_bytes = 1 << 26};

inline void Say(int client, Type type, std::string_view key = {}, std::string_view text = {},
                std::span<const int> descriptors = {}) {
  CHECK(Send(client, {type, key, text, descriptors.size()}, descriptors) == 0);
}

// What is held, one line each: key=text+descriptors.
inline std::vector<std::string> List(Bench* bench, int client) {
  Say(client, Type::kList);
  std::vector<std::string> lines;
  auto received = std::make_unique<Received>();
  for (;;) {
    CHECK(bench->Settle(1));
    const Receipt receipt = Receive(client, received.get());
    if (receipt == Receipt::kNothing) continue;
    CHECK(receipt == Receipt::kMessage);
    const Message& message = received->message;
    if (message.type == Type::kEnd) return lines;
    CHECK(message.type == Type::kItem);
    lines.push_back(std::string(message.key) + "=" + std::string(message.text) + "+" +
                    std::to_string(message.descriptors));
    for (size_t i = 0; i < message.descriptors; i++) CHECK(received->descriptors[i].valid());
  }
}

}  // namespace iluvatar::keeper

#endif  // ILUVATAR_KEEPER_KEEPER_TEST_H_
