/*
 * The first two processes of a zone, made before the zone is known, so that a saved state has them: process 1 with the
 * namespaces and the root as far as it is the same for all, and the one that becomes the workload. Both wait for the fields
 * of RUN, which init hands on once the pool of randomness and the clock are this zone's; until then they know nothing of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel.h"
#include "zone.h"

pid_t zone_process;
int zone_descriptor = -1;

static pid_t workload_process;
static struct process ends;    /* init's ends of what follows */
static struct streams streams; /* of the workload, if it has no terminal */
static int orders[2] = { -1, -1 }, answers = -1; /* process 1 and the workload are told; process 1 answers */

/* What precedes the fields. */
struct order {
	uint32_t length;
	int32_t terminal; /* of the workload, or -1 */
};

static bool read_all(int from, void *into, size_t length)
{
	for (size_t done = 0; done < length;) {
		ssize_t part = read(from, (char *)into + done, length - done);
		if (part <= 0 && !(part < 0 && errno == EINTR))
			return false;
		done += part > 0 ? (size_t)part : 0;
	}
	return true;
}

static bool write_all(int to, const void *from, size_t length)
{
	for (size_t done = 0; done < length;) {
		ssize_t part = write(to, (const char *)from + done, length - done);
		if (part < 0 && errno != EINTR)
			return false;
		done += part > 0 ? (size_t)part : 0;
	}
	return true;
}

/* Init gives up what it has made, or ends, without a word to those who wait. */
static struct plan *wait_for_plan(int order_end)
{
	struct order order;
	if (!read_all(order_end, &order, sizeof order))
		_exit(0);
	struct fields fields = { malloc(order.length), order.length };
	if (!fields.bytes || !read_all(order_end, fields.bytes, fields.length))
		_exit(125);
	close(order_end);
	struct plan *plan = plan_read(fields);
	if (!plan || !plan->valid)
		_exit(125);
	plan->root.console = plan->program.terminal;
	plan->root.terminal = order.terminal;
	plan->root.directory = plan->program.directory;
	streams.terminal = order.terminal;
	if (!plan->program.input || plan->program.terminal)
		streams.input = -1;
	return plan;
}

static _Noreturn void refuse(int answer)
{
	report_send(answer, REPORT_FAILURE, failure.error, failure.what, text_of(&failure.text));
	_exit(125);
}

static _Noreturn void first_process(int order, int answer)
{
	unshare(CLONE_NEWCGROUP);
	if (!root_enter())
		refuse(answer);
	report_send(answer, REPORT_READY, 0, "", "");
	struct plan *plan = wait_for_plan(order);
	if (!root_furnish(&plan->root))
		refuse(answer);
	report_send(answer, REPORT_READY, 0, "", "");
	if (plan->program.first)
		become(&plan->program, &streams);
	syscall(SYS_close_range, 0, ~0U, 0);
	reap();
}

static _Noreturn void second_process(int order)
{
	static struct identity root;
	int error = errno;
	if (error == 0)
		find_user("", &root); /* the image's files are read by then */
	struct plan *plan = wait_for_plan(order);
	if (error == 0)
		become(&plan->program, &streams);
	report_send(streams.report, REPORT_FAILURE, error, "state", "entering the zone");
	_exit(126);
}

static bool expect_ready(void)
{
	struct report report;
	if (!read_all(answers, &report, sizeof report))
		return failed("mount", 0, "the first process has died", "");
	return report.kind == REPORT_READY || failed(report.what, report.number, report.text, "");
}

static bool order_pipe(int pipe_ends[2])
{
	return pipe2(pipe_ends, O_CLOEXEC) == 0 || failed("mount", errno, "making a pipe", "");
}

static bool prepare(void)
{
	const struct program any = { .input = true };
	int first[2], second[2], answer[2];
	ends = (struct process){ .input = -1, .output = -1, .errors = -1, .slave = -1, .report = -1 };
	if (!process_open(&ends, &any, &streams) || !order_pipe(first))
		return false;
	orders[0] = first[1];
	if (!order_pipe(second))
		return false;
	orders[1] = second[1];
	if (!order_pipe(answer))
		return false;
	answers = answer[0];
	zone_process = clone_process(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_PIDFD, &zone_descriptor);
	if (zone_process == 0) {
		close(orders[0]);
		close(orders[1]);
		first_process(first[0], answer[1]);
	}
	int error = errno;
	close(first[0]);
	close(answer[1]);
	if (zone_process < 0)
		return failed("mount", error, "making namespaces", "");
	if (!expect_ready())
		return false;
	workload_process = spawn_inside();
	if (workload_process == 0) {
		close(orders[1]);
		second_process(second[0]);
	}
	error = errno;
	close(second[0]);
	return workload_process > 0 || failed("state", error, "starting a process in the zone", "");
}

bool zone_prepare(void)
{
	if (zone_process > 0)
		return true;
	bool prepared = prepare();
	if (!prepared)
		zone_discard();
	return prepared;
}

static void put_down(pid_t *pid)
{
	if (*pid > 0) {
		kill(*pid, SIGKILL);
		waitpid(*pid, NULL, 0);
	}
	*pid = 0;
}

static void shut(int *end)
{
	if (*end >= 0)
		close(*end);
	*end = -1;
}

void zone_discard(void)
{
	int *all[] = { &orders[0], &orders[1], &answers, &zone_descriptor, &ends.input, &ends.output, &ends.errors, &ends.report };
	put_down(&workload_process);
	put_down(&zone_process);
	for (size_t at = 0; at < sizeof all / sizeof *all; at++)
		shut(all[at]);
	streams_close(&streams);
}

/* A terminal takes the place of the pipes. */
static bool take_ends(struct process *process, const struct program *program)
{
	process->report = ends.report;
	ends.report = -1;
	if (program->terminal) {
		struct streams own;
		shut(&ends.input);
		shut(&ends.output);
		shut(&ends.errors);
		bool opened = terminal_streams(process, program, &own);
		streams.terminal = own.terminal;
		return opened;
	}
	process->wants_input = program->input;
	process->output = ends.output;
	process->errors = ends.errors;
	if (program->input)
		process->input = ends.input;
	else
		shut(&ends.input);
	ends.input = ends.output = ends.errors = -1;
	return true;
}

static bool tell(int *order_end, struct fields fields)
{
	struct order order = { (uint32_t)fields.length, streams.terminal };
	bool told = write_all(*order_end, &order, sizeof order) && write_all(*order_end, fields.bytes, fields.length);
	shut(order_end);
	return told || failed("mount", 0, "the first process has died", "");
}

bool zone_start(struct process *process, const struct program *program, struct fields fields)
{
	bool started = take_ends(process, program);
	if (started && program->first)
		put_down(&workload_process);
	started = started && tell(&orders[0], fields) && expect_ready() && (program->first || tell(&orders[1], fields));
	process->pid = program->first ? zone_process : workload_process;
	workload_process = 0;
	shut(&orders[1]);
	shut(&answers);
	streams_close(&streams);
	return started;
}
