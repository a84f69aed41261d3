/*
 * The network of a zone: loopback, and the only other interface with a fixed address and a default route. No protocol
 * finds these out; the host knows them.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "zone.h"

#define INTERFACES_LIMIT 32

static bool bring_up(int sock, struct ifreq *request)
{
	return ioctl(sock, SIOCGIFFLAGS, request) == 0 && (request->ifr_flags |= IFF_UP, ioctl(sock, SIOCSIFFLAGS, request) == 0);
}

static bool find_interface(int sock, char *name)
{
	struct ifreq request = { 0 };
	for (int index = 1; index < INTERFACES_LIMIT; index++) {
		request.ifr_ifindex = index;
		if (ioctl(sock, SIOCGIFNAME, &request) != 0)
			continue;
		strcpy(name, request.ifr_name);
		if (ioctl(sock, SIOCGIFHWADDR, &request) == 0 && request.ifr_hwaddr.sa_family == ARPHRD_ETHER)
			return true;
	}
	return false;
}

static void put_address(struct sockaddr *where, uint32_t address)
{
	struct sockaddr_in value = { .sin_family = AF_INET, .sin_addr.s_addr = address };
	memcpy(where, &value, sizeof value);
}

static bool parse_address(const char *text, uint32_t *address, uint32_t *mask)
{
	char plain[INET_ADDRSTRLEN + 4] = "";
	uint64_t bits = 32;
	strncpy(plain, text, sizeof plain - 1);
	char *slash = strchr(plain, '/');
	if (slash) {
		*slash++ = 0;
		if (!parse_number(slash, 32, &bits))
			return false;
	}
	*mask = htonl(bits ? 0xffffffffu << (32 - bits) : 0);
	return inet_pton(AF_INET, plain, address) == 1;
}

static bool set_up(int sock, const char *address, const char *gateway)
{
	struct ifreq request = { 0 };
	uint32_t own, mask, router, none;
	char name[IFNAMSIZ];
	if (!parse_address(address, &own, &mask) || (gateway && !parse_address(gateway, &router, &none)))
		return failed("network", EINVAL, "the address", address);
	if (!find_interface(sock, name))
		return failed("network", ENODEV, "there is no network interface", "");
	strcpy(request.ifr_name, name);
	put_address(&request.ifr_addr, own);
	if (ioctl(sock, SIOCSIFADDR, &request) != 0)
		return failed("network", errno, "giving an address to", name);
	put_address(&request.ifr_netmask, mask);
	if (ioctl(sock, SIOCSIFNETMASK, &request) != 0)
		return failed("network", errno, "giving a netmask to", name);
	if (!bring_up(sock, &request))
		return failed("network", errno, "bringing up", name);
	if (!gateway)
		return true;
	struct rtentry route = { .rt_flags = RTF_UP | RTF_GATEWAY };
	put_address(&route.rt_dst, 0);
	put_address(&route.rt_genmask, 0);
	put_address(&route.rt_gateway, router);
	return ioctl(sock, SIOCADDRT, &route) == 0 || failed("network", errno, "the route over", gateway);
}

bool network_up(const char *address, const char *gateway)
{
	struct ifreq loopback = { .ifr_name = "lo" };
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return address == NULL || failed("network", errno, "opening a socket", "");
	bool up = bring_up(sock, &loopback) || failed("network", errno, "bringing up", "lo");
	up = up && (!address || set_up(sock, address, gateway));
	close(sock);
	return up;
}
