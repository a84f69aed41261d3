/*
 * The streams of processes: the workload's and those of EXEC. Output goes to whoever is attached, and no faster than that
 * host reads: what cannot be sent stays in the pipe, where the program waits. Nobody attached: it goes on at full speed.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "zone.h"

#define HANG_UP_GRACE 2000

struct process *processes, *workload;

struct process *process_new(struct channel *channel, bool is_workload)
{
	struct process *process = calloc(1, sizeof *process);
	if (!process)
		die("no memory");
	process->input = process->output = process->errors = process->slave = process->report = -1;
	process->channel = channel;
	process->is_workload = is_workload;
	process->next = processes;
	channel->process = process;
	processes = process;
	if (is_workload)
		workload = process;
	return process;
}

static bool pair(int *ours, int *theirs, bool reading)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) != 0)
		return false;
	*ours = ends[reading ? 0 : 1];
	*theirs = ends[reading ? 1 : 0];
	return fcntl(*ours, F_SETFL, O_NONBLOCK) == 0;
}

bool terminal_streams(struct process *process, const struct program *program, struct streams *streams)
{
	*streams = (struct streams){ -1, -1, -1, -1, -1 };
	process->terminal = true;
	process->wants_input = program->input;
	process->output = terminal_open(program->rows, program->columns, &streams->terminal);
	process->input = process->output;
	process->slave = process->output < 0 ? -1 : terminal_slave(process->output);
	return process->slave >= 0 || failed("mount", errno, "opening a terminal", "");
}

bool process_open(struct process *process, const struct program *program, struct streams *streams)
{
	*streams = (struct streams){ -1, -1, -1, -1, -1 };
	process->wants_input = program->input;
	if (program->terminal) {
		if (!terminal_streams(process, program, streams))
			return false;
	} else if (!pair(&process->output, &streams->output, true) || !pair(&process->errors, &streams->errors, true) ||
		(program->input && !pair(&process->input, &streams->input, false)))
		return failed("mount", errno, "making a pipe", "");
	if (!pair(&process->report, &streams->report, true))
		return failed("mount", errno, "making a pipe", "");
	return true;
}

void streams_close(struct streams *streams)
{
	int ends[] = { streams->input, streams->output, streams->errors, streams->report };
	for (size_t at = 0; at < sizeof ends / sizeof *ends; at++)
		if (ends[at] >= 0)
			close(ends[at]);
}

static void shut(int *end)
{
	if (*end >= 0)
		close(*end);
	*end = -1;
}

static void shut_input(struct process *process)
{
	if (process->terminal)
		process->input = -1;
	else
		shut(&process->input);
	buffer_clear(&process->pending);
}

void process_remove(struct process *process)
{
	struct process **link = &processes;
	while (*link != process)
		link = &(*link)->next;
	*link = process->next;
	shut_input(process);
	shut(&process->output);
	shut(&process->errors);
	shut(&process->slave);
	shut(&process->report);
	if (process->channel)
		process->channel->process = NULL;
	free(process->pending.bytes);
	free(process);
}

/* Lets the host send as much input as there is room for. */
static void grant(struct process *process)
{
	size_t taken = process->granted + buffer_length(&process->pending);
	if (!process->channel || !process->started || !process->wants_input || process->input_ended)
		return;
	size_t window = process->channel->kind == CHANNEL_TTY ? LINE_WINDOW : INPUT_WINDOW;
	if (taken > window / 2)
		return;
	send_number(process->channel, GRANT, (uint32_t)(window - taken));
	process->granted += window - taken;
}

void process_attach(struct process *process, struct channel *channel)
{
	if (process->channel)
		process->channel->process = NULL;
	process->channel = channel;
	channel->process = process;
	channel->awaits_exit = true;
	process->granted = 0;
	if (process->started)
		send_number(channel, STARTED, (uint32_t)process->number);
	grant(process);
}

void process_detach(struct channel *channel)
{
	struct process *process = channel->process;
	channel->process = NULL;
	if (!process)
		return;
	process->channel = NULL;
	process->granted = 0;
	if (process->is_workload || process->exited || process->pid == 0)
		return;
	kill(process->pid, SIGHUP);
	process->kill_at = now_milliseconds() + HANG_UP_GRACE;
}

void process_input(struct channel *channel, const uint8_t *bytes, size_t length)
{
	struct process *process = channel->process;
	if (!process || process->input_ended)
		return;
	if (length > process->granted) {
		protocol_error(channel, "more input than was granted");
		return;
	}
	process->granted -= length;
	if (process->input >= 0)
		buffer_append(&process->pending, bytes, length);
}

