/*
 * /dev of the workload: a small tmpfs with the devices that every program may rely on, never those of the machine. And
 * the options of a tmpfs, of which some are flags of the mount.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "zone.h"

static bool mount_in(int devices, const char *name, const char *source, const char *type, unsigned long flags, const char *data)
{
	mkdirat(devices, name, 0755);
	int target = openat(devices, name, O_PATH | O_CLOEXEC | O_NOFOLLOW | O_DIRECTORY);
	bool mounted = target >= 0 && mount_at(target, source, type, flags, data);
	int error = errno;
	close(target);
	errno = error;
	return mounted;
}

static int devices = -1;

/* The workload's own terminal is its console as well. */
bool console_make(int number)
{
	struct text source = { .length = 0 };
	text_number(&source, (uint64_t)devices);
	text_add(&source, "/pts/");
	text_number(&source, (uint64_t)number);
	int file = openat(devices, "console", O_CREAT | O_EXCL | O_RDONLY | O_CLOEXEC, 0620);
	close(file);
	int target = openat(devices, "console", O_PATH | O_CLOEXEC | O_NOFOLLOW);
	bool mounted = target >= 0 && mount_at(target, text_of(&source), NULL, MS_BIND, NULL);
	int error = errno;
	close(target);
	errno = error;
	return mounted;
}

bool devices_make(int root)
{
	static const struct { const char *name; unsigned minor, major; mode_t mode; } nodes[] = {
		{ "null", 3, 1, 0666 }, { "zero", 5, 1, 0666 }, { "full", 7, 1, 0666 }, { "random", 8, 1, 0666 },
		{ "urandom", 9, 1, 0666 }, { "tty", 0, 5, 0666 },
	};
	static const char *const links[][2] = {
		{ "/proc/self/fd", "fd" }, { "/proc/self/fd/0", "stdin" }, { "/proc/self/fd/1", "stdout" },
		{ "/proc/self/fd/2", "stderr" }, { "pts/ptmx", "ptmx" },
	};
	int target = path_make(root, "/dev", PATH_DIRECTORY);
	if (target < 0 || !mount_at(target, "dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755,size=64k"))
		return failed("mount", errno, "mounting", "/dev");
	close(target);
	devices = path_find(root, "/dev");
	for (size_t at = 0; at < sizeof nodes / sizeof *nodes; at++)
		if (mknodat(devices, nodes[at].name, S_IFCHR | nodes[at].mode, makedev(nodes[at].major, nodes[at].minor)) != 0)
			return failed("mount", errno, "making /dev/", nodes[at].name);
	for (size_t at = 0; at < sizeof links / sizeof *links; at++)
		if (symlinkat(links[at][0], devices, links[at][1]) != 0)
			return failed("mount", errno, "making /dev/", links[at][1]);
	if (!mount_in(devices, "pts", "/pts", NULL, MS_BIND, NULL))
		return failed("mount", errno, "mounting", "/dev/pts");
	if (!mount_in(devices, "shm", "shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777"))
		return failed("mount", errno, "mounting", "/dev/shm");
	if (!mount_in(devices, "mqueue", "mqueue", "mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) && errno != ENODEV)
		return failed("mount", errno, "mounting", "/dev/mqueue");
	return true;
}

bool mount_options(char *options, unsigned long *flags, struct text *data)
{
	static const struct { const char *name; unsigned long flag; bool set; } known[] = {
		{ "ro", MS_RDONLY, true }, { "rw", MS_RDONLY, false }, { "nosuid", MS_NOSUID, true }, { "suid", MS_NOSUID, false },
		{ "nodev", MS_NODEV, true }, { "dev", MS_NODEV, false }, { "noexec", MS_NOEXEC, true }, { "exec", MS_NOEXEC, false },
		{ "noatime", MS_NOATIME, true }, { "atime", MS_NOATIME, false }, { "sync", MS_SYNCHRONOUS, true },
		{ "async", MS_SYNCHRONOUS, false }, { "relatime", MS_RELATIME, true }, { "strictatime", MS_STRICTATIME, true },
	};
	for (char *word = options, *end; *word; word = end) {
		end = word + strcspn(word, ",");
		if (*end)
			*end++ = 0;
		size_t at = 0;
		while (at < sizeof known / sizeof *known && strcmp(known[at].name, word) != 0)
			at++;
		if (at < sizeof known / sizeof *known)
			*flags = known[at].set ? *flags | known[at].flag : *flags & ~known[at].flag;
		else {
			text_add(data, data->length ? "," : "");
			text_add(data, word);
		}
	}
	return true;
}
