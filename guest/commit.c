/*
 * COMMIT: the changes of the workload are sent to the host while everything in the zone stands still. A child of init reads
 * them, so that a large file keeps nobody else waiting; it hands over whole frames, of which init sends as many as the
 * host takes.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "zone.h"

#define FRAME_HEADER 8

static struct {
	struct channel *channel; /* NULL: nothing is committed now */
	pid_t pid;
	int frames;
	bool ready, complete; /* complete: the answer has its end */
} commit;

void commit_start(struct channel *channel)
{
	int ends[2];
	if (commit.channel) {
		failed("state", EBUSY, "another commit is under way", "");
		send_failure(channel);
		return;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
		failed("commit", errno, "making a socket", "");
		send_failure(channel);
		return;
	}
	freeze(true);
	pid_t pid = fork();
	int error = errno;
	if (pid == 0) {
		close(ends[0]);
		changes_send(ends[1]);
	}
	close(ends[1]);
	if (pid < 0) { /* the workload has used up all processes there may be */
		failed("commit", error, "starting a process", "");
		send_failure(channel);
		close(ends[0]);
		freeze(false);
		return;
	}
	commit.pid = pid;
	commit.frames = ends[0];
	commit.channel = channel;
	commit.complete = commit.ready = false;
	channel->commits = true;
}

static void finish(void)
{
	close(commit.frames);
	commit.channel->commits = false;
	commit.channel = NULL;
	freeze(false);
}

void commit_work(void)
{
	static uint8_t frame[FRAME_HEADER + FRAME_LIMIT];
	for (int turn = 0; turn < 4 && commit.channel && buffer_length(&commit.channel->out) < QUEUE_HIGH; turn++) {
		ssize_t length = recv(commit.frames, frame, sizeof frame, MSG_DONTWAIT);
		if (length > 0) {
			buffer_append(&commit.channel->out, frame, (size_t)length);
			commit.complete = frame[4] == COMMITTED || frame[4] == FAIL;
		} else if (length == 0 || (errno != EAGAIN && errno != EINTR)) {
			if (!commit.complete) {
				failed("commit", 0, "reading the changes was cut off", "");
				send_failure(commit.channel);
			}
			finish();
		} else
			return;
	}
}

void commit_stop(struct channel *channel)
{
	if (!channel->commits)
		return;
	kill(commit.pid, SIGKILL);
	finish();
}

bool commit_active(void)
{
	return commit.channel != NULL;
}

bool commit_owns(pid_t pid)
{
	return commit.channel != NULL && commit.pid == pid;
}

void commit_watch(struct watch *all)
{
	if (commit.channel && buffer_length(&commit.channel->out) < QUEUE_HIGH)
		watch(all, commit.frames, POLLIN, &commit.ready);
}
