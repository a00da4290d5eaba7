/*
 * The floor of bench `netns`: the bare system calls that make a network namespace with a veth pair into a bridge, an address and a default route,
 * and nothing else: no file for it, no neighbours, no thread. Usage: netns BRIDGE NETWORK (as 10.187.0.0). For each line that it reads it makes one
 * more and prints how many ms that took. All are gone when it ends.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct request {
  struct nlmsghdr header;
  char body[512];
};

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void *append(struct request *request, const void *data, size_t size) {
  char *place = (char *)request + NLMSG_ALIGN(request->header.nlmsg_len);
  memcpy(place, data, size);
  request->header.nlmsg_len = NLMSG_ALIGN(request->header.nlmsg_len) + size;
  return place;
}

static struct rtattr *begin(struct request *request, uint16_t type) {
  const struct rtattr attribute = {.rta_len = RTA_LENGTH(0), .rta_type = type};
  return append(request, &attribute, sizeof attribute);
}

static void end(struct request *request, struct rtattr *attribute) {
  attribute->rta_len = (char *)request + request->header.nlmsg_len - (char *)attribute;
}

static void attribute(struct request *request, uint16_t type, const void *data, size_t size) {
  struct rtattr *started = begin(request, type);
  append(request, data, size);
  end(request, started);
}

static void number(struct request *request, uint16_t type, uint32_t value) { attribute(request, type, &value, 4); }

static void text(struct request *request, uint16_t type, const char *value) {
  attribute(request, type, value, strlen(value) + 1);
}

static struct request start(uint16_t type, uint16_t flags, const void *header, size_t size) {
  struct request request = {.header = {.nlmsg_len = NLMSG_HDRLEN, .nlmsg_type = type}};
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
  append(&request, header, size);
  return request;
}

static void run(int fd, struct request *request, const char *what) {
  char answer[4096];
  if (send(fd, request, request->header.nlmsg_len, 0) < 0) fail(what);
  if (recv(fd, answer, sizeof answer, 0) < 0) fail(what);
  errno = -((struct nlmsgerr *)NLMSG_DATA((struct nlmsghdr *)answer))->error;
  if (errno != 0) fail(what);
}

static int route_socket(void) {
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) fail("socket");
  return fd;
}

static void set_up(int fd, int index) {
  const struct ifinfomsg link = {.ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
  struct request request = start(RTM_SETLINK, 0, &link, sizeof link);
  run(fd, &request, "up");
}

static void make_veth(int fd, int bridge, const char *name, int namespace) {
  const struct ifinfomsg up = {.ifi_flags = IFF_UP, .ifi_change = IFF_UP}, down = {0};
  struct request request = start(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &up, sizeof up);
  text(&request, IFLA_IFNAME, name);
  number(&request, IFLA_NUM_TX_QUEUES, 1);
  number(&request, IFLA_NUM_RX_QUEUES, 1);
  number(&request, IFLA_MASTER, bridge);
  struct rtattr *info = begin(&request, IFLA_LINKINFO);
  text(&request, IFLA_INFO_KIND, "veth");
  struct rtattr *data = begin(&request, IFLA_INFO_DATA);
  struct rtattr *peer = begin(&request, VETH_INFO_PEER);
  append(&request, &down, sizeof down);
  text(&request, IFLA_IFNAME, "eth0");
  number(&request, IFLA_NUM_TX_QUEUES, 1);
  number(&request, IFLA_NUM_RX_QUEUES, 1);
  number(&request, IFLA_NET_NS_FD, namespace);
  end(&request, peer);
  end(&request, data);
  end(&request, info);
  run(fd, &request, "veth");
}

static void make(int host, int bridge, const char *name, uint32_t address, uint32_t gateway) {
  if (unshare(CLONE_NEWNET) != 0) fail("unshare");
  const int namespace = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  if (namespace < 0) fail("open");
  make_veth(host, bridge, name, namespace);
  const int inside = route_socket();
  const int index = if_nametoindex("eth0");
  set_up(inside, 1);
  set_up(inside, index);
  const struct ifaddrmsg where = {.ifa_family = AF_INET, .ifa_prefixlen = 21, .ifa_index = index};
  struct request addresses = start(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &where, sizeof where);
  number(&addresses, IFA_LOCAL, address);
  run(inside, &addresses, "address");
  const struct rtmsg everywhere = {.rtm_family = AF_INET, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_BOOT,
                                   .rtm_type = RTN_UNICAST};
  struct request route = start(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &everywhere, sizeof everywhere);
  number(&route, RTA_GATEWAY, gateway);
  run(inside, &route, "route");
  close(inside);
}

int main(int count, char **arguments) {
  if (count != 3) {
    fprintf(stderr, "usage: netns BRIDGE NETWORK\n");
    return 2;
  }
  // Opened before the first namespace, so it stays the host's.
  const int host = route_socket();
  const int bridge = if_nametoindex(arguments[1]);
  if (bridge == 0) fail(arguments[1]);
  const uint32_t network = ntohl(inet_addr(arguments[2]));
  char line[16], name[IFNAMSIZ];
  for (int made = 0; fgets(line, sizeof line, stdin) != NULL; ++made) {
    snprintf(name, sizeof name, "%.9sv%d", arguments[1], made % 10000);
    struct timespec begun, ended;
    clock_gettime(CLOCK_MONOTONIC, &begun);
    make(host, bridge, name, htonl(network + 2 + made), htonl(network + 1));
    clock_gettime(CLOCK_MONOTONIC, &ended);
    printf("%.4f\n", (ended.tv_sec - begun.tv_sec) * 1e3 + (ended.tv_nsec - begun.tv_nsec) / 1e6);
    fflush(stdout);
  }
  return 0;
}
