/*
 * Why something could not be done. One note is enough: whatever fails notes it and gives false, and whoever asked for it
 * tells the host. What cannot be told any more goes to the console as init's last words.
 */
#include <errno.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "zone.h"

struct failure failure;

bool failed(const char *what, int error, const char *doing, const char *name)
{
	failure.what = what;
	failure.error = error;
	text_join(&failure.text, doing, *name ? " " : "", name);
	return false;
}

void failure_fields(struct buffer *out)
{
	add_text_field(out, 1, failure.what);
	add_number_field(out, 2, (uint64_t)failure.error);
	add_text_field(out, 3, text_of(&failure.text));
}

_Noreturn void die(const char *why)
{
	struct text text;
	text_join(&text, "shale-init: ", why, "\n");
	if (write(2, text.bytes, text.length) < 0)
		errno = 0;
	if (getpid() != 1)
		_exit(125);
	const char *how = command_line("shale.off");
	reboot(how && strcmp(how, "reboot") == 0 ? RB_AUTOBOOT : RB_POWER_OFF);
	for (;;)
		pause();
}
