#include "transport/connection.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

namespace iluvatar::transport {

namespace {

// Enough to empty a socket's buffer, few enough that one busy peer does not starve the others.
constexpr int kReadRounds = 4;
// More than any socket's buffer holds.
constexpr int kDiscardRounds = 64;

int64_t NowUs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1000000 + now.tv_nsec / 1000;
}

bool IsRequest(uint8_t type) {
  return type == frame_type::kInvoke || type == frame_type::kCall || type == frame_type::kSpawn ||
         type == frame_type::kZygote || type == frame_type::kPing;
}

bool IsAnswer(uint8_t type) {
  return type == frame_type::kResult || type == frame_type::kReply || type == frame_type::kSpawned ||
         type == frame_type::kPong;
}

}  // namespace

Connection::Connection(ConnectionShared& shared, UniqueFd fd, Dialect dialect)
    : shared_(shared),
      fd_(std::move(fd)),
      reader_(shared.payloads, dialect, shared.max_body_bytes),
      out_(shared.blocks),
      dialect_(dialect) {
  if (dialect == Dialect::kFramed) reader_.AwaitHello();
}

Connection::~Connection() { shared_.counters.in_flight -= in_flight_; }

void Connection::CountSent(uint8_t type) {
  shared_.counters.frames_out++;
  if (IsRequest(type)) {
    in_flight_++;
    shared_.counters.in_flight++;
  }
}

void Connection::CountReceived(uint8_t type) {
  shared_.counters.frames_in++;
  // A peer may answer what was never asked; the count must not pass below zero.
  if (IsAnswer(type) && in_flight_ > 0) {
    in_flight_--;
    shared_.counters.in_flight--;
  }
}

void Connection::Greet(std::string_view meta) {
  if (dialect_ == Dialect::kLegacy) return;
  FrameHeader header = {};
  header.type = frame_type::kHello;
  header.x0 = kProtocolVersion;
  header.x1 = kLowestProtocolVersion;
  // Rounded down: a peer that trusts it must never send what we would refuse. 0 would mean that nothing is stated.
  header.x2 = static_cast<uint32_t>(std::clamp<uint64_t>(shared_.max_body_bytes / 1024, 1, UINT32_MAX));
  SendFrame(header, meta, {});
}

void Connection::Resume(uint64_t peer_max_body_bytes) {
  hello_seen_ = true;
  reader_.HelloSeen();
  peer_max_body_bytes_ = peer_max_body_bytes;
}

ReadResult Connection::Fail(FrameError error) {
  failure_ = error;
  if (dialect_ == Dialect::kFramed && error != FrameError::kNone && error != FrameError::kTruncated) {
    FrameHeader header = {};
    header.type = frame_type::kError;
    std::string meta =
        std::string("{\"code\":\"") + FrameErrorCode(error) + "\",\"message\":\"" + FrameErrorMessage(error) + "\"}";
    SendFrame(header, meta, {});
  }
  return ReadResult::kClosed;
}

void Connection::Serve(std::shared_ptr<const http2::SessionOptions> options) {
  session_options_ = std::move(options);
  session_ = std::make_unique<http2::Session>(*session_options_, shared_.payloads, out_, NowUs);
  session_->Greet();
}

ReadResult Connection::ReadSession(uint8_t* scratch, size_t scratch_bytes, FrameSink& sink) {
  sink_ = &sink;
  for (int round = 0; round < kReadRounds && wants_bytes(); round++) {
    shared_.counters.reads++;
    const ssize_t received = recv(fd_.get(), scratch, scratch_bytes, MSG_DONTWAIT);
    if (received == 0) return ReadResult::kClosed;
    if (received < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return ReadResult::kOpen;
      error_number_ = errno;
      return ReadResult::kClosed;
    }
    if (!session_->Consume(scratch, static_cast<size_t>(received), *this)) {
      if (!session_->failed()) return ReadResult::kOpen;  // closed by whoever had the last event
      failure_ = FrameError::kHttp2;
      return ReadResult::kClosed;
    }
    if (static_cast<size_t>(received) < scratch_bytes) break;
  }
  return ReadResult::kOpen;
}

void Connection::Discard(uint8_t* scratch, size_t scratch_bytes) {
  for (int round = 0; round < kDiscardRounds; round++) {
    if (recv(fd_.get(), scratch, scratch_bytes, MSG_DONTWAIT) <= 0) return;
  }
}

bool Connection::OnEvent(const http2::Event& event, PayloadRef payload) {
  FrameHeader header = {};
  header.type = static_cast<uint8_t>(event.type);
  header.status = event.timeout_unit;
  header.flags = event.flags;
  header.request_id = event.stream;
  header.x0 = event.path;
  header.x1 = event.timeout;
  if (payload) {
    header.meta_length = payload->meta_bytes;
    header.body_length = payload->body_bytes;
  }
  shared_.counters.frames_in++;
  return sink_->OnFrame(*this, header, std::move(payload));
}

