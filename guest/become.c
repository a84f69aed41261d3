/*
 * The last steps of a process before its program: streams, user, directory, environment. It runs inside the zone already,
 * so everything that it looks up is the zone's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel.h"
#include "zone.h"

#define USUAL_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static _Noreturn void give_up(int report, const char *what, const char *doing, const char *name, int error)
{
	struct text text;
	text_join(&text, doing, *name ? " " : "", name);
	report_send(report, REPORT_FAILURE, error, what, text_of(&text));
	_exit(strcmp(what, "exec") == 0 && (error == ENOENT || error == ENOTDIR) ? 127 : 126);
}

static void default_signals(void)
{
	sigset_t none;
	sigemptyset(&none);
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void connect_streams(const struct streams *streams)
{
	int input = streams->input, output = streams->output, errors = streams->errors;
	if (streams->terminal >= 0) {
		struct text path = { .length = 0 };
		text_add(&path, "/dev/pts/");
		text_number(&path, (uint64_t)streams->terminal);
		input = output = errors = open(text_of(&path), O_RDWR | O_NOCTTY | O_CLOEXEC);
		ioctl(input, TIOCSCTTY, 0);
	} else if (input < 0)
		input = open("/dev/null", O_RDONLY | O_CLOEXEC);
	/* None of the three may be overwritten before it was moved: they are above 2, since init holds 0 to 2. */
	if (dup2(input, 0) < 0 || dup2(output, 1) < 0 || dup2(errors, 2) < 0)
		give_up(streams->report, "exec", "connecting its streams", "", errno);
}

/* So that a program which is not root may open /dev/stdout again. */
static void own_streams(const struct streams *streams, const struct identity *identity)
{
	for (int end = 0; end < 3; end++)
		if (identity->user != 0 && (end > 0 || streams->input >= 0 || streams->terminal >= 0))
			if (fchown(end, identity->user, (gid_t)-1) != 0)
				return;
}

static void make_directory(const char *path)
{
	char part[PATH_MAX];
	size_t length = strlen(path);
	if (length >= sizeof part)
		return;
	for (size_t at = 1; at <= length; at++)
		if (path[at] == '/' || path[at] == 0) {
			memcpy(part, path, at);
			part[at] = 0;
			mkdir(part, 0755);
		}
}

static const char *variable(char *const *list, const char *name)
{
	size_t length = strlen(name);
	for (; list && *list; list++)
		if (strncmp(*list, name, length) == 0 && (*list)[length] == '=')
			return *list + length + 1;
	return NULL;
}

static char *joined(const char *first, const char *second)
{
	char *whole = malloc(strlen(first) + strlen(second) + 1);
	if (!whole)
		_exit(126);
	return strcat(strcpy(whole, first), second);
}

static char **environment(const struct program *program, const struct identity *identity)
{
	char host[HOST_NAME_MAX + 1] = "";
	char **list = calloc(program->variable_count + 5, sizeof *list);
	size_t count = program->variable_count;
	if (!list)
		_exit(126);
	for (size_t at = 0; at < count; at++)
		list[at] = program->variables[at];
	gethostname(host, sizeof host - 1);
	if (!variable(list, "PATH"))
		list[count++] = joined("PATH=", USUAL_PATH);
	if (!variable(list, "HOSTNAME"))
		list[count++] = joined("HOSTNAME=", host);
	if (program->terminal && !variable(list, "TERM"))
		list[count++] = joined("TERM=", "xterm");
	if (!variable(list, "HOME"))
		list[count++] = joined("HOME=", identity->home);
	return list;
}

static bool take_identity(const struct identity *identity)
{
	gid_t groups[1024];
	for (size_t at = 0; at < identity->group_count; at++)
		groups[at] = identity->groups[at];
	return syscall(SYS_setgroups, identity->group_count, groups) == 0 &&
		syscall(SYS_setresgid, identity->group, identity->group, identity->group) == 0 &&
		syscall(SYS_setresuid, identity->user, identity->user, identity->user) == 0;
}

/* As a shell looks for a program. Gives the error that says most. */
static int execute(char *const *arguments, char *const *variables)
{
	const char *name = arguments[0], *path = variable(variables, "PATH");
	char file[PATH_MAX];
	int error = ENOENT;
	if (!*name)
		return ENOENT;
	if (strchr(name, '/')) {
		execve(name, arguments, variables);
		struct stat info;
		/* A script whose interpreter is not there is there itself. */
		return errno == ENOENT && stat(name, &info) == 0 ? ENOEXEC : errno;
	}
	for (const char *end; path; path = *end ? end + 1 : NULL) {
		end = path + strcspn(path, ":");
		size_t length = (size_t)(end - path);
		if (length + strlen(name) + 3 > sizeof file)
			continue;
		memcpy(file, path, length);
		strcpy(file + length, length ? "/" : "./");
		strcat(file, name);
		execve(file, arguments, variables);
		if (errno != ENOENT && errno != ENOTDIR && error == ENOENT)
			error = errno;
		else if (errno == ENOENT && error == ENOENT && access(file, F_OK) == 0)
			error = ENOEXEC;
	}
	return error;
}

_Noreturn void become(const struct program *program, const struct streams *streams)
{
	static struct identity identity;
	const struct rlimit files = { 1024, 524288 };
	const char *directory = program->directory && *program->directory ? program->directory : "/";
	int report = streams->report;
	report_send(report, REPORT_NUMBER, getpid(), "", "");
	default_signals();
	umask(022);
	setsid();
	setrlimit(RLIMIT_NOFILE, &files);
	connect_streams(streams);
	if (!find_user(program->user ? program->user : "", &identity))
		give_up(report, "user", text_of(&failure.text), "", failure.error);
	own_streams(streams, &identity);
	bool there = chdir(directory) == 0;
	if (!there && errno == ENOENT) {
		make_directory(directory);
		there = chdir(directory) == 0;
	}
	if (!take_identity(&identity))
		give_up(report, "user", "becoming the user", program->user, errno);
	if (!there && chdir(directory) != 0)
		give_up(report, "directory", "changing to", directory, errno);
	char **variables = environment(program, &identity);
	give_up(report, "exec", "executing", program->arguments[0], execute(program->arguments, variables));
}
