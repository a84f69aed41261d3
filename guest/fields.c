/*
 * Lists of fields: tag, length, value. A value is moved over its own header when it is read, which makes room for the NUL
 * that ends it: no field is copied, and all stay valid as long as their message.
 */
#include <string.h>

#include "zone.h"

enum next next_field(struct fields *fields, struct field *field)
{
	if (fields->length == 0)
		return NO_FIELD;
	if (fields->length < FIELD_HEADER)
		return BAD_FIELD;
	size_t length = get_number(fields->bytes + 1, 4);
	if (length > fields->length - FIELD_HEADER)
		return BAD_FIELD;
	field->tag = fields->bytes[0];
	field->value = (char *)fields->bytes;
	field->length = length;
	memmove(fields->bytes, fields->bytes + FIELD_HEADER, length);
	fields->bytes[length] = 0;
	fields->bytes += FIELD_HEADER + length;
	fields->length -= FIELD_HEADER + length;
	return FIELD;
}

bool field_number(const struct field *field, uint64_t *number)
{
	if (field->length != 8)
		return false;
	*number = get_number((const uint8_t *)field->value, 8);
	return true;
}

bool field_text(const struct field *field)
{
	return memchr(field->value, 0, field->length) == NULL;
}

void add_field(struct buffer *out, uint8_t tag, const void *value, size_t length)
{
	uint8_t *header = buffer_space(out, FIELD_HEADER + length);
	header[0] = tag;
	put_number(header + 1, length, 4);
	memcpy(header + FIELD_HEADER, value, length);
	out->end += FIELD_HEADER + length;
}

void add_number_field(struct buffer *out, uint8_t tag, uint64_t number)
{
	uint8_t value[8];
	put_number(value, number, 8);
	add_field(out, tag, value, sizeof value);
}

void add_text_field(struct buffer *out, uint8_t tag, const char *text)
{
	add_field(out, tag, text, strlen(text));
}
