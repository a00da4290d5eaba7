// The listeners and connections of one libuv loop. Everything runs on that loop's thread.
//
// One loop iteration: poll callbacks read and turn frames into records of the shared event array; then the check phase
// gives them to the receiver in one call, and what was sent during that call is written once for each connection.
// Frames sent at other times (timers, HTTP handlers) are written in the next check or prepare phase, whichever is
// first: before the loop can sleep, and many frames in one system call.
//
// Invariants: uv handles are freed only by their close callback; the receiver is called neither re-entrantly nor after
// Close(); any pointer to a Peer is looked up again by id after the receiver ran.
#ifndef ILUVATAR_TRANSPORT_EVENT_LOOP_H_
#define ILUVATAR_TRANSPORT_EVENT_LOOP_H_

#include <uv.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "transport/connection.h"
#include "transport/unix_socket.h"

namespace iluvatar::transport {

// Numbers beside the frame types, and the words of a record: as in src/native.ts.
inline constexpr uint32_t kConnectionOpen = 128;
inline constexpr uint32_t kConnectionClosed = 129;
inline constexpr uint32_t kConnectionDrained = 130;
inline constexpr uint32_t kConnectionFinished = 131;
inline constexpr size_t kEventWords = 12;
// What one read takes at most; a unix socket holds about 200 KiB.
inline constexpr size_t kScratchBytes = 65536;

struct LoopOptions {
  uint64_t max_body_bytes;
  uint64_t spin_us;
  uint64_t high_water_bytes;
  uint32_t* events;
  // In records.
  uint32_t event_capacity;
};

struct CloseReason {
  std::string code;
  std::string message;
};

class EventReceiver {
 public:
  virtual ~EventReceiver() = default;
  // `count` records are in the event array. May call anything of EventLoop, Close included.
  virtual void Deliver(uint32_t count) = 0;
  // After Close: every handle is gone, the loop object may be deleted.
  virtual void Closed() = 0;
};

class EventLoop final : private FrameSink {
 public:
  EventLoop(uv_loop_t* loop, const LoopOptions& options, EventReceiver& receiver);
  ~EventLoop() override;

  // 0, or the error of uv.
  int Open();
  // Drops connections (unsent bytes with them) and listeners at once. Idempotent.
  void Close();
  bool closed() const { return closed_; }

  void set_hello(std::string meta) { hello_ = std::move(meta); }
  Status Listen(const std::string& path, unsigned mode, int backlog, uint32_t* id);
  // Of a copy of a socket that listens already; `fd` and the path it is bound to stay the caller's.
  Status ListenOn(int fd, uint32_t* id);
  void CloseListener(uint32_t id);
  Status Connect(const std::string& path, std::string_view hello, Dialect dialect, uint32_t* id);
  // A connected stream socket, which is the loop's from now on: any failure closes it.
  Status Attach(int fd, std::string_view hello, Dialect dialect, uint32_t* id);

  // As Attach, of a socket on which both HELLOs have passed: none is sent and none is expected.
  Status AttachGreeted(int fd, uint64_t peer_max_body_bytes, uint32_t* id);
  // A server of HTTP/2, for Serve: its number.
  uint32_t AddServer(http2::SessionOptions options);
  // As Attach, of a socket whose other end speaks HTTP/2 from the beginning.
  Status Serve(int fd, uint32_t server, uint32_t* id);

  // Gives up a connection with nothing read that was not delivered and nothing queued that was not written: its
  // descriptor, now the caller's, and no record follows. −1: it is not so far, or gone; nothing has changed then, but
  // that writing was tried. `handled`: records of the delivery at hand that the receiver is done with.
  int Detach(uint32_t id, uint32_t handled);

