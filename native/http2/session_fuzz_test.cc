// Sessions under many calls at once, and under bytes that no client makes.
#include <algorithm>
#include <string>

#include "http2/http2_test.h"

namespace iluvatar::http2 {

// Many calls, answers of all sizes from inside and outside, windows of all sizes: all bytes come, in order, and none
// before it was allowed (Stage::ReadFrame).
void TestFlow(Random* random) {
  SessionOptions options = TestOptions();
  options.stream_window = 3000;
  options.connection_window = 70000;
  Stage stage(options);
  stage.random = random;
  stage.answer = [](Stage* self, const Event& event) {
    if (event.type == EventType::kReset || !self->asked[event.stream].ended || self->random->Below(2) == 0) return;
    const std::string& body = self->asked[event.stream].body;
    CHECK(self->session.Respond(event.stream, OkHeaders(), body + body, OkTrailers(), true));
  };
  CHECK(stage.Feed(Hello()));
  std::map<uint32_t, std::string> bodies;
  for (uint32_t id = 1; id < 200; id += 2) {
    std::string body(random->Below(3) == 0 ? random->Below(40000) : random->Below(100),
                     static_cast<char>('a' + id % 26));
    bodies[id] = body;
    CHECK(stage.FeedInPieces(CallHeaders(id), random));
    // No more than a window at once: the session has to give it back in time.
    for (size_t at = 0; at < body.size(); at += 1000) {
      CHECK(stage.FeedInPieces(Data(id, body.substr(at, 1000), false), random));
    }
    CHECK(stage.FeedInPieces(Data(id, ""), random) && stage.asked.at(id).ended);
    if (random->Below(4) == 0) {
      const uint32_t window = random->Below(20000);
      // What is under way was allowed by the old one.
      stage.Read();
      stage.client_stream_window = window;
      CHECK(stage.Feed(Settings({{4, window}, {1, random->Below(500)}})));
    }
    if (random->Below(3) == 0) stage.Read();
  }
  for (auto& [id, body] : bodies) stage.session.Respond(id, OkHeaders(), body + body, OkTrailers(), true);
  for (int turn = 0; turn < 1'000'000 && stage.session.streams() > 0; turn++) {
    stage.Read();
    const uint32_t more = 1 + random->Below(3000);
    uint32_t id = 0;
    if (random->Below(3) != 0) id = 1 + 2 * random->Below(100);
    if (id == 0) {
      stage.client_window += more;
    } else {
      stage.streams[id].window += more;
    }
    CHECK(stage.Feed(Window(id, more)));
  }
  stage.Read();
  for (auto& [id, body] : bodies) {
    CHECK(stage.asked[id].body == body && stage.streams[id].body == body + body && stage.streams[id].ended);
  }
  CHECK(stage.session.waiting() == 0 && stage.payloads.published() == 0);
}

namespace {

std::string Wild(Random* random) {
  std::string bytes = random->Below(10) == 0 ? std::string(kPreface) : Hello();
  uint32_t next = 1;
  for (uint32_t i = 0; i < 1 + random->Below(30); i++) {
    const uint32_t id = random->Below(3) == 0 ? random->Below(12) : 1 + 2 * random->Below(6);
    switch (random->Below(12)) {
      case 0:
      case 1:
      case 2:
        bytes += CallHeaders(next, random->Below(2), {{"x", std::string(random->Below(100), 'x')}});
        next += 2;
        break;
      case 3:
        bytes += Frame(1, static_cast<uint8_t>(random->Next()), next, Block(CallFields("/s/m"), random->Below(2) == 0));
        next += 2;
        break;
      case 4:
      case 5:
        bytes += Frame(0, static_cast<uint8_t>(random->Next() & 9), id, std::string(random->Below(200), '\x03'));
        break;
      case 6:
        bytes += ResetFrame(id);
        break;
      case 7:
        bytes += Window(random->Below(2) * id, random->Below(4) == 0 ? 0x7fffffff : random->Below(100));
        break;
      case 8:
        bytes += Settings({{static_cast<uint16_t>(random->Below(8)), random->Below(70000)}});
        break;
      case 9:
        bytes += PingFrame(static_cast<uint8_t>(random->Below(2)));
        break;
      case 10:
        bytes += Frame(9, static_cast<uint8_t>(random->Below(8)), id, Block({{"y", "z"}}));
        break;
      default:
        bytes += Frame(static_cast<uint8_t>(random->Below(12)), static_cast<uint8_t>(random->Next()), id,
                       std::string(random->Below(30), static_cast<char>(random->Next())));
    }
  }
  for (uint32_t i = 0; i < random->Below(4); i++) Damage(random, &bytes);
  return bytes;
}

}  // namespace

void Fuzz(Random* random, uint32_t rounds) {
  SessionOptions options = TestOptions();
  options.max_streams = 5;
  options.stream_window = 400;
  options.max_header_bytes = 2000;
  for (uint32_t round = 0; round < rounds; round++) {
    const std::string bytes = Wild(random);
    // However the stream is cut, what is told, what is said and how it ends are the same.
    Stage whole(options);
    Stage cut(options);
    const bool good = whole.Feed(bytes);
    CHECK(cut.FeedInPieces(bytes, random) == good);
    CHECK(whole.Taken() == cut.Taken() && whole.session.streams() == cut.session.streams());
    CHECK(whole.pings == cut.pings && whole.pongs == cut.pongs);
    // Where all comes at once, a call that is over before its head is told is not told, nor is the last of a connection
    // that breaks.
    for (const auto& [id, call] : whole.asked) CHECK(call == cut.asked[id]);
    for (const auto& [id, call] : cut.asked) CHECK(!good || call.reset || id == 0 || whole.asked.count(id) == 1);
    // And with somebody who answers and gives up from inside, in the worst places.
    Stage lively(options);
    lively.random = random;
    lively.answer = [](Stage* self, const Event& event) {
      const uint32_t id = self->random->Below(3) == 0 ? 1 + 2 * self->random->Below(6) : event.stream;
      switch (self->random->Below(8)) {
        case 0:
          self->session.Reset(id, ErrorCode::kCancel);
          break;
        case 1:
          self->session.Respond(id, {}, std::string(self->random->Below(300), 'x'), {}, false);
          break;
        case 2:
          if (self->random->Below(20) == 0) self->session.Leave();
          break;
        case 3:
          if (self->random->Below(20) == 0) self->session.Fail(ErrorCode::kInternal, "no more");
          break;
        default:
          self->session.Respond(id, OkHeaders(), std::string(self->random->Below(3000), 'y'), OkTrailers(), true);
      }
    };
    lively.FeedInPieces(bytes, random);
    lively.Taken();
    lively.session.Pump();
    lively.Taken();
    CHECK(lively.session.waiting() <= 30 * 3000 * 12);
  }
}

}  // namespace iluvatar::http2
