/*
 * Terminals: they live in a devpts of the zone's own, of which init holds the other ends. Init makes them, so a program
 * needs nothing of the image to have one.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "zone.h"

bool terminals_mount(void)
{
	mkdir("/pts", 0755);
	if (mount("devpts", "/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5") != 0)
		return failed("mount", errno, "mounting", "devpts");
	return true;
}

void terminal_resize(int terminal, uint16_t rows, uint16_t columns)
{
	struct winsize size = { .ws_row = rows, .ws_col = columns };
	ioctl(terminal, TIOCSWINSZ, &size);
}

int terminal_open(uint16_t rows, uint16_t columns, int *number)
{
	int unlock = 0;
	int terminal = open("/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (terminal < 0)
		return -1;
	if (ioctl(terminal, TIOCSPTLCK, &unlock) != 0 || ioctl(terminal, TIOCGPTN, number) != 0) {
		close(terminal);
		return -1;
	}
	terminal_resize(terminal, rows, columns);
	return terminal;
}

int terminal_slave(int terminal)
{
	return ioctl(terminal, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
}

/* What a user types to end the input, unless the program has given it another meaning; 0: it has. */
char terminal_end_character(int terminal)
{
	struct termios settings;
	if (tcgetattr(terminal, &settings) != 0 || !(settings.c_lflag & ICANON))
		return 0;
	return (char)settings.c_cc[VEOF];
}
