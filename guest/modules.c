/*
 * Kernel modules, in the order that the host found. A module that the kernel has already, or has built in, is fine. Each is
 * deleted once it is loaded: its file is memory that the workload can use.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "zone.h"

void load_modules(void)
{
	static char list[16384];
	read_small_file("/modules", list, sizeof list);
	for (char *path = list, *end; *path; path = end) {
		end = path + strcspn(path, "\n");
		if (*end)
			*end++ = 0;
		if (!*path)
			continue;
		int file = open(path, O_RDONLY | O_CLOEXEC);
		if (file < 0 || (syscall(SYS_finit_module, file, "", 0) != 0 && errno != EEXIST)) {
			struct text text;
			text_join(&text, "cannot load ", path, ": ");
			text_add(&text, strerror(errno));
			die(text_of(&text));
		}
		close(file);
		unlink(path);
	}
}
