// See ttrpc_server.h.
#include "shim/ttrpc_server.h"

#include <sys/epoll.h>
#include <sys/socket.h>

namespace iluvatar::shim {
namespace {

// Answers that a peer does not read. containerd reads; what does not is cut off before it fills our memory.
constexpr size_t kMostOutgoing = 16u << 20;

// Only the user the daemon runs as: the socket's folder may be open to more.
bool IsOurUser(int fd) {
  struct ucred peer = {};
  socklen_t size = sizeof peer;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == geteuid();
}

}  // namespace

Status TtrpcServer::Listen(UniqueFd listening) {
  listening_ = std::move(listening);
  return loop_->Watch(listening_.get(), EPOLLIN, [this](uint32_t) { AcceptAll(); });
}

size_t TtrpcServer::AcceptAll() {
  for (;;) {
    UniqueFd fd(accept4(listening_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd.valid()) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      return connections_.size();
    }
    last_activity_ = NowMs();
    if (!IsOurUser(fd.get())) continue;
    auto connection = std::make_unique<Connection>();
    connection->number = next_number_++;
    connection->fd = std::move(fd);
    Connection* raw = connection.get();
    if (!loop_->Watch(raw->fd.get(), EPOLLIN, [this, raw](uint32_t events) { Serve(raw, events); }).ok()) continue;
    connections_.emplace(raw->number, std::move(connection));
  }
}

void TtrpcServer::Serve(Connection* connection, uint32_t events) {
  const uint64_t number = connection->number;
  bool alive = true;
  if ((events & EPOLLOUT) != 0) alive = Write(connection);
  if (alive && (events & ~static_cast<uint32_t>(EPOLLOUT)) != 0) alive = Read(connection);
  if (!alive) Close(number);
}

bool TtrpcServer::Read(Connection* connection) {
  const uint64_t number = connection->number;
  char buffer[16 * 1024];
  const ssize_t got = recv(connection->fd.get(), buffer, sizeof buffer, 0);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  if (got == 0) return false;
  connection->incoming.Append({buffer, static_cast<size_t>(got)});
  for (;;) {
    TtrpcFrame frame;
    switch (connection->incoming.Next(&frame)) {
      case FrameBuffer::Result::kFrame:
        Take(connection, frame);
        // An answer may have found it broken, and closed it.
        if (connections_.find(number) == connections_.end()) return true;
        break;
      case FrameBuffer::Result::kIncomplete:
        return true;
      case FrameBuffer::Result::kBroken:
        return false;
    }
  }
}

void TtrpcServer::Take(Connection* connection, const TtrpcFrame& frame) {
  last_activity_ = NowMs();
  const Reply reply = {connection->number, frame.stream};
  // Data of streams, which no method here has.
  if (frame.type != FrameType::kRequest) return;
  TtrpcRequest request;
  if (!DecodeRequest(frame.data, &request)) return Refuse(reply, Code::kInvalidArgument, "not a ttrpc request");
  handler_(reply, request);
}

void TtrpcServer::Answer(Reply reply, std::string payload) { Send(reply, {Code::kOk, {}, std::move(payload)}); }

void TtrpcServer::Refuse(Reply reply, Code code, std::string message) { Send(reply, {code, std::move(message), {}}); }

void TtrpcServer::Send(Reply reply, const TtrpcResponse& response) {
  last_activity_ = NowMs();
  const auto found = connections_.find(reply.connection);
  if (found == connections_.end()) return;
  Connection* connection = found->second.get();
  const std::string data = EncodeResponse(response);
  connection->outgoing += EncodeFrame({reply.stream, FrameType::kResponse, 0, data});
  if (!Write(connection)) Close(reply.connection);
}

bool TtrpcServer::Write(Connection* connection) {
  const bool waited = !connection->outgoing.empty();
  while (!connection->outgoing.empty()) {
    const ssize_t sent =
        send(connection->fd.get(), connection->outgoing.data(), connection->outgoing.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno != EAGAIN) return false;
    if (sent < 0) break;
    connection->outgoing.erase(0, static_cast<size_t>(sent));
  }
  if (connection->outgoing.size() > kMostOutgoing) return false;
  if (!waited) return true;
  const uint32_t wanted = connection->outgoing.empty() ? EPOLLIN : EPOLLIN | EPOLLOUT;
  return loop_->Change(connection->fd.get(), wanted).ok();
}

void TtrpcServer::Close(uint64_t number) {
  const auto found = connections_.find(number);
  if (found == connections_.end()) return;
  last_activity_ = NowMs();
  loop_->Forget(found->second->fd.get());
  connections_.erase(found);
}

}  // namespace iluvatar::shim
