/*
 * BOOT: the image's disk is mounted read-only. Everything up to here is the same for all zones of an image: the machine's
 * state may be saved now and be restored for many of them, so nothing of one zone is read or kept before RUN.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <time.h>

#include "zone.h"

uint64_t boot_times[TIMES];
enum zone_state zone_state;

uint64_t now_nanoseconds(int clock)
{
	struct timespec time;
	clock_gettime(clock, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

int64_t now_milliseconds(void)
{
	return (int64_t)(now_nanoseconds(CLOCK_MONOTONIC) / 1000000);
}

/* A device is a plain name, so that no field of a message can name another path. */
bool device_path(const struct field *name, struct text *path)
{
	if (name->length == 0 || name->length > 32)
		return false;
	for (size_t at = 0; at < name->length; at++) {
		char letter = name->value[at];
		if (!((letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9') || (letter == '-' && at > 0)))
			return false;
	}
	text_join(path, "/dev/", name->value, "");
	return true;
}

bool boot_image(struct fields fields)
{
	struct text device = { .length = 0 };
	char *type = NULL, *verity = NULL;
	uint64_t sectors = 0;
	struct field field;
	enum next next;
	bool valid = true;
	while ((next = next_field(&fields, &field)) == FIELD) {
		if (field.tag == 1)
			valid = valid && device_path(&field, &device);
		else if (field.tag == 2)
			type = field.value;
		else if (field.tag == 3)
			verity = field.value;
		else if (field.tag == 4)
			valid = valid && field_number(&field, &sectors);
		else if (field.tag == 5 || field.tag == 6)
			valid = valid && field_text(&field) && file_expect(field.tag == 5 ? 'f' : 'o', field.value);
		else
			valid = false;
	}
	valid = valid && next == NO_FIELD && device.length > 0 && type &&
		(strcmp(type, "squashfs") == 0 || strcmp(type, "erofs") == 0) && (verity != NULL) == (sectors > 0);
	if (!valid)
		return failed("protocol", 0, "BOOT has wrong fields", "");
	if (verity && !verity_open(verity, sectors, &device))
		return false;
	if (mount(text_of(&device), "/lower", type, MS_RDONLY, NULL) != 0)
		return failed(verity ? "verity" : "image", errno, "mounting", text_of(&device));
	boot_times[TIME_IMAGE] = now_nanoseconds(CLOCK_MONOTONIC);
	return true;
}
