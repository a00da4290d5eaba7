// The daemon's socket: connections, requests, and answers that may come later.
#ifndef ILUVATAR_SHIM_TTRPC_SERVER_H_
#define ILUVATAR_SHIM_TTRPC_SERVER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "shim/loop.h"
#include "shim/ttrpc.h"

namespace iluvatar::shim {

// An answer that is owed. Answering one whose connection is gone does nothing.
struct Reply {
  uint64_t connection = 0;
  uint32_t stream = 0;
};

class TtrpcServer {
 public:
  using Handler = std::function<void(Reply reply, const TtrpcRequest& request)>;

  TtrpcServer(Loop* loop, Handler handler) : loop_(loop), handler_(std::move(handler)) {}

  // `listening`: a socket on which listen() was called.
  Status Listen(UniqueFd listening);

  void Answer(Reply reply, std::string payload);
  void Refuse(Reply reply, Code code, std::string message);

  // Takes those in that have connected meanwhile; how many there are now.
  size_t AcceptAll();
  size_t connections() const { return connections_.size(); }
  // NowMs() of the last connection, request or answer.
  int64_t last_activity() const { return last_activity_; }

 private:
  struct Connection {
    uint64_t number;
    UniqueFd fd;
    FrameBuffer incoming;
    std::string outgoing;
  };

  void Serve(Connection* connection, uint32_t events);
  // False when the connection is at its end.
  bool Read(Connection* connection);
  bool Write(Connection* connection);
  void Take(Connection* connection, const TtrpcFrame& frame);
  void Send(Reply reply, const TtrpcResponse& response);
  void Close(uint64_t number);

  Loop* loop_;
  Handler handler_;
  UniqueFd listening_;
  std::map<uint64_t, std::unique_ptr<Connection>> connections_;
  uint64_t next_number_ = 1;
  int64_t last_activity_ = NowMs();
};

}  // namespace iluvatar::shim

#endif  // ILUVATAR_SHIM_TTRPC_SERVER_H_
