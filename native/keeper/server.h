// A keeper's clients: who may connect, what they say, and answers that never wait for one of them. A client whose
// answer does not go out is not read from either until it does, so that no more is kept for it than a place in the
// list.
#ifndef ILUVATAR_KEEPER_SERVER_H_
#define ILUVATAR_KEEPER_SERVER_H_

#include <poll.h>
#include <sys/types.h>

#include <memory>
#include <vector>

#include "keeper/protocol.h"
#include "keeper/shelf.h"

namespace iluvatar::keeper {

class Server {
 public:
  // Clients run as `uid`, or as root.
  Server(UniqueFd listening, uid_t uid, Shelf* shelf);

  // Waits until something happens, or `timeout_ms` (-1 = for ever) are over, and deals with it. False once a client has
  // said QUIT, or `stop`, a descriptor of the caller's, can be read.
  bool Turn(int timeout_ms, int stop);

  size_t clients() const { return clients_.size(); }
  // All that ever were let in.
  uint64_t admitted() const { return admitted_; }
  // Lets in the other end of a connection, if its peer may come in.
  void Admit(UniqueFd fd);

 private:
  // kAsked: a list that is not begun.
  enum class Answer { kNone, kFull, kAsked, kList };

  struct Client {
    UniqueFd fd;
    Answer answer = Answer::kNone;
    // The kernel refused to take more for a reason that no event will tell the end of.
    bool try_later = false;
    bool gone = false;
    // kFull: which key.
    uint8_t key_bytes = 0;
    std::array<char, kMaxKeyBytes> key;
    // kList: the place of the last item sent, and of the last one to send.
    uint64_t sent = 0;
    uint64_t last = 0;
  };

  void Accept();
  // Reads what a client says, up to `most` messages, until it waits for an answer.
  void Serve(Client* client, int most);
  // Begins the lists that are asked for.
  void AnswerLists();
  // Reads what everybody else has said so far.
  void CatchUp(const Client* asking);
  void Obey(Client* client);
  void Hold(Client* client);
  // Goes on with the client's answer as far as it takes it.
  void Respond(Client* client);
  // False when it did not go out: later, or, with the answer given up, never.
  bool SendTo(Client* client, const Message& message, std::span<const int> descriptors);

  const UniqueFd listening_;
  const uid_t uid_;
  Shelf* const shelf_;
  const std::unique_ptr<Received> received_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<pollfd> polled_;
  uint64_t admitted_ = 0;
  bool accept_later_ = false;
  bool quit_ = false;
};

}  // namespace iluvatar::keeper

#endif  // ILUVATAR_KEEPER_SERVER_H_
