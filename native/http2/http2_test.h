// What the test program of HTTP/2 shares: bytes as a client makes and reads them.
#ifndef ILUVATAR_HTTP2_HTTP2_TEST_H_
#define ILUVATAR_HTTP2_HTTP2_TEST_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "http2/session.h"
#include "transport/transport_test.h"

namespace iluvatar::http2 {

using transport::Random;

using Fields = std::vector<std::pair<std::string, std::string>>;

class FieldList final : public FieldSink {
 public:
  void OnField(std::string_view name, std::string_view value) override { fields.emplace_back(name, value); }
  Fields fields;
};

// Names and values as literals that nobody keeps, or (`keep`) with an entry in the table.
std::string Block(const Fields& fields, bool keep = false);
// As Session::Respond takes them, and RequestHead::rest() gives them.
std::string Text(const Fields& fields);
Fields CallFields(const std::string& path, const Fields& more = {});
std::string Frame(uint8_t kind, uint8_t flags, uint32_t stream, const std::string& payload);
std::string Settings(const std::vector<std::pair<uint16_t, uint32_t>>& settings);
std::string U32(uint32_t value);
// Preface and empty SETTINGS.
std::string Hello();

// Frames of calls to "/s/m", which `TestOptions` know.
SessionOptions TestOptions();
std::string CallHeaders(uint32_t stream, uint8_t flags = 0, const Fields& more = {});
std::string Data(uint32_t stream, const std::string& bytes, bool end = true);
std::string Window(uint32_t stream, uint32_t more);
std::string ResetFrame(uint32_t stream);
std::string PingFrame(uint8_t flags = 0);
// Of answers.
std::string OkHeaders();
std::string OkTrailers();

// A session with its surroundings, and its client's view of what it says.
class Stage final : public EventSink {
 public:
  explicit Stage(SessionOptions options = {});
  ~Stage() override;

  bool OnEvent(const Event& event, PayloadRef payload) override;
  // Feeds a copy of exactly this size: reading beyond it is found by the address sanitizer.
  bool Feed(const std::string& bytes);
  // Feeds it cut at random.
  bool FeedInPieces(const std::string& bytes, Random* random);
  // Takes what is queued for the socket, and reads it as a client does; pumps until nothing more comes.
  void Read();
  std::string Taken();

  struct Stream {
    Fields headers;
    Fields trailers;
    std::string body;
    int64_t window = 0;
    bool ended = false;
    bool reset = false;
    ErrorCode reset_code = ErrorCode::kNone;
  };
  struct Asked {
    Event head;
    std::string rest;
    std::string body;
    bool ended = false;
    bool reset = false;
    bool operator==(const Asked& other) const {
      return head.path == other.head.path && head.timeout == other.head.timeout && rest == other.rest &&
             body == other.body && ended == other.ended && reset == other.reset;
    }
  };

  SessionOptions options;
  transport::PayloadStore payloads;
  transport::BlockPool blocks;
  OutQueue out;
  Session session;

  // What the session has told.
  std::map<uint32_t, Asked> asked;
  uint32_t pings = 0;
  uint32_t pongs = 0;
  // What may be said in answer, from inside.
  void (*answer)(Stage* stage, const Event& event) = nullptr;
  Random* random = nullptr;

  // What its client has read, and what it has allowed.
  std::map<uint32_t, Stream> streams;
  std::map<uint8_t, uint32_t> frames;
  HpackDecoder decoder{4096};
  int64_t client_window = kDefaultWindow;
  int64_t client_stream_window = kDefaultWindow;
  uint32_t goaway_last = 0;
  ErrorCode goaway = ErrorCode::kNone;
  uint32_t goaways = 0;

  static int64_t now_us;

 private:
  void ReadFrame(const FrameHead& head, const std::string& payload);
};

void TestHuffman(Random* random);
void TestHpackExamples();
void TestHpackErrors();
void TestEncoder(Random* random);
void TestRequestHeads();
void TestFlow(Random* random);
void Fuzz(Random* random, uint32_t rounds);

}  // namespace iluvatar::http2

#endif  // ILUVATAR_HTTP2_HTTP2_TEST_H_
