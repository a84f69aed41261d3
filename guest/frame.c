/*
 * Frames: a header of eight bytes and a payload. What comes from the host is taken for garbage until a HELLO is found in
 * it, and again after anything that is no frame; nothing that comes makes init hold more than one message.
 */
#include <string.h>

#include "zone.h"

#define HEADER 8
#define GREETING "shale-zone-hello"
#define GREETING_LENGTH 16
#define NONCE_LENGTH 16
#define HELLO_LENGTH (GREETING_LENGTH + NONCE_LENGTH)
#define STALE_MILLISECONDS 500

void put_number(uint8_t *to, uint64_t number, int bytes)
{
	for (int at = 0; at < bytes; at++, number >>= 8)
		to[at] = (uint8_t)number;
}

uint64_t get_number(const uint8_t *from, int bytes)
{
	uint64_t number = 0;
	while (bytes-- > 0)
		number = number << 8 | from[bytes];
	return number;
}

void frame_header(uint8_t *to, uint8_t type, size_t length)
{
	put_number(to, length, 4);
	put_number(to + 4, type, 4);
}

void append_message(struct buffer *out, uint8_t type, const void *payload, size_t length)
{
	const uint8_t *from = payload;
	for (;;) {
		size_t part = length > FRAME_LIMIT ? FRAME_LIMIT : length;
		uint8_t *to = buffer_space(out, HEADER + part);
		frame_header(to, part < length ? MORE_FROM_GUEST : type, part);
		memcpy(to + HEADER, from, part);
		out->end += HEADER + part;
		from += part;
		length -= part;
		if (length == 0)
			return;
	}
}

static const uint8_t hello_start[HEADER + GREETING_LENGTH] = { HELLO_LENGTH, 0, 0, 0, HELLO, 0, 0, 0,
	's', 'h', 'a', 'l', 'e', '-', 'z', 'o', 'n', 'e', '-', 'h', 'e', 'l', 'l', 'o' };

/* Drops what comes before a HELLO, starting at an offset. False: none is whole yet. */
static bool find_hello(struct buffer *in, size_t from)
{
	const uint8_t *bytes = in->bytes + in->start;
	size_t length = buffer_length(in), at = from;
	for (; at < length; at++) {
		size_t rest = length - at;
		size_t compared = rest < sizeof hello_start ? rest : sizeof hello_start;
		if (memcmp(bytes + at, hello_start, compared) == 0)
			break;
	}
	if (from == 0)
		buffer_consume(in, at);
	else if (at < length && length - at >= HEADER + HELLO_LENGTH)
		buffer_consume(in, at);
	else
		return false;
	return buffer_length(in) >= HEADER + HELLO_LENGTH;
}

static bool valid_header(const uint8_t *header, size_t length)
{
	uint8_t type = header[4];
	if (length > FRAME_LIMIT || type < HELLO || type > STATUS || header[5] || header[6] || header[7])
		return false;
	return type != HELLO || length == HELLO_LENGTH;
}

/* A host that died in the middle of a frame leaves the frame open, and the HELLO of the next one would be taken for its
 * payload. A frame that does not grow for a while and has a HELLO in it is such a one. */
static void find_stale(struct channel *channel)
{
	if (channel->stale_at == 0)
		channel->stale_at = now_milliseconds() + STALE_MILLISECONDS;
	else if (now_milliseconds() >= channel->stale_at) {
		channel->stale_at = 0;
		if (buffer_length(&channel->in) >= HEADER && find_hello(&channel->in, HEADER)) {
			buffer_clear(&channel->message);
			parse_frames(channel);
		}
	}
}

static void take_frame(struct channel *channel, uint8_t type, uint8_t *payload, size_t length)
{
	struct buffer *message = &channel->message;
	if (type == HELLO) {
		greet(channel, payload + GREETING_LENGTH);
		return;
	}
	if (type != MORE && buffer_length(message) == 0) {
		handle(channel, type, payload, length);
		return;
	}
	if (buffer_length(message) + length > MESSAGE_LIMIT) {
		buffer_clear(message);
		protocol_error(channel, "a message is too long");
		return;
	}
	buffer_append(message, payload, length);
	if (type == MORE)
		return;
	struct buffer whole = *message;
	memset(message, 0, sizeof *message);
	handle(channel, type, whole.bytes + whole.start, buffer_length(&whole));
	if (buffer_length(message) == 0 && message->bytes == NULL)
		*message = whole;
	buffer_clear(message);
}

void parse_frames(struct channel *channel)
{
	struct buffer *in = &channel->in;
	while (!channel_full(channel)) {
		if (!channel->synced) {
			channel->stale_at = 0;
			if (!find_hello(in, 0))
				return;
			channel->synced = true;
		}
		size_t held = buffer_length(in);
		if (held == 0) {
			channel->stale_at = 0;
			return;
		}
		uint8_t *frame = in->bytes + in->start;
		size_t length = held < HEADER ? 0 : get_number(frame, 4);
		if (held >= HEADER && (!valid_header(frame, length) ||
			(frame[4] == HELLO && held >= sizeof hello_start && memcmp(frame, hello_start, sizeof hello_start) != 0))) {
			buffer_consume(in, 1);
			protocol_error(channel, "what came is no frame");
			continue;
		}
		if (held < HEADER || held < HEADER + length) {
			find_stale(channel);
			return;
		}
		channel->stale_at = 0;
		take_frame(channel, frame[4], frame + HEADER, length);
		buffer_consume(in, HEADER + length);
	}
}