ReadResult Connection::Read(uint8_t* scratch, size_t scratch_bytes, FrameSink& sink) {
  if (session_ != nullptr) return ReadSession(scratch, scratch_bytes, sink);
  reading_ = true;
  const ReadResult result = ReadTurn(scratch, scratch_bytes, sink);
  reading_ = result == ReadResult::kClosed;
  return result;
}

ReadResult Connection::ReadTurn(uint8_t* scratch, size_t scratch_bytes, FrameSink& sink) {
  for (int round = 0; round < kReadRounds && wants_bytes(); round++) {
    const RoomInPayload room = reader_.Room();
    // While paused, what lies behind the begun frame stays in the kernel: this process or another takes it later.
    size_t beyond = scratch_bytes;
    if (paused_) beyond = room.size > 0 ? 0 : std::min(scratch_bytes, reader_.Missing());
    shared_.counters.reads++;
    ssize_t received;
    if (room.size > 0) {
      // The rest of a begun payload goes straight to its place, what follows it to the scratch buffer.
      iovec vectors[2] = {{room.data, room.size}, {scratch, beyond}};
      received = readv(fd_.get(), vectors, 2);
    } else {
      received = recv(fd_.get(), scratch, beyond, MSG_DONTWAIT);
    }
    if (received == 0) return Fail(reader_.AtEnd());
    if (received < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return ReadResult::kOpen;
      // A peer that dies with our bytes unread resets the connection; inside a frame that is the same truncation as an
      // end of stream.
      if (errno == ECONNRESET && reader_.AtEnd() != FrameError::kNone) return Fail(reader_.AtEnd());
      error_number_ = errno;
      return ReadResult::kClosed;
    }
    size_t rest = static_cast<size_t>(received);
    const bool drained = rest < room.size + beyond;
    if (room.size > 0) {
      const size_t direct = std::min(rest, room.size);
      rest -= direct;
      if (reader_.Filled(direct) && !Dispatch(sink))
        return failure_ == FrameError::kNone ? ReadResult::kOpen : ReadResult::kClosed;
    }
    const uint8_t* at = scratch;
    while (rest > 0) {
      const FrameReader::Progress progress = reader_.Consume(at, rest);
      if (progress.error != FrameError::kNone) return Fail(progress.error);
      at += progress.consumed;
      rest -= progress.consumed;
      if (progress.complete && !Dispatch(sink))
        return failure_ == FrameError::kNone ? ReadResult::kOpen : ReadResult::kClosed;
    }
    if (drained) return ReadResult::kOpen;
  }
  return ReadResult::kOpen;
}

bool Connection::Dispatch(FrameSink& sink) {
  if (dialect_ == Dialect::kLegacy) return DispatchLegacy(sink);
  const FrameHeader header = reader_.header();
  PayloadRef payload = reader_.TakePayload();
  CountReceived(header.type);
  if (!hello_seen_ || header.type == frame_type::kHello) {
    if (!Greeted(header)) return false;
  }
  if (header.type == frame_type::kPing) {
    // A peer that asks without reading must not make us store answers for ever: above the high-water mark it gets none.
    if (out_.pending() > shared_.high_water_bytes) return true;
    FrameHeader pong = {};
    pong.type = frame_type::kPong;
    pong.request_id = header.request_id;
    SendFrame(pong, {}, {});
    return true;
  }
  return sink.OnFrame(*this, header, std::move(payload));
}

bool Connection::Greeted(const FrameHeader& header) {
  if (header.type == frame_type::kError) return true;  // a peer may refuse us before it greets
  if (hello_seen_) {
    Fail(FrameError::kType);
    return false;
  }
  if (header.x0 < kLowestProtocolVersion || header.x1 > kProtocolVersion) {
    Fail(FrameError::kVersion);
    return false;
  }
  hello_seen_ = true;
  reader_.HelloSeen();
  if (header.x2 != 0) peer_max_body_bytes_ = static_cast<uint64_t>(header.x2) * 1024;
  return true;
}

bool Connection::DispatchLegacy(FrameSink& sink) {
  FrameHeader header = reader_.header();
  PayloadRef payload = reader_.TakePayload();
  if (!legacy_.busy()) {
    Fail(FrameError::kUnexpectedReply);
    return false;
  }
  const LegacyQueue::Active active = legacy_.active();
  legacy_.Finish();
  header.magic = kFrameMagic;
  header.type = active.type == frame_type::kPing ? frame_type::kPong : frame_type::kResult;
  header.request_id = active.request_id;
  header.x0 = 0;
  header.x1 = 0;
  // Old agents state their run time inside the JSON only; the time of the whole exchange stands in for it.
  header.x2 = static_cast<uint32_t>(std::clamp<int64_t>(NowUs() - active.started_us, 0, UINT32_MAX));
  CountReceived(header.type);
  LegacyRequest next;
  if (legacy_.Pop(&next) && !WriteLegacyRequest(next)) {
    Fail(FrameError::kOutOfMemory);
    return false;
  }
  return sink.OnFrame(*this, header, std::move(payload));
}

