// What the test programs of the transport share.
#ifndef ILUVATAR_TRANSPORT_TRANSPORT_TEST_H_
#define ILUVATAR_TRANSPORT_TRANSPORT_TEST_H_

#include <sys/socket.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <tuple>
#include <vector>

#include "testing/check_test.h"
#include "transport/connection.h"

namespace iluvatar::transport {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 2 + 1) {}
  uint32_t Next() {
    state_ = state_ * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<uint32_t>(state_ >> 33);
  }
  uint32_t Below(uint32_t limit) { return limit == 0 ? 0 : Next() % limit; }

 private:
  uint64_t state_;
};

// In one place: a byte, some more, some fewer, or the end of all.
inline void Damage(Random* random, std::string* bytes) {
  const uint32_t at = random->Below(static_cast<uint32_t>(bytes->size()));
  switch (random->Below(4)) {
    case 0:
      (*bytes)[at] = static_cast<char>(random->Next());
      break;
    case 1:
      bytes->insert(at, 1 + random->Below(8), static_cast<char>(random->Next()));
      break;
    case 2:
      bytes->erase(at, 1 + random->Below(8));
      break;
    default:
      bytes->resize(at + 1);
  }
}

inline FrameHeader HeaderOf(uint8_t type, uint32_t request_id) {
  FrameHeader header = {};
  header.magic = kFrameMagic;
  header.type = type;
  header.request_id = request_id;
  return header;
}

inline std::string Encode(uint8_t type, uint32_t request_id, const std::string& meta, const std::string& body,
                          uint32_t x0 = 0, uint32_t x1 = 0) {
  FrameHeader header = HeaderOf(type, request_id);
  header.meta_length = static_cast<uint32_t>(meta.size());
  header.body_length = body.size();
  header.x0 = x0;
  header.x1 = x1;
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof(header));
  return bytes + meta + body;
}

class Collector final : public FrameSink {
 public:
  bool OnFrame(Connection& /*connection*/, const FrameHeader& header, PayloadRef payload) override {
    frames.emplace_back(header.type, header.request_id,
                        payload ? std::string(reinterpret_cast<char*>(payload->bytes()), payload->total()) : "");
    return true;
  }
  std::vector<std::tuple<int, uint32_t, std::string>> frames;
};

struct Pair {
  UniqueFd left;
  UniqueFd right;
};

inline Pair MakePair() {
  int fds[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

// Connections that go on with the socket of another: hand_over_test.cc.
void TestHandOvers(Random* random);

}  // namespace iluvatar::transport

#endif  // ILUVATAR_TRANSPORT_TRANSPORT_TEST_H_
