/*
 * The end of a zone: asked for, by a limit of time, or because the workload has ended. Everything in its namespace dies
 * with it; disks are unmounted before the host is told, so that it may cut the machine off; then the machine goes off.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

#include "zone.h"

#define FAREWELL 1000 /* milliseconds that hosts have to hang up */

static int64_t kill_at, off_at;
static bool kill_is_limit;
static uint32_t flags;

static void sooner(int64_t at, bool is_limit)
{
	if (kill_at != 0 && kill_at <= at)
		return;
	kill_at = at;
	kill_is_limit = is_limit;
}

void end_time_limit(uint64_t milliseconds)
{
	if (milliseconds < INT64_MAX / 2)
		sooner(now_milliseconds() + (int64_t)milliseconds, true);
}

void end_request(struct channel *channel, uint32_t signal, uint32_t grace)
{
	channel->awaits_exit = true;
	if (zone_state == ZONE_ENDED) {
		tell_exit(channel);
		return;
	}
	if (workload && !workload->exited && workload->pid > 0 && signal > 0)
		kill(workload->pid, (int)signal);
	sooner(now_milliseconds() + grace, false);
}

void zone_signal(struct channel *channel, uint32_t signal)
{
	struct process *process = channel->process ? channel->process : workload;
	if (process && process->pid > 0 && !process->exited)
		kill(process->pid, (int)signal);
}

void tell_exit(struct channel *channel)
{
	uint8_t payload[12];
	if (!workload || channel->told_exit)
		return;
	int status = workload->status;
	put_number(payload, (uint64_t)(WIFEXITED(status) ? WEXITSTATUS(status) : 0), 4);
	put_number(payload + 4, (uint64_t)(WIFSIGNALED(status) ? WTERMSIG(status) : 0), 4);
	put_number(payload + 8, flags, 4);
	send_message(channel, EXIT, payload, sizeof payload);
	channel->told_exit = true;
}

void reap_children(void)
{
	int status;
	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
		if (pid == zone_process)
			zone_process = 0;
		for (struct process *process = processes; process; process = process->next)
			if (process->pid == pid && !process->exited) {
				process->exited = true;
				process->status = status;
			}
		if (workload && workload->exited && zone_process > 0)
			kill(zone_process, SIGKILL);
	}
}

void end_failed(void)
{
	if (zone_process > 0)
		kill(zone_process, SIGKILL);
	zone_state = ZONE_ENDED;
	off_at = now_milliseconds() + FAREWELL;
	for (struct channel *channel = channels; channel; channel = channel->next)
		channel->told_exit = channel->awaits_exit;
}

static void finish(void)
{
	int status = workload->status;
	if (out_of_memory_kills() > 0)
		flags |= EXIT_OUT_OF_MEMORY;
	volumes_release();
	journal_end(WIFEXITED(status) ? WEXITSTATUS(status) : 0, WIFSIGNALED(status) ? WTERMSIG(status) : 0, (int)flags);
	zone_state = ZONE_ENDED;
	off_at = now_milliseconds() + FAREWELL;
	for (struct channel *channel = channels; channel; channel = channel->next)
		if (channel->awaits_exit)
			tell_exit(channel);
}

static bool somebody_listens(void)
{
	for (struct channel *channel = channels; channel; channel = channel->next)
		if (channel->told_exit || (channel->synced && buffer_length(&channel->out) > 0))
			return true;
	return false;
}

int64_t end_due(void)
{
	if (zone_state == ZONE_ENDED)
		return off_at;
	return kill_at ? kill_at : -1;
}

void end_work(void)
{
	if (zone_state == ZONE_RUNNING && kill_at && now_milliseconds() >= kill_at && !workload->exited) {
		kill_at = 0;
		if (kill_is_limit)
			flags |= EXIT_TIME_LIMIT;
		kill(workload->pid, SIGKILL);
	}
	if (zone_state == ZONE_RUNNING && zone_process == 0 && process_drained(workload) && !commit_active())
		finish();
	if (zone_state == ZONE_ENDED && (now_milliseconds() >= off_at || !somebody_listens())) {
		const char *how = command_line("shale.off");
		reboot(how && strcmp(how, "reboot") == 0 ? RB_AUTOBOOT : RB_POWER_OFF);
	}
}
