// The service manager's side and ours in one process, under the sanitizers. Argument: an empty folder.
#include "system/service_manager.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "system/unique_fd.h"
#include "testing/check_test.h"

namespace {

using iluvatar::system::Close;
using iluvatar::system::Duplicate;
using iluvatar::system::InheritedSocket;
using iluvatar::system::InspectSocket;
using iluvatar::system::kMaxNotifyDescriptors;
using iluvatar::system::LockFile;
using iluvatar::system::Notify;
using iluvatar::system::Status;
using iluvatar::system::UniqueFd;

UniqueFd Bound(const std::string& address, int type) {
  sockaddr_un to = {};
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, address.data(), address.size());
  const bool abstract = address[0] == '@';
  if (abstract) to.sun_path[0] = '\0';
  const size_t length = offsetof(sockaddr_un, sun_path) + address.size() + (abstract ? 0 : 1);
  UniqueFd fd(socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  CHECK(fd.valid());
  CHECK(bind(fd.get(), reinterpret_cast<sockaddr*>(&to), static_cast<socklen_t>(length)) == 0);
  return fd;
}

struct Received {
  std::string text;
  std::vector<UniqueFd> descriptors;
};

Received Receive(int fd) {
  char text[4096];
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxNotifyDescriptors * sizeof(int))];
  iovec vector = {text, sizeof(text)};
  msghdr message = {};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  const ssize_t got = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  CHECK(got >= 0);
  Received received = {std::string(text, static_cast<size_t>(got)), {}};
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
      int passed = -1;
      std::memcpy(&passed, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
      received.descriptors.emplace_back(passed);
    }
  }
  return received;
}

void TestNotify(const std::string& address) {
  UniqueFd manager = Bound(address, SOCK_DGRAM);
  CHECK(Notify(address, "READY=1\nSTATUS=all is well", {}).ok());
  Received plain = Receive(manager.get());
  CHECK(plain.text == "READY=1\nSTATUS=all is well" && plain.descriptors.empty());

  UniqueFd file(open("/dev/null", O_RDONLY | O_CLOEXEC));
  std::vector<int> many(kMaxNotifyDescriptors, file.get());
  CHECK(Notify(address, "FDSTORE=1\nFDNAME=http", std::span(many).first(2)).ok());
  Received stored = Receive(manager.get());
  CHECK(stored.descriptors.size() == 2 && stored.text == "FDSTORE=1\nFDNAME=http");
  struct stat ours;
  struct stat theirs;
  CHECK(fstat(file.get(), &ours) == 0 && fstat(stored.descriptors[1].get(), &theirs) == 0);
  CHECK(ours.st_rdev == theirs.st_rdev && fcntl(file.get(), F_GETFD) == FD_CLOEXEC);
  CHECK(Notify(address, "FDSTORE=1", many).ok());
  CHECK(Receive(manager.get()).descriptors.size() == kMaxNotifyDescriptors);
  many.push_back(file.get());
  CHECK(Notify(address, "FDSTORE=1", many).error == EINVAL);

  // Nobody reads: it must not block, whatever the kernel says to it.
  Status full = Status::Ok();
  for (int i = 0; i < 100'000 && full.ok(); i++) full = Notify(address, "WATCHDOG=1", {});
  CHECK(full.error == EAGAIN);
}

void TestRefusals(const std::string& folder) {
  CHECK(Notify("", "READY=1", {}).error == EINVAL);
  CHECK(Notify("/", "READY=1", {}).error == EINVAL);
  CHECK(Notify("relative", "READY=1", {}).error == EINVAL);
  CHECK(Notify("vsock:2:1234", "READY=1", {}).error == EINVAL);
  CHECK(Notify("/" + std::string(200, 'a'), "READY=1", {}).error == EINVAL);
  CHECK(Notify(std::string("/a\0b", 4), "READY=1", {}).error == EINVAL);
  CHECK(Notify(folder + "/x", "", {}).error == EINVAL);
  const Status nobody = Notify(folder + "/nobody", "READY=1", {});
  CHECK(nobody.error == ENOENT && nobody.path == folder + "/nobody");
}

void TestInspect(const std::string& folder) {
  const std::string path = folder + "/listener";
  UniqueFd listener = Bound(path, SOCK_STREAM);
  InheritedSocket seen;
  CHECK(InspectSocket(listener.get(), &seen).ok());
  CHECK(seen.family == AF_UNIX && seen.stream && !seen.listening && seen.address == path);
  CHECK(listen(listener.get(), 1) == 0 && fcntl(listener.get(), F_SETFD, 0) == 0);
  CHECK(InspectSocket(listener.get(), &seen).ok() && seen.listening);
  CHECK(fcntl(listener.get(), F_GETFD) == FD_CLOEXEC && (fcntl(listener.get(), F_GETFL) & O_NONBLOCK) != 0);
  UniqueFd abstract = Bound("@" + path, SOCK_STREAM);
  CHECK(InspectSocket(abstract.get(), &seen).ok() && seen.address == "@" + path);
  UniqueFd unnamed(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  CHECK(InspectSocket(unnamed.get(), &seen).ok() && seen.address.empty() && !seen.stream);
  UniqueFd internet(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  CHECK(InspectSocket(internet.get(), &seen).ok() && seen.family == AF_INET && seen.address == "0.0.0.0:0");
  UniqueFd six(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (six.valid()) CHECK(InspectSocket(six.get(), &seen).ok() && seen.address == "[::]:0");
  int copy = -1;
  CHECK(Duplicate(listener.get(), &copy).ok() && fcntl(copy, F_GETFD) == FD_CLOEXEC);
  CHECK(Close(copy).ok() && fcntl(copy, F_GETFD) < 0 && Close(copy).error == EBADF);
  CHECK(Duplicate(9999, &copy).error == EBADF);
  UniqueFd file(open("/dev/null", O_RDONLY | O_CLOEXEC));
  CHECK(InspectSocket(file.get(), &seen).error == ENOTSOCK);
  CHECK(InspectSocket(9999, &seen).error == EBADF);
}

void TestLock(const std::string& folder) {
  const std::string path = folder + "/pid";
  UniqueFd first(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  UniqueFd second(open(path.c_str(), O_RDWR | O_CLOEXEC));
  bool locked = false;
  CHECK(LockFile(first.get(), &locked).ok() && locked);
  CHECK(LockFile(second.get(), &locked).ok() && !locked);
  first.reset();
  CHECK(LockFile(second.get(), &locked).ok() && locked);
  CHECK(LockFile(9999, &locked).error == EBADF);
}

}  // namespace

int main(int argc, char** argv) {
  CHECK(argc == 2);
  const std::string folder = argv[1];
  TestNotify(folder + "/notify");
  TestNotify("@" + folder + "/notify");
  TestRefusals(folder);
  TestInspect(folder);
  TestLock(folder);
  std::puts("ok");
  return 0;
}
