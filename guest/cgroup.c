/*
 * The control group of everything in the zone but init, by which all of it can be frozen at once; and the processes of the
 * zone as init's own /proc shows them, for kernels that have no control groups.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "zone.h"

#define KERNEL_THREAD 0x00200000
#define FREEZE_MILLISECONDS 2000

int cgroup_descriptor = -1;

void cgroup_prepare(void)
{
	mkdir("/cgroup", 0700);
	if (mount("cgroup", "/cgroup", "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0 && mkdir("/cgroup/zone", 0755) == 0)
		cgroup_descriptor = open("/cgroup/zone", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Field 9 of /proc/PID/stat are the flags; the name before may hold anything, and ends with the last bracket. */
static bool is_kernel_thread(const char *directory)
{
	struct text path;
	char line[512];
	text_join(&path, "/proc/", directory, "/stat");
	if (read_small_file(text_of(&path), line, sizeof line) <= 0)
		return true;
	char *at = strrchr(line, ')');
	for (int field = 2; at && field < 9; field++)
		at = strchr(at + 1, ' ');
	return !at || (strtoul(at, NULL, 10) & KERNEL_THREAD) != 0;
}

size_t each_process(void (*visit)(pid_t pid, int argument), int argument)
{
	DIR *list = opendir("/proc");
	size_t count = 0;
	uint64_t pid;
	for (struct dirent *entry; list && (entry = readdir(list));) {
		if (!parse_number(entry->d_name, 0x7fffffff, &pid) || pid == 1 || is_kernel_thread(entry->d_name))
			continue;
		if (commit_owns((pid_t)pid))
			continue;
		count++;
		if (visit)
			visit((pid_t)pid, argument);
	}
	if (list)
		closedir(list);
	return count;
}

static void send_signal(pid_t pid, int number)
{
	kill(pid, number);
}

/* Waits until the kernel says so: a process that still writes would be taken out half written. */
void freeze(bool frozen)
{
	char events[128];
	if (cgroup_descriptor < 0 || !write_file("/cgroup/zone/cgroup.freeze", frozen ? "1" : "0")) {
		each_process(send_signal, frozen ? SIGSTOP : SIGCONT);
		return;
	}
	int64_t until = now_milliseconds() + FREEZE_MILLISECONDS;
	while (frozen && now_milliseconds() < until && read_small_file("/cgroup/zone/cgroup.events", events, sizeof events) > 0 &&
		!strstr(events, "frozen 1"))
		usleep(1000);
}