void process_input_end(struct channel *channel)
{
	struct process *process = channel->process;
	if (process && process->wants_input)
		process->input_ended = true;
}

static void work_input(struct process *process)
{
	struct buffer *pending = &process->pending;
	bool ending = process->input_ended && process->input >= 0;
	while (process->input >= 0 && buffer_length(pending) > 0) {
		ssize_t length = write(process->input, pending->bytes + pending->start, buffer_length(pending));
		if (length > 0)
			buffer_consume(pending, (size_t)length);
		else if (length < 0 && errno == EAGAIN)
			break;
		else if (length == 0 || errno != EINTR)
			shut_input(process); /* nobody reads any more: the rest is for nobody */
	}
	if (ending && process->input >= 0 && buffer_length(pending) == 0) {
		char end = process->terminal ? terminal_end_character(process->input) : 0;
		if (end)
			ending = write(process->input, &end, 1) == 1 || errno != EAGAIN;
		if (ending && !process->terminal)
			shut_input(process);
		if (ending && process->terminal)
			process->input_ended = false, process->wants_input = false;
	}
	grant(process);
}

/* One read of an output. False: there is nothing, or no room for it. */
static bool work_output(struct process *process, int *end, uint8_t type)
{
	static uint8_t bytes[RECORD_LIMIT];
	struct channel *channel = process->channel;
	if (*end < 0 || (channel && buffer_length(&channel->out) >= QUEUE_HIGH))
		return false;
	ssize_t length = read(*end, bytes, sizeof bytes);
	if (length < 0 && (errno == EINTR || (errno == EAGAIN && !process->exited)))
		return false;
	if (length < 0 && errno == EAGAIN && process->is_workload && zone_process != 0)
		return false;
	if (length <= 0) {
		if (process->terminal)
			process->input = -1;
		shut(end);
		return false;
	}
	if (process->is_workload)
		journal_write(type == STDOUT ? 1 : 2, bytes, (size_t)length);
	if (channel)
		send_message(channel, type, bytes, (size_t)length);
	return true;
}

static void work_report(struct process *process)
{
	struct report report;
	for (;;) {
		ssize_t length = read(process->report, &report, sizeof report);
		if (length < 0 && errno == EAGAIN)
			return;
		if (length != sizeof report)
			break;
		if (report.kind == REPORT_NUMBER)
			process->number = report.number;
		if (report.kind == REPORT_FAILURE) {
			report.what[sizeof report.what - 1] = report.text[sizeof report.text - 1] = 0;
			failed(report.what, report.number, report.text, "");
			if (process->is_workload)
				journal_fail();
			if (process->channel)
				send_failure(process->channel);
			process->started = true; /* and has failed: no STARTED */
		}
	}
	shut(&process->report);
	if (process->channel && !process->started)
		send_number(process->channel, STARTED, (uint32_t)process->number);
	process->started = true;
}

bool process_drained(const struct process *process)
{
	return process->exited && process->output < 0 && process->errors < 0 && process->report < 0;
}

static void finish(struct process *process)
{
	uint8_t payload[12];
	int status = process->status;
	put_number(payload, (uint64_t)(WIFEXITED(status) ? WEXITSTATUS(status) : 0), 4);
	put_number(payload + 4, (uint64_t)(WIFSIGNALED(status) ? WTERMSIG(status) : 0), 4);
	put_number(payload + 8, 0, 4);
	if (process->channel)
		send_message(process->channel, EXIT, payload, sizeof payload);
	process_remove(process);
}

void processes_work(void)
{
	for (struct process *process = processes, *next; process; process = next) {
		next = process->next;
		if (process->report >= 0 && (process->report_ready || process->exited))
			work_report(process);
		work_input(process);
		if (process->exited)
			shut(&process->slave);
		/* A turn for each, so that a flood of one does not starve the other. */
		bool ending = process->exited && (!process->is_workload || zone_process == 0);
		for (int turn = 0; turn < 4; turn++) {
			bool more = (process->output_ready || ending) && work_output(process, &process->output, STDOUT);
			more |= (process->errors_ready || ending) && work_output(process, &process->errors, STDERR);
			if (!more)
				break;
		}
		process->output_ready = process->errors_ready = process->report_ready = false;
		if (process->kill_at && now_milliseconds() >= process->kill_at && !process->exited) {
			process->kill_at = 0;
			kill(process->pid, SIGKILL);
		}
		if (!process->is_workload && process_drained(process))
			finish(process);
	}
}
