// Unit tests of HTTP/2 without Node, and the program of them all; built with sanitizers and run by
// test/native/http2-sanitizer.test.ts. Usage: http2_test [seed [rounds]]. Prints the seed, so that a failure can be
// repeated.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "http2/http2_test.h"
#include "http2/utf8.h"

namespace iluvatar::http2 {
namespace {

// The error of a connection that is fed this after its HELLO; kNone = it goes on.
ErrorCode ErrorOf(const std::string& bytes, SessionOptions options = TestOptions()) {
  Stage stage(std::move(options));
  CHECK(stage.Feed(Hello()));
  const bool good = stage.Feed(bytes);
  stage.Read();
  CHECK(good == (stage.goaways == 0) && good != stage.session.failed());
  return stage.goaway;
}

// How the stream 1 ends, on a connection that goes on.
ErrorCode ResetOf(const std::string& bytes, SessionOptions options = TestOptions()) {
  Stage stage(std::move(options));
  CHECK(stage.Feed(Hello() + bytes));
  stage.Read();
  CHECK(stage.goaways == 0);
  return stage.streams[1].reset ? stage.streams[1].reset_code : ErrorCode::kNone;
}

void TestCall() {
  Stage stage(TestOptions());
  CHECK(stage.Feed(Hello() + CallHeaders(1, 0, {{"grpc-timeout", "5S"}, {"x", "y"}}) + Data(1, "hello")));
  const Stage::Asked& call = stage.asked[1];
  CHECK(call.head.path == 1 && call.head.timeout == 5 && call.head.timeout_unit == 'S' && call.ended);
  CHECK((call.head.flags & kEventIsGrpc) != 0 && call.body == "hello" && call.rest == Text({{"x", "y"}}));
  CHECK(stage.session.Respond(1, OkHeaders(), "world", OkTrailers(), true));
  CHECK(!stage.session.Respond(1, OkHeaders(), "again", OkTrailers(), true) && stage.session.streams() == 0);
  stage.Read();
  const Stage::Stream& stream = stage.streams[1];
  CHECK((stream.headers == Fields{{":status", "200"}, {"content-type", "application/grpc"}}));
  CHECK((stream.trailers == Fields{{"grpc-status", "0"}}) && stream.body == "world" && stream.ended && !stream.reset);
  // Our SETTINGS and the acknowledgement of the other ones.
  CHECK(stage.frames[frame_kind::kSettings] == 2);
}

void TestMessages() {
  Stage stage(TestOptions());
  CHECK(stage.Feed(Hello() + CallHeaders(1) + Data(1, "x") + CallHeaders(3) + Data(3, "x")));
  CHECK(stage.session.Answer(1, OkHeaders(), 0x0a, "text", "rest", OkTrailers()));
  CHECK(stage.session.Answer(3, OkHeaders(), 0x0a, std::string(300, 't'), {}, OkTrailers()));
  stage.Read();
  CHECK(stage.streams[1].body == std::string("\0\0\0\0\x0a\x0a\x04textrest", 15));
  CHECK(stage.streams[3].body == std::string("\0\0\0\x01\x2f\x0a\xac\x02", 8) + std::string(300, 't'));
  for (const char* text :
       {"", "plain", "eight by", "\xc3\xbc", "twelve bytes\xe2\x82\xac", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"}) {
    CHECK(IsUtf8(text));
  }
  // Cut off, alone, overlong, surrogates, beyond the last character.
  for (const char* text : {"\xc3", "\x80", "a\xff", "\xc0\x80", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
                           "\xf4\x90\x80\x80", "\xe2\x82", "\xe2\x28\xa1", "eight by\xe2\x82\x28"}) {
    CHECK(!IsUtf8(text));
  }
}

void TestEarlyAnswers() {
  Stage stage(TestOptions());
  CHECK(stage.Feed(Hello() + CallHeaders(1) + CallHeaders(3) + Data(3, "half", false)));
  CHECK(stage.session.Respond(1, OkHeaders(), {}, {}, true));
  CHECK(stage.session.Respond(3, OkHeaders(), "x", {}, false) && stage.session.Respond(3, {}, "y", {}, true));
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
      {Frame(1, frame_flag::kEndHeaders | 0x20, 1, "1234"), ErrorCode::kFrameSize},
      {Frame(1, frame_flag::kEndHeaders | 0x20, 1, U32(1) + "x" + block), ErrorCode::kProtocol},
      {Frame(1, frame_flag::kEndHeaders, 1, "\xff"), ErrorCode::kCompression},
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
  SessionOptions narrow = TestOptions();
  narrow.connection_window = 65535;
  std::string flood = CallHeaders(1) + CallHeaders(3);
  // Nothing of it is acknowledged before half of the window.
  Stage stage(narrow);
  CHECK(stage.Feed(Hello() + flood));
  // Other first words.
  for (const std::string& first : {std::string("GET / HTTP/1.1\r\n\r\n"), std::string("PRX"),
                                   std::string(kPreface) + PingFrame(), std::string(kPreface) + Frame(4, 1, 0, "")}) {
    Stage other(TestOptions());
    CHECK(!other.Feed(first));
    other.Read();
    CHECK(other.goaway == ErrorCode::kProtocol);
    CHECK(!other.Feed(Hello()));
  }
}

void TestStreamErrors() {
  CHECK(ResetOf(Frame(1, frame_flag::kEndHeaders, 1, Block({{":method", "POST"}}))) == ErrorCode::kProtocol);
  CHECK(ResetOf(CallHeaders(1, 0, {{"X", "1"}}) + CallHeaders(3)) == ErrorCode::kProtocol);
  CHECK(ResetOf(CallHeaders(1) + CallHeaders(1)) == ErrorCode::kProtocol);
  CHECK(ResetOf(CallHeaders(1) + Frame(1, frame_flag::kEndHeaders | frame_flag::kEndStream, 1,
                                       Block({{":path", "/"}}))) == ErrorCode::kProtocol);
  CHECK(ResetOf(CallHeaders(1) + Data(1, "x") + Data(1, "y")) == ErrorCode::kStreamClosed);
  CHECK(ResetOf(CallHeaders(1) + ResetFrame(1) + Data(1, "y")) == ErrorCode::kStreamClosed);
  CHECK(ResetOf(CallHeaders(1) + Window(1, 0)) == ErrorCode::kProtocol);
  CHECK(ResetOf(CallHeaders(1) + Window(1, 0x7fffffff)) == ErrorCode::kFlowControl);
  CHECK(ResetOf(CallHeaders(1, 0, {{"content-length", "2"}}) + Data(1, "x")) == ErrorCode::kProtocol);
  CHECK(ResetOf(CallHeaders(1, 0, {{"content-length", "2"}}) + Data(1, "xyz")) == ErrorCode::kProtocol);
  CHECK(ResetOf(CallHeaders(1, frame_flag::kEndStream, {{"content-length", "2"}})) == ErrorCode::kProtocol);
  CHECK(ResetOf(CallHeaders(1, 0, {{"content-length", "2"}}) + Data(1, "xy")) == ErrorCode::kNone);
  CHECK(ResetOf(CallHeaders(1, 0, {{"x", std::string(16000, 'x')}}), [] {
          SessionOptions options = TestOptions();
          options.max_header_bytes = 10000;
          return options;
        }()) == ErrorCode::kEnhanceYourCalm);
  SessionOptions narrow = TestOptions();
  narrow.stream_window = 10;
  CHECK(ResetOf(CallHeaders(1) + Data(1, "0123456789a"), narrow) == ErrorCode::kFlowControl);
  CHECK(ResetOf(CallHeaders(1) + Data(1, "0123456789"), narrow) == ErrorCode::kNone);
  // One too many is refused, and the others go on; a stream that ends makes room.
  SessionOptions few = TestOptions();
  few.max_streams = 2;
  Stage stage(few);
  CHECK(stage.Feed(Hello() + CallHeaders(1) + CallHeaders(3) + CallHeaders(5) + ResetFrame(1) + CallHeaders(7)));
  stage.Read();
  CHECK(stage.streams[5].reset_code == ErrorCode::kRefusedStream && !stage.streams[7].reset);
  CHECK(stage.asked.count(5) == 0 && stage.asked.count(7) == 1 && stage.asked.count(1) == 0);
}

void TestHeadersInPieces() {
  Stage stage(TestOptions());
  const std::string block = Block(CallFields("/s/m", {{"x", std::string(300, 'x')}}), true);
  std::string bytes = Frame(1, 8 | 0x20, 1, std::string("\x03", 1) + U32(0) + "w" + block.substr(0, 10) + "pad");
  for (size_t at = 10; at < block.size(); at += 50) {
    bytes += Frame(9, at + 50 >= block.size() ? 4 : 0, 1, block.substr(at, 50));
  }
  CHECK(stage.Feed(Hello() + bytes +
                   Frame(1, frame_flag::kEndHeaders | frame_flag::kEndStream, 3, "\xc2\xc1\xc0\xbf\xbe")));
  CHECK(stage.asked[1].head.path == 1 && stage.asked[3].head.path == 1 && stage.asked[3].ended);
  CHECK(stage.asked[1].rest == stage.asked[3].rest && stage.asked[1].rest == Text({{"x", std::string(300, 'x')}}));
  // Trailers end a call; what is in them is nobody's.
  CHECK(stage.Feed(Frame(1, frame_flag::kEndHeaders | frame_flag::kEndStream, 1, Block({{"a", "b"}}))) &&
        stage.asked[1].ended);
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
    nonsense += Frame(1, frame_flag::kEndHeaders | frame_flag::kEndStream, id, Block({{"x", "y"}}));
  }
  CHECK(ErrorOf(resets) == calm);
  CHECK(ErrorOf(nonsense) == calm);
  // Calls over a limit that their client has not read yet are no fault of its own; once it has, they are.
  SessionOptions one = TestOptions();
  one.max_streams = 1;
  std::string many;
  for (uint32_t id = 1; id < 6000; id += 2) many += CallHeaders(id);
  CHECK(ErrorOf(many, one) == ErrorCode::kNone);
  CHECK(ErrorOf(Frame(4, 1, 0, "") + many, one) == calm);
  // With time between them they are no flood.
  Stage stage(TestOptions());
  CHECK(stage.Feed(Hello()));
  for (uint32_t id = 1; id < 10000; id += 2) {
    Stage::now_us += 10'000;
    CHECK(stage.Feed(CallHeaders(id) + ResetFrame(id)));
    stage.Read();
  }
  // A little that refers to much: the list is cut off at its limit, and the table stays right.
  Stage bomb(TestOptions());
  const std::string entry = Block({{"big", std::string(4000, 'x')}}, true);
  CHECK(bomb.Feed(Hello() +
                  Frame(1, frame_flag::kEndHeaders, 1, Block(CallFields("/s/m")) + entry + repeated("\xbe", 10000))));
  CHECK(bomb.Feed(CallHeaders(3) + Data(3, "x")));
  bomb.Read();
  CHECK(bomb.streams[1].reset_code == calm && bomb.asked.count(1) == 0 && bomb.asked[3].ended);
}

void TestPings() {
  Stage stage(TestOptions());
  CHECK(stage.Feed(Hello() + PingFrame()));
  stage.session.Ping();
  CHECK(stage.Feed(PingFrame(1) + PingFrame(1)));
  stage.Read();
  CHECK(stage.pings == 1 && stage.pongs == 1 && stage.frames[frame_kind::kPing] == 2);
}

void TestLeaving() {
  Stage stage(TestOptions());
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
  CHECK(stage.session.Respond(1, OkHeaders(), "a", OkTrailers(), true) && !stage.session.finished());
  CHECK(stage.session.Respond(3, OkHeaders(), std::string(100000, 'b'), OkTrailers(), true));
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
  SessionOptions options = TestOptions();
  options.max_waiting = 100000;
  Stage stage(options);
  CHECK(stage.Feed(Hello() + Settings({{4, 0}}) + CallHeaders(1) + Data(1, "x")));
  CHECK(stage.session.Respond(1, OkHeaders(), std::string(100001, 'a'), OkTrailers(), true));
  CHECK(stage.Feed(CallHeaders(3) + Data(3, "x")));
  stage.client_stream_window = 0;
  stage.Read();
  CHECK(stage.streams[3].reset_code == ErrorCode::kEnhanceYourCalm && stage.session.waiting() == 100001);
  // It gives up what it does not read, and may call again.
  CHECK(stage.Feed(ResetFrame(1) + CallHeaders(5) + Data(5, "x")));
  CHECK(stage.session.waiting() == 0 && stage.asked[5].ended && !stage.asked[1].reset);
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
  TestMessages();
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
