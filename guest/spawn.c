/*
 * How processes get into the zone. Its namespaces are those of its process 1 (see waiting.c), and init starts everything else there as a child of its own: so it knows each by its id, learns how each ends, and need not be told by anybody in the zone.
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

static int own_namespace = -1;

/* A new process, in the zone's control group from its beginning: to be moved there costs the kernel 20 ms. A workload that
 * manages groups of its own may have made that impossible; then the process stays outside. */
pid_t clone_process(uint64_t flags, int *descriptor)
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

/* A child of init in the zone. In the child: 0, and errno tells whether it got in. */
pid_t spawn_inside(void)
{
	pid_t pid = -1;
	int error = 0;
	if (own_namespace < 0)
		own_namespace = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	if (own_namespace < 0 || setns(zone_descriptor, CLONE_NEWPID) != 0)
		return -1;
	pid = clone_process(0, NULL);
	if (pid == 0) {
		errno = setns(zone_descriptor, CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWCGROUP) == 0 ? 0 : errno;
		return 0;
	}
	error = errno;
	setns(own_namespace, CLONE_NEWPID);
	errno = error;
	return pid;
}

bool spawn(struct process *process, const struct program *program, struct streams *streams)
{
	pid_t pid = spawn_inside();
	if (pid == 0) {
		if (errno == 0)
			become(program, streams);
		report_send(streams->report, REPORT_FAILURE, errno, "state", "entering the zone");
		_exit(126);
	}
	int error = errno;
	streams_close(streams);
	if (pid < 0)
		return failed("state", error, "starting a process in the zone", "");
	process->pid = pid;
	return true;
}
