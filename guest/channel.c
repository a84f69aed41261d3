/*
 * Channels: byte streams to the host, each with its own conversation. None ever blocks: what cannot be sent waits in the
 * channel's queue. Readiness is told by edges, since a port whose host is away is "hung up" all the time and would
 * otherwise keep init awake.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "zone.h"

#define READ_SIZE 32768
/* The kernel keeps as many writes to a virtio port as its queue has places, a thousand or so: large ones would fill the
 * memory of a small zone when the host does not read. */
#define WRITE_SIZE 8192
#define UNREAD_LIMIT (256 * 1024) /* of answers: a host that takes no more of them is not listened to */

#define HANG_UP_MILLISECONDS 300

struct channel *channels;
int channel_events;

void channel_add(int fd, int kind, int number)
{
	struct channel *channel = calloc(1, sizeof *channel);
	if (!channel)
		die("no memory");
	channel->fd = fd;
	channel->kind = kind;
	channel->number = number;
	channel->readable = channel->writable = true;
	channel->next = channels;
	channels = channel;
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = channel };
	epoll_ctl(channel_events, EPOLL_CTL_ADD, fd, &event);
}

bool channel_full(const struct channel *channel)
{
	return buffer_length(&channel->out) > UNREAD_LIMIT;
}

void send_message(struct channel *channel, uint8_t type, const void *payload, size_t length)
{
	append_message(&channel->out, type, payload, length);
}

void send_number(struct channel *channel, uint8_t type, uint32_t number)
{
	uint8_t payload[4];
	put_number(payload, number, 4);
	send_message(channel, type, payload, 4);
}

void send_failure(struct channel *channel)
{
	struct buffer payload = { 0 };
	failure_fields(&payload);
	send_message(channel, FAIL, payload.bytes, buffer_length(&payload));
	free(payload.bytes);
}

/* That a host has left a virtio port, and that the next one is there, is told by other means than what they send, and may
 * be heard before or after it: the hang-up of one would end the next one's conversation. It counts when it has lasted;
 * if somebody is there by then, a HELLO has ended the last conversation. */
static void may_have_hung_up(struct channel *channel)
{
	if (channel->kind == CHANNEL_VIRTIO)
		channel->hang_up_at = channel->hang_up_at ? channel->hang_up_at : now_milliseconds() + HANG_UP_MILLISECONDS;
	else
		channel->hung_up = channel->kind == CHANNEL_SOCKET;
}

static void check_hang_up(struct channel *channel)
{
	struct pollfd state = { .fd = channel->fd };
	/* At the end nobody comes any more: the zone is off as soon as the last one has heard of it. */
	if (channel->hang_up_at == 0 || (zone_state != ZONE_ENDED && now_milliseconds() < channel->hang_up_at))
		return;
	channel->hang_up_at = 0;
	channel->hung_up = poll(&state, 1, 0) > 0 && (state.revents & POLLHUP) != 0;
}

void channel_collect(void)
{
	struct epoll_event events[16];
	int count = epoll_wait(channel_events, events, 16, 0);
	for (int at = 0; at < count; at++) {
		struct channel *channel = events[at].data.ptr;
		if (events[at].events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP))
			channel->readable = true;
		if (events[at].events & (EPOLLOUT | EPOLLHUP))
			channel->writable = true;
		if (events[at].events & EPOLLHUP)
			may_have_hung_up(channel);
		else
			channel->hang_up_at = 0;
	}
}

static bool read_some(struct channel *channel)
{
	uint8_t *to = buffer_space(&channel->in, READ_SIZE);
	ssize_t length = read(channel->fd, to, READ_SIZE);
	if (length > 0) {
		channel->in.end += (size_t)length;
		channel->stale_at = 0;
		if (channel->hang_up_at)
			channel->hang_up_at = now_milliseconds() + HANG_UP_MILLISECONDS;
		return true;
	}
	channel->readable = length < 0 && errno == EINTR;
	if (length == 0 || (errno != EAGAIN && errno != EINTR))
		may_have_hung_up(channel);
	return false;
}

/* The driver of a serial line may forget to tell that there is room again. */
#define LINE_PACE 5

void channel_flush(struct channel *channel)
{
	struct buffer *out = &channel->out;
	if (channel->write_at > 0 && now_milliseconds() >= channel->write_at) {
		channel->write_at = 0;
		channel->writable = true;
	}
	while (channel->writable && buffer_length(out) > 0) {
		size_t size = buffer_length(out) < WRITE_SIZE ? buffer_length(out) : WRITE_SIZE;
		ssize_t length = write(channel->fd, out->bytes + out->start, size);
		if (length > 0)
			buffer_consume(out, (size_t)length);
		else if (length == 0 || errno == EAGAIN) {
			channel->writable = false;
			if (channel->kind == CHANNEL_TTY)
				channel->write_at = now_milliseconds() + LINE_PACE;
		}
		else if (errno != EINTR) {
			channel->writable = false;
			may_have_hung_up(channel);
		}
	}
}

void channel_forget(struct channel *channel)
{
	commit_stop(channel);
	process_detach(channel);
	buffer_clear(&channel->message);
	buffer_clear(&channel->out);
	channel->awaits_exit = channel->told_exit = false;
}

static void hang_up(struct channel **link)
{
	struct channel *channel = *link;
	channel->hung_up = false;
	channel_forget(channel);
	buffer_clear(&channel->in);
	channel->synced = false;
	channel->stale_at = 0;
	if (channel->kind != CHANNEL_SOCKET)
		return;
	close(channel->fd);
	*link = channel->next;
	free(channel->in.bytes);
	free(channel->out.bytes);
	free(channel->message.bytes);
	free(channel);
}

bool channel_work(void)
{
	bool more = false;
	for (struct channel **link = &channels, *channel; (channel = *link);) {
		if (buffer_length(&channel->in) > 0)
			parse_frames(channel);
		if (channel->readable && !channel_full(channel) && read_some(channel))
			parse_frames(channel);
		channel_flush(channel);
		check_hang_up(channel);
		if (channel->readable && !channel_full(channel))
			more = true;
		else if (channel->hung_up)
			hang_up(link);
		if (*link == channel)
			link = &channel->next;
	}
	return more;
}
