/*
 * Where channels come from: virtio-serial ports by their names, connections to a vsock port, or serial lines. The ports of
 * virtio appear some time after their driver was loaded; the kernel's device events tell when, so that init neither
 * sleeps nor asks again and again.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "kernel.h"
#include "zone.h"

#define CHANNELS_LIMIT 64

int port_events = -1;
static enum { PORTS_NONE, PORTS_VIRTIO, PORTS_VSOCK } ports;
static uint64_t opened; /* one bit for each virtio channel */

void ports_prepare(void)
{
	channel_events = epoll_create1(EPOLL_CLOEXEC);
	const char *how = command_line("shale.channels");
	if (!how || strncmp(how, "virtio:", 7) != 0)
		return;
	struct { uint16_t family, zero; uint32_t pid, groups; } address = { AF_NETLINK, 0, 0, 1 };
	port_events = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
	if (port_events < 0 || bind(port_events, (struct sockaddr *)&address, sizeof address) != 0)
		die("cannot listen to device events");
}

static void try_virtio(const char *device)
{
	struct text path = { .length = 0 };
	char name[32];
	uint64_t number;
	text_join(&path, "/sys/class/virtio-ports/", device, "/name");
	ssize_t length = read_small_file(text_of(&path), name, sizeof name);
	if (length <= 0)
		return;
	name[strcspn(name, "\n")] = 0;
	if (strncmp(name, "shale.", 6) != 0 || !parse_number(name + 6, CHANNELS_LIMIT - 1, &number) || opened >> number & 1)
		return;
	text_join(&path, "/dev/", device, "");
	int fd = open(text_of(&path), O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return;
	opened |= (uint64_t)1 << number;
	channel_add(fd, CHANNEL_VIRTIO, (int)number);
}

static void scan_virtio(void)
{
	DIR *list = opendir("/sys/class/virtio-ports");
	for (struct dirent *entry; list && (entry = readdir(list));)
		if (entry->d_name[0] != '.')
			try_virtio(entry->d_name);
	if (list)
		closedir(list);
}

static void open_lines(const char *range)
{
	uint64_t first, count;
	char copy[32];
	strncpy(copy, range, sizeof copy - 1);
	copy[sizeof copy - 1] = 0;
	char *colon = strchr(copy, ':');
	if (!colon)
		die("shale.channels=tty:FIRST:COUNT");
	*colon = 0;
	if (!parse_number(copy, 255, &first) || !parse_number(colon + 1, CHANNELS_LIMIT, &count))
		die("shale.channels=tty:FIRST:COUNT");
	for (uint64_t at = 0; at < count; at++) {
		struct text path = { .length = 0 };
		struct termios raw;
		text_add(&path, "/dev/ttyS");
		text_number(&path, first + at);
		int fd = open(text_of(&path), O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		if (fd < 0 || tcgetattr(fd, &raw) != 0)
			die("cannot open a serial line");
		cfmakeraw(&raw);
		raw.c_cflag |= CLOCAL;
		tcsetattr(fd, TCSANOW, &raw);
		channel_add(fd, CHANNEL_TTY, (int)at);
	}
}

static void listen_vsock(const char *text)
{
	uint64_t port;
	if (!parse_number(text, 0xfffffffe, &port))
		die("shale.channels=vsock:PORT");
	struct vsock_address address = { .family = AF_VSOCK, .port = (uint32_t)port, .cid = VSOCK_ANY_CID };
	port_events = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (port_events < 0 || bind(port_events, (struct sockaddr *)&address, sizeof address) != 0 ||
		listen(port_events, CHANNELS_LIMIT) != 0)
		die("cannot listen on vsock");
}

void ports_open(void)
{
	const char *how = command_line("shale.channels");
	if (!how)
		die("no shale.channels= on the command line");
	if (strncmp(how, "tty:", 4) == 0)
		open_lines(how + 4);
	else if (strncmp(how, "vsock:", 6) == 0) {
		ports = PORTS_VSOCK;
		listen_vsock(how + 6);
	} else if (strncmp(how, "virtio:", 7) == 0) {
		ports = PORTS_VIRTIO;
		scan_virtio();
	} else
		die("shale.channels= says nothing that is known");
}

/* The number of channels there may be at a time: connections beyond it are closed at once. */
static bool room_for_channel(void)
{
	int count = 0;
	for (struct channel *channel = channels; channel; channel = channel->next)
		count++;
	return count < CHANNELS_LIMIT;
}

void ports_work(void)
{
	if (ports == PORTS_VSOCK) {
		/* Only the host may say what happens in the zone: processes in it reach this port as well. */
		struct vsock_address peer = { .cid = VSOCK_ANY_CID };
		socklen_t length = sizeof peer;
		for (int fd; (fd = accept4(port_events, (struct sockaddr *)&peer, &length, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0;) {
			if (peer.cid == VSOCK_HOST_CID && room_for_channel())
				channel_add(fd, CHANNEL_SOCKET, fd);
			else
				close(fd);
		}
		return;
	}
	static char event[4096];
	while (port_events >= 0) {
		ssize_t length = recv(port_events, event, sizeof event - 1, 0);
		if (length < 0 && errno == ENOBUFS) /* events were lost: look at all ports again */
			scan_virtio();
		else if (length <= 0)
			return;
		else {
			const char *device = NULL;
			event[length] = 0;
			for (const char *at = event; at < event + length; at += strlen(at) + 1)
				if (strncmp(at, "DEVNAME=vport", 13) == 0)
					device = at + 8;
			if (device && ports == PORTS_VIRTIO)
				try_virtio(device);
		}
	}
}
