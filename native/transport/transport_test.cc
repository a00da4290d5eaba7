// Unit tests and fuzzers of the parts of the transport that know no Node; built with sanitizers and run by
// test/native/transport-sanitizer.test.ts. Usage: transport_test [seed [rounds]]. Prints the seed, so that a failure
// can be repeated.
#include "transport/transport_test.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <tuple>
#include <vector>

namespace iluvatar::transport {
namespace {

std::string EncodeReply(const std::string& body) {
  const uint64_t length = body.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof(length)) + body;
}

struct Outcome {
  std::vector<std::tuple<int, uint32_t, std::string>> frames;
  FrameError error = FrameError::kNone;
  bool operator==(const Outcome&) const = default;
};

// Feeds the stream in pieces of the given size (0 = sizes from `random`), sometimes straight into the payload as the
// socket reader does.
Outcome Parse(const std::string& stream, Dialect dialect, uint64_t max_body, size_t piece, Random* random) {
  PayloadStore store;
  FrameReader reader(store, dialect, max_body);
  Outcome outcome;
  const auto complete = [&] {
    const FrameHeader header = reader.header();
    PayloadRef payload = reader.TakePayload();
    std::string bytes;
    if (payload) bytes.assign(reinterpret_cast<char*>(payload->bytes()), payload->total());
    CHECK(bytes.size() == (dialect == Dialect::kFramed ? header.meta_length : 0) + header.body_length);
    outcome.frames.emplace_back(dialect == Dialect::kFramed ? header.type : 0, header.request_id, bytes);
  };
  size_t at = 0;
  while (at < stream.size()) {
    size_t size = std::min(stream.size() - at, piece != 0 ? piece : 1 + random->Below(40));
    // A copy of exactly this size: reading beyond it is found by the address sanitizer.
    std::vector<uint8_t> copy(stream.begin() + static_cast<ptrdiff_t>(at),
                              stream.begin() + static_cast<ptrdiff_t>(at + size));
    at += size;
    const uint8_t* data = copy.data();
    const RoomInPayload room = reader.Room();
    if (room.size > 0 && random != nullptr && random->Below(2) == 0) {
      const size_t direct = std::min(size, room.size);
      std::memcpy(room.data, data, direct);
      data += direct;
      size -= direct;
      if (reader.Filled(direct)) complete();
    }
    while (size > 0) {
      const FrameReader::Progress progress = reader.Consume(data, size);
      if (progress.error != FrameError::kNone) {
        outcome.error = progress.error;
        return outcome;
      }
      CHECK(progress.consumed > 0 && progress.consumed <= size);
      data += progress.consumed;
      size -= progress.consumed;
      if (progress.complete) complete();
    }
  }
  outcome.error = reader.AtEnd();
  return outcome;
}

void TestSplitsAreEquivalent() {
  const std::string framed = Encode(1, 0, "{\"role\":\"client\"}", "", 1, 1) + Encode(5, 7, "{\"a\":1}", "[1,2,3]") +
                             Encode(7, 7, "", "") + Encode(6, 7, "", std::string(3000, 'r'));
  const std::string legacy = EncodeReply("{}") + EncodeReply("") + EncodeReply(std::string(777, 'x'));
  Random random(1);
  for (const auto& [stream, dialect, count] :
       {std::tuple(framed, Dialect::kFramed, 4u), std::tuple(legacy, Dialect::kLegacy, 3u)}) {
    const Outcome whole = Parse(stream, dialect, 1 << 20, stream.size(), nullptr);
    CHECK(whole.error == FrameError::kNone && whole.frames.size() == count);
    for (size_t piece = 1; piece < 100; piece++) CHECK(Parse(stream, dialect, 1 << 20, piece, &random) == whole);
    size_t clean_ends = 0;
    for (size_t cut = 0; cut <= stream.size(); cut++) {
      const Outcome part = Parse(stream.substr(0, cut), dialect, 1 << 20, cut + 1, nullptr);
      CHECK(part.error == FrameError::kNone || part.error == FrameError::kTruncated);
      if (part.error == FrameError::kNone) clean_ends++;
    }
    CHECK(clean_ends == count + 1);
  }
}

void TestNamedErrors() {
  const auto error = [](const std::string& stream, uint64_t max_body) {
    return Parse(stream, Dialect::kFramed, max_body, 1, nullptr).error;
  };
  CHECK(error("G", 10) == FrameError::kMagic);
  CHECK(error(Encode(0, 0, "", ""), 10) == FrameError::kType);
  CHECK(error(Encode(11, 0, "", ""), 10) == FrameError::kType);
  CHECK(error(Encode(23, 0, "", ""), 10) == FrameError::kType);
  CHECK(error(Encode(5, 0, "", "0123456789"), 10) == FrameError::kNone);
  CHECK(error(Encode(5, 0, "", "0123456789a"), 10) == FrameError::kTooLarge);
  CHECK(error(Encode(5, 0, std::string(kMaxMetaBytes, 'm'), ""), 10) == FrameError::kNone);
  CHECK(error(Encode(5, 0, std::string(kMaxMetaBytes + 1, 'm'), ""), 10) == FrameError::kTooLarge);
  const uint64_t absurd = UINT64_MAX;
  const std::string legacy(reinterpret_cast<const char*>(&absurd), sizeof(absurd));
  CHECK(Parse(legacy, Dialect::kLegacy, UINT32_MAX, 8, nullptr).error == FrameError::kTooLarge);
  // A length that passes the maximum but not the memory.
  CHECK(Parse(legacy, Dialect::kLegacy, UINT64_MAX, 8, nullptr).error == FrameError::kOutOfMemory);
}

void TestTokens() {
  PayloadStore store;
  CHECK(store.Find(0) == nullptr && !store.Take(0));
  std::vector<uint32_t> seen;
  for (int i = 0; i < 1000; i++) {
    const uint32_t token = store.Publish(store.Allocate(3, 5));
    CHECK(token != 0 && token < (1u << 31));
    CHECK(std::find(seen.begin(), seen.end(), token) == seen.end() || i >= 127);
    seen.push_back(token);
    PayloadRef taken = store.Take(token);
    CHECK(taken && taken->meta_bytes == 3 && taken->body_bytes == 5);
    CHECK(store.Find(token) == nullptr && !store.Take(token));
  }
  for (size_t size : {0u, 1u, 400u, 512u, 4000u, 70000u, 200000u}) store.Publish(store.Allocate(0, size));
  CHECK(store.published() == 7);
  store.DropAll();
  CHECK(store.published() == 0);
}

// Two connections over small socket buffers: partial writes at every possible place, bodies by reference, nothing lost
// or reordered.
void TestConnectionsTalk(Random* random) {
  ConnectionShared shared;
  Pair pair = MakePair();
  const int small = 4096;
  setsockopt(pair.left.get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
  Connection sender(shared, std::move(pair.left), Dialect::kFramed);
  Connection receiver(shared, std::move(pair.right), Dialect::kFramed);
  Collector collector;
  Collector ignored;
  sender.Greet("{\"role\":\"client\"}");
  std::vector<std::tuple<int, uint32_t, std::string>> expected = {{1, 0, "{\"role\":\"client\"}"}};
  std::vector<uint8_t> scratch(3000);
  for (uint32_t i = 0; i < 400; i++) {
    const std::string meta(random->Below(3) == 0 ? random->Below(200) : 0, 'm');
    const std::string body(random->Below(20) == 0 ? random->Below(60000) : random->Below(100),
                           static_cast<char>('a' + i % 26));
    const FrameHeader header = HeaderOf(frame_type::kInvoke, i);
    if (random->Below(2) == 0) {
      CHECK(sender.SendFrame(header, meta, body));
    } else {
      PayloadRef payload = shared.payloads.Allocate(2, body.size());
      std::memcpy(payload->body(), body.data(), body.size());
      CHECK(sender.SendPayload(header, meta, std::move(payload)));
    }
    expected.emplace_back(5, i, meta + body);
    if (random->Below(4) == 0) CHECK(sender.Write() != WriteResult::kFailed);
    if (random->Below(4) == 0) CHECK(receiver.Read(scratch.data(), scratch.size(), collector) == ReadResult::kOpen);
  }
  for (int turn = 0; turn < 100000 && collector.frames.size() < expected.size(); turn++) {
    CHECK(sender.Write() != WriteResult::kFailed);
    CHECK(receiver.Read(scratch.data(), scratch.size(), collector) == ReadResult::kOpen);
  }
  CHECK(collector.frames == expected);
  CHECK(sender.pending() == 0 && shared.counters.in_flight == 400);
  receiver.Drop();
  CHECK(sender.SendFrame(HeaderOf(frame_type::kCancel, 0), {}, {}));
  CHECK(sender.Write() == WriteResult::kFailed && sender.error_number() == EPIPE);
}

// Whatever bytes come, a connection ends in an orderly way and frees everything (the leak checker looks at the end).
void FuzzConnection(Random* random, Dialect dialect, const std::string& bytes) {
  ConnectionShared shared;
  shared.max_body_bytes = 1 << 16;
  Pair pair = MakePair();
  Connection connection(shared, std::move(pair.left), dialect);
  connection.Greet("{}");
  if (dialect == Dialect::kLegacy) {
    for (uint32_t i = 0; i < random->Below(4); i++) {
      CHECK(connection.SendFrame(HeaderOf(frame_type::kInvoke, i), {}, "{\"x\":1}"));
    }
  }
  Collector collector;
  std::vector<uint8_t> scratch(1 + random->Below(500));
  size_t at = 0;
  ReadResult result = ReadResult::kOpen;
  while (at < bytes.size() && result == ReadResult::kOpen) {
    const size_t size = std::min<size_t>(bytes.size() - at, 1 + random->Below(2000));
    CHECK(write(pair.right.get(), bytes.data() + at, size) == static_cast<ssize_t>(size));
    at += size;
    for (int turn = 0; turn < 3 && result == ReadResult::kOpen; turn++) {
      result = connection.Read(scratch.data(), scratch.size(), collector);
    }
    connection.Write();
  }
  pair.right.reset();
  for (int turn = 0; turn < 1000 && result == ReadResult::kOpen; turn++) {
    result = connection.Read(scratch.data(), scratch.size(), collector);
  }
  CHECK(result == ReadResult::kClosed);
  const bool named = connection.failure() != FrameError::kNone;
  CHECK(!named || std::strncmp(FrameErrorCode(connection.failure()), "ERR_", 4) == 0);
}

std::string Mutated(Random* random, Dialect dialect) {
  std::string bytes;
  if (dialect == Dialect::kFramed && random->Below(8) != 0) bytes = Encode(1, 0, "{}", "", 1, 1);
  for (uint32_t i = 0; i < 1 + random->Below(6); i++) {
    const std::string body(random->Below(300), 'b');
    if (dialect == Dialect::kFramed) {
      static constexpr uint8_t kTypes[] = {2, 3, 4, 5, 6, 7, 8, 9, 10, 16, 17, 18, 19, 20, 21, 22};
      bytes += Encode(kTypes[random->Below(16)], random->Next(), std::string(random->Below(20), 'm'), body);
    } else {
      bytes += EncodeReply(body);
    }
  }
  for (uint32_t i = 0; i < random->Below(5); i++) Damage(random, &bytes);
  return bytes;
}

void Fuzz(Random* random, uint32_t rounds) {
  for (uint32_t round = 0; round < rounds; round++) {
    const Dialect dialect = round % 2 == 0 ? Dialect::kFramed : Dialect::kLegacy;
    const std::string bytes = Mutated(random, dialect);
    const Outcome whole = Parse(bytes, dialect, 1 << 16, bytes.size() + 1, nullptr);
    // However the stream is cut, the frames and the error are the same.
    CHECK(Parse(bytes, dialect, 1 << 16, 0, random) == whole);
    if (round % 8 < 2) FuzzConnection(random, dialect, bytes);
  }
}

}  // namespace
}  // namespace iluvatar::transport

int main(int argc, char** argv) {
  using namespace iluvatar::transport;  // NOLINT: one test program
  const uint64_t seed = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1;
  const uint32_t rounds = argc > 2 ? static_cast<uint32_t>(std::strtoul(argv[2], nullptr, 10)) : 20000;
  std::printf("seed %llu, %u rounds\n", static_cast<unsigned long long>(seed), rounds);
  std::fflush(stdout);
  Random random(seed);
  TestSplitsAreEquivalent();
  TestNamedErrors();
  TestTokens();
  for (int i = 0; i < 20; i++) TestConnectionsTalk(&random);
  TestHandOvers(&random);
  Fuzz(&random, rounds);
  std::printf("ok\n");
  return 0;
}