bool Connection::WriteLegacyRequest(const LegacyRequest& request) {
  uint8_t* room = out_.Reserve(sizeof(LegacyRequestHeader) + request.bytes);
  if (room == nullptr) return false;
  const LegacyRequestHeader header = {request.type == frame_type::kPing ? kLegacyCheck : kLegacyInvoke, request.bytes};
  std::memcpy(room, &header, sizeof(header));
  if (request.bytes > 0) std::memcpy(room + sizeof(header), request.body.get(), request.bytes);
  out_.Commit(sizeof(header) + request.bytes);
  legacy_.Begin(request.request_id, request.type, NowUs());
  return true;
}

bool Connection::BeginFrame(const FrameHeader& header, FrameRoom* room) {
  const size_t body = static_cast<size_t>(header.body_length);
  begun_type_ = header.type;
  begun_waiting_ = false;
  if (dialect_ == Dialect::kLegacy) {
    if (header.type != frame_type::kInvoke && header.type != frame_type::kPing) return false;
    room->meta = nullptr;
    if (legacy_.busy()) {
      std::unique_ptr<uint8_t[]> copy(new (std::nothrow) uint8_t[body + 1]);
      if (!copy) return false;
      room->body = copy.get();
      legacy_.Push({header.request_id, header.type, body, std::move(copy)});
      begun_waiting_ = true;
      return true;
    }
    const LegacyRequestHeader request = {header.type == frame_type::kPing ? kLegacyCheck : kLegacyInvoke, body};
    uint8_t* memory = out_.Reserve(sizeof(request) + body + 1);
    if (memory == nullptr) return false;
    std::memcpy(memory, &request, sizeof(request));
    room->body = memory + sizeof(request);
    begun_bytes_ = sizeof(request) + body;
    legacy_.Begin(header.request_id, header.type, NowUs());
    return true;
  }
  uint8_t* memory = out_.Reserve(kFrameHeaderBytes + header.meta_length + body + 1);
  if (memory == nullptr) return false;
  std::memcpy(memory, &header, kFrameHeaderBytes);
  memory[0] = kFrameMagic;
  room->meta = memory + kFrameHeaderBytes;
  room->body = room->meta + header.meta_length;
  begun_bytes_ = kFrameHeaderBytes + header.meta_length + body;
  return true;
}

void Connection::EndFrame() {
  CountSent(begun_type_);
  if (!begun_waiting_) out_.Commit(begun_bytes_);
}

bool Connection::SendFrame(const FrameHeader& lengthless, std::string_view meta, std::string_view body) {
  FrameHeader header = lengthless;
  header.meta_length = static_cast<uint32_t>(meta.size());
  header.body_length = body.size();
  FrameRoom room;
  if (!BeginFrame(header, &room)) return false;
  if (room.meta != nullptr && !meta.empty()) std::memcpy(room.meta, meta.data(), meta.size());
  if (!body.empty()) std::memcpy(room.body, body.data(), body.size());
  EndFrame();
  return true;
}

bool Connection::SendPayload(const FrameHeader& lengthless, std::string_view meta, PayloadRef payload) {
  if (dialect_ == Dialect::kLegacy || payload->body_bytes < OutQueue::kCopyBelow) {
    return SendFrame(lengthless, meta,
                     {reinterpret_cast<const char*>(payload->body()), static_cast<size_t>(payload->body_bytes)});
  }
  FrameHeader header = lengthless;
  header.meta_length = static_cast<uint32_t>(meta.size());
  header.body_length = payload->body_bytes;
  uint8_t* memory = out_.Reserve(kFrameHeaderBytes + meta.size());
  if (memory == nullptr) return false;
  std::memcpy(memory, &header, kFrameHeaderBytes);
  memory[0] = kFrameMagic;
  if (!meta.empty()) std::memcpy(memory + kFrameHeaderBytes, meta.data(), meta.size());
  out_.Commit(kFrameHeaderBytes + meta.size());
  CountSent(header.type);
  out_.AppendBody(std::move(payload));
  return true;
}

WriteResult Connection::Write() {
  for (;;) {
    const WriteResult result = out_.Write(fd_.get(), &error_number_, &shared_.counters.writes);
    if (result != WriteResult::kDone || session_ == nullptr || !session_->Pump()) return result;
  }
}

}  // namespace iluvatar::transport
