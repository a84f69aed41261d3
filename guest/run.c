/*
 * RUN: what makes this zone differ from all others of its image. Randomness and the clock come first, since the machine may
 * have been restored from a saved state; then everything that the workload finds around it; then the workload.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "kernel.h"
#include "zone.h"

#define ENTROPY_LIMIT 512

/* The next part of a value whose parts are separated by NUL; the last one is the rest. */
static char *part(char **value)
{
	char *start = *value;
	*value += strlen(start) + 1;
	return start;
}

static size_t count_separators(const struct field *field)
{
	size_t count = 0;
	for (size_t at = 0; at < field->length; at++)
		count += field->value[at] == 0;
	return count;
}

static bool add_mount(struct plan *plan, struct field *field)
{
	static const char kinds[] = { [10] = 'f', [11] = 'v', [12] = 't', [15] = 'o' };
	size_t number = plan->root.mount_count, separators = count_separators(field);
	if (number >= MOUNTS_LIMIT || separators < (field->tag == 11 ? 3 : 1))
		return false;
	struct mount_request *request = &plan->mounts[plan->root.mount_count++];
	char *rest = field->value, *end = field->value + field->length;
	request->kind = kinds[field->tag];
	if (request->kind == 'v') {
		struct field name = { .value = part(&rest) };
		name.length = strlen(name.value);
		if (!device_path(&name, &plan->devices[number]))
			return false;
		request->device = plan->devices[number].bytes;
		request->type = part(&rest);
	}
	request->path = part(&rest);
	request->content = rest;
	request->length = (size_t)(end - rest);
	request->read_only = request->kind == 'v' && strcmp(rest, "ro") == 0;
	return request->path[0] == '/' && (request->kind != 'v' || request->read_only || strcmp(rest, "rw") == 0);
}

static bool set_machine_id(struct plan *plan, struct field *field)
{
	char *line = plan->root.machine_id;
	if (field->length != 32)
		return false;
	memcpy(line, field->value, 32);
	line[32] = '\n';
	return true;
}

static bool take_field(struct plan *plan, struct field *field)
{
	switch (field->tag) {
	case 1:
		plan->entropy = *field;
		return field->length >= 32 && field->length <= ENTROPY_LIMIT;
	case 2:
		return field_number(field, &plan->clock);
	case 3:
		plan->host_name = field->value;
		return field_text(field) && field->length > 0 && field->length <= 64;
	case 4:
		return field_number(field, &plan->upper_size);
	case 5:
		return device_path(field, &plan->upper_device);
	case 6:
		plan->root.read_only = true;
		return true;
	case 7:
		return device_path(field, &plan->journal);
	case 8:
		plan->address = field->value;
		return field_text(field);
	case 9:
		plan->gateway = field->value;
		return field_text(field);
	case 10: case 11: case 12: case 15:
		return add_mount(plan, field);
	case 13:
		return field_number(field, &plan->time_limit);
	case 14:
		return set_machine_id(plan, field);
	default:
		return program_field(&plan->program, field);
	}
}

static void add_entropy(struct field *entropy)
{
	struct { int bits, bytes; uint8_t pool[ENTROPY_LIMIT]; } request;
	int device = open("/dev/urandom", O_WRONLY | O_CLOEXEC);
	if (entropy->length > 0 && device >= 0) {
		request.bits = (int)entropy->length * 8;
		request.bytes = (int)entropy->length;
		memcpy(request.pool, entropy->value, entropy->length);
		ioctl(device, RNDADDENTROPY, &request);
		ioctl(device, RNDRESEEDCRNG, 0);
		/* The fields go on into the zone. */
		explicit_bzero(&request, sizeof request);
		explicit_bzero(entropy->value, entropy->length);
	}
	if (device >= 0)
		close(device);
}

static void renew(struct plan *plan)
{
	add_entropy(&plan->entropy);
	if (plan->clock > 0) {
		struct timespec time = { (time_t)(plan->clock / 1000000000), (long)(plan->clock % 1000000000) };
		clock_settime(CLOCK_REALTIME, &time);
	}
	if (plan->host_name)
		sethostname(plan->host_name, strlen(plan->host_name));
}

/* What is the same for all zones is done as soon as the image is mounted: a saved state has it then. */
bool run_prepare(void)
{
	static bool prepared;
	if (prepared)
		return zone_prepare();
	/* Without swap a full memory makes the kernel read programs again and again, and nothing else moves for minutes. With
	 * this it kills what takes the memory as soon as it cannot keep the pages of the last second. */
	if (write_file("/sys/kernel/mm/lru_gen/enabled", "y"))
		write_file("/sys/kernel/mm/lru_gen/min_ttl_ms", "1000");
	if (!network_up(NULL, NULL))
		return false;
	cgroup_prepare();
	prepared = terminals_mount() && upper_prepare();
	return prepared && zone_prepare();
}

/* The root is put together anew where the upper is a disk. */
static bool start(struct channel *channel, struct plan *plan, struct fields fields)
{
	const char *device = text_of(&plan->upper_device);
	if (plan->journal.length > 0 && !journal_open(text_of(&plan->journal)))
		return false;
	if (!run_prepare() || (plan->address && !network_up(plan->address, plan->gateway)))
		return false;
	if (*device)
		zone_discard();
	if (!upper_mount(plan->upper_size, device) || !volumes_mount(&plan->root) || !zone_prepare())
		return false;
	struct process *process = process_new(channel, true);
	if (!zone_start(process, &plan->program, fields))
		return false;
	if (plan->time_limit > 0)
		end_time_limit(plan->time_limit);
	return true;
}

struct plan *plan_read(struct fields fields)
{
	struct plan *plan = calloc(1, sizeof *plan);
	struct field field;
	enum next next;
	bool valid = true;
	if (!plan)
		return NULL;
	plan->root.mounts = plan->mounts;
	while ((next = next_field(&fields, &field)) == FIELD)
		valid = take_field(plan, &field) && valid;
	plan->valid = valid && next == NO_FIELD && program_ready(&plan->program);
	if (plan->valid && plan->root.machine_id[0])
		plan->mounts[plan->root.mount_count++] = (struct mount_request){
			.kind = 'o', .path = "/etc/machine-id", .content = plan->root.machine_id, .length = 33 };
	return plan;
}

bool run_zone(struct channel *channel, struct fields fields)
{
	/* Reading takes values apart where they are. */
	struct fields copy = { malloc(fields.length), fields.length };
	if (!copy.bytes)
		die("no memory");
	memcpy(copy.bytes, fields.bytes, fields.length);
	struct plan *plan = plan_read(fields);
	if (!plan)
		die("no memory");
	if (plan->valid)
		renew(plan);
	if (plan->entropy.length > 0)
		explicit_bzero(copy.bytes + ((uint8_t *)plan->entropy.value - fields.bytes) + FIELD_HEADER, plan->entropy.length);
	bool started = plan->valid ? start(channel, plan, copy) : failed("protocol", 0, "RUN has wrong fields", "");
	if (started)
		zone_state = ZONE_RUNNING;
	else
		journal_fail();
	program_free(&plan->program);
	free(plan);
	free(copy.bytes);
	return started;
}
