/*
 * Short strings: names of devices, messages, numbers. Without stdio, which would be half of the program. A text that grows
 * too long is cut, never overrun.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "zone.h"

void text_add(struct text *text, const char *string)
{
	size_t length = strlen(string), room = sizeof text->bytes - 1 - text->length;
	if (length > room)
		length = room;
	memcpy(text->bytes + text->length, string, length);
	text->length += length;
	text->bytes[text->length] = 0;
}

void text_number(struct text *text, uint64_t number)
{
	char digits[21];
	size_t at = sizeof digits - 1;
	digits[at] = 0;
	do
		digits[--at] = (char)('0' + number % 10);
	while (number /= 10);
	text_add(text, digits + at);
}

const char *text_of(struct text *text)
{
	text->bytes[text->length] = 0;
	return text->bytes;
}

void text_join(struct text *text, const char *first, const char *second, const char *third)
{
	text->length = 0;
	text_add(text, first);
	text_add(text, second);
	text_add(text, third);
}

bool parse_number(const char *text, uint64_t limit, uint64_t *number)
{
	uint64_t value = 0;
	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		uint64_t digit = (uint64_t)(*text - '0');
		if (value > (limit - digit) / 10 || digit > limit)
			return false;
		value = value * 10 + digit;
	}
	*number = value;
	return true;
}

ssize_t read_small_file(const char *path, char *into, size_t room)
{
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t length = file < 0 ? -1 : read(file, into, room - 1);
	if (file >= 0)
		close(file);
	into[length > 0 ? length : 0] = 0;
	return length;
}

bool write_file(const char *path, const char *content)
{
	int file = open(path, O_WRONLY | O_CLOEXEC);
	if (file < 0)
		return false;
	bool written = write(file, content, strlen(content)) == (ssize_t)strlen(content);
	close(file);
	return written;
}
