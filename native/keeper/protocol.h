// What a keeper and its clients say to each other over a unix socket of type SOCK_SEQPACKET: one message is one
// datagram, and its descriptors go with it (SCM_RIGHTS).
//
//   offset  bytes  what
//   0       1      version (1)
//   1       1      type
//   2       1      how many descriptors go with it, 0..16
//   3       1      length of the key, 0..255
//   4       4      length of the text, 0..32768, little endian
//   8              key, then text, and nothing behind them
//
//   HOLD key text descriptors   client   keep these under this key, in the place of what it had
//   DROP key                    client   close what this key has; nothing if there is none
//   LIST                        client   answered by an ITEM for each thing held, and END
//   QUIT                        client   close all and exit
//   ITEM key text descriptors   keeper
//   END                         keeper
//   FULL key                    keeper   that HOLD could not be kept, and nothing is held under its key
#ifndef ILUVATAR_KEEPER_PROTOCOL_H_
#define ILUVATAR_KEEPER_PROTOCOL_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "system/unique_fd.h"

namespace iluvatar::keeper {

using system::UniqueFd;

inline constexpr uint8_t kVersion = 1;
inline constexpr size_t kHeaderBytes = 8;
inline constexpr size_t kMaxKeyBytes = 255;
inline constexpr size_t kMaxTextBytes = 32 * 1024;
inline constexpr size_t kMaxDescriptors = 16;
inline constexpr size_t kMaxMessageBytes = kHeaderBytes + kMaxKeyBytes + kMaxTextBytes;

enum class Type : uint8_t { kHold = 1, kDrop = 2, kList = 3, kQuit = 4, kItem = 129, kEnd = 130, kFull = 131 };

// Key and text are views of the datagram.
struct Message {
  Type type = Type::kEnd;
  std::string_view key;
  std::string_view text;
  size_t descriptors = 0;
};

// False for anything that is not exactly one message of a known type with what belongs to it.
bool Parse(std::string_view datagram, Message* message);

// `header` of a message whose parts are within the limits above.
void WriteHeader(const Message& message, std::span<char, kHeaderBytes> header);

// Where one message is received into, again and again.
struct Received {
  Message message;
  std::array<UniqueFd, kMaxDescriptors> descriptors;
  // The kernel had no room for all of its descriptors; those that there are were closed.
  bool descriptors_lost = false;
  std::array<char, kMaxMessageBytes> bytes;
};

enum class Receipt {
  kMessage,
  // Nothing has come yet.
  kNothing,
  // The peer has closed, or the connection is broken (errno).
  kEnd,
  kMalformed,
};

// Never waits. Descriptors become close-on-exec.
Receipt Receive(int fd, Received* received);

// Never waits. 0, or an errno; IsPassing says which of them mean that it is worth trying again. EINVAL for what is over
// the limits.
int Send(int fd, const Message& message, std::span<const int> descriptors);

// The peer is slow, or the kernel holds too much for it already.
bool IsPassing(int error);

}  // namespace iluvatar::keeper

#endif  // ILUVATAR_KEEPER_PROTOCOL_H_
