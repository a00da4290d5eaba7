// Pausing between frames, and one socket in the hands of several connections one after the other: a part of
// transport_test.
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "transport/transport_test.h"

namespace iluvatar::transport {
namespace {

// What a paused connection has begun is read to its end and not a byte further, wherever in a frame it is paused.
void TestPausesBetweenFrames() {
  const std::string first = Encode(1, 0, "{}", "", 1, 1) + Encode(5, 1, "{\"a\":1}", std::string(5000, 'b'));
  const std::string second = Encode(5, 2, "", std::string(100, 'c'));
  const size_t hello_bytes = Encode(1, 0, "{}", "").size();
  std::vector<uint8_t> scratch(1 << 16);
  for (size_t cut = hello_bytes; cut <= first.size(); cut += cut < hello_bytes + 50 ? 1 : 301) {
    ConnectionShared shared;
    Pair pair = MakePair();
    const int raw = pair.right.get();
    Connection connection(shared, std::move(pair.left), Dialect::kFramed);
    CHECK(!connection.between_frames());
    Collector collector;
    CHECK(write(raw, first.data(), cut) == static_cast<ssize_t>(cut));
    CHECK(connection.Read(scratch.data(), scratch.size(), collector) == ReadResult::kOpen);
    connection.set_paused(true);
    const bool between = cut == hello_bytes || cut == first.size();
    CHECK(connection.wants_bytes() == !between && connection.between_frames() == between);
    const std::string rest = first.substr(cut) + second;
    for (size_t at = 0; at < rest.size(); at += 777) {
      const size_t size = std::min<size_t>(777, rest.size() - at);
      CHECK(write(raw, rest.data() + at, size) == static_cast<ssize_t>(size));
      CHECK(connection.Read(scratch.data(), scratch.size(), collector) == ReadResult::kOpen);
    }
    CHECK(connection.between_frames() && collector.frames.size() == (cut == hello_bytes ? 1 : 2));
    int waiting = 0;
    CHECK(ioctl(connection.fd(), FIONREAD, &waiting) == 0);
    CHECK(static_cast<size_t>(waiting) == (cut == hello_bytes ? rest.size() : second.size()));
    connection.set_paused(false);
    CHECK(connection.Read(scratch.data(), scratch.size(), collector) == ReadResult::kOpen);
    CHECK(collector.frames.size() == 3);
  }
}

class Hand final : public FrameSink {
 public:
  bool OnFrame(Connection& connection, const FrameHeader& header, PayloadRef payload) override {
    // What lies behind this frame may be in the reader's hands.
    CHECK(!connection.between_frames());
    frames.emplace_back(header.type, header.request_id, payload ? static_cast<size_t>(payload->total()) : 0);
    if (header.type == frame_type::kInvoke) {
      CHECK(connection.SendFrame(HeaderOf(frame_type::kResult, header.request_id), {}, "answered"));
      if (random->Below(2) == 0) connection.Write();
    }
    return true;
  }
  Random* random = nullptr;
  std::vector<std::tuple<int, uint32_t, size_t>> frames;
};

// One socket that goes from connection to connection while frames come in pieces: each frame is read once, in order,
// and each answer is written once. Returns how often it was handed over.
size_t TestHandsOver(Random* random) {
  std::string stream = Encode(1, 0, "{}", "", 1, 1);
  std::vector<std::tuple<int, uint32_t, size_t>> expected = {{1, 0, 2}};
  for (uint32_t i = 1; i <= 60; i++) {
    const std::string meta(random->Below(3) == 0 ? random->Below(50) : 0, 'm');
    const std::string body(random->Below(8) == 0 ? random->Below(20000) : random->Below(60), 'b');
    stream += Encode(5, i, meta, body);
    expected.emplace_back(5, i, meta.size() + body.size());
  }
  Pair pair = MakePair();
  const int raw = pair.right.get();
  ConnectionShared shared;
  Hand hand;
  hand.random = random;
  auto connection = std::make_unique<Connection>(shared, std::move(pair.left), Dialect::kFramed);
  std::vector<uint8_t> scratch(1 + random->Below(3000));
  std::string answers;
  size_t at = 0;
  size_t handed = 0;
  for (int turn = 0; turn < 1000000 && (hand.frames.size() < expected.size() || connection->has_output()); turn++) {
    const size_t size = std::min<size_t>(stream.size() - at, random->Below(700));
    const ssize_t written = size == 0 ? 0 : write(raw, stream.data() + at, size);
    if (written > 0) at += static_cast<size_t>(written);
    if (random->Below(3) == 0) connection->set_paused(!connection->paused());
    if (random->Below(3) != 0) CHECK(connection->Read(scratch.data(), scratch.size(), hand) == ReadResult::kOpen);
    if (random->Below(3) == 0) CHECK(connection->Write() != WriteResult::kFailed);
    if (random->Below(2) == 0 && connection->has_output()) connection->Write();
    if (connection->between_frames() && random->Below(4) != 0) {
      const int fd = connection->Release();
      connection = std::make_unique<Connection>(shared, UniqueFd(fd), Dialect::kFramed);
      connection->Resume(65536);
      CHECK(connection->peer_max_body_bytes() == 65536 && connection->between_frames());
      handed++;
    }
    char bytes[4096];
    const ssize_t received = recv(raw, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (received > 0) answers.append(bytes, static_cast<size_t>(received));
  }
  CHECK(hand.frames == expected && at == stream.size());
  std::string expected_answers;
  for (uint32_t i = 1; i <= 60; i++) expected_answers += Encode(6, i, "", "answered");
  for (int turn = 0; turn < 1000 && answers.size() < expected_answers.size(); turn++) {
    char bytes[4096];
    const ssize_t received = recv(raw, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (received > 0) answers.append(bytes, static_cast<size_t>(received));
  }
  CHECK(answers == expected_answers);
  // Once greeted is greeted, in other hands too.
  connection->set_paused(false);
  const std::string again = Encode(1, 0, "{}", "", 1, 1);
  CHECK(write(raw, again.data(), again.size()) == static_cast<ssize_t>(again.size()));
  CHECK(connection->Read(scratch.data(), scratch.size(), hand) == ReadResult::kClosed || scratch.size() < again.size());
  while (connection->failure() == FrameError::kNone) connection->Read(scratch.data(), scratch.size(), hand);
  CHECK(connection->failure() == FrameError::kType && !connection->between_frames());
  return handed;
}

}  // namespace

void TestHandOvers(Random* random) {
  TestPausesBetweenFrames();
  size_t handed = 0;
  for (int i = 0; i < 200; i++) handed += TestHandsOver(random);
  CHECK(handed > 400);
}

}  // namespace iluvatar::transport
