/*
 * dm-verity: a device on which every block is checked against the hash tree when it is read. A block that does not match
 * fails with EIO, and there is no way around the device.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kernel.h"
#include "zone.h"

#define TABLE_LIMIT 4096

struct table {
	struct dm_request request;
	struct dm_target target;
	char parameters[TABLE_LIMIT];
};

static void prepare(struct table *table)
{
	memset(&table->request, 0, sizeof table->request);
	table->request.version[0] = 4;
	table->request.data_size = sizeof *table;
	table->request.data_start = sizeof table->request;
	table->request.flags = DM_READONLY;
	strcpy(table->request.name, "shale");
}

bool verity_open(char *parameters, uint64_t sectors, struct text *device)
{
	static struct table table;
	if (strlen(parameters) >= TABLE_LIMIT)
		return failed("verity", E2BIG, "parameters of the target", "");
	int control = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
	if (control < 0)
		return failed("verity", errno, "opening", "/dev/mapper/control");
	const char *doing = NULL;
	prepare(&table);
	if (ioctl(control, DM_DEV_CREATE, &table) != 0)
		doing = "creating the device";
	uint64_t number = table.request.device;
	if (!doing) {
		prepare(&table);
		table.request.target_count = 1;
		table.target.length = sectors;
		strcpy(table.target.type, "verity");
		strcpy(table.parameters, parameters);
		if (ioctl(control, DM_TABLE_LOAD, &table) != 0)
			doing = "loading the table";
	}
	if (!doing) {
		prepare(&table);
		if (ioctl(control, DM_DEV_SUSPEND, &table) != 0)
			doing = "activating the device";
	}
	int error = errno;
	close(control);
	if (doing)
		return failed("verity", error, doing, parameters);
	text_join(device, "/dev/dm-", "", "");
	text_number(device, (number & 0xff) | (number >> 12 & 0xfff00));
	return true;
}
