#include "http2/http2_test.h"

#include <algorithm>

namespace iluvatar::http2 {

int64_t Stage::now_us = 1'000'000'000;

std::string U32(uint32_t value) {
  std::string bytes;
  PutU32(value, &bytes);
  return bytes;
}

std::string Frame(uint8_t kind, uint8_t flags, uint32_t stream, const std::string& payload) {
  return U32(static_cast<uint32_t>(payload.size()) << 8 | kind) + static_cast<char>(flags) + U32(stream) + payload;
}

std::string Settings(const std::vector<std::pair<uint16_t, uint32_t>>& settings) {
  std::string payload;
  for (const auto& [id, value] : settings) payload += U32(id).substr(2) + U32(value);
  return Frame(frame_kind::kSettings, 0, 0, payload);
}

std::string Hello() { return std::string(kPreface) + Settings({}); }

std::string Block(const Fields& fields, bool keep) {
  std::string block;
  const auto put = [&block](const std::string& text) {
    if (text.size() < 127) {
      block += static_cast<char>(text.size());
    } else {
      block += '\x7f';
      size_t rest = text.size() - 127;
      for (; rest >= 128; rest >>= 7) block += static_cast<char>(0x80 | (rest & 0x7f));
      block += static_cast<char>(rest);
    }
    block += text;
  };
  for (const auto& [name, value] : fields) {
    block += keep ? '\x40' : '\0';
    put(name);
    put(value);
  }
  return block;
}

std::string Text(const Fields& fields) {
  std::string text;
  for (const auto& [name, value] : fields) text += name + '\0' + value + '\0';
  return text;
}

Fields CallFields(const std::string& path, const Fields& more) {
  Fields fields = {{":method", "POST"}, {":scheme", "http"}, {":path", path}, {"content-type", "application/grpc"}};
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}

SessionOptions TestOptions() {
  SessionOptions options;
  options.paths = {{"/s/m", 1}};
  return options;
}

std::string CallHeaders(uint32_t stream, uint8_t flags, const Fields& more) {
  return Frame(frame_kind::kHeaders, frame_flag::kEndHeaders | flags, stream, Block(CallFields("/s/m", more)));
}

std::string Data(uint32_t stream, const std::string& bytes, bool end) {
  return Frame(frame_kind::kData, end ? frame_flag::kEndStream : 0, stream, bytes);
}

std::string Window(uint32_t stream, uint32_t more) { return Frame(frame_kind::kWindowUpdate, 0, stream, U32(more)); }

std::string ResetFrame(uint32_t stream) { return Frame(frame_kind::kRstStream, 0, stream, U32(8)); }

std::string PingFrame(uint8_t flags) { return Frame(frame_kind::kPing, flags, 0, "12345678"); }

std::string OkHeaders() { return Text({{":status", "200"}, {"content-type", "application/grpc"}}); }

std::string OkTrailers() { return Text({{"grpc-status", "0"}}); }

Stage::Stage(SessionOptions given)
    : options(std::move(given)), out(blocks), session(options, payloads, out, [] { return now_us; }) {
  session.Greet();
}

Stage::~Stage() = default;

bool Stage::OnEvent(const Event& event, PayloadRef payload) {
  Asked& call = asked[event.stream];
  switch (event.type) {
    case EventType::kRequest:
      CHECK(call.head.stream == 0 && event.stream != 0);
      call.head = event;
      [[fallthrough]];
    case EventType::kData:
      CHECK(call.head.stream == event.stream && !call.ended && !call.reset);
      if (payload) {
        call.rest.append(reinterpret_cast<char*>(payload->bytes()), payload->meta_bytes);
        call.body.append(reinterpret_cast<char*>(payload->body()), payload->body_bytes);
      }
      call.ended = (event.flags & kEventEnd) != 0;
      break;
    case EventType::kReset:
      CHECK(call.head.stream == event.stream && !call.reset);
      call.reset = true;
      break;
    case EventType::kPing:
      pings++;
      break;
    case EventType::kPong:
      pongs++;
  }
  if (answer != nullptr) answer(this, event);
  return true;
}

bool Stage::Feed(const std::string& bytes) {
  const std::vector<uint8_t> copy(bytes.begin(), bytes.end());
  return session.Consume(copy.data(), copy.size(), *this);
}

bool Stage::FeedInPieces(const std::string& bytes, Random* dice) {
  for (size_t at = 0; at < bytes.size();) {
    const size_t size = std::min<size_t>(bytes.size() - at, 1 + dice->Below(dice->Below(4) == 0 ? 30000 : 30));
    if (!Feed(bytes.substr(at, size))) return false;
    at += size;
  }
  return true;
}

std::string Stage::Taken() {
  // Written to a socket as it is in life.
  std::string bytes;
  transport::Pair pair = transport::MakePair();
  int error = 0;
  uint64_t writes = 0;
  while (out.pending() > 0) {
    CHECK(out.Write(pair.left.get(), &error, &writes) != transport::WriteResult::kFailed);
    char buffer[65536];
    ssize_t got;
    while ((got = recv(pair.right.get(), buffer, sizeof(buffer), MSG_DONTWAIT)) > 0) {
      bytes.append(buffer, static_cast<size_t>(got));
    }
  }
  return bytes;
}

void Stage::Read() {
  do {
    const std::string bytes = Taken();
    for (size_t at = 0; at < bytes.size();) {
      CHECK(bytes.size() - at >= kFrameHeaderBytes);
      const FrameHead head = ReadFrameHead(reinterpret_cast<const uint8_t*>(bytes.data()) + at);
      at += kFrameHeaderBytes;
      CHECK(head.size <= kMaxFrameBytes && bytes.size() - at >= head.size);
      ReadFrame(head, bytes.substr(at, head.size));
      at += head.size;
    }
  } while (session.Pump());
}

void Stage::ReadFrame(const FrameHead& head, const std::string& payload) {
  frames[head.kind]++;
  const uint8_t* bytes = reinterpret_cast<const uint8_t*>(payload.data());
  // Nothing follows the end of a stream but its reset.
  if (head.stream != 0 && head.kind != frame_kind::kRstStream && head.kind != frame_kind::kWindowUpdate) {
    CHECK(!streams[head.stream].ended && !streams[head.stream].reset);
  }
  switch (head.kind) {
    case frame_kind::kHeaders: {
      CHECK((head.flags & frame_flag::kEndHeaders) != 0);
      FieldList list;
      CHECK(decoder.Decode(bytes, payload.size(), list));
      Stream& stream = streams[head.stream];
      (stream.headers.empty() ? stream.headers : stream.trailers) = list.fields;
      stream.ended = (head.flags & frame_flag::kEndStream) != 0;
      break;
    }
    case frame_kind::kData: {
      Stream& stream = streams[head.stream];
      CHECK(!stream.headers.empty());
      stream.body += payload;
      stream.ended = (head.flags & frame_flag::kEndStream) != 0;
      stream.window -= head.size;
      client_window -= head.size;
      // Never more than was allowed.
      CHECK(head.size == 0 || (client_window >= 0 && client_stream_window + stream.window >= 0));
      break;
    }
    case frame_kind::kRstStream:
      streams[head.stream].reset = true;
      streams[head.stream].reset_code = static_cast<ErrorCode>(ReadU32(bytes));
      break;
    case frame_kind::kGoaway:
      goaway_last = ReadU32(bytes);
      goaway = static_cast<ErrorCode>(ReadU32(bytes + 4));
      goaways++;
      break;
    default:
      break;
  }
}

}  // namespace iluvatar::http2
