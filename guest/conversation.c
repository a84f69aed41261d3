/*
 * What the host asks for, one message at a time. Each is checked here as far as its form goes; what it does is done where
 * its name says.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "zone.h"

void greet(struct channel *channel, const uint8_t *nonce)
{
	uint8_t welcome[24];
	memcpy(welcome, nonce, 16);
	put_number(welcome + 16, 1, 4);
	put_number(welcome + 20, zone_state, 4);
	channel_forget(channel);
	if (boot_times[TIME_CHANNEL] == 0)
		boot_times[TIME_CHANNEL] = now_nanoseconds(1);
	send_message(channel, WELCOME, welcome, sizeof welcome);
}

void protocol_error(struct channel *channel, const char *why)
{
	channel->synced = false;
	buffer_clear(&channel->message);
	failed("protocol", 0, why, "");
	send_failure(channel);
}

static void refuse(struct channel *channel, const char *why)
{
	failed("state", 0, why, "");
	send_failure(channel);
}

static void boot(struct channel *channel, struct fields fields)
{
	if (zone_state != ZONE_EMPTY) {
		refuse(channel, "an image is mounted already");
		return;
	}
	if (!boot_image(fields)) {
		send_failure(channel);
		channel->awaits_exit = true;
		end_failed();
		return;
	}
	zone_state = ZONE_MOUNTED;
	struct buffer times = { 0 };
	for (int at = 0; at < TIMES; at++)
		add_number_field(&times, (uint8_t)(at + 1), boot_times[at]);
	send_message(channel, BOOTED, times.bytes, buffer_length(&times));
	free(times.bytes);
	channel_flush(channel);
	run_prepare(); /* if it fails, it is done again and told by RUN */
}

static void run(struct channel *channel, struct fields fields)
{
	if (zone_state != ZONE_MOUNTED) {
		refuse(channel, zone_state == ZONE_EMPTY ? "no image is mounted" : "the workload was started already");
		return;
	}
	channel->awaits_exit = true;
	if (!run_zone(channel, fields)) {
		send_failure(channel);
		end_failed();
	}
}

static void execute(struct channel *channel, struct fields fields)
{
	struct program program = { 0 };
	struct field field;
	enum next next;
	bool valid = true;
	while ((next = next_field(&fields, &field)) == FIELD)
		valid = program_field(&program, &field) && valid;
	if (next == BAD_FIELD || !valid || program.first || !program_ready(&program))
		protocol_error(channel, "EXEC has wrong fields");
	else if (zone_state != ZONE_RUNNING || !workload || workload->exited)
		refuse(channel, "no workload runs");
	else if (channel->process || channel->commits)
		refuse(channel, "the conversation has a process already");
	else {
		struct process *process = process_new(channel, false);
		struct streams streams;
		if (!process_open(process, &program, &streams) || !spawn(process, &program, &streams)) {
			send_failure(channel);
			process_remove(process);
		}
	}
	program_free(&program);
}

static void attach(struct channel *channel)
{
	if (zone_state < ZONE_RUNNING || !workload || channel->process) {
		refuse(channel, "there is no workload to attach to");
		return;
	}
	process_attach(workload, channel);
	if (zone_state == ZONE_ENDED)
		tell_exit(channel);
}

void handle(struct channel *channel, uint8_t type, uint8_t *payload, size_t length)
{
	struct fields fields = { payload, length };
	bool valid = true;
	if (type == BOOT)
		boot(channel, fields);
	else if (type == RUN)
		run(channel, fields);
	else if (type == EXEC)
		execute(channel, fields);
	else if (type == ATTACH && (valid = length == 0))
		attach(channel);
	else if (type == STDIN)
		process_input(channel, payload, length);
	else if (type == STDIN_END && (valid = length == 0))
		process_input_end(channel);
	else if (type == WINDOW && (valid = length == 4)) {
		struct process *process = channel->process;
		if (process && process->terminal && process->input >= 0)
			terminal_resize(process->input, (uint16_t)get_number(payload, 2), (uint16_t)get_number(payload + 2, 2));
	} else if (type == SIGNAL && (valid = length == 4 && get_number(payload, 4) <= 64))
		zone_signal(channel, (uint32_t)get_number(payload, 4));
	else if (type == STOP && (valid = length == 8 && get_number(payload, 4) <= 64)) {
		if (zone_state < ZONE_RUNNING)
			refuse(channel, "no workload runs");
		else {
			channel->awaits_exit = true;
			end_request(channel, (uint32_t)get_number(payload, 4), (uint32_t)get_number(payload + 4, 4));
		}
	} else if (type == COMMIT && (valid = length == 0)) {
		if (zone_state != ZONE_RUNNING || channel->commits)
			refuse(channel, "there is nothing to commit");
		else
			commit_start(channel);
	} else if (type == STATUS && (valid = length == 0)) {
		struct buffer status = { 0 };
		status_fields(&status);
		send_message(channel, STATUS_FROM_GUEST, status.bytes, buffer_length(&status));
		free(status.bytes);
	}
	if (!valid)
		protocol_error(channel, "a message has a wrong length");
}