  // nullptr: unknown, closed, or closing.
  Connection* FindConnection(uint32_t id);
  // Something was queued on it. False above the high-water mark (a DRAINED record follows).
  bool Sent(uint32_t id, uint8_t type);
  // Closes once its queue is written; a CLOSED record follows.
  void CloseConnection(uint32_t id);
  // At once: what the socket does not take is lost. A CLOSED record follows.
  void Abort(uint32_t id);
  // Something was said on it that is no frame of ours.
  void Touched(uint32_t id);
  // Writes what was sent since the last phase. Done by the loop itself; for one that will not come round again.
  void FlushDirty();
  void Pause(uint32_t id);
  void Resume(uint32_t id);

  // Of the CLOSED records being delivered; nullptr for 0 or a stale index.
  const CloseReason* Reason(uint32_t index) const;
  ConnectionShared& shared() { return shared_; }
  uint32_t connections() const { return open_connections_; }

 private:
  struct Listener;
  struct Peer;
  struct Slot {
    Peer* peer = nullptr;
    uint32_t generation = 1;
  };

  bool OnFrame(Connection& connection, const FrameHeader& header, PayloadRef payload) override;
  static void OnPrepare(uv_prepare_t* handle);
  static void OnCheck(uv_check_t* handle);
  static void OnConnectionReady(uv_poll_t* handle, int status, int events);
  static void OnListenerReady(uv_poll_t* handle, int status, int events);

  Status Watch(std::unique_ptr<Listener> listener, uint32_t* id);
  Status Adopt(UniqueFd fd, Dialect dialect, Peer** made);
  void Greet(Peer* peer, std::string_view hello);
  // Frames of it are read and wait for the receiver.
  bool HasUndelivered(uint32_t id, uint32_t handled) const;
  Peer* FindPeer(uint32_t id) const;
  void Accept(Listener* listener);
  void ReadFrom(Peer* peer);
  void Flush(Peer* peer);
  void MarkDirty(Peer* peer);
  // Delivers and flushes until there is nothing left to say, or long enough.
  void Settle();
  void DeliverNow();
  void UpdatePoll(Peer* peer);
  void ClosePeer(Peer* peer, uint32_t reason);
  // Its slot and its place in the loop; the descriptor is the caller's to deal with.
  void Forget(Peer* peer);
  static void CloseListenerHandle(Listener* listener);
  uint32_t AddReason(std::string code, std::string message);
  uint32_t ReasonOf(const Connection& connection);
  uint32_t* NextRecord();
  void Emit(uint32_t connection, uint32_t kind, uint32_t last);
  void CloseOwnHandle(uv_handle_t* handle);
  void UpdateReference();
  void SpinForWork();
  static uint64_t OtherCores();
  void RetryAcceptLater();
  void FinishBroken(Peer* peer, int error);
  void HandleGone();

  uv_loop_t* loop_;
  LoopOptions options_;
  EventReceiver& receiver_;
  ConnectionShared shared_;
  std::string hello_;

  uv_prepare_t prepare_;
  uv_check_t check_;
  uv_idle_t again_;
  uv_timer_t accept_retry_;
  uint32_t open_handles_ = 0;

  std::vector<Slot> slots_;
  std::vector<uint32_t> free_slots_;
  std::vector<Listener*> listeners_;
  std::vector<std::shared_ptr<const http2::SessionOptions>> servers_;
  uint32_t next_listener_ = 1;
  uint32_t open_connections_ = 0;
  std::vector<uint32_t> dirty_;
  // At least 1: on a single core the yields in between let the others work.
  const uint64_t other_cores_ = OtherCores();
  uint32_t vain_spins_ = 0;
  uint32_t skipped_spins_ = 0;
  // Counts the rounds of flushing.
  uint64_t round_ = 1;
  std::vector<uint32_t> flushing_;

  uint32_t event_count_ = 0;
  // Records made while the receiver reads the array.
  std::vector<uint32_t> deferred_;
  std::vector<CloseReason> reasons_;
  std::unique_ptr<uint8_t[]> scratch_;
  bool delivering_ = false;
  bool closed_ = false;
};

}  // namespace iluvatar::transport

#endif  // ILUVATAR_TRANSPORT_EVENT_LOOP_H_
