// See server.h.
#include "keeper/server.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace iluvatar::keeper {
namespace {

// Workers, and whoever looks; more are turned away.
constexpr size_t kMaxClients = 64;
// Messages of one client, before the others have their turn.
constexpr int kBatch = 64;
// More messages than a connection's buffer holds.
constexpr int kMostPending = 4096;
constexpr int kRetryMs = 20;

}  // namespace

Server::Server(UniqueFd listening, uid_t uid, Shelf* shelf)
    : listening_(std::move(listening)), uid_(uid), shelf_(shelf), received_(std::make_unique<Received>()) {}

bool Server::Turn(int timeout_ms, int stop) {
  polled_.clear();
  polled_.push_back({stop, POLLIN, 0});
  polled_.push_back({accept_later_ ? -1 : listening_.get(), POLLIN, 0});
  bool retry = accept_later_;
  for (const auto& client : clients_) {
    const bool waits = client->answer != Answer::kNone;
    const bool asked = client->answer == Answer::kAsked;
    const short events = !waits ? POLLIN : client->try_later || asked ? 0 : POLLOUT;
    if (asked) timeout_ms = 0;
    polled_.push_back({client->fd.get(), events, 0});
    retry = retry || client->try_later;
  }
  if (retry && (timeout_ms < 0 || timeout_ms > kRetryMs)) timeout_ms = kRetryMs;
  if (poll(polled_.data(), polled_.size(), timeout_ms) < 0) return errno == EINTR;
  if (polled_[0].revents != 0) return false;
  for (size_t i = 0; i < clients_.size() && !quit_; i++) {
    // Nobody is there to hear the answer; what it had said before it went is still to be read.
    if ((polled_[i + 2].revents & POLLHUP) != 0) clients_[i]->answer = Answer::kNone;
    if (polled_[i + 2].revents != 0 || clients_[i]->try_later) Serve(clients_[i].get(), kBatch);
  }
  AnswerLists();
  std::erase_if(clients_, [](const auto& client) { return client->gone; });
  if (polled_[1].revents != 0 || accept_later_) Accept();
  return !quit_;
}

void Server::Accept() {
  accept_later_ = false;
  if (!listening_.valid()) return;
  for (int i = 0; i < kBatch; i++) {
    UniqueFd fd(accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (fd.valid()) {
      Admit(std::move(fd));
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    // The connection stays to be accepted, and poll would say so without a pause.
    accept_later_ = errno != EAGAIN;
    return;
  }
}

void Server::Admit(UniqueFd fd) {
  ucred peer = {};
  socklen_t size = sizeof(peer);
  if (getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return;
  if ((peer.uid != uid_ && peer.uid != 0) || clients_.size() >= kMaxClients) return;
  auto client = std::make_unique<Client>();
  client->fd = std::move(fd);
  clients_.push_back(std::move(client));
  admitted_++;
}

void Server::Serve(Client* client, int most) {
  if (client->answer != Answer::kNone) Respond(client);
  for (int i = 0; i < most && client->answer == Answer::kNone && !client->gone && !quit_; i++) {
    switch (Receive(client->fd.get(), received_.get())) {
      case Receipt::kMessage:
        Obey(client);
        break;
      case Receipt::kNothing:
        return;
      case Receipt::kEnd:
      case Receipt::kMalformed:
        client->gone = true;
        break;
    }
  }
}

// A list has what anybody had said before it was asked for, also whoever was killed right after that, and whose
// connection has not had its turn, or is not accepted yet: it is the next worker that asks.
void Server::AnswerLists() {
  std::vector<Client*> asking;
  for (const auto& client : clients_) {
    if (client->answer == Answer::kAsked) asking.push_back(client.get());
  }
  for (Client* client : asking) {
    // It has gone, as those who were answered before it have found.
    if (client->answer != Answer::kAsked) continue;
    Accept();
    CatchUp(client);
    if (quit_) return;
    client->answer = Answer::kList;
    client->sent = 0;
    // What comes meanwhile is not of this list: another client that holds without end would make it endless.
    client->last = shelf_->last_place();
    Respond(client);
  }
}

void Server::CatchUp(const Client* asking) {
  // Clients that are let in are at the end; none goes before the turn is over.
  for (size_t i = 0; i < clients_.size() && !quit_; i++) {
    Client* each = clients_[i].get();
    if (each == asking || each->gone) continue;
    pollfd polled = {each->fd.get(), 0, 0};
    if (each->answer != Answer::kNone && poll(&polled, 1, 0) > 0) each->answer = Answer::kNone;
    Serve(each, kMostPending);
  }
}

void Server::Obey(Client* client) {
  const Message& message = received_->message;
  switch (message.type) {
    case Type::kHold:
      return Hold(client);
    case Type::kDrop:
      return shelf_->Drop(message.key);
    case Type::kList:
      client->answer = Answer::kAsked;
      return;
    case Type::kQuit:
      quit_ = true;
      return;
    case Type::kItem:
    case Type::kEnd:
    case Type::kFull:
      client->gone = true;
      return;
  }
}

void Server::Hold(Client* client) {
  const Message& message = received_->message;
  const auto descriptors = std::span(received_->descriptors).first(message.descriptors);
  bool held = false;
  if (received_->descriptors_lost) {
    shelf_->Drop(message.key);
  } else {
    held = shelf_->Hold(message.key, message.text, descriptors);
  }
  if (held) return;
  client->answer = Answer::kFull;
  client->key_bytes = static_cast<uint8_t>(message.key.size());
  std::copy(message.key.begin(), message.key.end(), client->key.begin());
  Respond(client);
}

void Server::Respond(Client* client) {
  if (client->answer == Answer::kAsked) return;
  if (client->answer == Answer::kFull) {
    const std::string_view key(client->key.data(), client->key_bytes);
    if (SendTo(client, {Type::kFull, key, {}, 0}, {})) client->answer = Answer::kNone;
    return;
  }
  for (int i = 0; i < kBatch; i++) {
    uint64_t place = 0;
    const Thing* thing = shelf_->After(client->sent, &place);
    if (thing == nullptr || place > client->last) {
      if (SendTo(client, {Type::kEnd, {}, {}, 0}, {})) client->answer = Answer::kNone;
      return;
    }
    std::array<int, kMaxDescriptors> descriptors;
    const size_t count = thing->descriptors.size();
    for (size_t n = 0; n < count; n++) descriptors[n] = thing->descriptors[n].get();
    const Message item = {Type::kItem, thing->key, thing->text, count};
    if (!SendTo(client, item, std::span(descriptors).first(count))) return;
    client->sent = place;
  }
}

bool Server::SendTo(Client* client, const Message& message, std::span<const int> descriptors) {
  const int error = Send(client->fd.get(), message, descriptors);
  client->try_later = error != EAGAIN && IsPassing(error);
  // It has gone: there is no answer to give, and the rest of what it said is read until its end.
  if (error != 0 && !IsPassing(error)) client->answer = Answer::kNone;
  return error == 0;
}

}  // namespace iluvatar::keeper
