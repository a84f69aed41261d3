/*
 * The init of a Shale zone: process 1 of the machine, and all that runs in it beside the workload. One loop serves
 * everything and waits for nothing else; what it is told by the host is in doc/format/zone-protocol.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "zone.h"

struct watch {
	struct pollfd *list;
	bool **ready; /* what is set when the descriptor at the same place is ready */
	size_t count, room;
};

const char *command_line(const char *name)
{
	static char line[4096], value[256];
	size_t length = strlen(name);
	if (!line[0])
		read_small_file("/proc/cmdline", line, sizeof line);
	for (const char *word = line; *word; word += strspn(word, " \n")) {
		size_t word_length = strcspn(word, " \n");
		if (word_length > length && strncmp(word, name, length) == 0 && word[length] == '=' && word_length - length < sizeof value) {
			memcpy(value, word + length + 1, word_length - length - 1);
			value[word_length - length - 1] = 0;
			return value;
		}
		word += word_length;
	}
	return NULL;
}

static void mount_own(void)
{
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0 ||
		mount("sys", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0 ||
		mount("dev", "/dev", "devtmpfs", MS_NOSUID | MS_NOEXEC, "mode=755") != 0)
		die("cannot mount /proc, /sys and /dev");
	/* A machine without a console starts init without streams, and what is opened next would get their numbers. */
	int end;
	do
		end = open("/dev/null", O_RDWR);
	while (end >= 0 && end <= 2);
	close(end);
}

static void child_ended(int number)
{
	(void)number; /* it is enough that the wait is interrupted */
}

void watch(struct watch *watch, int fd, short events, bool *ready)
{
	if (watch->count == watch->room) {
		watch->room = watch->room ? watch->room * 2 : 16;
		watch->list = realloc(watch->list, watch->room * sizeof *watch->list);
		watch->ready = realloc(watch->ready, watch->room * sizeof *watch->ready);
		if (!watch->list || !watch->ready)
			die("no memory");
	}
	watch->list[watch->count] = (struct pollfd){ .fd = fd, .events = events };
	watch->ready[watch->count++] = ready;
}

static void watch_all(struct watch *all, bool *channels_ready, bool *ports_ready)
{
	all->count = 0;
	watch(all, channel_events, POLLIN, channels_ready);
	if (port_events >= 0)
		watch(all, port_events, POLLIN, ports_ready);
	commit_watch(all);
	for (struct process *process = processes; process; process = process->next) {
		static bool ignored;
		bool room = !process->channel || buffer_length(&process->channel->out) < QUEUE_HIGH;
		if (process->report >= 0)
			watch(all, process->report, POLLIN, &process->report_ready);
		if (process->output >= 0 && room)
			watch(all, process->output, POLLIN, &process->output_ready);
		if (process->errors >= 0 && room)
			watch(all, process->errors, POLLIN, &process->errors_ready);
		if (process->input >= 0 && buffer_length(&process->pending) > 0)
			watch(all, process->input, POLLOUT, &ignored);
	}
}

static void earlier(int64_t *due, int64_t at)
{
	if (at > 0 && (*due < 0 || at < *due))
		*due = at;
}

/* When something is to be done though nothing happens; -1 never. */
static int64_t next_due(void)
{
	int64_t due = -1;
	earlier(&due, journal_due());
	earlier(&due, end_due());
	for (struct process *process = processes; process; process = process->next)
		earlier(&due, process->kill_at);
	for (struct channel *channel = channels; channel; channel = channel->next) {
		earlier(&due, channel->stale_at);
		earlier(&due, channel->hang_up_at);
		earlier(&due, channel->write_at);
	}
	return due;
}

static void wait_for_something(struct watch *all, const sigset_t *mask)
{
	int64_t due = next_due(), left = due < 0 ? -1 : due - now_milliseconds();
	struct timespec timeout = { .tv_sec = 0 };
	if (left > 0)
		timeout = (struct timespec){ left / 1000, left % 1000 * 1000000 };
	if (ppoll(all->list, all->count, due < 0 ? NULL : &timeout, mask) <= 0)
		return;
	for (size_t at = 0; at < all->count; at++)
		if (all->list[at].revents)
			*all->ready[at] = true;
}

static _Noreturn void serve(void)
{
	struct watch all = { 0 };
	sigset_t blocked, waiting;
	struct sigaction action = { .sa_handler = child_ended };
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGCHLD);
	sigprocmask(SIG_BLOCK, &blocked, &waiting);
	sigaction(SIGCHLD, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	for (;;) {
		bool channels_ready = false, ports_ready = false;
		watch_all(&all, &channels_ready, &ports_ready);
		wait_for_something(&all, &waiting);
		if (ports_ready)
			ports_work();
		reap_children();
		if (channels_ready)
			channel_collect();
		while (channel_work())
			;
		processes_work();
		commit_work();
		journal_flush(false);
		end_work();
		while (channel_work())
			;
	}
}

int main(void)
{
	boot_times[TIME_INIT] = now_nanoseconds(CLOCK_MONOTONIC);
	if (getpid() != 1)
		return 125;
	umask(0);
	mount_own();
	ports_prepare();
	load_modules();
	boot_times[TIME_MODULES] = now_nanoseconds(CLOCK_MONOTONIC);
	ports_open();
	serve();
}
