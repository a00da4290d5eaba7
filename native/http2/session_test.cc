// Unit tests and a fuzzer of HTTP/2 without Node; built with sanitizers and run by
// test/native/http2-sanitizer.test.ts. Usage: http2_test [seed [rounds]]. Prints the seed, so that a failure can be
// repeated.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "http2/http2_test.h"

namespace iluvatar::http2 {
namespace {

using frame_flag::kEndHeaders;
using frame_flag::kEndStream;

const std::string kHeaders = Text({{":status", "200"}, {"content-type", "application/grpc"}});
const std::string kTrailers = Text({{"grpc-status", "0"}});

SessionOptions Options() {
  SessionOptions options;
  options.paths = {{"/s/m", 1}};
  return options;
}

std::string CallHeaders(uint32_t stream, uint8_t flags = 0, const Fields& more = {}) {
  return Frame(frame_kind::kHeaders, kEndHeaders | flags, stream, Block(CallFields("/s/m", more)));
}
std::string Data(uint32_t stream, const std::string& bytes, bool end = true) {
  return Frame(frame_kind::kData, end ? kEndStream : 0, stream, bytes);
}
std::string Window(uint32_t stream, uint32_t more) {
  return Frame(frame_kind::kWindowUpdate, 0, stream, U32(more));
}
std::string ResetFrame(uint32_t stream) { return Frame(frame_kind::kRstStream, 0, stream, U32(8)); }
std::string PingFrame(uint8_t flags = 0) { return Frame(frame_kind::kPing, flags, 0, "12345678"); }

// The error of a connection that is fed this after its HELLO; kNone = it goes on.
ErrorCode ErrorOf(const std::string& bytes, SessionOptions options = Options()) {
  Stage stage(std::move(options));
  CHECK(stage.Feed(Hello()));
  const bool good = stage.Feed(bytes);
  stage.Read();
  CHECK(good == (stage.goaways == 0) && good != stage.session.failed());
  return stage.goaway;
}

// How the stream 1 ends, on a connection that goes on.
ErrorCode ResetOf(const std::string& bytes, SessionOptions options = Options()) {
  Stage stage(std::move(options));
  CHECK(stage.Feed(Hello() + bytes));
  stage.Read();
  CHECK(stage.goaways == 0);
  return stage.streams[1].reset ? stage.streams[1].reset_code : ErrorCode::kNone;
}

void TestCall() {
  Stage stage(Options());
  CHECK(stage.Feed(Hello() + CallHeaders(1, 0, {{"grpc-timeout", "5S"}, {"x", "y"}}) + Data(1, "hello")));
  const Stage::Asked& call = stage.asked[1];
  CHECK(call.head.path == 1 && call.head.timeout == 5 && call.head.timeout_unit == 'S' && call.ended);
  CHECK((call.head.flags & kEventIsGrpc) != 0 && call.body == "hello" && call.rest == Text({{"x", "y"}}));
  CHECK(stage.session.Respond(1, kHeaders, "world", kTrailers, true));
  CHECK(!stage.session.Respond(1, kHeaders, "again", kTrailers, true) && stage.session.streams() == 0);
  stage.Read();
  const Stage::Stream& stream = stage.streams[1];
  CHECK((stream.headers == Fields{{":status", "200"}, {"content-type", "application/grpc"}}));
  CHECK((stream.trailers == Fields{{"grpc-status", "0"}}) && stream.body == "world" && stream.ended && !stream.reset);
  // Our SETTINGS and the acknowledgement of the other ones.
  CHECK(stage.frames[frame_kind::kSettings] == 2);
}

void TestEarlyAnswers() {
  Stage stage(Options());
  CHECK(stage.Feed(Hello() + CallHeaders(1) + CallHeaders(3) + Data(3, "half", false)));
  CHECK(stage.session.Respond(1, kHeaders, {}, {}, true));
  CHECK(stage.session.Respond(3, kHeaders, "x", {}, false) && stage.session.Respond(3, {}, "y", {}, true));
  stage.Read();
  for (uint32_t id : {1u, 3u}) {
    CHECK(stage.streams[id].ended && stage.streams[id].reset && stage.streams[id].reset_code == ErrorCode::kNone);
  }
  CHECK(stage.streams[3].body == "xy" && stage.streams[1].body.empty());
  // What was on its way.
  CHECK(stage.Feed(Data(1, "late", false) + Data(3, "late") + Window(1, 5) + ResetFrame(3)));
  stage.Read();
  CHECK(stage.goaways == 0 && stage.asked[3].body == "half" && stage.session.streams() == 0);
}

void TestConnectionErrors() {
  const std::string call = CallHeaders(1) + Data(1, "x");
  const std::string block = Block(CallFields("/s/m"));
  const std::pair<std::string, ErrorCode> cases[] = {
      {call, ErrorCode::kNone},
      {Frame(0, 0, 0, "x"), ErrorCode::kProtocol},
      {Data(1, "x"), ErrorCode::kProtocol},
      {Frame(0, 8, 1, ""), ErrorCode::kProtocol},
      {CallHeaders(1) + Frame(0, 8, 1, "\x05padd"), ErrorCode::kProtocol},
      {CallHeaders(2), ErrorCode::kProtocol},
      {CallHeaders(0), ErrorCode::kProtocol},
      {CallHeaders(5) + CallHeaders(3), ErrorCode::kProtocol},
      {call + CallHeaders(1), ErrorCode::kStreamClosed},
      {CallHeaders(1) + ResetFrame(1) + CallHeaders(1), ErrorCode::kStreamClosed},
      {Frame(1, kEndHeaders | 0x20, 1, "1234"), ErrorCode::kFrameSize},
      {Frame(1, kEndHeaders | 0x20, 1, U32(1) + "x" + block), ErrorCode::kProtocol},
      {Frame(1, kEndHeaders, 1, "\xff"), ErrorCode::kCompression},
      {Frame(1, 0, 1, block) + Data(1, "x"), ErrorCode::kProtocol},
      {Frame(1, 0, 1, block) + Frame(9, 4, 3, ""), ErrorCode::kProtocol},
      {Frame(9, 4, 1, ""), ErrorCode::kProtocol},
      {Frame(2, 0, 0, "12345"), ErrorCode::kProtocol},
      {Frame(2, 0, 1, "1234"), ErrorCode::kFrameSize},
      {Frame(3, 0, 0, U32(8)), ErrorCode::kProtocol},
      {ResetFrame(1), ErrorCode::kProtocol},
      {CallHeaders(1) + Frame(3, 0, 1, "123"), ErrorCode::kFrameSize},
      {Frame(4, 0, 1, ""), ErrorCode::kProtocol},
      {Frame(4, 0, 0, "12345"), ErrorCode::kFrameSize},
      {Frame(4, 1, 0, "123456"), ErrorCode::kFrameSize},
      {Settings({{2, 2}}), ErrorCode::kProtocol},
      {Settings({{4, 0x80000000u}}), ErrorCode::kFlowControl},
      {Settings({{5, 16383}}), ErrorCode::kProtocol},
      {Settings({{5, 1u << 24}}), ErrorCode::kProtocol},
      {Settings({{99, 1}}), ErrorCode::kNone},
      {Frame(5, 4, 1, U32(2)), ErrorCode::kProtocol},
      {Frame(6, 0, 1, "12345678"), ErrorCode::kProtocol},
      {Frame(6, 0, 0, "1234567"), ErrorCode::kFrameSize},
      {Frame(7, 0, 1, "12345678"), ErrorCode::kProtocol},
      {Frame(7, 0, 0, "1234567"), ErrorCode::kFrameSize},
      {Frame(7, 0, 0, "12345678"), ErrorCode::kNone},
      {Window(0, 0), ErrorCode::kProtocol},
      {Window(0, 0x7fffffff), ErrorCode::kFlowControl},
      {Window(1, 1), ErrorCode::kProtocol},
      {Frame(8, 0, 0, "123"), ErrorCode::kFrameSize},
      {Frame(77, 0xff, 12, "whatever"), ErrorCode::kNone},
      {Frame(0, 0, 1, std::string(16385, 'x')), ErrorCode::kFrameSize},
  };
  for (const auto& [bytes, code] : cases) CHECK(ErrorOf(bytes) == code);
  SessionOptions narrow = Options();
  narrow.connection_window = 65535;
  std::string flood = CallHeaders(1) + CallHeaders(3);
  // Nothing of it is acknowledged before half of the window.
  Stage stage(narrow);
  CHECK(stage.Feed(Hello() + flood));
  // Other first words.
  for (const std::string& first : {std::string("GET / HTTP/1.1\r\n\r\n"), std::string("PRX"),
                                   std::string(kPreface) + PingFrame(), std::string(kPreface) + Frame(4, 1, 0, "")}) {
    Stage other(Options());
    CHECK(!other.Feed(first));
    other.Read();
    CHECK(other.goaway == ErrorCode::kProtocol);
    CHECK(!other.Feed(Hello()));
  }
}

void TestStreamErrors() {
  CHECK(ResetOf(Frame(1, kEndHeaders, 1, Block({{":method", "POST"}}))) == ErrorCode::kProtocol);
  CHECK(ResetOf(CallHeaders(1, 0, {{"X", "1"}}) + CallHeaders(3)) == ErrorCode::kProtocol);
  CHECK(ResetOf(CallHeaders(1) + CallHeaders(1)) == ErrorCode::kProtocol);
  CHECK(ResetOf(CallHeaders(1) + Frame(1, kEndHeaders | kEndStream, 1, Block({{":path", "/"}}))) ==
        ErrorCode::kProtocol);
  CHECK(ResetOf(CallHeaders(1) + Data(1, "x") + Data(1, "y")) == ErrorCode::kStreamClosed);
  CHECK(ResetOf(CallHeaders(1) + ResetFrame(1) + Data(1, "y")) == ErrorCode::kStreamClosed);
  CHECK(ResetOf(CallHeaders(1) + Window(1, 0)) == ErrorCode::kProtocol);
  CHECK(ResetOf(CallHeaders(1) + Window(1, 0x7fffffff)) == ErrorCode::kFlowControl);
  CHECK(ResetOf(CallHeaders(1, 0, {{"content-length", "2"}}) + Data(1, "x")) == ErrorCode::kProtocol);
  CHECK(ResetOf(CallHeaders(1, 0, {{"content-length", "2"}}) + Data(1, "xyz")) == ErrorCode::kProtocol);
  CHECK(ResetOf(CallHeaders(1, kEndStream, {{"content-length", "2"}})) == ErrorCode::kProtocol);
  CHECK(ResetOf(CallHeaders(1, 0, {{"content-length", "2"}}) + Data(1, "xy")) == ErrorCode::kNone);
  CHECK(ResetOf(CallHeaders(1, 0, {{"x", std::string(16000, 'x')}}), [] {
          SessionOptions options = Options();
          options.max_header_bytes = 10000;
          return options;
        }()) == ErrorCode::kEnhanceYourCalm);
  SessionOptions narrow = Options();
  narrow.stream_window = 10;
  CHECK(ResetOf(CallHeaders(1) + Data(1, "0123456789a"), narrow) == ErrorCode::kFlowControl);
  CHECK(ResetOf(CallHeaders(1) + Data(1, "0123456789"), narrow) == ErrorCode::kNone);
  // One too many is refused, and the others go on; a stream that ends makes room.
  SessionOptions few = Options();
  few.max_streams = 2;
  Stage stage(few);
  CHECK(stage.Feed(Hello() + CallHeaders(1) + CallHeaders(3) + CallHeaders(5) + ResetFrame(1) + CallHeaders(7)));
  stage.Read();
  CHECK(stage.streams[5].reset_code == ErrorCode::kRefusedStream && !stage.streams[7].reset);
  CHECK(stage.asked.count(5) == 0 && stage.asked.count(7) == 1 && stage.asked.count(1) == 0);
}

void TestHeadersInPieces() {
  Stage stage(Options());
  const std::string block = Block(CallFields("/s/m", {{"x", std::string(300, 'x')}}), true);
  std::string bytes = Frame(1, 8 | 0x20, 1, std::string("\x03", 1) + U32(0) + "w" + block.substr(0, 10) + "pad");
  for (size_t at = 10; at < block.size(); at += 50) {
    bytes += Frame(9, at + 50 >= block.size() ? 4 : 0, 1, block.substr(at, 50));
  }
  CHECK(stage.Feed(Hello() + bytes + Frame(1, kEndHeaders | kEndStream, 3, "\xc2\xc1\xc0\xbf\xbe")));
  CHECK(stage.asked[1].head.path == 1 && stage.asked[3].head.path == 1 && stage.asked[3].ended);
  CHECK(stage.asked[1].rest == stage.asked[3].rest && stage.asked[1].rest == Text({{"x", std::string(300, 'x')}}));
  // Trailers end a call; what is in them is nobody's.
  CHECK(stage.Feed(Frame(1, kEndHeaders | kEndStream, 1, Block({{"a", "b"}}))) && stage.asked[1].ended);
}

void TestFloods() {
  const auto repeated = [](const std::string& bytes, int times) {
    std::string all;
    for (int i = 0; i < times; i++) all += bytes;
    return all;
  };
  const ErrorCode calm = ErrorCode::kEnhanceYourCalm;
  CHECK(ErrorOf(repeated(Settings({}), 100)) == ErrorCode::kNone);
  CHECK(ErrorOf(repeated(Settings({}), 5000)) == calm);
  CHECK(ErrorOf(repeated(Frame(4, 1, 0, ""), 5000)) == calm);
  CHECK(ErrorOf(repeated(Frame(2, 0, 1, U32(0) + "w"), 5000)) == calm);
  CHECK(ErrorOf(repeated(Frame(99, 0, 0, ""), 5000)) == calm);
  CHECK(ErrorOf(CallHeaders(1) + repeated(Data(1, "", false), 5000)) == calm);
  CHECK(ErrorOf(CallHeaders(1) + repeated(Frame(0, 8, 1, std::string(2, '\x01')), 5000)) == calm);
  CHECK(ErrorOf(repeated(PingFrame(1), 5000)) == calm);
  // A header block without an end, of many frames and of many bytes.
  CHECK(ErrorOf(Frame(1, 0, 1, "") + repeated(Frame(9, 0, 1, ""), 100)) == calm);
  CHECK(ErrorOf(Frame(1, 0, 1, "") + repeated(Frame(9, 0, 1, std::string(16000, 'x')), 6)) == calm);
  // Calls that are given up at once, and calls that are none.
  std::string resets;
  std::string nonsense;
  for (uint32_t id = 1; id < 10000; id += 2) {
    resets += CallHeaders(id) + ResetFrame(id);
    nonsense += Frame(1, kEndHeaders | kEndStream, id, Block({{"x", "y"}}));
  }
  CHECK(ErrorOf(resets) == calm);
  CHECK(ErrorOf(nonsense) == calm);
  // With time between them they are no flood.
  Stage stage(Options());
  CHECK(stage.Feed(Hello()));
  for (uint32_t id = 1; id < 10000; id += 2) {
    Stage::now_us += 10'000;
    CHECK(stage.Feed(CallHeaders(id) + ResetFrame(id)));
    stage.Read();
  }
  // A little that refers to much: the list is cut off at its limit, and the table stays right.
  Stage bomb(Options());
  const std::string entry = Block({{"big", std::string(4000, 'x')}}, true);
  CHECK(bomb.Feed(Hello() + Frame(1, kEndHeaders, 1, Block(CallFields("/s/m")) + entry + repeated("\xbe", 10000))));
  CHECK(bomb.Feed(CallHeaders(3) + Data(3, "x")));
  bomb.Read();
  CHECK(bomb.streams[1].reset_code == calm && bomb.asked.count(1) == 0 && bomb.asked[3].ended);
}

void TestPings() {
  Stage stage(Options());
  CHECK(stage.Feed(Hello() + PingFrame()));
  stage.session.Ping();
  CHECK(stage.Feed(PingFrame(1) + PingFrame(1)));
  stage.Read();
  CHECK(stage.pings == 1 && stage.pongs == 1 && stage.frames[frame_kind::kPing] == 2);
}

void TestLeaving() {
  Stage stage(Options());
  CHECK(stage.Feed(Hello() + CallHeaders(1) + Data(1, "x")));
  stage.session.Announce();
  stage.Read();
  CHECK(stage.goaways == 1 && stage.goaway_last == kLargestStream && stage.goaway == ErrorCode::kNone);
  // On its way when it was said.
  CHECK(stage.Feed(CallHeaders(3) + Data(3, "y")) && stage.asked[3].ended);
  stage.session.Leave();
  stage.Read();
  CHECK(stage.goaways == 2 && stage.goaway_last == 3 && !stage.session.finished());
  CHECK(stage.Feed(CallHeaders(5) + Data(5, "z")) && stage.asked.count(5) == 0);
  CHECK(stage.session.Respond(1, kHeaders, "a", kTrailers, true) && !stage.session.finished());
  CHECK(stage.session.Respond(3, kHeaders, std::string(100000, 'b'), kTrailers, true));
  stage.Read();
  // Not before the last byte has found room.
  CHECK(!stage.session.finished() && stage.session.waiting() > 0);
  CHECK(stage.Feed(Window(0, 100000) + Window(3, 100000)));
  stage.client_window += 100000;
  stage.streams[3].window += 100000;
  stage.Read();
  CHECK(stage.session.finished() && stage.streams[3].body.size() == 100000 && stage.streams[3].ended);
}

void TestUnreadAnswers() {
  SessionOptions options = Options();
  options.max_waiting = 100000;
  Stage stage(options);
  CHECK(stage.Feed(Hello() + Settings({{4, 0}}) + CallHeaders(1) + Data(1, "x")));
  CHECK(stage.session.Respond(1, kHeaders, std::string(100001, 'a'), kTrailers, true));
  CHECK(stage.Feed(CallHeaders(3) + Data(3, "x")));
  stage.client_stream_window = 0;
  stage.Read();
  CHECK(stage.streams[3].reset_code == ErrorCode::kEnhanceYourCalm && stage.session.waiting() == 100001);
  // It gives up what it does not read, and may call again.
  CHECK(stage.Feed(ResetFrame(1) + CallHeaders(5) + Data(5, "x")));
  CHECK(stage.session.waiting() == 0 && stage.asked[5].ended && !stage.asked[1].reset);
}

// Many calls, answers of all sizes from inside and outside, windows of all sizes: all bytes come, in order, and none
// before it was allowed (Stage::ReadFrame).
void TestFlow(Random* random) {
  SessionOptions options = Options();
  options.stream_window = 3000;
  options.connection_window = 70000;
  Stage stage(options);
  stage.random = random;
  stage.answer = [](Stage* self, const Event& event) {
    if (event.type == EventType::kReset || !self->asked[event.stream].ended || self->random->Below(2) == 0) return;
    const std::string& body = self->asked[event.stream].body;
    CHECK(self->session.Respond(event.stream, kHeaders, body + body, kTrailers, true));
  };
  CHECK(stage.Feed(Hello()));
  std::map<uint32_t, std::string> bodies;
  for (uint32_t id = 1; id < 200; id += 2) {
    std::string body(random->Below(3) == 0 ? random->Below(40000) : random->Below(100), static_cast<char>('a' + id % 26));
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
  for (auto& [id, body] : bodies) stage.session.Respond(id, kHeaders, body + body, kTrailers, true);
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
  for (uint32_t i = 0; i < random->Below(4); i++) {
    const uint32_t at = random->Below(static_cast<uint32_t>(bytes.size()));
    switch (random->Below(4)) {
      case 0:
        bytes[at] = static_cast<char>(random->Next());
        break;
      case 1:
        bytes.insert(at, 1 + random->Below(8), static_cast<char>(random->Next()));
        break;
      case 2:
        bytes.erase(at, 1 + random->Below(8));
        break;
      default:
        bytes.resize(at + 1);
    }
  }
  return bytes;
}

void Fuzz(Random* random, uint32_t rounds) {
  SessionOptions options = Options();
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
          self->session.Respond(id, kHeaders, std::string(self->random->Below(3000), 'y'), kTrailers, true);
      }
    };
    lively.FeedInPieces(bytes, random);
    lively.Taken();
    lively.session.Pump();
    lively.Taken();
    CHECK(lively.session.waiting() <= 30 * 3000 * 12);
  }
}

}  // namespace
}  // namespace iluvatar::http2

int main(int argc, char** argv) {
  using namespace iluvatar::http2;  // NOLINT: one test program
  const uint64_t seed = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1;
  const uint32_t rounds = argc > 2 ? static_cast<uint32_t>(std::strtoul(argv[2], nullptr, 10)) : 20000;
  std::printf("seed %llu, %u rounds\n", static_cast<unsigned long long>(seed), rounds);
  std::fflush(stdout);
  Random random(seed);
  TestHpackExamples();
  TestHpackErrors();
  TestHuffman(&random);
  TestEncoder(&random);
  TestRequestHeads();
  TestCall();
  TestEarlyAnswers();
  TestConnectionErrors();
  TestStreamErrors();
  TestHeadersInPieces();
  TestFloods();
  TestPings();
  TestLeaving();
  TestUnreadAnswers();
  for (int i = 0; i < 5; i++) TestFlow(&random);
  Fuzz(&random, rounds);
  std::printf("ok\n");
  return 0;
}
