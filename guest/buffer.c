/*
 * Bytes that wait: what a channel has not sent yet, a message that is not whole yet. A queue in one block, so that what is
 * in it can be written with one call.
 */
#include <stdlib.h>
#include <string.h>

#include "zone.h"

#define SMALLEST 4096
#define KEPT (256 * 1024)

uint8_t *buffer_space(struct buffer *buffer, size_t length)
{
	if (buffer->room - buffer->end >= length)
		return buffer->bytes + buffer->end;
	size_t held = buffer_length(buffer);
	if (buffer->start > 0) {
		memmove(buffer->bytes, buffer->bytes + buffer->start, held);
		buffer->start = 0;
		buffer->end = held;
	}
	if (buffer->room - held < length) {
		size_t room = buffer->room ? buffer->room : SMALLEST;
		while (room - held < length)
			room *= 2;
		buffer->bytes = realloc(buffer->bytes, room);
		if (!buffer->bytes)
			die("no memory");
		buffer->room = room;
	}
	return buffer->bytes + buffer->end;
}

void buffer_append(struct buffer *buffer, const void *bytes, size_t length)
{
	if (length == 0)
		return;
	memcpy(buffer_space(buffer, length), bytes, length);
	buffer->end += length;
}

void buffer_consume(struct buffer *buffer, size_t length)
{
	buffer->start += length;
	if (buffer->start >= buffer->end)
		buffer->start = buffer->end = 0;
}

void buffer_clear(struct buffer *buffer)
{
	buffer->start = buffer->end = 0;
	if (buffer->room > KEPT) {
		free(buffer->bytes);
		buffer->bytes = NULL;
		buffer->room = 0;
	}
}
