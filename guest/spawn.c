/*
 * How processes get into the zone. Init makes the namespaces once, with the zone's process 1 in them, and starts everything
 * else there as a child of its own: so it knows each by its id, learns how each ends, and need not be told by anybody in the zone.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel.h"
#include "zone.h"

pid_t zone_process;
static int zone_descriptor = -1, own_namespace = -1;

/* A new process, in the zone's control group from its beginning: to be moved there costs the kernel 20 ms. A workload that
 * manages groups of its own may have made that impossible; then the process stays outside. */
static pid_t clone_process(uint64_t flags, int *descriptor)
{
	struct clone_arguments arguments = { .flags = flags, .pidfd = (uintptr_t)descriptor, .exit_signal = SIGCHLD };
	if (cgroup_descriptor >= 0) {
		arguments.flags |= CLONE_INTO_CGROUP;
		arguments.cgroup = (uint64_t)cgroup_descriptor;
		pid_t pid = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
		if (pid >= 0)
			return pid;
		arguments.flags = flags;
		arguments.cgroup = 0;
	}
	return (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
}

void report_send(int report, enum report_kind kind, int number, const char *what, const char *text)
{
	struct report message = { .kind = kind, .number = number };
	strncpy(message.what, what, sizeof message.what - 1);
	strncpy(message.text, text, sizeof message.text - 1);
	if (write(report, &message, sizeof message) != sizeof message)
		_exit(125);
}

static _Noreturn void first_process(struct root *root, const struct program *program, const struct streams *streams, int ready)
{
	unshare(CLONE_NEWCGROUP);
	if (!root_enter(root)) {
		report_send(ready, REPORT_FAILURE, failure.error, failure.what, text_of(&failure.text));
		_exit(125);
	}
	report_send(ready, REPORT_READY, 0, "", "");
	if (program->first)
		become(program, streams);
	chdir("/");
	syscall(SYS_close_range, 0, ~0U, 0);
	reap();
}

bool zone_enter(struct root *root, struct process *process, const struct program *program, struct streams *streams)
{
	int ready[2];
	struct report report;
	own_namespace = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	if (own_namespace < 0 || pipe2(ready, O_CLOEXEC) != 0)
		return failed("mount", errno, "making a pipe", "");
	pid_t pid = clone_process(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_PIDFD, &zone_descriptor);
	if (pid == 0)
		first_process(root, program, streams, ready[1]);
	close(ready[1]);
	if (pid < 0)
		return failed("mount", errno, "making namespaces", "");
	zone_process = pid;
	ssize_t length = read(ready[0], &report, sizeof report);
	close(ready[0]);
	if (length != sizeof report)
		return failed("mount", 0, "the first process has died", "");
	if (report.kind != REPORT_READY)
		return failed(report.what, report.number, report.text, "");
	if (!program->first)
		return spawn(process, program, streams);
	process->pid = pid;
	streams_close(streams);
	return true;
}

bool spawn(struct process *process, const struct program *program, struct streams *streams)
{
	pid_t pid = -1;
	if (setns(zone_descriptor, CLONE_NEWPID) == 0) {
		pid = clone_process(0, NULL);
		if (pid == 0) {
			if (setns(zone_descriptor, CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWCGROUP) != 0) {
				report_send(streams->report, REPORT_FAILURE, errno, "state", "entering the zone");
				_exit(126);
			}
			become(program, streams);
		}
	}
	int error = errno;
	setns(own_namespace, CLONE_NEWPID);
	streams_close(streams);
	if (pid < 0)
		return failed("state", error, "starting a process in the zone", "");
	process->pid = pid;
	return true;
}
