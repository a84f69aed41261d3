/*
 * Process 1 of the workload's namespace, unless the workload wants to be that itself: buries processes that nobody else
 * does, and hands signals that it gets on to the workload. Without it an ordinary program would be process 1, for which
 * signals have no default action. Init ends it when the workload has ended, and everything in the namespace with it.
 */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "zone.h"

/* The first process that init starts in the namespace after this one. */
#define WORKLOAD 2

_Noreturn void reap(void)
{
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	prctl(PR_SET_NAME, "shale-reaper");
	for (;;) {
		siginfo_t info;
		if (sigwaitinfo(&all, &info) < 0)
			continue;
		if (info.si_signo != SIGCHLD)
			kill(WORKLOAD, info.si_signo);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}
