/*
 * STATUS, and whether the kernel had to kill something for want of memory.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "zone.h"

static uint64_t number_after(const char *text, const char *name)
{
	const char *at = strstr(text, name);
	return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

uint64_t out_of_memory_kills(void)
{
	static char text[16384];
	read_small_file("/proc/vmstat", text, sizeof text);
	return number_after(text, "\noom_kill ");
}

void status_fields(struct buffer *out)
{
	char text[2048];
	struct statvfs upper;
	add_number_field(out, 1, zone_state);
	if (zone_state < ZONE_RUNNING)
		return; /* a machine out of a saved state is asked this first, and all takes its time */
	read_small_file("/proc/meminfo", text, sizeof text);
	uint64_t all = number_after(text, "MemTotal:") * 1024, available = number_after(text, "MemAvailable:") * 1024;
	size_t processes_of_zone = zone_state == ZONE_RUNNING && zone_process > 0 ? each_process(NULL, 0) : 0;
	if (processes_of_zone > 0 && workload->pid != zone_process)
		processes_of_zone--; /* the reaper */
	add_number_field(out, 2, processes_of_zone);
	add_number_field(out, 3, all - available);
	add_number_field(out, 4, all);
	if (statvfs("/rw", &upper) == 0) {
		add_number_field(out, 5, (uint64_t)(upper.f_blocks - upper.f_bfree) * upper.f_frsize);
		add_number_field(out, 6, (uint64_t)upper.f_blocks * upper.f_frsize);
	}
}
