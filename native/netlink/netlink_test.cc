// Tests of the netlink module under sanitizers: mutated datagrams through its readers, and, as root, links and
// namespaces in a network namespace of the test's own, so that nothing of the machine's is touched. Arguments: seed,
// rounds, an empty folder to mount namespaces in.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/neighbour.h>
#include <net/if.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <random>

#include "netlink/networks.h"
#include "testing/check_test.h"

namespace {

using namespace iluvatar::netlink;
using iluvatar::system::UniqueFd;

void Expect(const Status& status, int error, int line) {
  if (status.error == error) return;
  std::fprintf(stderr, "line %d: errno %d instead of %d: %s '%s'\n", line, status.error, error, status.syscall,
               status.path.c_str());
  std::abort();
}
#define EXPECT(status, error) Expect((status), (error), __LINE__)
#define OK(status) Expect((status), 0, __LINE__)

Mac MacOf(uint8_t last) { return {0x02, 0, 0, 0, 0, last}; }

Address AddressOf(const char* text, uint8_t length) {
  Address address;
  CHECK(ParseIp(text, &address.ip));
  address.prefix_length = length;
  return address;
}

void TestNames() {
  Mac mac;
  CHECK(ParseMac("02:0a:ff:00:01:7f", &mac) && (mac == Mac{0x02, 0x0a, 0xff, 0, 1, 0x7f}));
  for (const char* wrong : {"", "02:0a:ff:00:01", "02:0a:ff:00:01:7f:00", "x2:0a:ff:00:01:7f", "02:0a:ff:00:01:7f "}) {
    CHECK(!ParseMac(wrong, &mac));
  }
  uint32_t ip = 0;
  CHECK(ParseIp("10.1.2.3", &ip) && ip == htonl(0x0a010203));
  for (const char* wrong : {"", "10.1.2", "10.1.2.256", "::1", "10.1.2.3/8"}) CHECK(!ParseIp(wrong, &ip));
  CHECK(IsLinkName("il0123456789abc") && !IsLinkName("il0123456789abcd") && !IsLinkName("") && !IsLinkName("a/b"));
  CHECK(!IsLinkName("a b") && !IsLinkName("..") && !IsLinkName("a:1"));
}

// A request read back: lengths and nests are as the kernel would read them.
void TestMessages() {
  const std::string bytes = NewVeth("host", 7, "eth0", MacOf(1), -1).Finish(42);
  int messages = 0;
  CHECK(EachMessage(bytes, [&](const nlmsghdr& header, std::string_view body) {
    ++messages;
    CHECK(header.nlmsg_type == RTM_NEWLINK && header.nlmsg_seq == 42 && header.nlmsg_len == bytes.size());
    Link link;
    CHECK(ParseLink(body, &link));
    CHECK(link.name == "host" && link.kind == "veth" && link.master == 7 && link.up);
  }));
  CHECK(messages == 1);
}

void Mutate(std::string* bytes, std::mt19937* random) {
  const auto below = [&](size_t limit) { return static_cast<size_t>((*random)() % limit); };
  for (size_t i = below(6); i-- > 0 && !bytes->empty();) {
    switch (below(3)) {
      case 0:
        (*bytes)[below(bytes->size())] = static_cast<char>((*random)());
        break;
      case 1:
        bytes->resize(below(bytes->size() + 1));
        break;
      default:
        bytes->insert(below(bytes->size() + 1), 1 + below(8), static_cast<char>((*random)()));
    }
  }
}

void Fuzz(uint32_t seed, int rounds) {
  std::mt19937 random(seed);
  const Message request = NewVeth("host", 7, "eth0", MacOf(1), 3);
  const std::string wanted = request.Finish(1) + NewBridge("br", MacOf(2)).Finish(2) + SetPort("p", true).Finish(3) +
                             AddAddress(7, AddressOf("10.9.0.1", 24), "br").Finish(4);
  for (int i = 0; i < rounds; ++i) {
    std::string bytes = wanted;
    Mutate(&bytes, &random);
    EachMessage(bytes, [&](const nlmsghdr& header, std::string_view body) {
      Link link;
      ParseLink(body, &link);
      int index = 0;
      Address address;
      ParseAddress(body, &index, &address);
      const Status status = ErrorOf(request, body, header.nlmsg_flags);
      CHECK(status.ok() || status.syscall == request.what());
    });
  }
}

void TestLinks() {
  RouteSocket socket;
  OK(socket.Open());
  OK(socket.Run({SetUp(1, true, "lo")}));
  OK(CreateBridge("ilt-b0", MacOf(1), AddressOf("10.9.0.1", 24)));
  // What the kernel refuses is named, with the link and, where it has any, the kernel's own words.
  const Status twice = CreateBridge("ilt-b0", MacOf(1), AddressOf("10.9.0.1", 24));
  EXPECT(twice, EEXIST);
  CHECK(std::string(twice.syscall) == "create bridge" && twice.path.compare(0, 6, "ilt-b0") == 0);
  Link link;
  EXPECT(FindLink(&socket, "ilt-none", &link), ENODEV);
  OK(FindLink(&socket, "ilt-b0", &link));
  CHECK(link.kind == "bridge" && link.up);
  const int bridge = link.index;

  // One that fails does not keep the others from being tried, and more than fit into one datagram are no matter.
  std::vector<Message> pairs;
  for (uint8_t i = 0; i < 40; ++i) {
    const std::string name = "ilt-v" + std::to_string(i % 39);
    pairs.push_back(NewVeth(name, bridge, name + "p", MacOf(i), -1));
  }
  std::vector<Status> outcomes;
  OK(socket.Exchange(pairs, &outcomes));
  CHECK(outcomes.size() == 40);
  for (size_t i = 0; i < 39; ++i) OK(outcomes[i]);
  EXPECT(outcomes[39], EEXIST);
  CHECK(outcomes[39].path.compare(0, 6, "ilt-v0") == 0);
  OK(socket.Run({SetMaster("ilt-v0", 0), SetPort("ilt-v1", true), SetPort("ilt-v1", false)}));
  OK(socket.Run({SetPort("ilt-v2", true)}));
  EXPECT(socket.Run({SetMaster("ilt-none", bridge)}), ENODEV);

  std::vector<Link> links;
  OK(ListLinks(&socket, "ilt-v", &links));
  CHECK(links.size() == 78);
  for (const Link& found : links) {
    const bool is_port = found.name.back() != 'p' && found.name != "ilt-v0";
    CHECK(found.kind == "veth" && found.master == (is_port ? bridge : 0));
    CHECK(found.isolated == (found.name == "ilt-v2"));
  }
  OK(socket.Run({AddAddress(bridge, AddressOf("10.9.1.1", 25), "ilt-b0")}));
  std::vector<Link> bridges;
  OK(ListLinks(&socket, "ilt-b", &bridges));
  OK(ListAddresses(&socket, &bridges));
  CHECK(bridges.size() == 1 && bridges[0].addresses.size() == 2);
  CHECK(FormatAddress(bridges[0].addresses[0]) == "10.9.0.1/24");
  CHECK(FormatAddress(bridges[0].addresses[1]) == "10.9.1.1/25");
  OK(socket.Run({SetUp(bridge, false, "ilt-b0"), DeleteLink("ilt-v0")}));
  std::vector<std::string> names = {"ilt-none", "ilt-b0"};
  for (int i = 0; i < 39; ++i) names.push_back("ilt-v" + std::to_string(i));
  size_t deleted = 0;
  OK(DeleteLinks(names, &deleted));
  CHECK(deleted == 39);
  links.clear();
  OK(ListLinks(&socket, "ilt-", &links));
  CHECK(links.empty());
}

NamespaceRequest RequestOf(const std::string& folder, int number) {
  NamespaceRequest request;
  request.path = folder + "/n" + std::to_string(number);
  request.host_link = "ilt-v" + std::to_string(number);
  request.link = "eth0";
  request.mac = MacOf(static_cast<uint8_t>(number));
  request.address = AddressOf(("10.9.0." + std::to_string(number)).c_str(), 24);
  request.gateway = AddressOf("10.9.0.1", 24).ip;
  request.gateway_mac = MacOf(1);
  return request;
}

// What a connection from the namespace `from` to port 9 of `to` ends with, where nobody listens.
int ConnectionError(const std::string& from, const char* to, struct timeval patience) {
  const Status status = InNamespace(from, [&]() -> Status {
    UniqueFd tcp(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    setsockopt(tcp.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    struct sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(9);
    address.sin_addr.s_addr = AddressOf(to, 24).ip;
    if (connect(tcp.get(), reinterpret_cast<struct sockaddr*>(&address), sizeof address) == 0) return Status::Ok();
    return Status::Errno("connect", to);
  });
  return status.error;
}

// Refused is reached. The kernel takes a link that has just come up into use a moment later, on a busy machine much
// later, and drops what is sent until then; a lost SYN is sent again after one second, then two, then four.
bool Reaches(const std::string& from, const char* to) { return ConnectionError(from, to, {30, 0}) == ECONNREFUSED; }

// A short wait says enough: where this is asked, the other end has been reached before, or there is no route at all.
bool IsCutOff(const std::string& from, const char* to) {
  return ConnectionError(from, to, {0, 300'000}) != ECONNREFUSED;
}

// The IPv4 addresses of permanent neighbours in this namespace.
Status Neighbours(RouteSocket* socket, std::vector<uint32_t>* addresses) {
  struct ndmsg header = {};
  header.ndm_family = AF_INET;
  return socket->Dump(Message(RTM_GETNEIGH, NLM_F_DUMP, header, "list neighbours", ""),
                      [&](const nlmsghdr& answer, std::string_view body) {
                        if (answer.nlmsg_type != RTM_NEWNEIGH) return;
                        struct ndmsg neighbour;
                        std::memcpy(&neighbour, body.data(), sizeof neighbour);
                        if ((neighbour.ndm_state & NUD_PERMANENT) == 0) return;
                        EachAttribute(body.substr(sizeof neighbour), [&](uint16_t type, std::string_view value) {
                          uint32_t ip = 0;
                          if (type != NDA_DST || value.size() != sizeof ip) return;
                          std::memcpy(&ip, value.data(), sizeof ip);
                          addresses->push_back(ip);
                        });
                      });
}

void TestNamespaces(const std::string& folder) {
  EXPECT(CreateNamespaces("ilt-b0", {RequestOf(folder, 2)})[0], ENODEV);
  OK(CreateBridge("ilt-b0", MacOf(1), AddressOf("10.9.0.1", 24)));
  std::vector<NamespaceRequest> requests = {RequestOf(folder, 2), RequestOf(folder, 3), RequestOf(folder, 4),
                                            RequestOf(folder, 5), RequestOf(folder, 6)};
  // The same path, and the same link, as one before it.
  requests[3].path = requests[2].path;
  requests[4].host_link = requests[2].host_link;
  requests[1].isolated = requests[2].isolated = false;
  const std::vector<Status> outcomes = CreateNamespaces("ilt-b0", requests);
  CHECK(outcomes.size() == 5);
  for (int i = 0; i < 3; ++i) OK(outcomes[static_cast<size_t>(i)]);
  EXPECT(outcomes[3], EEXIST);
  EXPECT(outcomes[4], EEXIST);
  // What was undone is gone, and what it collided with is not.
  struct stat info;
  CHECK(stat(requests[4].path.c_str(), &info) != 0 && stat(requests[2].path.c_str(), &info) == 0);
  RouteSocket socket;
  OK(socket.Open());
  std::vector<Link> links;
  OK(ListLinks(&socket, "ilt-v", &links));
  CHECK(links.size() == 3);

  CHECK(Reaches(requests[0].path, "10.9.0.1") && Reaches(requests[0].path, "127.0.0.1"));
  CHECK(Reaches(requests[1].path, "10.9.0.4") && Reaches(requests[1].path, "10.9.0.2"));
  // Isolated from each other only: make the second one so too.
  OK(socket.Run({SetPort(requests[1].host_link, true)}));
  CHECK(IsCutOff(requests[1].path, "10.9.0.2") && Reaches(requests[1].path, "10.9.0.1"));

  std::vector<std::string> paths;
  std::vector<std::string> names;
  for (const NamespaceRequest& request : requests) {
    paths.push_back(request.path);
    names.push_back(request.host_link);
  }
  OK(RemoveNamespaces(paths, names));
  // The host knows them until it is told; who is gone is no longer reached.
  std::vector<uint32_t> known;
  OK(Neighbours(&socket, &known));
  CHECK(known.size() == 3);
  OK(ForgetNeighbours("ilt-b0", {requests[0].address.ip, requests[1].address.ip, requests[2].address.ip}));
  OK(ForgetNeighbours("ilt-b0", {requests[0].address.ip}));
  OK(ForgetNeighbours("ilt-none", {requests[0].address.ip}));
  known.clear();
  OK(Neighbours(&socket, &known));
  CHECK(known.empty());
  // Again: everything is gone already.
  OK(RemoveNamespaces(paths, names));
  OK(socket.Run({DeleteLink("ilt-b0")}));
  links.clear();
  OK(ListLinks(&socket, "ilt-", &links));
  CHECK(links.empty());
  for (const std::string& path : paths) CHECK(stat(path.c_str(), &info) != 0);
  EXPECT(InNamespace(folder + "/none", [] { return Status::Ok(); }), ENOENT);
}

// Namespaces without links.
void TestBare(const std::string& folder) {
  const std::vector<Status> outcomes = CreateBareNamespaces({folder + "/a", folder + "/b", folder + "/a"});
  CHECK(outcomes.size() == 3);
  OK(outcomes[0]);
  OK(outcomes[1]);
  EXPECT(outcomes[2], EEXIST);
  CHECK(Reaches(folder + "/a", "127.0.0.1") && IsCutOff(folder + "/a", "10.9.0.1"));
  OK(RemoveNamespaces({folder + "/a", folder + "/b"}, {}));
  struct stat info;
  CHECK(stat((folder + "/b").c_str(), &info) != 0);
}

bool OwnNamespaces() {
  return unshare(CLONE_NEWNET | CLONE_NEWNS) == 0 && mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

}  // namespace

int main(int argc, char** argv) {
  CHECK(argc == 4);
  const auto seed = static_cast<uint32_t>(std::strtoul(argv[1], nullptr, 10));
  const int rounds = std::atoi(argv[2]);
  std::printf("seed %u, %d rounds\n", seed, rounds);
  TestNames();
  TestMessages();
  Fuzz(seed, rounds);
  if (OwnNamespaces()) {
    TestLinks();
    TestNamespaces(argv[3]);
    TestBare(argv[3]);
    std::printf("live\n");
  }
  std::printf("ok\n");
}
